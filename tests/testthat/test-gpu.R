# GPUs from R: without a driver, and with a stand-in that runs kernels on the host (helper-gpu.R).
# The C tests cover the kernels of the whole language.

# ---- no driver ---------------------------------------------------------------------------------

test_that("without a driver a GPU backend is a classed error that says what was tried, and auto is silent", {
  skip_unless_installed()
  got <- in_fresh_r(variables = no_driver, code = {
    op <- gaussian()
    x <- points(20, 3)
    big <- points(8000, 3)
    sums <- Genred("Exp(-SqDist(X,Y))", c("X = Vi(3)", "Y = Vj(3)"), axis = 1)
    list(
      run = lapply(c("GPU", "GPU_1D", "GPU_2D"), function(b) failed(op(1, x, x, x[, 1:2], backend = b))),
      device = failed(op(1, x, x, x[, 1:2], backend = "GPU", device_id = c(0, 1))),
      keep = failed(op(1, x, x, x[, 1:2], keep = TRUE)),
      option = with_options(list(genred.backend = "GPU"), failed(op(1, x, x, x[, 1:2]))),
      environment = with_env(c(GENRED_BACKEND = "GPU"), failed(op(1, x, x, x[, 1:2]))),
      array = failed(genred_array(x)),
      auto = testthat::capture_messages(sums(big, big)),
      devices = genred_info()$cuda,
      text = grepl("gr_pairs", genred_source(op, "GPU"))
    )
  })
  for (one in c(got$run, got[c("device", "keep", "option", "environment", "array")])) {
    expect_identical(one[1], "genred_error_cuda")
    expect_match(one[2], "no NVIDIA driver was found.*/nowhere/libcuda.so.1")
  }
  expect_identical(got$auto, character())
  expect_identical(nrow(got$devices$devices), 0L)
  expect_match(got$devices$driver, "/nowhere/libcuda.so.1", fixed = TRUE)
  expect_match(got$devices$nvrtc, "no GPU")
  expect_true(got$text)
  expect_match(attr(got, "said"), "CUDA +no NVIDIA driver")
})

# ---- results -----------------------------------------------------------------------------------

test_that("backends, precisions and axes give the CPU's result", {
  skip_without_fakes()
  got <- in_fresh_r(variables = fake_environment(), code = {
    x <- points(37, 3)
    y <- points(53, 3)
    rownames(x) <- paste0("row", 1:37)
    pairs <- list()
    for (dtype in c("float32", "float64")) for (axis in 0:2) {
      op <- Genred("Exp(-G * SqDist(X,Y)) * X", c("G = Pm(1)", "X = Vi(3)", "Y = Vj(3)"), axis = axis, dtype = dtype)
      for (backend in c("GPU", "GPU_1D", "GPU_2D")) {
        pairs[[length(pairs) + 1L]] <- list(dtype = dtype, cpu = op(0.4, x, y, backend = "interpreter"), gpu = op(0.4, x, y, backend = backend))
      }
    }
    list(pairs = pairs, printed = utils::capture.output(print(op)), none = op(0.4, x[0, ], y, backend = "GPU"))
  })
  for (pair in got$pairs) {
    expect_identical(dimnames(pair$gpu), dimnames(pair$cpu))
    expect_close(pair$gpu, pair$cpu, if (pair$dtype == "float32") 1e-5 else 1e-13)
  }
  expect_match(got$printed, "last run on GPU 0 (Fake device 0), GPU_2D", fixed = TRUE, all = FALSE)
  expect_identical(got$none, matrix(0, 1, 3))
  expect_clean(got)
})

