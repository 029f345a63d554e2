# The figures of the README and of the vignette, from the stored results.  Base graphics; both axes
# logarithmic.

looks <- data.frame(
  side = c("genred", "limit", "keops", "numpy", "base"),
  label = c("genred", "ceiling", "PyKeOps", "NumPy", "base R"),
  colour = c("#2a6f97", "#222222", "#c8553d", "#d9a441", "#8a8a8a"),
  type = c(1, 3, 1, 1, 1), width = c(3, 2, 2, 2, 1.5), point = c(19, NA, 17, 15, 18)
)

# Moves positions on a logarithmic axis apart, so that labels do not overlap
spread_labels <- function(y, distance) {
  order <- order(y)
  z <- log10(y[order])
  for (round in 1:200) for (k in seq_along(z)[-1L]) {
    near <- distance - (z[k] - z[k - 1L])
    if (near > 1e-9) z[c(k - 1L, k)] <- z[c(k - 1L, k)] + c(-near, near) / 2
  }
  y[order] <- 10^z
  y
}

log_axis <- function(side, range, at = NULL) {
  if (is.null(at)) at <- 10^(floor(log10(range[1L])):ceiling(log10(range[2L])))
  axis(side, at = at, labels = format(at, scientific = FALSE, trim = TRUE, drop0trailing = TRUE), lwd = 0, las = 1, mgp = c(2, 0.5, 0),
       cex.axis = 0.9, gap.axis = 0.1)
  if (side == 1) abline(v = at, col = "#eeeeee") else abline(h = at, col = "#e2e2e2")
}

# ns per pair against one column of the results, a line per side
sweep_panel <- function(rows, by, title, xlab, ticks, ylim) {
  rows <- rows[rows$state == "ok", ]
  plot(range(rows[[by]]), ylim, type = "n", log = "xy", axes = FALSE, xlab = "", ylab = "", main = "")
  mtext(title, 3, 0.4, adj = 0, font = 2, cex = 0.9)
  mtext(xlab, 1, 1.9, cex = 0.85)
  log_axis(1, NULL, ticks)
  log_axis(2, ylim)
  last <- NULL
  for (k in rev(seq_len(nrow(looks)))) {
    line <- rows[rows$side == looks$side[k], ]
    if (nrow(line) < 2) next # a single point is not a curve
    line <- line[order(line[[by]]), ]
    lines(line[[by]], line$value, col = looks$colour[k], lty = looks$type[k], lwd = looks$width[k], type = "o",
          pch = looks$point[k], cex = 0.7)
    last <- rbind(last, data.frame(k = k, x = tail(line[[by]], 1L), y = tail(line$value, 1L)))
  }
  at <- spread_labels(last$y, 0.055 * diff(log10(ylim)))
  text(last$x, at, looks$label[last$k], col = looks$colour[last$k], pos = 4, offset = 0.6, xpd = NA, cex = 0.9,
       font = ifelse(looks$side[last$k] == "genred", 2, 1))
}

sweep_figure <- function(rows, by, what, ticks) {
  ok <- rows[rows$state == "ok" & rows$side %in% looks$side, ]
  ylim <- range(ok$value)
  types <- unique(ok$dtype)
  par(mfrow = c(1, length(types)), mar = c(3, 3.2, 2.6, 5), oma = c(0, 0, 1.2, 0), family = "sans")
  for (type in types) sweep_panel(ok[ok$dtype == type, ], by, type, what, ticks, ylim)
  mtext("Nanoseconds per pair, one thread (less is better)", 3, 0, outer = TRUE, adj = 0.01, cex = 0.95)
}

