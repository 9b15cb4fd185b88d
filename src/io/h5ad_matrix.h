#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "genvinci/io/h5ad.h"
#include "hdf5_util.h"

namespace genvinci {

// A matrix of an AnnData file: what it is, before any value is read.
struct H5adMatrix {
  enum class Format { kDense, kCsr, kCsc };
  std::string element;
  Format format = Format::kDense;
  std::string value_type;  // "float32", ...
  int64_t rows = 0, columns = 0;
};

// Looks at `element`; nothing when it is no matrix of numbers. DataError (H5_MISSING, H5_TYPE, H5_SHAPE) when it says
// it is one but its parts do not fit together.
std::optional<H5adMatrix> DescribeMatrix(const Hdf5File& file, const std::string& element);

struct MatrixReading {
  const Hdf5File& file;
  const H5adMatrix& matrix;
  const DataFrame& obs;  // names for messages
  const DataFrame& var;
  H5adLimits limits;
};

// As H5adFile::ForEachBatch and SampleValues say.
void ReadBatches(const MatrixReading& reading, int64_t batch_rows, const std::function<void(const SparseRows&)>& use);
std::vector<double> SampleMatrix(const MatrixReading& reading);

}  // namespace genvinci
