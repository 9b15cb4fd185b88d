#include "h5ad_matrix.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "genvinci/core/error.h"

namespace genvinci {
namespace {

using Format = H5adMatrix::Format;
constexpr int64_t kSlab = int64_t{1} << 20;  // stored values read at a time
constexpr int64_t kSampleRows = 64;

// Puts values that come row by row, in ascending columns, into batches.
class BatchBuilder {
 public:
  BatchBuilder(const MatrixReading& reading, int64_t batch_rows, const std::function<void(const SparseRows&)>& use)
      : reading_(reading), batch_rows_(batch_rows), use_(use) {
    batch_.columns = reading.matrix.columns;
  }

  void Add(int64_t column, float value) {
    if (!(value >= 0 && value <= std::numeric_limits<float>::max())) FailValue(column, value);
    if (value == 0) return;
    batch_.indices.push_back(static_cast<int32_t>(column));
    batch_.values.push_back(value);
  }

  void EndRow() {
    batch_.offsets.push_back(static_cast<int64_t>(batch_.indices.size()));
    if (batch_.rows() == batch_rows_) Flush();
  }

  void Flush() {
    if (batch_.rows() == 0) return;
    use_(batch_);
    batch_.first_row += batch_.rows();
    batch_.offsets.assign(1, 0);
    batch_.indices.clear();
    batch_.values.clear();
  }

 private:
  [[noreturn]] void FailValue(int64_t column, float value) const {
    const int64_t row = batch_.first_row + batch_.rows();
    throw DataError("H5_VALUE",
                    "{}: {}: row {} ({}), column {} ({}) is {}: counts are finite and not negative; choose a "
                    "layer of counts",
                    reading_.file.path().string(), reading_.matrix.element, row, reading_.obs.index[row], column,
                    reading_.var.index[column], value);
  }

