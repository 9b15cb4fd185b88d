#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "genvinci/report/page.h"

namespace genvinci {

// Okabe and Ito's palette, told apart with every kind of colour vision; without its yellow, too pale on white.
inline constexpr std::array<const char*, 7> kPlotColors = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                                           "#E69F00", "#56B4E9", "#000000"};

// `y` against `x`, joined in the order given; NaN leaves a gap. `low` and `high` are the ends of the error bars on the
// axis of y (not their lengths): both empty, or as long as y.
struct LineSeries {
  std::string name;
  std::vector<double> x, y;
  std::vector<double> low = {}, high = {};
};

// A vertical line at `x` with a text over it, for what was chosen.
struct MarkedValue {
  double x = 0;
  std::string text;
};

struct LinePlot {
  std::string caption = {};
  std::string x_title = {}, y_title = {};
  std::vector<LineSeries> series = {};
  bool log_x = false, log_y = false;
  std::optional<MarkedValue> marked = std::nullopt;
};

// Series differ by colour and by the shape of their points, which are drawn where there are few. On a logarithmic axis,
// values that are not positive are left out. InternalError when lengths differ, or a marked value has no logarithm.
PagePlot DrawLinePlot(const LinePlot& plot);

}  // namespace genvinci
