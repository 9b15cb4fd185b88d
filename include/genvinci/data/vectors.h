#pragma once

#include <string>

#include "genvinci/data/dataset.h"

namespace genvinci {

// Numbers that a user brings for each observation (an embedding of scGPT or UCE, pathway scores): "obsm:NAME" of the
// dataset's expression.h5ad, or a .npy file (observations, columns) in the order of its obs. MissingFileError;
// DataError H5_MISSING, VECTOR_ROWS (another number of rows), VECTOR_VALUE (not finite, naming the observation), and
// ReadNpy's.
DenseArray LoadVectors(const Dataset& dataset, const std::string& source);

}  // namespace genvinci
