#pragma once

#include "genvinci/core/files.h"
#include "genvinci/io/h5ad.h"

namespace genvinci {

// A matrix of numpy's .npy format (versions 1 to 3): two axes, row- or column-major, of little-endian floats (2, 4 or
// 8 bytes) or integers. It stands against arrays of objects, which are
// pickles, and shapes that the file does not fill. MissingFileError; DataError NPY_FORMAT (no .npy file, or cut short),
// NPY_TYPE (objects, text, complex numbers, big-endian), NPY_SHAPE (not two axes).
DenseArray ReadNpy(const fs::path& path);

}  // namespace genvinci
