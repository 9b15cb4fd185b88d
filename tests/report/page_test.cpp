#include "genvinci/report/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "genvinci/core/error.h"
#include "genvinci/io/image.h"
#include "genvinci/report/line_plot.h"

namespace genvinci {
namespace page_test {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// The notice on top of plotly.min.js, which stands in it once.
constexpr const char* kPlotlyNotice = "* Licensed under the MIT license\n";

std::string Png(int64_t width, int64_t height) {
  const std::vector<uint8_t> bytes = EncodePng(Image(width, height, 3));
  return {bytes.begin(), bytes.end()};
}

size_t Count(const std::string& text, std::string_view part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

std::string Render(PageBlock block) { return RenderPage({.title = "A page", .blocks = {std::move(block)}}); }

// All blocks, with the texts of an attacker.
constexpr const char* kEvil = "</script><script>alert(1)</script><img src=x onerror='a()'>\" & \u2028";
Page EvilPage() {
  const LinePlot plot{.caption = kEvil,
                      .x_title = kEvil,
                      .y_title = kEvil,
                      .series = {{kEvil, {1, 2}, {3, 4}}},
                      .marked = MarkedValue{1, kEvil}};
  PagePlot raw{.caption = kEvil};
  raw.traces.push_back({{"name", kEvil}, {"y", {1, 2}}});
  return {.title = kEvil,
          .blocks = {PageHeading{kEvil}, PageText{kEvil}, PageNote{kEvil}, PageTable{kEvil, {kEvil}, {{kEvil}}},
                     PagePicture{kEvil, Png(2, 2)}, DrawLinePlot(plot), raw}};
}

// The page less plotly's own source.
std::string WithoutPlotly(const std::string& html) {
  const size_t begin = html.find("<script>\n/**"), end = html.find("</script>", begin);
  return begin == std::string::npos ? html : html.substr(0, begin) + html.substr(end);
}

TEST(Base64, VectorsOfRfc4648) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) EXPECT_EQ(Base64(bytes), text);
  EXPECT_EQ(Base64(std::string_view("\x00\xff\xfe", 3)), "AP/+");
}

TEST(Base64, LongBytesHaveNoSeam) {
  // 1,333,333 triples and one byte over, all of zeros.
  EXPECT_TRUE(Base64(std::string(4000000, '\0')) == std::string(4 * 1333333 + 2, 'A') + "==");
}

TEST(Page, EscapesWhatHtmlReads) {
  EXPECT_EQ(EscapeHtml("<a href=\"x\">'b' & c</a> \u00b5m"),
            "&lt;a href=&#34;x&#34;&gt;&#39;b&#39; &amp; c&lt;/a&gt; \u00b5m");
}

TEST(Page, JsonInScriptsIsSafeAndTheSame) {
  const Json json = {{"</script>", "<!-- & \u2028\u2029 \u2027 \u00b5"}, {"n", {1, 2.5, nullptr}}};
  const std::string text = ScriptJson(json);
  EXPECT_EQ(text, R"({"\u003c/script\u003e":"\u003c!-- \u0026 \u2028\u2029 )"
                  "\u2027 \u00b5\",\"n\":[1,2.5,null]}");
  EXPECT_EQ(ParseJson(text, "test"), json);
}