test_that("indices are the CPU's, and reductions of every family", {
  skip_without_fakes()
  got <- in_fresh_r(variables = fake_environment(), code = {
    x <- round(points(31, 2), 1)
    y <- round(points(45, 2), 1)
    run <- function(reduction, ..., formula = "SqDist(x,y)") {
      op <- Genred(formula, c("x = Vi(2)", "y = Vj(2)"), reduction, axis = 1, dtype = "float64", ...)
      list(gpu = op(x, y, backend = "GPU"), cpu = op(x, y, backend = "interpreter"))
    }
    list(same = list(run("KMin_ArgKMin", opt_arg = 4), run("ArgMax"), run("KMin", opt_arg = 3, formula = "(x - y)^2"), run("ArgKMin", opt_arg = 60),
                     run("Min_ArgMin"), run("Count", formula = "Step(1 - SqDist(x,y))")),
         close = list(run("LogSumExp"), run("SumSoftMaxWeight", formula2 = "y"), run("Var"), run("Prod")))
  })
  for (pair in got$same) expect_identical(pair$gpu, pair$cpu)
  for (pair in got$close) expect_close(pair$gpu, pair$cpu, 1e-12)
  expect_clean(got)
})

# ---- matrices that stay ------------------------------------------------------------------------

test_that("a genred_array is a matrix on the GPU", {
  skip_without_fakes()
  got <- in_fresh_r(variables = fake_environment(), code = {
    x <- matrix(c(1:11, NA) / 7, 4, dimnames = list(letters[1:4], NULL))
    a <- genred_array(x, "float64")
    types <- c("float64", "float32", "float16", "bfloat16")
    v <- genred_array(c(a = 1L, b = 2L), "float64")
    file <- tempfile()
    saveRDS(a, file)
    dead <- readRDS(file)
    op <- Genred("x * y", c("x = Vi(3)", "y = Vj(3)"), axis = 1)
    out <- list(
      class = class(a), dim = dim(a), length = length(a), names = dimnames(a), same = identical(as.matrix(a), x),
      vector = identical(as.numeric(a), as.numeric(x)) && identical(as.vector(a), as.vector(x)) && identical(as.array(a), x),
      error = vapply(types, function(t) max(abs(as.matrix(genred_array(x, t)) - x), na.rm = TRUE), 0),
      overflow = as.numeric(genred_array(c(7e4, 1e39), "float16")), default = format(genred_array(1:3)),
      other = identical(as.matrix(genred_array(a, "float32")), as.matrix(genred_array(x, "float32"))),
      named = as.matrix(v), print = utils::capture.output(print(a), str(a), print(dead)), summary = summary(a),
      refused = list(failed(a + 1), failed(exp(a)), failed(max(a)), failed(a[1, ]), failed(a[1] <- 2)),
      dead = list(failed(as.matrix(dead)), failed(op(dead, x, backend = "CPU")), failed(op(x, dead, backend = "GPU"))),
      shape = list(failed(op(v, x)), failed(genred_array("a")), failed(genred_array(array(0, c(2, 2, 2)))), failed(genred_array(x, "half")),
                   failed(genred_array(x, device_id = -1)), failed(genred_array(NULL)), failed(genred_array())),
      device = failed(genred_array(x, device_id = 3)), empty = dim(as.matrix(genred_array(matrix(0, 0, 3))))
    )
    out
  })
  expect_identical(got$class, "genred_array")
  expect_identical(got[c("dim", "length")], list(dim = 4:3, length = 12L))
  expect_identical(got$names, list(letters[1:4], NULL))
  expect_true(got$same && got$vector && got$other)
  expect_identical(unname(got$error > c(0, 0, 1e-5, 1e-4)), c(FALSE, TRUE, TRUE, TRUE))
  expect_true(all(got$error < c(1e-300, 1e-7, 1e-3, 1e-2)))
  expect_identical(got$overflow, c(Inf, Inf))
  expect_identical(got$default, "3 x 1 float32 on GPU 0 (12 B)")
  expect_identical(got$named, matrix(c(1, 2), dimnames = list(c("a", "b"), NULL)))
  expect_identical(got$print, c("<genred_array> 4 x 3 float64 on GPU 0 (96 B)", " genred_array 4 x 3 float64 on GPU 0 (96 B)",
                                "<genred_array> 4 x 3 float64, lost: its entries existed only in the session that created it"))
  expect_identical(got$summary, list(dim = 4:3, dtype = "float64", device_id = 0L, bytes = 96, alive = TRUE))
  for (e in c(got$refused, got$shape)) expect_identical(e[1], "genred_error_argument")
  for (e in got$refused) expect_match(e[2], "as.matrix()", fixed = TRUE)
  for (e in got$dead) {
    expect_identical(e[1], "genred_error_cuda")
    expect_match(e[2], "lost")
  }
  expect_match(got$shape[[1]][2], "must have 3 columns (Vi(3)), it has 1", fixed = TRUE)
  expect_identical(got$device[1], "genred_error_cuda")
  expect_identical(got$empty, c(0L, 3L))
  expect_clean(got)
})

