"""Runs PyKeOps' own examples on small data and writes its numbers, which the tests compare.

    python reference.py       writes ranges.json beside this file; needs PyKeOps 2.3 and NumPy

The data are formulas that Python and R compute alike (see `normal` and `clouds`), rounded to odd
multiples of 2^-13, so that they are the same numbers in single and in double precision, whatever
the last bit of sin and log.  Nested lists hold arrays in Python's order; NaN is null, and infinity
a string.  Everything is in PyKeOps' conventions: indices count from 0, and intervals exclude their
end.

ranges.json   block-sparse reductions: the example "Block-sparse reductions" of pykeops.numpy
              (plot_grid_cluster_numpy.py) with fewer points, other numbers for the random ones and
              more reductions, and the examples in the documentation of pykeops.numpy.cluster
"""
import json
import os

import numpy as np
from pykeops.numpy import Genred, LazyTensor
from pykeops.numpy.cluster import (cluster_centroids, cluster_ranges, cluster_ranges_centroids,
                                   from_matrix, grid_cluster, sort_clusters, swap_axes)

TYPES = ("float32", "float64")
PARTS = ("ranges_i", "slices_i", "redranges_j", "ranges_j", "slices_j", "redranges_i")


def rounded(x):
    return (np.floor(4096 * x) + 0.5) / 4096


def normal(n, a, b):
    """n points distributed like normal ones: Box and Muller's transform of two sequences."""
    k = np.arange(1, n + 1)
    radius = np.sqrt(-2 * np.log((a * k) % 1))
    angle = 2 * np.pi * ((b * k) % 1)
    return np.stack((radius * np.cos(angle), radius * np.sin(angle)), 1)


def plain(x):
    """Arrays as nested lists; numbers of single precision with the digits that they have."""
    if isinstance(x, dict):
        return {name: plain(value) for name, value in x.items()}
    if isinstance(x, (list, tuple)) or getattr(x, "ndim", 0):
        return [plain(value) for value in x]
    if isinstance(x, np.float32):
        x = float(str(x))
    if isinstance(x, float) and not np.isfinite(x):
        return None if np.isnan(x) else str(x).replace("inf", "Infinity")
    return x.item() if isinstance(x, np.generic) else x


def write(name, content):
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    with open(path, "w") as file:
        json.dump(plain(content), file, separators=(",", ":"))
        file.write("\n")
    print(name, os.path.getsize(path), "bytes")


# ---- the examples in the documentation of the helpers -------------------------------------------

def documented():
    x = np.array([[0.], [.1], [.9], [.05], [.5]])
    five = np.array([[0.], [5.], [.4], [.3], [2.]])
    lab = np.array([0, 2, 0, 0, 1])
    sorted_x, sorted_lab = sort_clusters(five, lab)
    centres = np.array([[0.], [1.], [4.], [5.], [6.]])
    centre_lab = np.array([0, 0, 1, 1, 1])
    centre_weights = np.array([.5, .5, 2., 1., 1.])
    both = np.array([[0.], [.5], [1.], [2.], [3.]])
    both_lab = np.array([0, 0, 1, 1, 1])
    both_weights = np.array([1., .5, 1., 1., 10.])
    r_i = np.array([[2, 5], [7, 12]])
    r_j = np.array([[1, 4], [4, 9], [20, 30]])
    keep = (np.array([1., 0.])[:, None] - np.array([1.5, .5, 2.5])[None, :]) ** 2 <= 1
    made = from_matrix(r_i, r_j, keep)

    def described(*args, **weights):
        return dict(zip(("ranges", "centroids", "weights"),
                        cluster_ranges_centroids(*args, **weights)))

    return {
        "grid_cluster": {"x": x, "size": .2, "labels": grid_cluster(x, .2)},
        "sort_clusters": {
            "x": five, "labels": lab, "sorted_x": sorted_x, "sorted_labels": sorted_lab},
        "cluster_ranges": {"labels": sorted_lab, "ranges": cluster_ranges(sorted_lab)},
        "cluster_centroids": {
            "x": centres, "labels": centre_lab, "weights": centre_weights,
            "centroids": cluster_centroids(centres, centre_lab, weights=centre_weights)},
        "cluster_ranges_centroids": {
            "x": both, "labels": both_lab, "weights": both_weights,
            "plain": described(both, both_lab),
            "weighed": described(both, both_lab, weights=both_weights)},
        "from_matrix": {
            "ranges_i": r_i, "ranges_j": r_j, "keep": keep, "made": dict(zip(PARTS, made)),
            "swapped": dict(zip(PARTS, swap_axes(made)))},
    }


