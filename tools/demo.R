# Leave-one-out kernel regression on 53 940 diamonds: 2.9 billion kernel values, none of them
# stored.
#
#   Rscript tools/demo.R [figure.png]
#
# Predicts the log price of each stone from all others: the mean of their log prices, weighted by a
# Gaussian of the distance in weight, clarity, colour and cut (the Nadaraya-Watson estimator).
# Numerator and denominator are two signals of one reduction; a stone's own term, exp(0) times its
# value, is subtracted afterwards.

library(genred)
figure <- c(commandArgs(TRUE), "demo.png")[1]

# ---- printing ------------------------------------------------------------------------------------

say <- function(label, ...) cat(formatC(label, width = -11), sprintf(...), "\n", sep = "")
count <- function(n) format(n, big.mark = " ", scientific = FALSE, trim = TRUE)
billions <- function(n) sprintf("%.2f billion", n / 1e9)
seconds <- function(expr) system.time(expr)[["elapsed"]]

# Memory of this process in MB, from /proc: its current size and its peak, and a reset of the peak.
memory <- function(field) {
  status <- tryCatch(readLines("/proc/self/status"), error = function(e) character(), warning = function(w) character())
  line <- grep(paste0("^", field, ":"), status, value = TRUE)
  if (length(line)) as.numeric(gsub("[^0-9]", "", line)) / 1000 * 1.024 else NA_real_
}
forget_peak <- function() try(suppressWarnings(cat("5\n", file = "/proc/self/clear_refs")), silent = TRUE)

# ---- data and operator ---------------------------------------------------------------------------

data(diamonds, package = "ggplot2", envir = environment())
diamonds <- as.data.frame(diamonds)
n <- nrow(diamonds)
features <- with(diamonds, cbind(weight = log10(carat), clarity = as.integer(clarity), colour = as.integer(color),
                                 cut = as.integer(cut)))
centre <- colMeans(features)
x <- sweep(features, 2, centre) # centred, so that single precision suffices
log_price <- log10(diamonds$price)
y <- log_price - mean(log_price)

smooth <- Genred("Exp(-WeightedSqDist(W, X, Y)) * B", c("W = Pm(4)", "X = Vi(4)", "Y = Vj(4)", "B = Vj(2)"), axis = 1)

# The weight of an artificial neighbour at the mean price, which determines the prediction if a
# stone has no other neighbour within reach.
prior <- 1e-3
weights <- function(width) 1 / (2 * width^2)
leave_one_out <- function(width, rows = seq_len(n)) {
  s <- smooth(weights(width), x[rows, , drop = FALSE], x, cbind(y, 1))
  (s[, 1] - y[rows]) / (s[, 2] - 1 + prior)
}
r_squared <- function(p, rows = seq_len(n)) 1 - sum((p - y[rows])^2) / sum((y[rows] - mean(y[rows]))^2)
typical_error <- function(residual) median(abs(10^residual - 1))

cat("\nLeave-one-out kernel regression of the price of diamonds\n\n")
say("data", "ggplot2::diamonds, %s stones: log price from weight, clarity, colour and cut", count(n))
say("operator", "Exp(-WeightedSqDist(W, X, Y)) * B, summed over j, in single precision")
say("", "%d thread%s", genred_threads(), if (genred_threads() == 1) "" else "s")
cat("\n")

# ---- the widths of the Gaussian ------------------------------------------------------------------

first <- seconds(leave_one_out(c(0.02, 0.4, 0.4, 0.4), 1:2000))
say("kernel", "first call on %s x %s points, kernel compiled or found in the cache: %.2f s", count(2000), count(n), first)

set.seed(1)
held_out <- sample(n, 2000)
tried <- expand.grid(weight = c(0.01, 0.015, 0.02, 0.03), grade = c(0.25, 0.35, 0.5, 0.7))
search <- seconds(tried$r2 <- mapply(function(weight, grade) {
  r_squared(leave_one_out(c(weight, grade, grade, grade), held_out), held_out)
}, tried$weight, tried$grade))
best <- tried[which.max(tried$r2), ]
width <- c(best$weight, rep(best$grade, 3))
say("widths", "%d pairs tried on %s stones left out, %s kernel values: %.2f s", nrow(tried), count(length(held_out)),
    billions(nrow(tried) * length(held_out) * n), search)
say("", "best: %.1f %% in weight, %.2f of a grade in clarity, colour and cut", 100 * (10^best$weight - 1), best$grade)
cat("\n")

# ---- every stone ---------------------------------------------------------------------------------

invisible(gc())
forget_peak()
before <- memory("VmRSS")
time <- seconds(fit <- leave_one_out(width))
peak <- memory("VmHWM")

say("time", "%s pairs in %.2f s: %s pairs per second, %.2f ns each", billions(n^2), time, billions(n^2 / time),
    time / n^2 * 1e9)
if (!is.na(peak)) {
  say("memory", "peak of this process %.0f MB, %.1f MB more than before; the dense matrix alone: %s MB", peak,
      max(0, peak - before), count(round(8e-6 * n^2)))
}

# ---- against base R, row by row ------------------------------------------------------------------