test_that("arrays and matrices mix, and results stay where keep = TRUE asks for it", {
  skip_without_fakes()
  got <- in_fresh_r(variables = fake_environment(), code = {
    x <- points(30, 3)
    y <- points(40, 3)
    b <- points(40, 2)
    rownames(x) <- 1:30
    op <- gaussian()
    want <- op(0.5, x, y, b, backend = "GPU")
    cpu <- op(0.5, x, y, b, backend = "CPU")
    on <- lapply(list(g = 0.5, x = x, y = y, b = b), genred_array, dtype = "float64")
    kept <- op(on$g, on$x, y, on$b, backend = "GPU", keep = TRUE)
    near <- Genred("SqDist(x,y)", c("x = Vi(3)", "y = Vj(3)"), "KMin_ArgKMin", axis = 1, opt_arg = 3)
    near_kept <- near(on$x, y, backend = "GPU", keep = TRUE)
    cube <- Genred("(x - y)^2", c("x = Vi(3)", "y = Vj(3)"), "KMin", axis = 1, opt_arg = 2)
    cube_kept <- cube(x, on$y, backend = "GPU", keep = TRUE)
    first <- Genred("SqDist(x,y)", c("x = Vi(3)", "y = Vj(3)"), "ArgMin", axis = 1)(on$x, y, keep = TRUE)
    total <- Genred("x * y", c("x = Vi(3)", "y = Vj(3)"), axis = 2, dtype = "float64")
    add <- Genred("i + y", c("i = Vi(1)", "y = Pm(1)"), axis = 1, dtype = "float64")
    list(
      mixed = list(op(on$g, on$x, y, on$b, backend = "GPU"), op(0.5, x, on$y, b, backend = "GPU"), as.matrix(kept)), want = want,
      here = identical(op(on$g, on$x, on$y, b, backend = "CPU"), cpu) && identical(op(on$g, on$x, y, b, backend = "interpreter"), op(0.5, x, y, b, backend = "interpreter")),
      auto = class(op(on$g, on$x, on$y, on$b, keep = TRUE)), kept = utils::capture.output(print(kept), print(near_kept$index)),
      near = identical(lapply(near_kept, as.matrix), near(x, y, backend = "GPU")),
      cube = identical(as.array(cube_kept), cube(x, y, backend = "GPU")), cube_dim = dim(cube_kept), cube_refused = failed(total(cube_kept, y)),
      first = identical(as.matrix(first), near(x, y, backend = "CPU")$index[, 1, drop = FALSE]),
      both = max(abs(as.matrix(total(on$x, y, backend = "GPU", keep = TRUE)) - total(x, y))),
      index = identical(add(first, 1, backend = "GPU"), add(as.matrix(first), 1, backend = "CPU")),
      bfloat = identical(op(0.5, genred_array(x, "bfloat16"), y, b, backend = "GPU"), op(0.5, as.matrix(genred_array(x, "bfloat16")), y, b, backend = "GPU"))
    )
  })
  for (one in got$mixed) expect_identical(one, got$want)
  expect_true(got$here)
  expect_identical(got$auto, "genred_array")
  expect_identical(got$kept, c("<genred_array> 30 x 2 float64 on GPU 0 (480 B)", "<genred_array> 30 x 3 integer on GPU 0 (360 B)"))
  for (what in c("near", "cube", "first", "index", "bfloat")) expect_true(got[[what]], info = what)
  expect_identical(got$cube_dim, c(30L, 2L, 3L))
  expect_identical(got$cube_refused[1], "genred_error_argument")
  expect_lt(got$both, 1e-10)
  expect_clean(got)
})