# ---- the example of a block-sparse Gaussian -----------------------------------------------------

def clouds(m, n):
    t = 2 * np.pi * np.arange(m) / m
    x = np.stack((0.4 + 0.4 * (t / 7) * np.cos(t), 0.5 + 0.3 * np.sin(t)), 1)
    x = x + 0.01 * normal(m, np.sqrt(2), np.sqrt(3))
    y = normal(n, np.sqrt(5), np.sqrt(7)) / 10 + 0.6
    b = np.sin(1.3 * np.arange(1, n + 1))[:, None]
    e = np.cos(0.7 * np.arange(1, m + 1))[:, None]  # for reductions over i and gradients
    return rounded(x), rounded(y), rounded(b), rounded(e)


def clearly(distance):
    """Which cell a point is in, and whether blocks are near, must not hang on the last bit."""
    assert np.abs(distance).min() > 1e-6, np.abs(distance).min()


def unsorted(a, order):
    out = np.empty_like(a)
    out[order] = a
    return out


def block_sparse(m, n, eps=0.05, sigma=0.05):
    x, y, b, e = clouds(m, n)
    for z in (x, y):
        clearly(z / eps - np.round(z / eps))
    x_labels, y_labels = grid_cluster(x, eps), grid_cluster(y, eps)
    x_ranges, x_centroids, x_weights = cluster_ranges_centroids(x, x_labels)
    y_ranges, y_centroids, _ = cluster_ranges_centroids(y, y_labels)
    # with the order of the points of a cluster, which sort_clusters leaves open
    (x, e, x_order), _ = sort_clusters((x, e, np.arange(m)), x_labels)
    (y, b, y_order), _ = sort_clusters((y, b, np.arange(n)), y_labels)
    d = np.sum((x_centroids[:, None, :] - y_centroids[None, :, :]) ** 2, 2)
    clearly(d - (4 * sigma) ** 2)
    keep = d < (4 * sigma) ** 2
    ranges = from_matrix(x_ranges, y_ranges, keep)
    areas = np.diff(x_ranges) * np.diff(y_ranges).T
    results = {}
    for dtype in TYPES:
        x_, y_, b_, e_ = (z.astype(dtype) for z in (x / sigma, y / sigma, b, e))
        d_ij = ((LazyTensor(x_[:, None, :]) - LazyTensor(y_[None, :, :])) ** 2).sum(dim=2)
        k = (-d_ij / 2).exp()
        k.backend = "CPU"
        full = k @ b_
        k.ranges = ranges
        kept = k @ b_

        def reduce(formula, reduction, axis, *args, **more):
            aliases = ["x = Vi(2)", "y = Vj(2)", "b = Vj(1)", "e = Vi(1)"][:2 + len(args)]
            op = Genred(formula, aliases, reduction_op=reduction, axis=axis, **more)
            return unsorted(op(x_, y_, *args, backend="CPU", ranges=ranges),
                            x_order if axis == 1 else y_order)

        index = reduce("SqDist(x,y)", "ArgKMin", 1, opt_arg=3).astype(int)
        results[dtype] = {
            "full": unsorted(full, x_order),
            "kept": unsorted(kept, x_order),
            "kept_i": reduce("Exp(-SqDist(x,y)/2) * (e + 0*b)", "Sum", 0, b_, e_),
            "gradient_x": reduce("Grad(Exp(-SqDist(x,y)/2) * b, x, e)", "Sum", 1, b_, e_),
            "gradient_y": reduce("Grad(Exp(-SqDist(x,y)/2) * b, y, e)", "Sum", 0, b_, e_),
            "logsumexp": reduce("-SqDist(x,y)/2", "LogSumExp", 1),
            "min": reduce("SqDist(x,y)", "Min", 1),
            "argkmin": y_order[index],
        }
    return {
        "m": m, "n": n, "eps": eps, "sigma": sigma,
        "x_labels": x_labels, "y_labels": y_labels, "x_ranges": x_ranges, "y_ranges": y_ranges,
        "x_centroids": x_centroids, "y_centroids": y_centroids, "x_weights": x_weights,
        "keep": [np.flatnonzero(row) for row in keep],
        "kept_pairs": int(np.sum(areas[keep])), "ranges": dict(zip(PARTS, ranges)),
        "results": results,
    }


if __name__ == "__main__":
    write("ranges.json", {"documented": documented(), "block_sparse": block_sparse(200, 160)})
