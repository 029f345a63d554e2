# GPUs, from R: with no driver, and with one that runs kernels on the host (helper-gpu.R).  That kernels compute the whole language is tested in C.

# ---- no driver ---------------------------------------------------------------------------------------------------------

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
  expect_match(got$devices$nvrtc, "/nowhere/libnvrtc.so", fixed = TRUE)
  expect_true(got$text)
  expect_match(attr(got, "said"), "CUDA +no NVIDIA driver")
})

# ---- results ---------------------------------------------------------------------------------------------------------------

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

# ---- matrices that stay ------------------------------------------------------------------------------------------------------

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
                                "<genred_array> 4 x 3 float64, gone: only the session that made it had its entries"))
  expect_identical(got$summary, list(dim = 4:3, dtype = "float64", device_id = 0L, bytes = 96, alive = TRUE))
  for (e in c(got$refused, got$shape)) expect_identical(e[1], "genred_error_argument")
  for (e in got$refused) expect_match(e[2], "as.matrix()", fixed = TRUE)
  for (e in got$dead) {
    expect_identical(e[1], "genred_error_cuda")
    expect_match(e[2], "gone")
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
