#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "genvinci/core/json.h"

namespace genvinci {

// One HTML page that holds all it shows: it opens from a disk without a network, and a Content-Security-Policy in its
// head forbids the browser to fetch anything. All text is escaped, so names out of data files are safe to show.
//
//   Page page{.title = "Evaluation", .blocks = {}};
//   page.blocks.push_back(PageHeading{"Scores"});
//   page.blocks.push_back(PageTable{"Per split", {"split", "PCC"}, {{"test", "0.41"}}});
//   WriteFileAtomic(folder / "report.html", RenderPage(page));

// Level 2 (a section) or 3 (a part of one); the page's title is level 1.
struct PageHeading {
  std::string text;
  int level = 2;
};

// Paragraphs, parted by an empty line.
struct PageText {
  std::string text;
};

// A paragraph that must not be overlooked: a caveat, a warning.
struct PageNote {
  std::string text;
};

// The first column names the row and is left-aligned, as are columns of words; a column whose cells all begin as a
// number (or are empty or dashes) is right-aligned. Each row has as many cells as the header.
struct PageTable {
  std::string caption = {};
  std::vector<std::string> header = {};
  std::vector<std::vector<std::string>> rows = {};
};

// `png_bytes` is a whole PNG file (EncodePng). It is shown at `enlarge` times its pixels, never wider than the page,
// and its pixels stay sharp squares. `alt` is what a screen reader says; the caption where empty.
struct PagePicture {
  std::string caption = {};
  std::string png_bytes = {};
  int enlarge = 1;
  std::string alt = {};
};

// What Plotly.newPlot takes. `layout` is merged into the page's own (fonts, colours, margins), which it overrides.
// Plotly reads texts as a small HTML of its own: escape those that come from data with EscapeHtml. LinePlot
// (report/line_plot.h) makes one from numbers. `height` is in CSS px.
struct PagePlot {
  std::string caption = {};
  Json traces = Json::array();
  Json layout = Json::object();
  int height = 400;
};

using PageBlock = std::variant<PageHeading, PageText, PageNote, PageTable, PagePicture, PagePlot>;

struct Page {
  std::string title = {};
  std::vector<PageBlock> blocks = {};
};

// The page as UTF-8; plotly.js (5 MB) is in it, once, when there is a plot.
// InternalError when a block breaks its contract (a level that skips one, a row of another length, bytes that are no
// PNG); DataError JSON_UTF8 when a plot's text is not UTF-8.
std::string RenderPage(const Page& page);

// & < > " ' as entities that HTML, its attributes and Plotly's texts all read.
std::string EscapeHtml(std::string_view text);
// `json` as text that can stand inside a <script> element, whatever its strings hold.
std::string ScriptJson(const Json& json);
// RFC 4648, section 4: with padding, without line breaks.
std::string Base64(std::string_view bytes);

}  // namespace genvinci
