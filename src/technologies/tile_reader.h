#pragma once

#include <memory>

#include "genvinci/technologies/section_reader.h"

namespace genvinci {

// Squares of `side_um` in place of a reader's cells (or bins): each tile that holds a cell has the sum of its cells'
// counts, their number (`n_cells`), the label that most of them have, and a patch of its own extent. Tiles lie on a
// lattice that starts at the section's origin. Cells that cannot be used are counted as dropped, and add to no tile.
// UsageError TILE_SCALE when a section has no image whose scale is known.
std::unique_ptr<SectionReader> MakeTiles(std::unique_ptr<SectionReader> cells, double side_um);

}  // namespace genvinci
