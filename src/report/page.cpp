#include "genvinci/report/page.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstdint>

#include "genvinci/core/error.h"
#include "genvinci/core/version.h"
#include "genvinci/report/line_plot.h"
#include "page_style.h"
#include "plotly.h"

namespace genvinci {
namespace {

// What the browser may do: run and style what stands in the page, and show pictures that stand in it.
constexpr const char* kPolicy =
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'";

// Plotly's toolbar less what does not serve here; above all its button that sends the plot's data to a server.
constexpr const char* kConfigScript =
    "const config = {responsive: true, displaylogo: false, showSendToCloud: false, plotlyServerURL: \"\",\n"
    "  modeBarButtonsToRemove: [\"sendChartToCloud\", \"select2d\", \"lasso2d\", \"autoScale2d\"]};\n";

// While they are printed, plots get the width of the paper, since a browser does not draw them again by itself.
constexpr const char* kPrintScript =
    "const resize = change => document.querySelectorAll('.plot').forEach(\n"
    "  plot => Plotly.relayout(plot, change(plot.layout.height)));\n"
    "addEventListener('beforeprint', () => resize(height => ({width: 670, height: 0.75 * height})));\n"
    "addEventListener('afterprint', () => resize(height => ({width: null, autosize: true, height: height / 0.75})));\n";

Json BaseLayout() {
  const Json axis = {{"automargin", true},         {"showline", true},
                     {"linecolor", "#6e7781"},     {"ticks", "outside"},
                     {"tickcolor", "#6e7781"},     {"ticklen", 5},
                     {"tickfont", {{"size", 13}}}, {"title", {{"font", {{"size", 14}}}}},
                     {"gridcolor", "#e6e8eb"},     {"zeroline", false},
                     {"exponentformat", "power"},  {"minexponent", 6},
                     {"separatethousands", true}};
  Json layout = {{"font",
                  {{"family", "system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif"},
                   {"size", 14},
                   {"color", "#1b1f24"}}},
                 {"colorway", kPlotColors},
                 {"margin", {{"l", 60}, {"r", 16}, {"t", 24}, {"b", 48}}},
                 {"paper_bgcolor", "#fff"},
                 {"plot_bgcolor", "#fff"},
                 {"hoverlabel", {{"namelength", -1}}}};
  layout["xaxis"] = axis;
  layout["yaxis"] = axis;
  return layout;
}

bool BeginsAsNumber(std::string_view cell) {
  for (const std::string_view sign : {"-", "+", "\u2212", "<", ">", "~", "\u2248"}) {
    if (cell.starts_with(sign)) cell.remove_prefix(sign.size());
  }
  while (cell.starts_with(' ')) cell.remove_prefix(1);
  if (cell.starts_with('.')) cell.remove_prefix(1);
  return !cell.empty() && cell.front() >= '0' && cell.front() <= '9';
}

bool IsBlank(std::string_view cell) {
  return cell.empty() || cell == "-" || cell == "\u2013" || cell == "\u2014" || cell == "n/a" || cell == "nan";
}

bool IsNumeric(const PageTable& table, size_t column) {
  const auto blank = [&](const auto& row) { return IsBlank(row[column]); };
  const auto fits = [&](const auto& row) { return IsBlank(row[column]) || BeginsAsNumber(row[column]); };
  return column > 0 && std::ranges::all_of(table.rows, fits) && !std::ranges::all_of(table.rows, blank);
}

std::string Paragraphs(std::string_view text) {
  std::string html;
  while (!text.empty()) {
    const size_t end = std::min(text.find("\n\n"), text.size());
    if (end > 0) html += fmt::format("<p>{}</p>\n", EscapeHtml(text.substr(0, end)));
    text.remove_prefix(std::min(text.size(), end + 1));
    while (text.starts_with('\n')) text.remove_prefix(1);
  }
  return html;
}

uint32_t BigEndian32(std::string_view bytes) {
  uint32_t value = 0;
  for (const char byte : bytes.substr(0, 4)) value = value << 8 | static_cast<uint8_t>(byte);
  return value;
}

// Appends block after block; counts plots, whose scripts follow at the end, after the library.
class Renderer {
 public:
  void operator()(const PageHeading& heading) {
    GENVINCI_CHECK(heading.level == 2 || (heading.level == 3 && level_ >= 2), "'{}' has level {} below level {}",
                   heading.text, heading.level, level_);
    level_ = heading.level;
    body += fmt::format("<h{0}>{1}</h{0}>\n", heading.level, EscapeHtml(heading.text));
  }

  void operator()(const PageText& text) { body += Paragraphs(text.text); }

  void operator()(const PageNote& note) {
    body += fmt::format("<div class=\"note\" role=\"note\">\n{}</div>\n", Paragraphs(note.text));
  }