test_that("gradients take arrays, inherit backend and keep, and chain on the GPU", {
  skip_without_fakes()
  got <- in_fresh_r(variables = fake_environment(), code = {
    x <- points(23, 2)
    y <- points(29, 2)
    w <- points(29, 1)
    e <- points(23, 1)
    on <- lapply(list(x = x, w = w), genred_array, dtype = "float64")
    formula <- "Exp(-SqDist(x,y)) * w"
    compare <- function(reduction, ..., f = formula, by = "x", second = FALSE, columns = 1) {
      op <- genred_grad(Genred(f, c("x = Vi(2)", "y = Vj(2)", "w = Vj(1)"), reduction, axis = 1, dtype = "float64", ...), by, "e")
      if (second) op <- genred_grad(op, "x", "h")
      more <- if (second) list(h = x)
      e <- e[, rep(1, columns)]
      on$e <- genred_array(e, "float64")
      args <- c(list(x, y, w, e), more)
      mixed <- c(list(on$x, y, on$w, on$e), more)
      kept <- do.call(op, c(mixed, backend = "GPU", keep = TRUE))
      list(cpu = do.call(op, c(args, backend = "CPU")), gpu = do.call(op, c(args, backend = "GPU")), mixed = do.call(op, c(mixed, backend = "GPU")),
           kept = as.matrix(kept), auto = do.call(op, mixed), class = class(kept))
    }
    list(compare("Sum"), compare("Sum", by = "y"), compare("LogSumExp", f = "w - SqDist(x,y)", by = "w"), compare("SumSoftMaxWeight", formula2 = "w"),
         compare("LogSumExp", f = "-SqDist(x,y)", second = TRUE), compare("Min"), compare("KMin", opt_arg = 2, by = "w", columns = 2), compare("Var"))
  })
  for (one in got) {
    expect_identical(one$class, "genred_array")
    for (what in c("gpu", "mixed", "kept", "auto")) expect_close(one[[what]], one$cpu, 1e-11, info = what)
  }
  expect_clean(got)
})

test_that("what a gradient leaves to a GPU is not compiled for the processor", {
  skip_without_fakes()
  skip_without_compiler()
  got <- in_fresh_r(variables = fake_environment(), code = {
    x <- points(400, 2); y <- points(500, 2); b <- points(500, 1, 5); e <- points(400, 1, 7)
    on <- genred_array(y, "float64")
    compiled <- function(formula, ...) {
      op <- Genred(formula, c("x = Vi(2)", "y = Vj(2)", "b = Vj(1)"), "SumSoftMaxWeight", formula2 = "b", axis = 1, dtype = "float64")
      dir <- tempfile("cache")
      value <- with_options(list(genred.cache_dir = dir), genred_grad(op, "x")(x, ..., b, e))
      list(kernels = length(list.files(dir, "[.]so$")), value = as.matrix(value), true = genred_grad(op, "x")(x, y, b, e, backend = "interpreter"))
    }
    list(here = compiled("-SqDist(x,y)", y), cpu = compiled("-2*SqDist(x,y)", on, backend = "CPU"), gpu = compiled("-3*SqDist(x,y)", y, backend = "GPU"),
         keep = compiled("-4*SqDist(x,y)", y, keep = TRUE), resident = compiled("-SqDist(x,y)/5", on))
  })
  expect_identical(vapply(got[c("here", "cpu", "gpu", "keep")], `[[`, 0L, "kernels"), c(here = 3L, cpu = 3L, gpu = 0L, keep = 0L))
  expect_identical(got$resident$kernels, 0L)
  for (one in got) expect_close(one$value, one$true, 1e-10)
  expect_clean(got)
})

