#include "genvinci/report/line_plot.h"

#include <gtest/gtest.h>

#include "genvinci/core/error.h"

namespace genvinci {
namespace line_plot_test {

TEST(LinePlot, SeriesErrorBarsAndAxes) {
  const PagePlot plot =
      DrawLinePlot({.caption = "c",
                    .x_title = "steps",
                    .y_title = "a < b",
                    .series = {{"one", {1, 10}, {0.5, 0.75}, {0.25, 0.5}, {1, 1.75}}, {"two", {1, 10}, {2, 3}}},
                    .log_x = true,
                    .marked = MarkedValue{100, "chosen"}});
  const Json& one = plot.traces.at(0);
  EXPECT_EQ(one.at("x"), Json({1, 10}));
  EXPECT_EQ(one.at("error_y").at("array"), Json({0.5, 1.0}));
  EXPECT_EQ(one.at("error_y").at("arrayminus"), Json({0.25, 0.25}));
  EXPECT_FALSE(plot.traces.at(1).contains("error_y"));
  EXPECT_NE(one.at("line").at("color"), plot.traces.at(1).at("line").at("color"));
  EXPECT_NE(one.at("marker").at("symbol"), plot.traces.at(1).at("marker").at("symbol"));
  EXPECT_EQ(plot.layout.at("xaxis").at("type"), "log");
  EXPECT_EQ(plot.layout.at("yaxis").at("type"), "linear");
  EXPECT_EQ(plot.layout.at("yaxis").at("title").at("text"), "a &lt; b");
  EXPECT_EQ(plot.layout.at("shapes").at(0).at("x0"), 100);
  EXPECT_EQ(plot.layout.at("annotations").at(0).at("x"), 2);
  EXPECT_EQ(plot.layout.at("annotations").at(0).at("text"), "chosen");
  EXPECT_EQ(plot.layout.at("showlegend"), true);
}

TEST(LinePlot, ManyPointsAreALine) {
  const std::vector<double> values(61, 1.0);
  EXPECT_EQ(DrawLinePlot({.series = {{"loss", values, values}}}).traces.at(0).at("mode"), "lines");
}

TEST(LinePlot, LengthsMustAgree) {
  EXPECT_THROW(DrawLinePlot({.series = {{"x", {1, 2}, {1}}}}), InternalError);
  EXPECT_THROW(DrawLinePlot({.series = {{"x", {1, 2}, {1, 2}, {1}, {1}}}}), InternalError);
  EXPECT_THROW(DrawLinePlot({.series = {{"x", {1, 2}, {1, 2}, {}, {1, 2}}}}), InternalError);
  EXPECT_THROW(DrawLinePlot({.log_x = true, .marked = MarkedValue{0, "zero"}}), InternalError);
}

}  // namespace line_plot_test
}  // namespace genvinci