  void operator()(const PageTable& table) {
    std::vector<const char*> align;
    for (size_t column = 0; column < table.header.size(); ++column) {
      for (const auto& row : table.rows) {
        GENVINCI_CHECK(row.size() == table.header.size(), "'{}': a row of {} cells under {} headers", table.caption,
                       row.size(), table.header.size());
      }
      align.push_back(IsNumeric(table, column) ? " class=\"number\"" : "");
    }
    body += "<div class=\"table\">\n<table>\n";
    if (!table.caption.empty()) body += fmt::format("<caption>{}</caption>\n", EscapeHtml(table.caption));
    body += "<thead>\n<tr>";
    for (size_t i = 0; i < align.size(); ++i) {
      body += fmt::format("<th scope=\"col\"{}>{}</th>", align[i], EscapeHtml(table.header[i]));
    }
    body += "</tr>\n</thead>\n<tbody>\n";
    for (const auto& row : table.rows) {
      body += "<tr>";
      for (size_t i = 0; i < align.size(); ++i) {
        const char* format = i == 0 ? "<th scope=\"row\"{}>{}</th>" : "<td{}>{}</td>";
        body += fmt::format(fmt::runtime(format), align[i], EscapeHtml(row[i]));
      }
      body += "</tr>\n";
    }
    body += "</tbody>\n</table>\n</div>\n";
  }

  void operator()(const PagePicture& picture) {
    const std::string_view png = picture.png_bytes;
    GENVINCI_CHECK(png.starts_with("\x89PNG\r\n\x1a\n") && png.size() > 24, "'{}': not a PNG", picture.caption);
    GENVINCI_CHECK(picture.enlarge >= 1, "'{}': enlarged {} times", picture.caption, picture.enlarge);
    body += fmt::format(
        "<figure>\n<img width=\"{}\" height=\"{}\" alt=\"{}\" src=\"data:image/png;base64,{}\">\n{}</figure>\n",
        int64_t{BigEndian32(png.substr(16))} * picture.enlarge, int64_t{BigEndian32(png.substr(20))} * picture.enlarge,
        EscapeHtml(picture.alt.empty() ? picture.caption : picture.alt), Base64(png), Caption(picture.caption));
  }

  void operator()(const PagePlot& plot) {
    Json layout = BaseLayout();
    layout.merge_patch(plot.layout);
    layout["height"] = plot.height;
    ++plots_;
    body += fmt::format(
        "<figure>\n<div class=\"plot\" id=\"plot-{}\" style=\"height: {}px\" role=\"group\" aria-label=\"{}\">"
        "<noscript>This plot needs JavaScript.</noscript></div>\n{}</figure>\n",
        plots_, plot.height, EscapeHtml("Plot: " + plot.caption), Caption(plot.caption));
    scripts += fmt::format("<script>\nPlotly.newPlot(\"plot-{}\", {}, {}, config);\n</script>\n", plots_,
                           ScriptJson(plot.traces), ScriptJson(layout));
  }

  std::string body, scripts;

 private:
  static std::string Caption(const std::string& caption) {
    return caption.empty() ? "" : fmt::format("<figcaption>{}</figcaption>\n", EscapeHtml(caption));
  }

  int level_ = 1, plots_ = 0;
};

// Each plot is a script of its own, so that one which Plotly refuses does not take the others with it.
std::string Scripts(const std::string& plots) {
  if (plots.empty()) return "";
  std::string html = "<script>\n";
  html += internal::PlotlyScript();
  html += "\n</script>\n<script>\n";
  html += kConfigScript;
  html += kPrintScript;
  return html + "</script>\n" + plots;
}

}  // namespace

std::string EscapeHtml(std::string_view text) {
  std::string html;
  html.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        html += "&amp;";
        break;
      case '<':
        html += "&lt;";
        break;
      case '>':
        html += "&gt;";
        break;
      case '"':
        html += "&#34;";
        break;
      case '\'':
        html += "&#39;";
        break;
      default:
        html += c;
    }
  }
  return html;
}

std::string ScriptJson(const Json& json) {
  // These bytes stand in JSON's strings alone. "</script" and "<!--" would end or change the element; U+2028 and U+2029
  // end a line of older JavaScript.
  std::string safe;
  const std::string text = DumpJson(json);
  for (size_t i = 0; i < text.size(); ++i) {
    const std::string_view rest = std::string_view(text).substr(i);
    if (rest.starts_with("\u2028") || rest.starts_with("\u2029")) {
      safe += rest[2] == '\xa8' ? "\\u2028" : "\\u2029";
      i += 2;
    } else if (text[i] == '<' || text[i] == '>' || text[i] == '&') {
      safe += fmt::format("\\u{:04x}", text[i]);
    } else {
      safe += text[i];
    }
  }
  return safe;
}

std::string Base64(std::string_view bytes) {
  constexpr size_t kPart = 3 << 20;  // EVP_EncodeBlock counts in int; whole triples join without padding
  std::string text;
  std::string part(kPart / 3 * 4 + 1, '\0');
  for (; !bytes.empty(); bytes.remove_prefix(std::min(bytes.size(), kPart))) {
    const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(part.data()),
                                       reinterpret_cast<const unsigned char*>(bytes.data()),
                                       static_cast<int>(std::min(bytes.size(), kPart)));
    text.append(part, 0, static_cast<size_t>(length));
  }
  return text;
}

std::string RenderPage(const Page& page) {
  Renderer renderer;
  for (const PageBlock& block : page.blocks) std::visit(renderer, block);
  const std::string title = EscapeHtml(page.title);
  std::string html = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
  html += fmt::format("<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n", kPolicy);
  html += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
  html += fmt::format("<meta name=\"generator\" content=\"genvinci {}\">\n<title>{}</title>\n", kVersion, title);
  html += fmt::format("<style>{}</style>\n</head>\n<body>\n<main>\n<h1>{}</h1>\n", internal::kPageStyle, title);
  html += renderer.body;
  html += "</main>\n";
  html += Scripts(renderer.scripts);
  return html + "</body>\n</html>\n";
}

}  // namespace genvinci
