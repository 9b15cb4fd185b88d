#include "genvinci/generation/picture_grid.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "genvinci/core/error.h"

namespace genvinci {
namespace {

constexpr int64_t kShownSide = 192, kMostEnlarged = 4;
constexpr int64_t kGap = 6, kBorder = 14;
constexpr double kTextSize = 10;      // px of a capital letter
constexpr double kLetterWidth = 8.5;  // px, of most names' average letter
constexpr int64_t kTextLine = 24;
constexpr size_t kLongestName = 26;
constexpr std::array<uint8_t, 3> kInk = {40, 40, 40};

// Cut to `width` px; letters that the font lacks become '?'.
std::string Fitted(const std::string& name, int64_t width) {
  std::string text;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80 && byte < 0xC0) continue;
    text += byte < 0x20 || byte > 0x7E ? '?' : c;
  }
  const auto letters = static_cast<size_t>(std::max(1.0, static_cast<double>(width) / kLetterWidth));
  if (text.size() <= letters) return text;
  return letters < 4 ? text.substr(0, letters) : text.substr(0, letters - 2) + "..";
}

int64_t TextWidth(const std::string& text) {
  return static_cast<int64_t>(std::ceil(kLetterWidth * static_cast<double>(text.size())));
}

struct Layout {
  int64_t cell_width = 0, cell_height = 0, left = kBorder, top = kBorder;
  int64_t X(size_t column) const { return left + static_cast<int64_t>(column) * (cell_width + kGap); }
  int64_t Y(size_t row) const { return top + static_cast<int64_t>(row) * (cell_height + kGap); }
};

Layout LayOut(const PictureGrid& grid) {
  Layout layout;
  for (const auto& row : grid.rows) {
    for (const Image& image : row) {
      const int64_t scale = std::clamp<int64_t>(kShownSide / std::max<int64_t>(1, image.width), 1, kMostEnlarged);
      layout.cell_width = std::max(layout.cell_width, scale * image.width);
      layout.cell_height = std::max(layout.cell_height, scale * image.height);
    }
  }
  size_t longest = 0;
  for (const std::string& name : grid.row_names) longest = std::max(longest, std::min(name.size(), kLongestName));
  if (longest > 0) layout.left += TextWidth(std::string(longest, 'x')) + kGap;
  if (!grid.column_names.empty()) layout.top += kTextLine;
  return layout;
}

void DrawNames(const PictureGrid& grid, const Layout& layout, Image& page) {
  for (size_t r = 0; r < grid.row_names.size(); ++r) {
    const std::string text = Fitted(grid.row_names[r], layout.left - kBorder - kGap);
    const int64_t y = layout.Y(r) + (layout.cell_height - static_cast<int64_t>(kTextSize)) / 2;
    DrawText(page, text, kBorder, y, kTextSize, kInk);
  }
  for (size_t c = 0; c < grid.column_names.size(); ++c) {
    const std::string text = Fitted(grid.column_names[c], layout.cell_width);
    const int64_t spare = std::max<int64_t>(0, layout.cell_width - TextWidth(text));
    DrawText(page, text, layout.X(c) + spare / 2, kBorder, kTextSize, kInk);
  }
}

}  // namespace

Image DrawGrid(const PictureGrid& grid) {
  size_t columns = 0;
  for (const auto& row : grid.rows) columns = std::max(columns, row.size());
  GENVINCI_CHECK(columns > 0, "an empty grid");
  const Layout layout = LayOut(grid);
  Image page(layout.X(columns) - kGap + kBorder, layout.Y(grid.rows.size()) - kGap + kBorder, 3);
  std::fill(page.bytes.begin(), page.bytes.end(), uint8_t{255});
  DrawNames(grid, layout, page);
  for (size_t r = 0; r < grid.rows.size(); ++r) {
    for (size_t c = 0; c < grid.rows[r].size(); ++c) {
      const Image& image = grid.rows[r][c];
      if (image.bytes.empty()) continue;
      Paste(page, Resize(image, layout.cell_width, layout.cell_height), layout.X(c), layout.Y(r));
    }
  }
  return page;
}

}  // namespace genvinci