test_that("use_fast_math is off, inherited and an option", {
  plain <- Genred("Exp(x * y)", c("x = Vi(1)", "y = Vj(1)"), "LogSumExp")
  fast <- Genred("Exp(x * y)", c("x = Vi(1)", "y = Vj(1)"), "LogSumExp", use_fast_math = TRUE)
  flag <- function(op) genred:::operator_spec(op)$fast_math
  expect_false(flag(plain))
  expect_true(flag(fast) && flag(update(fast, axis = 1)))
  plan <- environment(genred_grad(fast, "x"))$.plan
  steps <- c(lapply(plan$stages, `[[`, "op"), plan$terms)
  expect_gt(length(steps), 1)
  for (op in steps) expect_true(flag(op))
  with_options(list(genred.use_fast_math = TRUE), expect_true(flag(Genred("x", "x = Vi(1)"))))
  with_options(list(genred.use_fast_math = TRUE), expect_false(flag(Genred("x", "x = Vi(1)", use_fast_math = FALSE))))
  with_env(c(GENRED_USE_FAST_MATH = "TRUE"), expect_true(flag(Genred("x", "x = Vi(1)"))))
  expect_match(utils::capture.output(print(fast)), "fast math", all = FALSE)
  expect_error(Genred("x", "x = Vi(1)", use_fast_math = 1), class = "genred_error_argument")
  expect_identical(fast(1, 2, backend = "interpreter"), plain(1, 2, backend = "interpreter"))
})

# ---- several GPUs ------------------------------------------------------------------------------

test_that("device_id names one GPU or several", {
  skip_without_fakes()
  got <- in_fresh_r(variables = c(fake_environment(), GENRED_FAKE_DEVICES = "2"), code = {
    op <- Genred("Exp(-SqDist(X,Y)) * Y", c("X = Vi(2)", "Y = Vj(2)"), axis = 1, dtype = "float64")
    near <- Genred("SqDist(X,Y)", c("X = Vi(2)", "Y = Vj(2)"), "ArgKMin", axis = 1, opt_arg = 2)
    x <- points(700, 2)
    y <- points(40, 2)
    last <- function(op) genred:::operator_info(op)$last[c("device_id", "devices")]
    x1 <- genred_array(x, "float64", 1)
    both <- op(x, y, backend = "GPU", device_id = c(0, 1))
    used <- last(op)
    printed <- utils::capture.output(print(op))
    there <- op(x1, y, backend = "GPU")
    on_there <- last(op)
    list(cpu = op(x, y, backend = "CPU"), both = both, used = used, there = there, on_there = on_there, printed = printed,
         moved = op(x1, y, backend = "GPU", device_id = 0), split = op(x1, y, backend = "GPU", device_id = 0:1),
         kept = vapply(list(op(x1, y, keep = TRUE), op(x, y, keep = TRUE), op(x, y, backend = "GPU", device_id = 1, keep = TRUE),
                            op(x, y, backend = "GPU", device_id = c(1, 0), keep = TRUE)), function(a) summary(a)$device_id, 0L),
         kept_split = as.matrix(op(x, y, backend = "GPU", device_id = c(1, 0), keep = TRUE)),
         index = identical(near(x, y, backend = "GPU", device_id = 0:1), near(x, y, backend = "CPU")),
         option = with_options(list(genred.device = 1), {op(x, y, backend = "GPU"); c(last(op)$device_id, summary(genred_array(x))$device_id)}),
         environment = with_env(c(GENRED_DEVICE = "1,0"), {op(x, y, backend = "GPU"); last(op)}),
         unknown = list(failed(op(x, y, backend = "GPU", device_id = 2)), failed(genred_array(x, device_id = 2))),
         devices = genred_info()$cuda$devices)
  })
  for (what in c("both", "there", "moved", "split", "kept_split")) expect_close(got[[what]], got$cpu, 1e-13, info = what)
  expect_identical(got$used, list(device_id = 0L, devices = 2L))
  expect_match(got$printed, "last run on GPU 0 (Fake device 0) and 1 more", fixed = TRUE, all = FALSE)
  expect_identical(got$on_there, list(device_id = 1L, devices = 1L))
  expect_identical(got$kept, c(1L, 0L, 1L, 1L))
  expect_true(got$index)
  expect_identical(got$option, c(1L, 1L))
  expect_identical(got$environment, list(device_id = 1L, devices = 2L))
  for (e in got$unknown) {
    expect_identical(e[1], "genred_error_cuda")
    expect_match(e[2], "device_id 2: 2 GPUs found")
  }
  expect_identical(got$devices$device_id, 0:1)
  expect_clean(got)
})

