#include "genvinci/report/line_plot.h"

#include <algorithm>
#include <cmath>

#include "genvinci/core/error.h"

namespace genvinci {
namespace {

// As many as there are colours, so that a series keeps its pair.
constexpr std::array<const char*, kPlotColors.size()> kSymbols = {"circle",        "square", "diamond", "triangle-up",
                                                                  "triangle-down", "x",      "star"};
constexpr size_t kMostPoints = 60;  // more of them hide the line

std::vector<double> Difference(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> difference(a.size());
  for (size_t i = 0; i < a.size(); ++i) difference[i] = a[i] - b[i];
  return difference;
}

Json Trace(const LineSeries& series, size_t index) {
  GENVINCI_CHECK(series.x.size() == series.y.size(), "'{}': {} x, {} y", series.name, series.x.size(), series.y.size());
  GENVINCI_CHECK(
      series.low.size() == series.high.size() && (series.low.empty() || series.low.size() == series.y.size()),
      "'{}': error bars from {} to {} values for {} points", series.name, series.low.size(), series.high.size(),
      series.y.size());
  const char* color = kPlotColors[index % kPlotColors.size()];
  const bool few = series.x.size() <= kMostPoints;
  Json trace = {{"type", "scatter"},
                {"mode", few ? "lines+markers" : "lines"},
                {"name", EscapeHtml(series.name)},
                {"x", series.x},
                {"y", series.y},
                {"line", {{"color", color}, {"width", few ? 2 : 1.5}}},
                {"marker", {{"color", color}, {"size", 8}, {"symbol", kSymbols[index % kSymbols.size()]}}}};
  if (!series.low.empty()) {
    trace["error_y"] = {{"type", "data"},
                        {"symmetric", false},
                        {"color", color},
                        {"thickness", 1.5},
                        {"width", 5},
                        {"array", Difference(series.high, series.y)},
                        {"arrayminus", Difference(series.y, series.low)}};
  }
  return trace;
}

// Powers of ten that the positive values span.
double Decades(const std::vector<LineSeries>& series, std::vector<double> LineSeries::*values) {
  double least = INFINITY, most = 0;
  for (const LineSeries& one : series) {
    for (const double value : one.*values) {
      if (value > 0 && std::isfinite(value)) least = std::min(least, value), most = std::max(most, value);
    }
  }
  return most > 0 ? std::log10(most / least) : 0;
}

Json Axis(const std::string& title, bool log, double decades) {
  Json axis = {{"title", {{"text", EscapeHtml(title)}, {"standoff", 12}}}};
  axis["type"] = log ? "log" : "linear";
  if (!log) return axis;
  // Plotly would write each digit from 2 to 9, small, between the powers of ten; "D2" has 2 and 5.
  axis["tickformat"] = ",~g";
  if (decades >= 0.7) axis["dtick"] = decades < 3 ? Json("D2") : Json(1);
  return axis;
}

void Mark(const MarkedValue& marked, bool log_x, Json& layout) {
  GENVINCI_CHECK(std::isfinite(marked.x) && (!log_x || marked.x > 0), "'{}' marks {}", marked.text, marked.x);
  const Json line = {{"color", "#1b1f24"}, {"width", 1.5}, {"dash", "dash"}};
  // Above, since the grid would cover it below.
  layout["shapes"] = Json::array();
  layout["shapes"].push_back({{"type", "line"},
                              {"xref", "x"},
                              {"x0", marked.x},
                              {"x1", marked.x},
                              {"yref", "paper"},
                              {"y0", 0},
                              {"y1", 1},
                              {"line", line},
                              {"layer", "above"}});
  // Plotly takes a shape's place on a logarithmic axis as it is, but an annotation's as its exponent.
  layout["annotations"] = Json::array();
  layout["annotations"].push_back({{"text", EscapeHtml(marked.text)},
                                   {"xref", "x"},
                                   {"x", log_x ? std::log10(marked.x) : marked.x},
                                   {"yref", "paper"},
                                   {"y", 1},
                                   {"yanchor", "bottom"},
                                   {"showarrow", false}});
}

}  // namespace

PagePlot DrawLinePlot(const LinePlot& plot) {
  PagePlot drawn;
  drawn.caption = plot.caption;
  for (const LineSeries& series : plot.series) drawn.traces.push_back(Trace(series, drawn.traces.size()));
  drawn.layout["xaxis"] = Axis(plot.x_title, plot.log_x, Decades(plot.series, &LineSeries::x));
  drawn.layout["yaxis"] = Axis(plot.y_title, plot.log_y, Decades(plot.series, &LineSeries::y));
  const bool legend = plot.series.size() > 1;
  drawn.layout["showlegend"] = legend;
  drawn.layout["legend"] = {{"orientation", "h"},  {"x", 0},          {"xanchor", "left"}, {"y", 1},
                            {"yref", "container"}, {"yanchor", "top"}};
  drawn.layout["margin"] = {{"t", 16 + (legend ? 24 : 0) + (plot.marked ? 16 : 0)}};
  if (plot.marked) Mark(*plot.marked, plot.log_x, drawn.layout);
  return drawn;
}

}  // namespace genvinci
