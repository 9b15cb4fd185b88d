#include <cmath>
#include <limits>
#include <map>
#include <unordered_set>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/text.h"
#include "genvinci/io/h5ad.h"
#include "h5ad_frame.h"
#include "h5ad_matrix.h"

namespace genvinci {

std::span<const int32_t> SparseRows::RowIndices(int64_t row) const {
  return {indices.data() + offsets.at(row), indices.data() + offsets.at(row + 1)};
}

std::span<const float> SparseRows::RowValues(int64_t row) const {
  return {values.data() + offsets.at(row), values.data() + offsets.at(row + 1)};
}

struct H5adFile::Impl {
  // Where an array of obsm is: a dataset, or before 0.7 a field of one compound dataset.
  struct ObsmPlace {
    std::string element, field;
  };

  Impl(const fs::path& path, const H5adLimits& limits, Trust trust);
  void ReadNames();
  void FindMatrices();
  void AddMatrix(const std::string& name, const std::string& element);
  void FindObsm();
  void AddObsm(const std::string& name, const Hdf5Array& array);
  const H5adMatrix& Matrix(const std::string& layer) const;
  const DataFrame& VarOf(const std::string& layer) const { return layer == "raw" ? raw_var : var; }

  Hdf5File file;
  H5adLimits limits;
  DataFrame obs, var, raw_var;
  std::vector<std::pair<std::string, H5adMatrix>> matrices;
  std::vector<std::pair<std::string, ObsmPlace>> obsm;
};

H5adFile::Impl::Impl(const fs::path& path, const H5adLimits& limits, Trust trust) : file(path, trust), limits(limits) {
  ReadNames();
  FindMatrices();
  FindObsm();
  static const std::unordered_set<std::string> known = {"X",        "raw",    "raw.X", "raw.var", "raw.cat",
                                                        "raw.varm", "layers", "obs",   "var",     "obsm",
                                                        "varm",     "obsp",   "varp",  "uns"};
  for (const std::string& name : file.Members("/")) {
    if (!known.contains(name)) Warn("{}: {}: not a part of AnnData: skipped", file.path().string(), name);
  }
}

void H5adFile::Impl::ReadNames() {
  for (const char* needed : {"obs", "var"}) {
    if (!file.Exists(needed)) {
      throw DataError("H5_MISSING", "{}: {}: is not there: not an AnnData file", file.path().string(), needed);
    }
  }
  obs = ReadFrame(file, "obs");
  var = ReadFrame(file, "var");
  if (var.index.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
    throw DataError("H5_SIZE", "{}: var: {} columns (limit: 2^31 - 1)", file.path().string(), var.index.size());
  }
  std::unordered_set<std::string_view> seen;
  for (const std::string& name : obs.index) {
    if (!seen.insert(name).second) {
      throw DataError("H5_DUPLICATE",
                      "{}: obs: the name \"{}\" is there twice: call obs_names_make_unique() and write it "
                      "again",
                      file.path().string(), name);
    }
  }
}

void H5adFile::Impl::FindMatrices() {
  AddMatrix("X", "X");
  if (file.Exists("raw/X") && file.Exists("raw/var")) {
    raw_var = ReadFrame(file, "raw/var");
    AddMatrix("raw", "raw/X");
  } else if (file.Exists("raw.X") && file.Exists("raw.var")) {
    raw_var = ReadFrame(file, "raw.var");
    AddMatrix("raw", "raw.X");
  }
  for (const std::string& name : file.Members("layers")) AddMatrix(name, "layers/" + name);
}

void H5adFile::Impl::AddMatrix(const std::string& name, const std::string& element) {
  if (!file.Exists(element)) return;
  if (element != "X" && (name == "X" || (name == "raw" && element == "layers/raw" && file.Exists("raw")))) {
    Warn("{}: {}: a layer that has the name of another matrix: skipped", file.path().string(), element);
    return;
  }
  std::optional<H5adMatrix> matrix = DescribeMatrix(file, element);
  if (!matrix) {
    const bool empty = element == "X" && file.IsDataset(element) && file.OpenArray(element).null;
    if (element == "X" && !empty) {
      throw DataError("H5_TYPE", "{}: X: neither a dense nor a csr or csc matrix of numbers: write the file again",
                      file.path().string());
    }
    if (!empty) Warn("{}: {}: not a matrix of numbers: skipped", file.path().string(), element);
    return;
  }
  const auto rows = static_cast<int64_t>(obs.index.size());
  const auto columns = static_cast<int64_t>(VarOf(name).index.size());
  if (matrix->rows != rows || matrix->columns != columns) {
    throw DataError("H5_SHAPE", "{}: {}: {} x {}, but there are {} obs and {} var: the file is damaged",
                    file.path().string(), element, matrix->rows, matrix->columns, rows, columns);
  }
  matrices.emplace_back(name, std::move(*matrix));
}

void H5adFile::Impl::AddObsm(const std::string& name, const Hdf5Array& array) {
  const bool nested = array.type_class() == H5T_ARRAY;
  bool number = array.IsNumber() && array.shape.size() == 2;
  if (!array.field.empty()) {
    const Hdf5Handle base(nested ? H5Tget_super(array.type.get()) : H5Tcopy(array.type.get()));
    const H5T_class_t kind = H5Tget_class(base.get());
    number = array.shape.size() == 1 && (kind == H5T_FLOAT || kind == H5T_INTEGER) &&
             (!nested || H5Tget_array_ndims(array.type.get()) == 1);
  }
  if (!number) {
    Warn("{}: {}: not a matrix of numbers: skipped", file.path().string(), array.element);
    return;
  }
  if (array.shape[0] != static_cast<int64_t>(obs.index.size())) {
    throw DataError("H5_SHAPE", "{}: {}: {} rows, but there are {} obs: the file is damaged", file.path().string(),
                    array.element, array.shape[0], obs.index.size());
  }
  obsm.emplace_back(name, ObsmPlace{array.field.empty() ? array.element : "obsm", array.field});
}

void H5adFile::Impl::FindObsm() {
  for (const std::string& name : file.Members("obsm")) {
    const std::string element = "obsm/" + name;
    if (file.IsDataset(element)) {
      AddObsm(name, file.OpenArray(element));
    } else {
      Warn("{}: {}: not a dense array: skipped", file.path().string(), element);
    }
  }
  if (!file.IsDataset("obsm")) return;
  for (const std::string& field : file.Fields(file.OpenArray("obsm"))) AddObsm(field, file.OpenField("obsm", field));
}

const H5adMatrix& H5adFile::Impl::Matrix(const std::string& layer) const {
  std::vector<std::string> names;
  for (const auto& [name, matrix] : matrices) {
    if (name == layer) return matrix;
    names.push_back(name);
  }
  throw DataError("H5_LAYER", "{}: no matrix \"{}\": {}", file.path().string(), layer,
                  names.empty() ? "the file holds none" : "there are " + JoinText(names, ", "));
}

H5adFile::H5adFile(const fs::path& path, const H5adLimits& limits, Trust trust)
    : impl_(std::make_unique<Impl>(path, limits, trust)) {}
H5adFile::~H5adFile() = default;
H5adFile::H5adFile(H5adFile&&) noexcept = default;

const fs::path& H5adFile::path() const { return impl_->file.path(); }
int64_t H5adFile::n_obs() const { return static_cast<int64_t>(impl_->obs.index.size()); }
int64_t H5adFile::n_vars() const { return static_cast<int64_t>(impl_->var.index.size()); }
const DataFrame& H5adFile::obs() const { return impl_->obs; }
const DataFrame& H5adFile::var() const { return impl_->var; }

std::vector<std::string> H5adFile::layers() const {
  std::vector<std::string> names;
  for (const auto& [name, matrix] : impl_->matrices) names.push_back(name);
  return names;
}

std::string H5adFile::MatrixKind(const std::string& layer) const {
  const H5adMatrix& matrix = impl_->Matrix(layer);
  static constexpr const char* kFormats[] = {"dense", "csr_matrix", "csc_matrix"};
  return std::string(kFormats[static_cast<int>(matrix.format)]) + " " + matrix.value_type;
}

std::vector<std::string> H5adFile::obsm_names() const {
  std::vector<std::string> names;
  for (const auto& [name, place] : impl_->obsm) names.push_back(name);
  return names;
}

DenseArray H5adFile::Obsm(const std::string& name) const {
  for (const auto& [known, place] : impl_->obsm) {
    if (known != name) continue;
    const Hdf5File& file = impl_->file;
    DenseArray array;
    array.values = file.ReadDoubles(place.field.empty() ? file.OpenArray(place.element)
                                                        : file.OpenField(place.element, place.field));
    array.rows = n_obs();
    array.columns = array.rows == 0 ? 0 : static_cast<int64_t>(array.values.size()) / array.rows;
    return array;
  }
  throw DataError("H5_MISSING", "{}: no obsm \"{}\": there are {}", path().string(), name,
                  obsm_names().empty() ? "none" : JoinText(obsm_names(), ", "));
}

const DataFrame& H5adFile::VarOf(const std::string& layer) const {
  impl_->Matrix(layer);
  return impl_->VarOf(layer);
}

std::vector<std::string> H5adFile::UnsKeys(const std::string& group) const {
  return impl_->file.Members("uns/" + group);
}

std::optional<double> H5adFile::UnsNumber(const std::string& element) const {
  const std::string path = "uns/" + element;
  if (!impl_->file.IsDataset(path)) return std::nullopt;
  const Hdf5Array array = impl_->file.OpenArray(path);
  if (!array.IsNumber() || array.size() != 1) return std::nullopt;
  return impl_->file.ReadDoubles(array).front();
}

void H5adFile::ForEachBatch(const std::string& layer, int64_t batch_rows,
                            const std::function<void(const SparseRows&)>& use) const {
  ReadBatches({impl_->file, impl_->Matrix(layer), impl_->obs, VarOf(layer), impl_->limits}, batch_rows, use);
}

std::vector<double> H5adFile::SampleValues(const std::string& layer) const {
  return SampleMatrix({impl_->file, impl_->Matrix(layer), impl_->obs, VarOf(layer), impl_->limits});
}

std::vector<std::string> IntegerLayers(const H5adFile& file) {
  std::vector<std::string> names;
  for (const std::string& layer : file.layers()) {
    const std::vector<double> values = file.SampleValues(layer);
    const auto whole = [](double value) { return std::isfinite(value) && value >= 0 && value == std::floor(value); };
    if (std::all_of(values.begin(), values.end(), whole)) names.push_back(layer);
  }
  return names;
}

}  // namespace genvinci
