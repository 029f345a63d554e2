"""The Python sides of the benchmark: PyKeOps, NumPy and scikit-learn, timed on request so that all sides take turns.

    peers.py ANSWERS        requests are lines on stdin, answers are lines written to the file (a fifo) ANSWERS

    prepare KEY=VALUE ...   (separated by tabs) reads the variables (doubles, by columns) from `folder`, compiles, warms up,
                            and writes the result of the side to folder/CALL.bin; with the key `ranges` also reads the parts
                            of `ranges`, in the conventions of PyKeOps.  Answer: ok, missing or failed
    time CALL               calls once more.  Answer: seconds
    forget                  drops the calls that were prepared, and their data.  Answer: ok
Threads, compiler flags and the cache of PyKeOps are in the environment: OMP_NUM_THREADS, CXXFLAGS, KEOPS_CACHE_FOLDER.
"""
import importlib
import os
import sys
import time
import traceback

os.environ.setdefault("PYKEOPS_VERBOSE", "0")


def module(name):
    """None where it is not there; PyKeOps runs the compiler when it is imported, so that anything may go wrong."""
    try:
        return importlib.import_module(name)
    except Exception:
        traceback.print_exc()
        return None


np = module("numpy")
CHUNK = 2560000  # elements of a chunk of the dense matrix: 256 rows of 1e4 columns


def keops(case, v, scheme="auto"):
    op = module("pykeops.numpy").Genred(
        case["formula"], case["aliases"].split(";"), reduction_op=case["reduction"], axis=1,
        opt_arg=int(case["k"]) if "k" in case else None, formula2=case.get("formula2"), sum_scheme=scheme)
    args = [v[alias.split("=")[0].strip().lower()] for alias in case["aliases"].split(";")]
    ranges = read_ranges(case) if "ranges" in case else None
    return lambda: op(*args, backend="CPU", ranges=ranges)


# Functions of a chunk s of squared distances, which they may overwrite: the kernel, or half its
# slope times two.

def gaussian(s, g):
    return np.exp(np.negative(s, out=s), out=s)


def distance(s):
    return np.sqrt(np.maximum(s, 0, out=s), out=s)


def laplace(s, g):
    return np.exp(np.negative(distance(s), out=s), out=s)


def multiquadric(s, g):
    s += 1
    return np.reciprocal(np.sqrt(s, out=s), out=s)


def matern32(s, g):
    r = distance(s)
    r *= g
    return (1 + r) * np.exp(-r)


def matern52(s, g):
    r = distance(s)
    r *= g
    return (1 + r + r * r / 3) * np.exp(-r)


def cauchy(s, g):
    s += 1
    return np.reciprocal(s, out=s)


def energy(s, g):
    return np.negative(distance(s), out=s)


def gaussian_slope(s, g):
    return -2 * gaussian(s, g)


def laplace_slope(s, g):
    r = distance(s)
    return -np.exp(-r) / r


def cauchy_slope(s, g):
    return -2 * cauchy(s, g) ** 2


KERNELS = {f.__name__: f for f in (gaussian, laplace, multiquadric, matern32, matern52, cauchy, energy)}
SLOPES = {"gaussian_x": gaussian_slope, "laplace_x": laplace_slope, "cauchy_x": cauchy_slope}


def dense_kernel(name):
    return lambda s, x, v, h: KERNELS[name](s, v["g"]) @ v["b"]


def dense_gradient(name):
    def run(s, x, v, h):
        w = SLOPES[name](s, v["g"])
        w *= h @ v["b"].T
        return x * w.sum(1, keepdims=True) - w @ v["y"]
    return run


def dense_logsumexp(s, x, v, h):
    np.negative(s, out=s)
    top = s.max(axis=1, keepdims=True)
    s -= top
    return np.log(np.exp(s, out=s).sum(axis=1, keepdims=True)) + top


def dense_softmax(s, x, v, h):
    s = x @ v["y"].T
    s -= s.max(axis=1, keepdims=True)
    np.exp(s, out=s)
    return (s @ v["b"]) / s.sum(axis=1, keepdims=True)


