"""The Python side of bench.R: PyKeOps and NumPy, timed on request so that all sides alternate.

    peers.py ANSWERS        requests are lines on stdin, answers are lines written to the file (a fifo) ANSWERS

    prepare WORK DTYPE M N D E DIR    reads x, y, b (doubles, by columns) from DIR; compiles, warms up, and writes
                                      each peer's result to DIR/PEER.bin.  Answer: one PEER=STATE per peer, where
                                      STATE is ok, missing or failed
    time PEER                         one more call.  Answer: seconds
The number of threads is OMP_NUM_THREADS, as the process was started.
"""
import os
import sys
import time
import traceback

os.environ.setdefault("PYKEOPS_VERBOSE", "0")
os.environ.setdefault("KEOPS_CACHE_FOLDER", os.path.join(sys.prefix, "keops"))

try:
    import numpy as np
except ImportError:
    np = None
try:
    from pykeops.numpy import Genred
except Exception:  # PyKeOps runs the compiler when it is imported: anything may go wrong
    Genred = None

FORMULAS = {
    "gaussian": ("Exp(-G*SqDist(X,Y))*B", "Sum", None),
    "laplace": ("Exp(-Norm2(X-Y))*B", "Sum", None),
    "logsumexp": ("-SqDist(X,Y)", "LogSumExp", None),
    "nearest": ("SqDist(X,Y)", "ArgKMin", 10),
}
CHUNK = 256  # rows of the dense matrix at once: it stays in the second-level cache


def keops_call(work, dtype, x, y, b):
    formula, reduction, k = FORMULAS[work]
    aliases = ["X=Vi(%d)" % x.shape[1], "Y=Vj(%d)" % x.shape[1]]
    args = [x, y]
    if "B" in formula:
        aliases.append("B=Vj(%d)" % b.shape[1])
        args.append(b)
    if "G" in formula:
        aliases.append("G=Pm(1)")
        args.append(np.ones(1, dtype))
    op = Genred(formula, aliases, reduction_op=reduction, axis=1, opt_arg=k)
    return lambda: op(*args, backend="CPU")


def dense(work, s, b):
    """One chunk of rows; s is the matrix of squared distances and may be overwritten."""
    if work == "nearest":
        k = np.argpartition(s, 9, axis=1)[:, :10]
        return np.take_along_axis(k, np.argsort(np.take_along_axis(s, k, 1), axis=1, kind="stable"), 1)
    if work == "laplace":
        np.sqrt(np.maximum(s, 0, out=s), out=s)
    np.negative(s, out=s)
    if work == "logsumexp":
        top = s.max(axis=1, keepdims=True)
        s -= top
        return np.log(np.exp(s, out=s).sum(axis=1, keepdims=True)) + top
    return np.exp(s, out=s) @ b


def numpy_call(work, dtype, x, y, b):
    def run():
        yy = (y * y).sum(1)
        out = []
        for i in range(0, len(x), CHUNK):
            c = x[i:i + CHUNK]
            s = (-2 * c) @ y.T
            s += yy
            s += (c * c).sum(1)[:, None]
            out.append(dense(work, s, b))
        return np.concatenate(out)
    return run


def prepare(work, dtype, m, n, d, e, folder):
    def read(name, rows, cols):
        data = np.fromfile(os.path.join(folder, name), np.float64).reshape(cols, rows).T
        return np.ascontiguousarray(data, dtype)

    data = [read("x.bin", m, d), read("y.bin", n, d), read("b.bin", n, e)]
    makers = {"keops": keops_call if Genred else None, "numpy": numpy_call}
    calls, states = {}, []
    for peer, maker in makers.items():
        state = "ok" if maker else "missing"
        try:
            if maker:
                calls[peer] = maker(work, dtype, *data)
                calls[peer]()
                np.asfortranarray(calls[peer](), np.float64).T.tofile(os.path.join(folder, peer + ".bin"))
        except Exception:
            traceback.print_exc()
            state = "failed"
        states.append(peer + "=" + state)
    return calls, " ".join(states)


def main():
    answers = open(sys.argv[1], "w", buffering=1)
    calls = {}
    for line in sys.stdin:
        word = line.split()
        if word[0] == "time":
            start = time.perf_counter()
            calls[word[1]]()
            print(time.perf_counter() - start, file=answers)
        elif np is None:
            print("keops=missing numpy=missing", file=answers)
        else:
            m, n, d, e = map(int, word[3:7])
            calls, states = prepare(word[1], word[2], m, n, d, e, word[7])
            print(states, file=answers)


main()
