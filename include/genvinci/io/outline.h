#pragma once

#include <string_view>
#include <vector>

namespace genvinci {

// Corners of a polygon, in the file's unit; the last need not repeat the first.
struct Corner {
  double x = 0, y = 0;
};
using Ring = std::vector<Corner>;

// The outline of a cell: one ring or several, of which those within others are holes (even-odd rule).
struct Outline {
  std::vector<Ring> rings;
};

// Well-known binary of a Polygon or MultiPolygon, little or big endian; heights (Z, M and their EWKB forms) are left
// out. DataError WKB says what is wrong.
Outline ParseWkb(std::string_view bytes);

// Area and centre of mass by the shoelace formula; a MultiPolygon's holes count negative, as their corners turn the
// other way or as they lie in an even number of rings. An area of 0 has the mean of its corners as its centre.
struct OutlineFacts {
  double area = 0;
  Corner centre;
};
OutlineFacts Measure(const Outline& outline);

}  // namespace genvinci
