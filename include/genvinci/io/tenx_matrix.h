#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "genvinci/core/files.h"
#include "genvinci/io/h5ad.h"

namespace genvinci {

// A row of 10x Genomics' features table. Of a probe matrix: the gene that the probe is for.
struct TenxFeature {
  std::string id;                  // "ENSG00000141510"
  std::string name;                // "TP53"
  std::string type;                // "Gene Expression", "Antibody Capture", ...; "": the file states none
  bool is_excluded_probe = false;  // Space Ranger leaves it out of its filtered counts
};

// A feature-barcode (or feature-cell) matrix as Cell Ranger, Space Ranger and Xenium write it, as barcodes x features.
class TenxMatrix {
 public:
  using BatchUser = std::function<void(const SparseRows&)>;

  // `path` is an HDF5 file (group `matrix` with `features`, or with `genes` as before Cell Ranger 3; texts of fixed or
  // variable length, counts of any number type), or a folder of barcodes.tsv, features.tsv (or genes.tsv) and
  // matrix.mtx, each plain or .gz.
  // MissingFileError FILE_MISSING, TENX_FILE; DataError TENX_LAYOUT (no such matrix), TENX_SHAPE (tables and matrix
  // disagree), TENX_DUPLICATE (a barcode twice), those of H5adFile and TableReader; of a folder MTX_FORMAT, MTX_INDEX,
  // MTX_VALUE, MTX_DUPLICATE, MTX_CUT, each with its line.
  static std::unique_ptr<TenxMatrix> Open(const fs::path& path);
  virtual ~TenxMatrix() = default;

  const fs::path& path() const { return path_; }
  const std::vector<std::string>& barcodes() const { return barcodes_; }
  const std::vector<TenxFeature>& features() const { return features_; }
  // Root attribute "software_version" of an HDF5 file, as "spaceranger-2.0.0"; "": not stated.
  const std::string& software() const { return software_; }

  // Rows are barcodes in their order, at most `batch_rows` at a time; columns are features.
  virtual void ForEachBatch(int64_t batch_rows, const BatchUser& use) const = 0;

 protected:
  explicit TenxMatrix(fs::path path) : path_(std::move(path)) {}
  void CheckTables() const;  // TENX_SHAPE for empty tables, TENX_DUPLICATE

  fs::path path_;
  std::vector<std::string> barcodes_;
  std::vector<TenxFeature> features_;
  std::string software_;
};

}  // namespace genvinci
