"""Runs PyKeOps' own examples on small data and writes its numbers, which the tests compare.

    python reference.py       writes ranges.json and batches.json beside this file; needs PyKeOps
                              2.3 and NumPy

The data are formulas that Python and R compute alike (see `normal`, `clouds` and `waves`), rounded
to odd multiples of 2^-13, so that they are the same numbers in single and in double precision,
whatever the last bit of sin and log.  Nested lists hold arrays in Python's order; NaN is null, and
infinity a string.  Everything is in PyKeOps' conventions: indices count from 0, and intervals
exclude their end.

ranges.json   block-sparse reductions: the example "Block-sparse reductions" of pykeops.numpy
              (plot_grid_cluster_numpy.py) with fewer points, other numbers for the random ones and
              more reductions, and the examples in the documentation of pykeops.numpy.cluster
batches.json  batches: the section "Batch processing" of the tutorial on LazyTensors
              (plot_lazytensors_a.py), test_LazyTensor_sum of PyKeOps' tests (test_numpy.py), the
              test with two dimensions that are broadcast (test_lazytensor_gaussian_batch.py), and
              calls of Genred; with fewer points, and compared with a dense computation by NumPy.
              A list of cases:
                name, formula, reduction, axis, opt_arg, formula2    for Genred
                gradient  null, or the variable by which the gradient of the reduction over j is
                          taken, in the shape of its argument: the sum over the elements of the
                          batch that share it.  The last argument is then the incoming gradient.
                args      one each: alias, shape, and the numbers of `waves` that make its values
                shape     of the result: batch dimensions, rows, columns
                expected  for each type the result, flat, the last dimension varying fastest
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


# ---- batches ------------------------------------------------------------------------------------

def waves(shape, frequency, offset=0, scale=1):
    """offset + scale * sin(frequency * k), k = 1, 2, ...; the last dimension varies fastest."""
    k = np.arange(1, np.prod(shape) + 1)
    return (offset + scale * rounded(np.sin(frequency * k))).reshape(shape)


def argument(alias, shape, frequency, offset=0, scale=1):
    return {"alias": alias, "shape": shape, "frequency": frequency, "offset": offset,
            "scale": scale}


def pairs(args, dtype):
    """LazyTensors, or arrays that broadcast alike: axes for i and j inserted."""
    out = []
    for a in args:
        v = waves(a["shape"], a["frequency"], a["offset"], a["scale"]).astype(dtype)
        kind = a["alias"].split("=")[1].strip()[:2]
        out.append({"Vi": v[..., None, :] if v.ndim > 1 else v, "Vj": v[..., None, :, :],
                    "Pm": v[..., None, None, :]}[kind])
    return out


def batch_case(name, formula, args, dense, reduction="Sum", axis=1, lazy=None, opt_arg=None,
               formula2=None, gradient=None, shared=()):
    """One case.  dense: the result by NumPy, of arguments with axes for i and j; lazy: the example
    with LazyTensors, else Genred is called; gradient: the variable by which the gradient is taken;
    `axis` is then the index that it has not, and shared the batch dimensions that it has not."""
    aliases = [a["alias"] for a in args]
    expected = {}
    for dtype in TYPES:
        op = Genred(f"Grad({formula}, {gradient}, e)" if gradient else formula, aliases,
                    reduction_op=reduction, axis=axis, opt_arg=opt_arg, formula2=formula2)
        values = [waves(a["shape"], a["frequency"], a["offset"], a["scale"]).astype(dtype)
                  for a in args]
        found = op(*values, backend="CPU")
        if lazy is not None:
            by_lazy = lazy(*(LazyTensor(v) for v in pairs(args, dtype)))
            assert by_lazy.shape == found.shape and np.allclose(by_lazy, found, 1e-5)
            found = by_lazy
        found = found.sum(axis=shared, keepdims=True) if shared else found
        right = dense(*pairs(args, "float64"))
        assert right.shape == found.shape, (name, right.shape, found.shape)
        error = np.abs(right - found).max() / np.abs(right).max()
        assert error < {"float32": 1e-5, "float64": 1e-12}[dtype], (name, dtype, error)
        expected[dtype] = found
    return {"name": name, "formula": formula, "reduction": reduction,
            "axis": 1 if gradient else axis, "opt_arg": opt_arg, "formula2": formula2,
            "gradient": gradient, "args": args, "shape": found.shape,
            "expected": {dtype: value.ravel() for dtype, value in expected.items()}}


def tutorial():
    a, b, m, n, d = 7, 3, 6, 5, 3
    args = [argument("x = Vi(3)", (a, b, m, d), 1.1), argument("l = Vi(3)", (1, 1, m, d), 1.7),
            argument("y = Vj(3)", (1, b, n, d), 2.3),
            argument("s = Pm(1)", (a, 1, 1), 0.9, 0.5, 0.5)]

    def example(dim):
        def run(x_i, l_i, y_j, s):
            d_ij = ((l_i * x_i - y_j) ** 2).sum(-1)
            return (-1.6 * d_ij / (1 + s ** 2)).sum(dim=dim)
        return run

    def dense(dim):
        def run(x, l, y, s):
            d_ij = ((l * x - y) ** 2).sum(-1, keepdims=True)
            return (-1.6 * d_ij / (1 + s ** 2)).sum(dim)
        return run

    formula = "-8 * SqDist(l*x, y) / (5 * (1 + Square(s)))"  # Genred takes no fractions
    return [batch_case("tutorial, over j", formula, args, dense(3), lazy=example(3)),
            batch_case("tutorial, over i", formula, args, dense(2), axis=0, lazy=example(2))]


def lazy_tensor_sum():
    a, b, m, n, d = 4, 6, 5, 6, 3
    args = [argument("x = Vi(3)", (a, 1, m, d), 1.3), argument("l = Vi(1)", (1, b, m, 1), 1.9),
            argument("y = Vj(3)", (1, b, n, d), 0.7),
            argument("s = Pm(1)", (a, b, 1), 2.9, 1.5, 0.5)]

    def example(x_i, l_i, y_j, s_p):
        return (1 / (1 + ((l_i + x_i * y_j) ** 2 + s_p).sum(-1)).exp()).sum(3)

    def dense(x, l, y, s):
        return np.exp(-1 - ((l + x * y) ** 2 + s).sum(-1, keepdims=True)).sum(3)

    return [batch_case("test_LazyTensor_sum", "1 / Exp(1 + Sum(Square(l + x*y) + s))", args, dense,
                       lazy=example)]


def gaussian_batch():
    b1, b2, m, n, d, dv = 3, 4, 6, 7, 3, 2
    x = argument("x = Vi(3)", (1, b2, m, d), 1.2, 0, 0.5)
    y = argument("y = Vj(3)", (b1, b2, n, d), 1.6, 0, 0.5)
    b = argument("b = Vj(2)", (b1, 1, n, dv), 2.1)
    e = argument("e = Vi(2)", (b1, b2, m, dv), 0.8)
    formula = "Exp(-SqDist(x,y)) * b"

    def kernel(x, y):
        return np.exp(-((x - y) ** 2).sum(-1, keepdims=True))

    def example(x_i, y_j, b_j):
        return ((-((x_i - y_j) ** 2).sum(dim=4)).exp() * b_j).sum(dim=3)

    def by_x(x, y, b, e):
        slope = -2 * (x - y) * kernel(x, y) * (b * e).sum(-1, keepdims=True)
        return slope.sum((0, 3), keepdims=True).squeeze(3)

    return [
        batch_case("gaussian_batch", formula, [x, y, b],
                   lambda x, y, b: (kernel(x, y) * b).sum(3), lazy=example),
        batch_case("gaussian_batch, gradient by b", formula, [x, y, b, e],
                   lambda x, y, b, e: (kernel(x, y) * e).sum((1, 2), keepdims=True).squeeze(2),
                   axis=0, gradient="b", shared=(1,)),
        batch_case("gaussian_batch, gradient by x", formula, [x, y, b, e], by_x, gradient="x",
                   shared=(0,)),
    ]


def reductions():
    """Genred with a batch dimension, of which some arguments have one element only."""
    b, m, n, d = 5, 6, 8, 2
    x, y = argument("x = Vi(2)", (b, m, d), 1.4), argument("y = Vj(2)", (1, n, d), 2.6)
    w = argument("w = Vj(3)", (b, n, 3), 0.6)
    g = argument("g = Pm(1)", (b, 1), 1.8, 1.5, 0.5)

    def squares(x, y):
        return ((x - y) ** 2).sum(-1, keepdims=True)

    def softmax(x, y, g, w):
        p = np.exp(-g * squares(x, y))
        return (p * w).sum(2) / p.sum(2)

    return [
        batch_case("LogSumExp", "-g*SqDist(x,y)", [x, y, g],
                   lambda x, y, g: np.log(np.exp(-g * squares(x, y)).sum(2)), "LogSumExp"),
        batch_case("SumSoftMaxWeight", "-g*SqDist(x,y)", [x, y, g, w], softmax,
                   "SumSoftMaxWeight", formula2="w"),
        batch_case("Max over i", "SqDist(x,y)", [x, y], lambda x, y: squares(x, y).max(1), "Max",
                   axis=0),
        batch_case("ArgMin", "SqDist(x,y)", [x, y], lambda x, y: squares(x, y).argmin(2),
                   "ArgMin"),
        batch_case("ArgKMin", "SqDist(x,y)", [x, y],
                   lambda x, y: np.argsort(squares(x, y)[..., 0], 2)[..., :3], "ArgKMin",
                   opt_arg=3),
    ]


def batches():
    return tutorial() + lazy_tensor_sum() + gaussian_batch() + reductions()


if __name__ == "__main__":
    write("batches.json", batches())
    write("ranges.json", {"documented": documented(), "block_sparse": block_sparse(200, 160)})