TEST(Page, TextsOfDataStayTexts) {
  const std::string html = WithoutPlotly(RenderPage(EvilPage()));
  EXPECT_THAT(html, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(html, Not(HasSubstr("<img src=x")));
  EXPECT_EQ(Count(html, "<img"), 1u);
  // The settings and two plots, and the end of plotly's own.
  EXPECT_EQ(Count(html, "<script"), 3u);
  EXPECT_EQ(Count(html, "</script"), 4u);
  EXPECT_THAT(html, HasSubstr("<title>&lt;/script&gt;&lt;script&gt;"));
}

TEST(Page, PlotlyIsInlinedOnceAndOnlyForPlots) {
  EXPECT_EQ(Count(RenderPage(EvilPage()), kPlotlyNotice), 1u);
  const std::string html = Render(PageText{"no plot"});
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_LT(html.size(), 8000u);
}

TEST(Page, PlotlyDoesNotEndItsScript) {
  const std::string html = Render(PagePlot{});
  const size_t begin = html.find(kPlotlyNotice), end = html.find("</script", begin);
  ASSERT_NE(begin, std::string::npos);
  EXPECT_THAT(html.substr(end), StartsWith("</script>\n<script>\nconst config"));
  const std::string source = html.substr(begin, end - begin);
  EXPECT_GT(source.size(), 1000000u);
  // With both of these a browser would look past the element's end.
  EXPECT_FALSE(Count(source, "<!--") > 0 && Count(source, "<script") > 0);
}

TEST(Page, LoadsNothing) {
  const std::string html = WithoutPlotly(RenderPage(EvilPage()));
  for (const char* part : {"http:", "https:", "src=\"/", "href=", "@import", "url(", "<link", "<iframe"}) {
    EXPECT_THAT(html, Not(HasSubstr(part)));
  }
  EXPECT_EQ(Count(html, " src=\""), Count(html, " src=\"data:image/png;base64,"));
  // Plotly's toolbar has a button that posts the data to a server, unless told not to.
  EXPECT_THAT(html, HasSubstr("showSendToCloud: false, plotlyServerURL: \"\""));
  EXPECT_THAT(html, HasSubstr("http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "));
}

TEST(Page, IsADocumentInEnglish) {
  const std::string html = RenderPage(
      {.title = "Scores & more",
       .blocks = {PageHeading{"One"}, PageHeading{"Part", 3}, PageText{"a\nb\n\n\nc"}, PageNote{"Same patient."}}});
  EXPECT_THAT(html, StartsWith("<!DOCTYPE html>\n<html lang=\"en\">"));
  EXPECT_THAT(html, HasSubstr("<meta charset=\"utf-8\">"));
  EXPECT_THAT(html, HasSubstr("<h1>Scores &amp; more</h1>\n<h2>One</h2>\n<h3>Part</h3>\n<p>a\nb</p>\n<p>c</p>\n"
                              "<div class=\"note\" role=\"note\">\n<p>Same patient.</p>\n</div>"));
  EXPECT_THAT(html, EndsWith("</html>\n"));
}

TEST(Page, HeadingsDoNotSkipALevel) {
  EXPECT_THROW(Render(PageHeading{"part", 3}), InternalError);
  EXPECT_THROW(Render(PageHeading{"title", 1}), InternalError);
  EXPECT_THROW(Render(PageHeading{"deep", 4}), InternalError);
}

TEST(Page, TablesAlignNumbersRight) {
  const std::string html =
      Render(PageTable{"Scores",
                       {"1 split", "PCC", "note", "gap"},
                       {{"1", "0.41", "good", "-"}, {"2", "\u22120.02 \u00b1 0.1", "3rd", "+.5"}}});
  EXPECT_THAT(html, HasSubstr("<caption>Scores</caption>\n<thead>\n"
                              "<tr><th scope=\"col\">1 split</th><th scope=\"col\" class=\"number\">PCC</th>"
                              "<th scope=\"col\">note</th><th scope=\"col\" class=\"number\">gap</th></tr>\n</thead>"));
  EXPECT_THAT(html, HasSubstr("<tr><th scope=\"row\">1</th><td class=\"number\">0.41</td><td>good</td>"
                              "<td class=\"number\">-</td></tr>\n<tr><th scope=\"row\">2</th>"
                              "<td class=\"number\">\u22120.02 \u00b1 0.1</td><td>3rd</td>"
                              "<td class=\"number\">+.5</td></tr>\n</tbody>"));
  EXPECT_THROW(Render(PageTable{"", {"a", "b"}, {{"1"}}}), InternalError);
}

TEST(Page, PicturesCarryTheirBytesAndSize) {
  const std::string html = Render(PagePicture{.caption = "Grid", .png_bytes = Png(5, 3), .enlarge = 4});
  EXPECT_THAT(html, HasSubstr("<img width=\"20\" height=\"12\" alt=\"Grid\" src=\"data:image/png;base64,iVBORw0KGgo"));
  EXPECT_THAT(html, HasSubstr("<figcaption>Grid</figcaption>"));
  EXPECT_THAT(Render(PagePicture{.caption = "Grid", .png_bytes = Png(1, 1), .alt = "Two rows"}),
              HasSubstr("alt=\"Two rows\""));
  EXPECT_THROW(Render(PagePicture{.png_bytes = "GIF89a"}), InternalError);
  EXPECT_THROW(Render(PagePicture{.png_bytes = Png(1, 1), .enlarge = 0}), InternalError);
}

TEST(Page, PlotsOverrideThePagesLayout) {
  PagePlot plot{.caption = "Loss", .height = 250};
  plot.traces.push_back({{"y", {1, 2}}});
  plot.layout = {{"font", {{"size", 99}}}};
  const std::string html = Render(plot);
  EXPECT_THAT(html, HasSubstr("id=\"plot-1\" style=\"height: 250px\""));
  EXPECT_THAT(html, HasSubstr("Plotly.newPlot(\"plot-1\", [{\"y\":[1,2]}], {\"font\":{\"family\":"));
  EXPECT_THAT(html, HasSubstr("\"size\":99,"));
  EXPECT_THAT(html, HasSubstr("\"height\":250}"));
}

}  // namespace page_test
}  // namespace genvinci
