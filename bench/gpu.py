# PyKeOps and torch on a GPU, for bench/gpu.R: reads cases (CSV: name, M, N, D, E) and prints lines
# case,side,seconds.  There is no line for a side that is not installed, or for a case that it
# cannot compute (for torch, if the matrix is larger than the memory).
import csv, statistics, sys, time

try:
    import torch
    assert torch.cuda.is_available()
except Exception:
    sys.exit(0)
try:
    from pykeops.torch import LazyTensor
except Exception:
    LazyTensor = None


def typical(f):
    f()
    torch.cuda.synchronize()
    times = []
    while len(times) < 3 or (len(times) < 50 and sum(times) < 6):
        start = time.perf_counter()
        f()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def lazy(name, x, y, b, h):
    i, j = LazyTensor(x[:, None, :]), LazyTensor(y[None, :, :])
    if name == "attention":
        return lambda: (i | j).sumsoftmaxweight(LazyTensor(b[None, :, :]), dim=1)
    s = ((i - j) ** 2).sum(-1)
    if name == "10 nearest":
        return lambda: s.argKmin(10, dim=1)
    if name == "squared distance":
        return lambda: s @ b
    if name == "gaussian gradient":
        x.requires_grad_(True)
        z = (-((LazyTensor(x[:, None, :]) - j) ** 2).sum(-1)).exp() @ b
        return lambda: torch.autograd.grad(z, x, h, retain_graph=True)
    return lambda: (-s).exp() @ b


def dense(name, x, y, b, h):
    if 4 * len(x) * len(y) > 0.2 * torch.cuda.get_device_properties(0).total_memory or name == "gaussian gradient":
        return None
    if name == "attention":
        return lambda: torch.nn.functional.scaled_dot_product_attention(x[None], y[None], b[None], scale=1.0)
    distances = lambda: (x**2).sum(1)[:, None] + (y**2).sum(1)[None, :] - 2 * x @ y.T
    if name == "10 nearest":
        return lambda: distances().topk(10, dim=1, largest=False)
    if name == "squared distance":
        return lambda: distances() @ b
    return lambda: torch.exp(-distances()) @ b


torch.backends.cuda.matmul.allow_tf32 = False
print("case,side,seconds")
for k, case in enumerate(csv.DictReader(open(sys.argv[1]))):
    m, n, d, e = (int(float(case[c])) for c in "MNDE")
    x, y = (torch.randn(r, d, device="cuda") / (2 * d) ** 0.5 for r in (m, n))
    b, h = torch.randn(n, e, device="cuda"), torch.randn(m, 1, device="cuda")
    for side, make in (("pykeops", lazy if LazyTensor else None), ("torch", dense)):
        try:
            f = make and make(case["name"], x, y, b, h)
            if f:
                print(f"{k + 1},{side},{typical(f):.6g}", flush=True)
        except Exception as problem:
            print(f"{case['name']}, {side}: {problem}", file=sys.stderr)
            torch.cuda.empty_cache()
