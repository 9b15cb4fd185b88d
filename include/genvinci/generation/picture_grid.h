#pragma once

#include <string>
#include <vector>

#include "genvinci/io/image.h"

namespace genvinci {

// Images of one size in rows and columns, named at the left and above, on white.
struct PictureGrid {
  std::vector<std::string> row_names, column_names;
  // rows[r][c]: three channels, 8 bits; one without pixels leaves its place white.
  std::vector<std::vector<Image>> rows;
};

// Small images are enlarged two to four times, so that a person sees something. Names that do not fit are cut.
Image DrawGrid(const PictureGrid& grid);

}  // namespace genvinci
