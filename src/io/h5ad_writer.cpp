#include <limits>

#include "genvinci/core/error.h"
#include "genvinci/io/h5ad.h"
#include "hdf5_output.h"

namespace genvinci {
namespace {

using Kind = FrameColumn::Kind;
constexpr size_t kPending = size_t{1} << 20;  // values of X kept before they are written

void CheckName(const fs::path& path, const std::string& name) {
  const bool odd = name.empty() || name == "." || name.front() == '/' || name.find('\0') != std::string::npos;
  if (odd) throw DataError("H5_NAME", "{}: \"{}\" cannot be a name in an HDF5 file: rename it", path.string(), name);
}

bool AnyMissing(const FrameColumn& column) {
  for (size_t row = 0; row < column.size(); ++row) {
    if (column.IsMissing(row)) return true;
  }
  return false;
}

// Texts with gaps, as anndata stores them too: older readers know no nullable text.
FrameColumn TextsAsCategories(const FrameColumn& texts) {
  std::vector<std::string> present;
  for (size_t row = 0; row < texts.size(); ++row) {
    if (!texts.IsMissing(row)) present.push_back(texts.strings[row]);
  }
  FrameColumn coded = FrameColumn::Categorical(present), column = coded;
  column.integers.assign(texts.size(), -1);
  for (size_t row = 0, at = 0; row < texts.size(); ++row) {
    if (!texts.IsMissing(row)) column.integers[row] = coded.integers[at++];
  }
  return column;
}

void WriteCategories(Hdf5Output& output, const std::string& element, const FrameColumn& column) {
  const size_t count = column.strings.size();
  output.Group(element, "categorical", "0.2.0");
  output.BoolAttribute(element, "ordered", false);
  output.Texts(element + "/categories", column.strings);
  output.Integers(element + "/codes", column.integers,
                  count < 128     ? H5T_STD_I8LE
                  : count < 32768 ? H5T_STD_I16LE
                                  : H5T_STD_I32LE);
}

void WriteNumbers(Hdf5Output& output, const std::string& element, const FrameColumn& column) {
  const bool gaps = AnyMissing(column), is_bool = column.kind == Kind::kBool;
  const std::string values = gaps ? element + "/values" : element;
  if (gaps) output.Group(element, is_bool ? "nullable-boolean" : "nullable-integer", "0.1.0");
  if (is_bool) {
    output.Bools(values, std::vector<bool>(column.integers.begin(), column.integers.end()));
  } else {
    output.Integers(values, column.integers, H5T_STD_I64LE);
  }
  if (gaps) output.Bools(element + "/mask", column.missing);
}

void WriteColumn(Hdf5Output& output, const std::string& element, const FrameColumn& column) {
  switch (column.kind) {
    case Kind::kString:
      if (AnyMissing(column)) return WriteCategories(output, element, TextsAsCategories(column));
      return output.Texts(element, column.strings);
    case Kind::kCategorical:
      return WriteCategories(output, element, column);
    case Kind::kFloat:
      return output.Doubles(element, column.floats, {column.floats.size()});
    case Kind::kInteger:
    case Kind::kBool:
      return WriteNumbers(output, element, column);
  }
}

void WriteFrame(Hdf5Output& output, const fs::path& path, const std::string& element, const DataFrame& frame) {
  std::string index = "_index";
  while (frame.Find(index) != nullptr) index += "_";
  std::vector<std::string> order;
  output.Group(element, "dataframe", "0.2.0");
  output.Texts(element + "/" + index, frame.index);
  for (const auto& [name, column] : frame.columns) {
    CheckName(path, name);
    GENVINCI_CHECK(column.size() == frame.index.size(), "{} has {} values for {} rows", name, column.size(),
                   frame.index.size());
    WriteColumn(output, element + "/" + name, column);
    order.push_back(name);
  }
  output.TextAttribute(element, "_index", index);
  output.TextListAttribute(element, "column-order", order);
}

}  // namespace

struct H5adWriter::Impl {
  Impl(const fs::path& path, const DataFrame& obs, const DataFrame& var);
  void AddRow(std::span<const int32_t> columns, std::span<const float> values);
  void WritePending();
  int64_t rows() const { return static_cast<int64_t>(indptr.size()) - 1; }