rows <- sample(n, 200)
tx <- t(x)
base_time <- seconds(reference <- vapply(rows, function(i) {
  k <- exp(-colSums(weights(width) * (tx - x[i, ])^2))
  k[i] <- 0
  sum(k * y) / (sum(k) + prior)
}, 0))
difference <- max(abs(10^(fit[rows] - reference) - 1))
say("accuracy", "%d stones at random in base R, double precision: predicted prices differ by %.0e at most", length(rows),
    difference)
say("", "base R took %.1f s for them, %.0f s for all at that rate: %.0f times as long", base_time,
    base_time * n / length(rows), base_time * n / length(rows) / time)
stopifnot(difference < 1e-3)
cat("\n")

# ---- what it says about diamonds -----------------------------------------------------------------

line <- lm(y ~ x)
say("result", "%.1f %% of the variance of log price is explained; half of the prices within %.1f %%", 100 * r_squared(fit),
    100 * typical_error(y - fit))
say("", "linear regression on the same columns: %.1f %%, within %.1f %%", 100 * summary(line)$r.squared,
    100 * typical_error(residuals(line)))

# The fit at new points: one colour and cut, all weights and clarities; NA if too few stones are
# near.
curve <- expand.grid(carat = 10^seq(log10(0.23), log10(2.6), length.out = 240), clarity = levels(diamonds$clarity))
at <- cbind(log10(curve$carat), as.integer(curve$clarity), match("G", levels(diamonds$color)),
            match("Ideal", levels(diamonds$cut)))
s <- smooth(weights(width), sweep(at, 2, centre), x, cbind(y, 1))
curve$price <- ifelse(s[, 2] < 4, NA, 10^(mean(log_price) + s[, 1] / s[, 2]))
diamonds$fit <- 10^(mean(log_price) + fit)

# ---- figure --------------------------------------------------------------------------------------

suppressPackageStartupMessages(library(ggplot2))

dollars <- function(v) paste0("$", format(v, big.mark = ",", trim = TRUE))
price_breaks <- c(300, 1000, 3000, 10000)
look <- theme_minimal(base_size = 13) +
  theme(panel.grid.minor = element_blank(), plot.title.position = "plot", legend.key.height = unit(14, "pt"),
        plot.title = element_text(face = "bold", size = 13), plot.subtitle = element_text(colour = "grey35", size = 10.5),
        plot.caption = element_text(colour = "grey45", size = 9))

by_weight <- ggplot(curve, aes(carat, price)) +
  geom_bin2d(aes(fill = after_stat(count)), data = subset(diamonds, carat < 2.8), bins = 110, show.legend = FALSE) +
  geom_line(aes(colour = clarity), linewidth = 0.8, na.rm = TRUE) +
  scale_fill_gradient(low = "grey93", high = "grey55", trans = "log10") +
  scale_colour_viridis_d("clarity\n(best first)", option = "C", end = 0.92, direction = -1) +
  guides(colour = guide_legend(reverse = TRUE, override.aes = list(linewidth = 2))) +
  scale_x_log10("weight (carat, log scale)", breaks = c(0.25, 0.5, 1, 1.5, 2), labels = c("0.25", "0.5", "1", "1.5", "2")) +
  scale_y_log10("price (log scale)", breaks = price_breaks, labels = dollars) +
  labs(title = "Prices jump at the round weights: 0.5, 1, 1.5, 2 carat",
       subtitle = "the fit for colour G and an ideal cut, one line per clarity; grey: all the stones") +
  look

by_fit <- ggplot(diamonds, aes(fit, price)) +
  geom_bin2d(bins = 110) +
  geom_abline(colour = "grey20", linewidth = 0.4) +
  scale_fill_viridis_c("stones", option = "C", trans = "log10") +
  scale_x_log10("price predicted from all the other stones (log scale)", breaks = price_breaks, labels = dollars) +
  scale_y_log10("price (log scale)", breaks = price_breaks, labels = dollars) +
  labs(title = sprintf("%.1f %% of the variance of log price is explained", 100 * r_squared(fit)),
       subtitle = sprintf("half of the prices within %.1f %%; the data has none between $1,454 and $1,546",
                          100 * typical_error(y - fit))) +
  look

draw <- function() {
  heading <- sprintf("Leave-one-out kernel regression of %s diamonds: %.1f billion pairs in %.1f s", count(n), n^2 / 1e9, time)
  place <- function(row, col) grid::viewport(layout.pos.row = row, layout.pos.col = col)
  grid::grid.newpage()
  grid::pushViewport(grid::viewport(layout = grid::grid.layout(2, 2, heights = grid::unit(c(36, 1), c("pt", "null")))))
  grid::grid.text(heading, x = grid::unit(8, "pt"), just = "left", vp = place(1, 1:2),
                  gp = grid::gpar(fontsize = 17, fontface = "bold"))
  print(by_weight, vp = place(2, 1))
  print(by_fit, vp = place(2, 2))
}
png(figure, 2000, 940, res = 150, type = "cairo")
draw()
invisible(dev.off())
say("figure", "%s", figure)
cat("\n")