# The label of a row in the figure of ratios
work_title <- function(r) {
  names <- c(gaussian = "Gaussian", laplace = "Laplace", multiquadric = "inverse multiquadric", matern32 = "Matern 3/2",
             matern52 = "Matern 5/2", cauchy = "Cauchy", energy = "energy distance", gaussian_x = "gradient of Gaussian",
             laplace_x = "gradient of Laplace", cauchy_x = "gradient of Cauchy", logsumexp = "log-sum-exp",
             softmax = "softmax sum", min = "minimum", max = "maximum", argmin = "nearest point",
             nearest = "10 nearest", kmin100 = "100 smallest")
  detail <- ifelse(r$D == 3, "", sprintf(", D = %d", as.integer(r$D)))
  detail <- paste0(detail, ifelse(r$E == 1, "", sprintf(", %d signals", as.integer(r$E))))
  paste0(names[r$work], detail)
}

# Time of the others divided by that of genred, a row per work
ratio_figure <- function(rows) {
  rows <- rows[rows$state == "ok" & rows$family %in% c("kernels", "gradients", "reductions"), ]
  rows$title <- work_title(rows)
  rows <- rows[!duplicated(rows[c("title", "dtype", "side")]), ]
  order <- rev(unique(rows$title))
  own <- rows[rows$side == "genred", ]
  key <- function(r) paste(r$title, r$dtype)
  rows$ratio <- rows$value / own$value[match(key(rows), key(own))]
  shown <- looks[looks$side %in% setdiff(rows$side, "genred"), ]
  rows <- rows[rows$side %in% shown$side, ]
  types <- unique(rows$dtype)
  par(mfrow = c(1, length(types)), mar = c(3, 0.6, 3, 0.6), oma = c(0, 13.6, 1.2, 0.4), family = "sans")
  for (type in types) {
    part <- rows[rows$dtype == type, ]
    at <- match(part$title, order)
    plot(range(rows$ratio, 1), c(0.6, length(order) + 0.4), type = "n", log = "x", axes = FALSE, xlab = "", ylab = "")
    log_axis(1, NULL, c(0.1, 0.3, 1, 3, 10, 30, 100, 300))
    segments(min(rows$ratio, 1), seq_along(order), max(rows$ratio), col = "#eeeeee")
    abline(v = 1, col = "#2a6f97", lwd = 2)
    look <- match(part$side, shown$side)
    points(part$ratio, at, col = shown$colour[look], pch = ifelse(part$side == "limit", 124, shown$point[look]), cex = 1.2)
    mtext(type, 3, 0.3, adj = 0, font = 2, cex = 0.9)
    mtext("time divided by genred's", 1, 1.9, cex = 0.85)
    if (type == types[1L]) axis(2, at = seq_along(order), labels = order, las = 1, lwd = 0, cex.axis = 0.95, outer = TRUE, line = -0.8)
  }
  par(fig = c(0, 1, 0, 1), oma = rep(0, 4), mar = rep(0, 4), new = TRUE)
  plot.new()
  legend("topright", c("genred = 1", shown$label), col = c("#2a6f97", shown$colour), pch = c(NA, ifelse(shown$side == "limit", 124, shown$point)),
         lty = c(1, rep(NA, nrow(shown))), lwd = c(2, rep(1, nrow(shown))), horiz = TRUE, bty = "n", cex = 0.9)
}

draw <- function(file, width, height, expr) {
  png(file, width, height, units = "in", res = 144)
  on.exit(dev.off())
  force(expr)
}

# Writes the figures for which there are results, and the results, to the folder of the vignette
draw_figures <- function(store, folder) {
  rows <- read_results(store)$rows
  at <- function(name) file.path(folder, paste0("performance", name))
  if (any(rows$family == "dimension")) {
    draw(at("-dimension.png"), 9.5, 4.2, sweep_figure(rows[rows$family == "dimension", ], "D", "dimension D", c(1, 3, 10, 30, 100, 300, 1000)))
  }
  if (any(rows$family == "signals")) {
    draw(at("-signals.png"), 9.5, 4.2, sweep_figure(rows[rows$family == "signals", ], "E", "signals", c(1, 4, 16, 64, 256)))
  }
  if (any(rows$family %in% c("kernels", "gradients", "reductions"))) draw(at("-ratios.png"), 9.5, 6.2, ratio_figure(rows))
  file.copy(store, at(".csv"), overwrite = TRUE)
}