  fs::path path;
  int64_t n_obs, n_vars, written = 0;
  Hdf5Output output;
  Hdf5Handle data, indices;  // closed before `output`
  std::vector<int64_t> indptr{0};
  std::vector<int32_t> pending_indices;
  std::vector<float> pending_values;
};

H5adWriter::Impl::Impl(const fs::path& path, const DataFrame& obs, const DataFrame& var)
    : path(path), n_obs(obs.index.size()), n_vars(var.index.size()), output(path) {
  output.Encoding("/", "anndata", "0.1.0");
  WriteFrame(output, path, "obs", obs);
  WriteFrame(output, path, "var", var);
  for (const char* name : {"layers", "obsm", "obsp", "uns", "varm", "varp"}) output.Group(name, "dict", "0.1.0");
  output.Group("X", "csr_matrix", "0.1.0");
  output.IntegersAttribute("X", "shape", {n_obs, n_vars});
  data = output.GrowingList("X/data", H5T_IEEE_F32LE);
  indices = output.GrowingList("X/indices", H5T_STD_I32LE);
}

void H5adWriter::Impl::AddRow(std::span<const int32_t> columns, std::span<const float> values) {
  GENVINCI_CHECK(rows() < n_obs, "more rows than the {} of obs", n_obs);
  GENVINCI_CHECK(columns.size() == values.size(), "{} indices for {} values", columns.size(), values.size());
  for (size_t i = 0; i < columns.size(); ++i) {
    GENVINCI_CHECK(columns[i] < n_vars && columns[i] > (i == 0 ? -1 : columns[i - 1]), "column {} of row {}",
                   columns[i], rows());
  }
  pending_indices.insert(pending_indices.end(), columns.begin(), columns.end());
  pending_values.insert(pending_values.end(), values.begin(), values.end());
  indptr.push_back(indptr.back() + static_cast<int64_t>(columns.size()));
  if (pending_values.size() >= kPending) WritePending();
}

void H5adWriter::Impl::WritePending() {
  const auto count = static_cast<int64_t>(pending_values.size());
  if (count == 0) return;
  output.Extend(data, H5T_NATIVE_FLOAT, written, count, pending_values.data());
  output.Extend(indices, H5T_NATIVE_INT32, written, count, pending_indices.data());
  written += count;
  pending_values.clear();
  pending_indices.clear();
}

H5adWriter::H5adWriter(const fs::path& path, DataFrame obs, DataFrame var)
    : impl_(std::make_unique<Impl>(path, obs, var)) {}

H5adWriter::~H5adWriter() = default;

void H5adWriter::SetObsm(const std::string& name, const DenseArray& values) {
  CheckName(impl_->path, name);
  GENVINCI_CHECK(values.rows == impl_->n_obs, "obsm {} has {} rows for {} obs", name, values.rows, impl_->n_obs);
  GENVINCI_CHECK(static_cast<int64_t>(values.values.size()) == values.rows * values.columns, "obsm {}", name);
  const hsize_t rows = values.rows, columns = values.columns;
  impl_->output.Doubles("obsm/" + name, values.values, {rows, columns});
}

void H5adWriter::Append(const SparseRows& rows) {
  GENVINCI_CHECK(rows.columns == impl_->n_vars, "{} columns for {} var", rows.columns, impl_->n_vars);
  for (int64_t row = 0; row < rows.rows(); ++row) impl_->AddRow(rows.RowIndices(row), rows.RowValues(row));
}

void H5adWriter::AppendDense(std::span<const float> row_values) {
  GENVINCI_CHECK(static_cast<int64_t>(row_values.size()) == impl_->n_vars, "{} values for {} var", row_values.size(),
                 impl_->n_vars);
  std::vector<int32_t> columns;
  std::vector<float> values;
  for (size_t i = 0; i < row_values.size(); ++i) {
    if (row_values[i] == 0) continue;
    columns.push_back(static_cast<int32_t>(i));
    values.push_back(row_values[i]);
  }
  impl_->AddRow(columns, values);
}

void H5adWriter::Finish() {
  Impl& impl = *impl_;
  GENVINCI_CHECK(impl.rows() == impl.n_obs, "{}: {} rows came for {} obs", impl.path.string(), impl.rows(), impl.n_obs);
  impl.WritePending();
  impl.data.Reset();
  impl.indices.Reset();
  // scipy wants both index arrays of one type where that is possible.
  const bool small = impl.indptr.back() <= std::numeric_limits<int32_t>::max();
  impl.output.Integers("X/indptr", impl.indptr, small ? H5T_STD_I32LE : H5T_STD_I64LE);
  impl.output.Commit();
}

}  // namespace genvinci