# ---- when it goes wrong ------------------------------------------------------------------------

test_that("memory that ends is a classed error; what R has dropped is collected first", {
  skip_without_fakes()
  got <- in_fresh_r(variables = c(fake_environment(), GENRED_FAKE_MEMORY = "20000000"), code = {
    op <- Genred("Sum(x * y)", c("x = Vi(2)", "y = Vj(2)"), axis = 1)
    x <- matrix(runif(1e6), ncol = 2)
    y <- points(3, 2)
    for (k in 1:20) a <- genred_array(x)
    for (k in 1:20) b <- op(a, y, backend = "GPU", keep = TRUE)
    ok <- max(abs(as.matrix(b) - op(x, y, backend = "interpreter")))
    hold <- tryCatch({
      all <- list()
      for (k in 1:20) all[[k]] <- genred_array(x)
    }, error = function(e) c(class(e)[1], conditionMessage(e)))
    held <- length(all)
    rm(all)
    list(ok = ok, hold = hold, held = held, again = dim(genred_array(x)), blocks = max(abs(op(x[rep(1:5e5, 4), ], y, backend = "GPU") -
                                                                                          rep(op(x, y, backend = "interpreter"), 4))))
  })
  expect_lt(got$ok, 1e-5)
  expect_identical(got$hold[1], "genred_error_cuda")
  expect_match(got$hold[2], "memory")
  expect_true(got$held >= 1 && got$held < 5)
  expect_identical(got$again, c(500000L, 2L))
  expect_lt(got$blocks, 1e-5)
  expect_clean(got)
})

test_that("after a fault the session lives, what lay on the GPU is lost, and auto computes on the CPU with one message", {
  skip_without_fakes()
  got <- in_fresh_r(variables = fake_environment(), code = {
    op <- gaussian()
    x <- points(20, 3)
    y <- points(30, 3)
    b <- points(30, 2)
    a <- genred_array(x)
    want <- op(1, x, y, b, backend = "GPU")
    Sys.setenv(GENRED_FAKE_FAIL = "kernel:*")
    fault <- failed(op(1, a, y, b, backend = "GPU"))
    kept <- failed(op(1, x, y, b, keep = TRUE))
    big <- points(9000, 3)
    sums <- Genred("Exp(-SqDist(X,Y))", c("X = Vi(3)", "Y = Vj(3)"), axis = 1)
    said <- testthat::capture_messages({
      first <- sums(big, big)
      second <- sums(big, big)
    })
    Sys.unsetenv("GENRED_FAKE_FAIL")
    list(fault = fault, kept = kept, said = said, first = identical(first, second), right = max(abs(first[1:5, ] - sums(big[1:5, ], big, backend = "CPU"))),
         lost = list(failed(as.matrix(a)), failed(op(1, a, y, b, backend = "GPU")), failed(op(1, a, y, b)), failed(op(1, a, y, b, backend = "CPU"))),
         again = identical(op(1, x, y, b, backend = "GPU"), want), anew = identical(as.matrix(genred_array(x, "float64")), x))
  })
  for (e in c(list(got$fault, got$kept), got$lost)) expect_identical(e[1], "genred_error_cuda")
  expect_match(got$fault[2], "a kernel failed on GPU 0 (Fake device 0)", fixed = TRUE)
  for (e in got$lost) expect_match(e[2], "lost")
  expect_length(got$said, 1)
  expect_match(got$said, "the CPU is used because the GPU cannot be: a kernel failed on GPU 0")
  expect_true(got$first && got$again && got$anew)
  expect_lt(got$right, 1e-3)
  expect_clean(got)
})