def dense_nearest(s, x, v, h):
    k = np.argpartition(s, 9, axis=1)[:, :10]
    return np.take_along_axis(k, np.argsort(np.take_along_axis(s, k, 1), axis=1, kind="stable"), 1)


DENSE = {
    "logsumexp": dense_logsumexp,
    "softmax": dense_softmax,
    "nearest": dense_nearest,
    "min": lambda s, x, v, h: s.min(axis=1, keepdims=True),
    "max": lambda s, x, v, h: s.max(axis=1, keepdims=True),
    "argmin": lambda s, x, v, h: s.argmin(axis=1)[:, None],
    "kmin100": lambda s, x, v, h: np.sort(np.partition(s, 99, axis=1)[:, :100], axis=1),
}
DENSE.update({name: dense_kernel(name) for name in KERNELS})
DENSE.update({name: dense_gradient(name) for name in SLOPES})


def numpy_dense(case, v):
    x, y, h = v["x"], v["y"], v["h"]
    dense = DENSE[case["work"]]
    needs_distances = case["work"] != "softmax"
    rows = max(1, CHUNK // len(y))

    def distances(c, yy):
        s = (-2 * c) @ y.T
        s += yy
        s += (c * c).sum(1)[:, None]
        return s

    def run():
        yy = (y * y).sum(1)
        chunks = [(x[i:i + rows], h[i:i + rows]) for i in range(0, len(x), rows)]
        return np.concatenate([dense(distances(c, yy) if needs_distances else None, c, v, hh) for c, hh in chunks])
    return run


def sklearn_brute(case, v):
    neighbors = module("sklearn.neighbors").NearestNeighbors(n_neighbors=int(case.get("k", 1)), algorithm="brute")
    return lambda: neighbors.fit(v["y"]).kneighbors(v["x"], return_distance=False)


SIDES = {
    "keops": ("pykeops.numpy", keops),
    "tuned": ("pykeops.numpy", keops),
    "direct": ("pykeops.numpy", lambda case, v: keops(case, v, "direct_sum")),
    "numpy": ("numpy", numpy_dense),
    "sklearn": ("sklearn.neighbors", sklearn_brute),
}
calls, variables = {}, {}


def read_variables(case):
    m, n, d, e = (int(case[key]) for key in "mnde")
    sizes = {"x": (m, d), "y": (n, d), "b": (n, e), "h": (m, e), "g": (1, 1)}
    for name, (rows, columns) in sizes.items():
        data = np.fromfile(os.path.join(case["folder"], name + ".bin"), np.float64).reshape(columns, rows).T
        variables[name] = np.ascontiguousarray(data, case["dtype"])
    variables["g"] = variables["g"].ravel()


def read_ranges(case):
    def read(part):
        return np.fromfile(os.path.join(case["folder"], part + ".bin"), np.float64).astype(np.int64)

    def intervals(part):
        return np.ascontiguousarray(read(part).reshape(2, -1).T)
    return (intervals("ranges_i"), read("slices_i"), intervals("redranges_j"),
            intervals("ranges_j"), read("slices_j"), intervals("redranges_i"))


def prepare(words):
    case = dict(word.split("=", 1) for word in words)
    needed, maker = SIDES[case["side"]]
    if np is None or module(needed) is None:
        return "missing"
    try:
        if not variables:
            read_variables(case)
        call = maker(case, variables)
        np.asfortranarray(call(), np.float64).T.tofile(os.path.join(case["folder"], case["call"] + ".bin"))
        calls[case["call"]] = call
        return "ok"
    except Exception:
        traceback.print_exc()
        return "failed"


def forget(words):
    calls.clear()
    variables.clear()
    return "ok"


def once(words):
    start = time.perf_counter()
    calls[words[0]]()
    return time.perf_counter() - start


def main():
    requests = {"prepare": prepare, "forget": forget, "time": once}
    with open(sys.argv[1], "w", buffering=1) as answers:
        for line in sys.stdin:
            word = line.rstrip("\n").split("\t")
            print(requests[word[0]](word[1:]), file=answers)


main()