  const MatrixReading& reading_;
  int64_t batch_rows_;
  const std::function<void(const SparseRows&)>& use_;
  SparseRows batch_;
};

// The three arrays of a sparse matrix, with indptr read and checked.
struct SparseParts {
  Hdf5Array data, indices;
  std::vector<int64_t> indptr;
  int64_t stored() const { return data.shape[0]; }
};

[[noreturn]] void FailPart(const MatrixReading& reading, const char* name, const std::string& what) {
  throw DataError(name, "{}: {}: {}: the file is damaged or was not written by anndata", reading.file.path().string(),
                  reading.matrix.element, what);
}

void CheckIndptr(const MatrixReading& reading, const SparseParts& parts) {
  const bool by_row = reading.matrix.format == Format::kCsr;
  const int64_t lines = by_row ? reading.matrix.rows : reading.matrix.columns;
  const int64_t longest = by_row ? reading.matrix.columns : reading.matrix.rows;
  const std::vector<int64_t>& indptr = parts.indptr;
  if (static_cast<int64_t>(indptr.size()) != lines + 1) {
    FailPart(reading, "H5_INDPTR", fmt::format("indptr has {} entries, {} are needed", indptr.size(), lines + 1));
  }
  if (indptr.front() != 0 || indptr.back() != parts.stored()) {
    FailPart(reading, "H5_INDPTR",
             fmt::format("indptr runs from {} to {}, the values from 0 to {}", indptr.front(), indptr.back(),
                         parts.stored()));
  }
  for (int64_t i = 0; i < lines; ++i) {
    if (indptr[i + 1] < indptr[i]) FailPart(reading, "H5_INDPTR", fmt::format("indptr falls at entry {}", i + 1));
    if (indptr[i + 1] - indptr[i] > longest) {
      FailPart(reading, "H5_INDPTR",
               fmt::format("indptr gives entry {} {} values of {}", i, indptr[i + 1] - indptr[i], longest));
    }
  }
}

SparseParts OpenSparse(const MatrixReading& reading) {
  const Hdf5File& file = reading.file;
  const std::string& element = reading.matrix.element;
  SparseParts parts{file.OpenArray(element + "/data"), file.OpenArray(element + "/indices"), {}};
  const Hdf5Array indptr = file.OpenArray(element + "/indptr");
  const Hdf5Array* const members[] = {&parts.data, &parts.indices, &indptr};
  for (const Hdf5Array* array : members) {
    if (array->shape.size() != 1 || !array->IsNumber() ||
        (array != &parts.data && array->type_class() != H5T_INTEGER)) {
      throw DataError("H5_TYPE", "{}: {}: not a list of numbers: the file is damaged", file.path().string(),
                      array->element);
    }
  }
  if (parts.data.shape != parts.indices.shape) {
    FailPart(reading, "H5_LENGTH", fmt::format("{} values but {} indices", parts.stored(), parts.indices.shape[0]));
  }
  parts.indptr = file.ReadIntegers(indptr);
  CheckIndptr(reading, parts);
  return parts;
}

// Stored values [first, first + count) with their indices, which are checked.
struct Slab {
  std::vector<int64_t> indices;
  std::vector<float> values;
};

void ReadIndices(const MatrixReading& reading, const SparseParts& parts, int64_t first, int64_t count, Slab& slab) {
  const int64_t limit = reading.matrix.format == Format::kCsr ? reading.matrix.columns : reading.matrix.rows;
  reading.file.ReadRows(parts.indices, first, count, slab.indices);
  for (const int64_t index : slab.indices) {
    if (index < 0 || index >= limit) {
      FailPart(reading, "H5_INDEX_RANGE", fmt::format("an index is {}, allowed are 0 to {}", index, limit - 1));
    }
  }
}

void ReadSlab(const MatrixReading& reading, const SparseParts& parts, int64_t first, int64_t count, Slab& slab) {
  ReadIndices(reading, parts, first, count, slab);
  reading.file.ReadRows(parts.data, first, count, slab.values);
}

[[noreturn]] void FailDuplicate(const MatrixReading& reading, int64_t row, int64_t column) {
  throw DataError("H5_INDEX_DUPLICATE",
                  "{}: {}: row {} ({}) holds column {} ({}) twice: write it again after "
                  "sum_duplicates()",
                  reading.file.path().string(), reading.matrix.element, row, reading.obs.index[row], column,
                  reading.var.index[column]);
}

void ReadCsr(const MatrixReading& reading, BatchBuilder& builder) {
  const SparseParts parts = OpenSparse(reading);
  const std::vector<int64_t>& indptr = parts.indptr;
  Slab slab;
  std::vector<std::pair<int64_t, float>> row_values;
  for (int64_t row = 0; row < reading.matrix.rows;) {
    int64_t end = row + 1;
    while (end < reading.matrix.rows && indptr[end + 1] - indptr[row] <= kSlab) ++end;
    ReadSlab(reading, parts, indptr[row], indptr[end] - indptr[row], slab);
    for (const int64_t start = indptr[row]; row < end; ++row) {
      row_values.clear();
      for (int64_t i = indptr[row] - start; i < indptr[row + 1] - start; ++i) {
        row_values.emplace_back(slab.indices[i], slab.values[i]);
      }
      const auto by_column = [](const auto& a, const auto& b) { return a.first < b.first; };
      if (!std::is_sorted(row_values.begin(), row_values.end(), by_column)) {
        std::sort(row_values.begin(), row_values.end(), by_column);
      }
      for (size_t i = 0; i < row_values.size(); ++i) {
        if (i > 0 && row_values[i].first == row_values[i - 1].first) FailDuplicate(reading, row, row_values[i].first);
        builder.Add(row_values[i].first, row_values[i].second);
      }
      builder.EndRow();
    }
  }
}

// Turns the rows [first, last) of a CSC matrix: one pass over all that is stored, columns ascending.
void TurnRows(const MatrixReading& reading, const SparseParts& parts, const std::vector<int64_t>& row_starts,
              int64_t first, int64_t last, BatchBuilder& builder) {
  const int64_t base = row_starts[first];
  std::vector<int32_t> columns(row_starts[last] - base);
  std::vector<float> values(columns.size());
  std::vector<int64_t> next(row_starts.begin() + first, row_starts.begin() + last);
  Slab slab;
  int64_t column = 0;
  for (int64_t start = 0; start < parts.stored(); start += kSlab) {
    const int64_t count = std::min(kSlab, parts.stored() - start);
    ReadSlab(reading, parts, start, count, slab);
    for (int64_t i = 0; i < count; ++i) {
      while (parts.indptr[column + 1] <= start + i) ++column;
      const int64_t row = slab.indices[i];
      if (row < first || row >= last) continue;
      const int64_t at = next[row - first]++ - base;
      if (at > row_starts[row] - base && columns[at - 1] == column) FailDuplicate(reading, row, column);
      columns[at] = static_cast<int32_t>(column);
      values[at] = slab.values[i];
    }
  }
  for (int64_t row = first; row < last; ++row) {
    for (int64_t i = row_starts[row] - base; i < row_starts[row + 1] - base; ++i) builder.Add(columns[i], values[i]);
    builder.EndRow();
  }
}

void ReadCsc(const MatrixReading& reading, BatchBuilder& builder) {
  const SparseParts parts = OpenSparse(reading);
  std::vector<int64_t> row_starts(reading.matrix.rows + 1, 0);
  Slab slab;
  for (int64_t start = 0; start < parts.stored(); start += kSlab) {
    ReadIndices(reading, parts, start, std::min(kSlab, parts.stored() - start), slab);
    for (const int64_t row : slab.indices) ++row_starts[row + 1];
  }
  std::partial_sum(row_starts.begin(), row_starts.end(), row_starts.begin());
  for (int64_t first = 0; first < reading.matrix.rows;) {
    int64_t last = first + 1;
    while (last < reading.matrix.rows && row_starts[last + 1] - row_starts[first] <= reading.limits.sparse_values)
      ++last;
    TurnRows(reading, parts, row_starts, first, last, builder);
    first = last;
  }
}

// Rows to read at a time: whole rows of chunks, so that none is unpacked twice, as long as they fit the limit.
int64_t DenseRowsAtATime(const Hdf5Array& array, const MatrixReading& reading) {
  const int64_t columns = std::max<int64_t>(reading.matrix.columns, 1);
  const int64_t fitting = std::max<int64_t>(reading.limits.dense_values / columns, 1);
  const Hdf5Handle plist(H5Dget_create_plist(array.dataset.get()));
  if (H5Pget_layout(plist.get()) != H5D_CHUNKED) return fitting;
  hsize_t extent[H5S_MAX_RANK];
  if (H5Pget_chunk(plist.get(), H5S_MAX_RANK, extent) < 1) return fitting;
  const auto chunk_rows = static_cast<int64_t>(extent[0]);
  return chunk_rows > fitting ? fitting : fitting / chunk_rows * chunk_rows;
}

void ReadDense(const MatrixReading& reading, BatchBuilder& builder) {
  const Hdf5Array array = reading.file.OpenArray(reading.matrix.element);
  const int64_t columns = reading.matrix.columns, block = DenseRowsAtATime(array, reading);
  std::vector<float> values;
  for (int64_t first = 0; first < reading.matrix.rows; first += block) {
    const int64_t count = std::min(block, reading.matrix.rows - first);
    reading.file.ReadRows(array, first, count, values);
    for (int64_t row = 0; row < count; ++row) {
      for (int64_t column = 0; column < columns; ++column) builder.Add(column, values[row * columns + column]);
      builder.EndRow();
    }
  }
}

std::optional<H5adMatrix> DescribeSparse(const Hdf5File& file, const std::string& element) {
  std::string encoding = file.TextAttribute(element, "encoding-type");
  if (encoding.empty()) encoding = file.TextAttribute(element, "h5sparse_format") + "_matrix";
  if (encoding != "csr_matrix" && encoding != "csc_matrix") return std::nullopt;
  std::vector<int64_t> shape = file.IntegersAttribute(element, "shape");
  if (shape.empty()) shape = file.IntegersAttribute(element, "h5sparse_shape");
  if (shape.size() != 2) {
    throw DataError("H5_SHAPE", "{}: {}: no attribute `shape` of two numbers: the file is damaged",
                    file.path().string(), element);
  }
  const Hdf5Array data = file.OpenArray(element + "/data");
  if (!data.IsNumber()) return std::nullopt;
  return H5adMatrix{element, encoding == "csr_matrix" ? Format::kCsr : Format::kCsc, data.TypeName(), shape[0],
                    shape[1]};
}

}  // namespace

std::optional<H5adMatrix> DescribeMatrix(const Hdf5File& file, const std::string& element) {
  if (file.IsGroup(element)) return DescribeSparse(file, element);
  if (!file.IsDataset(element)) return std::nullopt;
  const Hdf5Array array = file.OpenArray(element);
  if (array.null || !array.IsNumber() || array.shape.empty() || array.shape.size() > 2) return std::nullopt;
  // Before 0.7 a single column was stored without its second axis.
  const int64_t columns = array.shape.size() == 2 ? array.shape[1] : 1;
  return H5adMatrix{element, Format::kDense, array.TypeName(), array.shape[0], columns};
}

void ReadBatches(const MatrixReading& reading, int64_t batch_rows, const std::function<void(const SparseRows&)>& use) {
  GENVINCI_CHECK(batch_rows > 0, "batch_rows is {}", batch_rows);
  BatchBuilder builder(reading, batch_rows, use);
  switch (reading.matrix.format) {
    case Format::kDense:
      ReadDense(reading, builder);
      break;
    case Format::kCsr:
      ReadCsr(reading, builder);
      break;
    case Format::kCsc:
      ReadCsc(reading, builder);
      break;
  }
  builder.Flush();
}

std::vector<double> SampleMatrix(const MatrixReading& reading) {
  const H5adMatrix& matrix = reading.matrix;
  const bool dense = matrix.format == Format::kDense;
  const Hdf5Array array = reading.file.OpenArray(dense ? matrix.element : matrix.element + "/data");
  if (array.shape.empty()) return {};
  std::vector<double> values;
  reading.file.ReadRows(array, 0, std::min(array.shape[0], dense ? kSampleRows : kSlab), values);
  return values;
}

}  // namespace genvinci
