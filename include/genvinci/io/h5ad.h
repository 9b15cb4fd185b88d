#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "genvinci/core/files.h"
#include "genvinci/io/data_frame.h"

namespace genvinci {

// A dense float array of obsm, row-major.
struct DenseArray {
  int64_t rows = 0, columns = 0;
  std::vector<double> values;
};

// Rows of a matrix as CSR; column indices ascend within a row, zeros are not stored.
struct SparseRows {
  int64_t first_row = 0, columns = 0;
  std::vector<int64_t> offsets{0};  // rows + 1
  std::vector<int32_t> indices;
  std::vector<float> values;

  int64_t rows() const { return static_cast<int64_t>(offsets.size()) - 1; }
  std::span<const int32_t> RowIndices(int64_t row) const;
  std::span<const float> RowValues(int64_t row) const;
};

// Bounds on what reading a matrix keeps in memory.
struct H5adLimits {
  int64_t dense_values = int64_t{1} << 24;   // of a dense matrix at a time (at least a row, and a row of chunks)
  int64_t sparse_values = int64_t{1} << 25;  // of a CSC matrix turned in one pass; more passes make up for it
};

// Whether a file may be damaged in ways that crash HDF5 itself: one that came from elsewhere, or one that this program
// wrote and whose sha256 is still the one it noted.
enum class Trust { kForeign, kOwn };

// An AnnData file of any version from 0.6 on (dense, CSR, CSC; obs and var of every column kind; before 0.7
// and 0.8 too), read within H5adLimits. Unknown elements are skipped with a warning. Safe to use from
// several threads as long as each has its own object.
// MissingFileError, or DataError: H5_OPEN, H5_READ, H5_MISSING, H5_TYPE, H5_LENGTH, H5_CODE, H5_DUPLICATE (obs names),
// H5_SHAPE (a matrix that does not fit obs and var), and those of links, storage and filters: H5_EXTERNAL_LINK,
// H5_LINK, H5_EXTERNAL, H5_VIRTUAL, H5_FILTER, H5_SIZE, H5_DEPTH. Of a foreign file a child process reads all first; if
// HDF5 crashes or hangs there: H5_DAMAGED.
class H5adFile {
 public:
  explicit H5adFile(const fs::path& path, const H5adLimits& limits = {}, Trust trust = Trust::kForeign);
  ~H5adFile();
  H5adFile(H5adFile&&) noexcept;

  const fs::path& path() const;
  int64_t n_obs() const;
  int64_t n_vars() const;  // of X and the layers; `raw` may have others, see VarOf
  const DataFrame& obs() const;
  const DataFrame& var() const;
  std::vector<std::string> layers() const;                 // names a matrix may be asked by: "X", "raw", and each layer
  std::string MatrixKind(const std::string& layer) const;  // "dense float32", "csr_matrix int64", ...
  std::vector<std::string> obsm_names() const;
  DenseArray Obsm(const std::string& name) const;  // DataError H5_MISSING names those that are there
  // var of the `raw` group when layer is "raw", else var().
  const DataFrame& VarOf(const std::string& layer) const;

  // uns: names in a group ("spatial"), and a number ("spatial/<library>/scalefactors/spot_diameter_fullres"). Nothing
  // where there is no such element.
  std::vector<std::string> UnsKeys(const std::string& group) const;
  std::optional<double> UnsNumber(const std::string& element) const;

  // Calls `use` with batches of rows in order, at most `batch_rows` each; X is never whole in memory (CSC is read in
  // passes and turned, within a bounded buffer). DataError: H5_LAYER (no such matrix; names those that are there),
  // H5_VALUE (NaN, Inf or negative, naming row and column), H5_INDPTR, H5_INDEX_RANGE, H5_INDEX_DUPLICATE.
  void ForEachBatch(const std::string& layer, int64_t batch_rows,
                    const std::function<void(const SparseRows&)>& use) const;

  // Some values as stored, NaN and negative ones too: of a dense matrix the first 64 rows, of a sparse one the first
  // values that it stores (2^20 at most).
  std::vector<double> SampleValues(const std::string& layer) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Names of the matrices whose sampled values (SampleValues) are all whole, finite and not negative: those that may be
// counts.
std::vector<std::string> IntegerLayers(const H5adFile& file);

// Writes an AnnData file (encoding 0.1.0: CSR float32 X, obs, var, obsm) atomically, batch by batch; Python's anndata
// (0.8 and later) opens it. Columns: texts as string-array (as categorical when some are missing, as anndata does),
// categorical, float64, int64 and bool (nullable when some are missing). X is gzip-compressed.
// DataError H5_NAME for a name that HDF5 cannot hold (empty, "."); IoError FILE_WRITE names path and reason.
class H5adWriter {
 public:
  H5adWriter(const fs::path& path, DataFrame obs, DataFrame var);
  ~H5adWriter();  // not finished: nothing is left behind, and what was at `path` is untouched
  void SetObsm(const std::string& name, const DenseArray& values);
  void Append(const SparseRows& rows);                  // in order
  void AppendDense(std::span<const float> row_values);  // one row
  void Finish();                                        // InternalError unless n_obs rows came

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace genvinci