test_that("without NVRTC a GPU is no use: an error, or the CPU with a message", {
  skip_without_fakes()
  got <- in_fresh_r(variables = replace(fake_environment(), "GENRED_NVRTC", "/nowhere/libnvrtc.so"), code = {
    op <- Genred("Exp(-SqDist(X,Y))", c("X = Vi(3)", "Y = Vj(3)"), axis = 1)
    x <- points(9000, 3)
    on <- genred_array(x, "float64")
    list(error = failed(op(x, x, backend = "GPU")), said = testthat::capture_messages(here <- op(x, on)), same = identical(here, op(x, x, backend = "CPU")),
         info = genred_info()$cuda)
  })
  expect_identical(got$error[1], "genred_error_cuda")
  expect_match(got$error[2], "/nowhere/libnvrtc.so", fixed = TRUE)
  expect_length(got$said, 1)
  expect_match(got$said, "the CPU is used because.*NVRTC")
  expect_true(got$same)
  expect_match(got$info$nvrtc, "/nowhere/libnvrtc.so", fixed = TRUE)
  expect_identical(nrow(got$info$devices), 1L)
  expect_clean(got)
})

test_that("Ctrl-C stops a computation on a GPU", {
  skip_without_fakes()
  # few multiprocessors: work is split for a slow GPU; all of it would take minutes
  got <- in_fresh_r(variables = c(fake_environment(), GENRED_FAKE_PROCESSORS = "1"), code = {
    op <- Genred("Exp(-SqDist(X,Y))", c("X = Vi(3)", "Y = Vj(3)"), axis = 1)
    x <- points(1e5, 3)
    op(x[1:3, ], x[1:3, ], backend = "GPU")
    system(sprintf("(sleep 1; kill -INT %d) &", Sys.getpid()))
    time <- system.time(what <- tryCatch(op(x, x, backend = "GPU"), interrupt = function(e) class(e)[1]))[[3]]
    list(what = what, time = time, usable = dim(op(x[1:5, ], x[1:4, ], backend = "GPU")))
  })
  expect_identical(got$what, "interrupt")
  expect_lt(got$time, 60)
  expect_identical(got$usable, c(5L, 1L))
  expect_clean(got)
})

test_that("in a forked child a GPU is a classed error, and the parent's stays", {
  skip_without_fakes()
  got <- in_fresh_r(variables = fake_environment(), code = {
    op <- gaussian()
    x <- points(10, 3)
    y <- points(12, 3)
    b <- points(12, 2)
    want <- op(1, x, y, b, backend = "GPU")
    a <- genred_array(x, "float64")
    child <- parallel::mccollect(parallel::mcparallel({
      out <- list(failed(op(1, x, y, b, backend = "GPU")), failed(as.matrix(a)), failed(op(1, a, y, b, backend = "CPU")), failed(genred_array(x)))
      rm(a)
      gc()
      list(failed = out, here = op(1, x, y, b), devices = nrow(genred_info()$cuda$devices))
    }))[[1]]
    list(child = child, want = want, after = op(1, a, y, b, backend = "GPU"))
  })
  for (e in got$child$failed) expect_identical(e[1], "genred_error_cuda")
  expect_match(got$child$failed[[1]][2], "forked")
  expect_close(got$child$here, got$want, 1e-13)
  expect_identical(got$child$devices, 0L)
  expect_identical(got$after, got$want)
  expect_clean(got)
})
