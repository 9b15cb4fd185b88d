#include "genvinci/io/h5ad.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <limits>

#include "genvinci/core/json.h"
#include "io/h5ad_testing.h"

namespace genvinci {
namespace h5ad_test {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using Kind = FrameColumn::Kind;
using Rows = std::vector<std::vector<double>>;

const fs::path kData = fs::path(GENVINCI_SOURCE_DIR) / "tests/io/data";

const Json& Expected() {
  static const Json json = ReadJson(kData / "h5ad.json");
  return json;
}

void ExpectRows(const Rows& rows, const std::string& name) {
  const Json& expected = Expected().at(name);
  ASSERT_EQ(rows.size(), expected.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    ASSERT_EQ(rows[i].size(), expected[i].size());
    for (size_t j = 0; j < rows[i].size(); ++j) {
      ASSERT_FLOAT_EQ(rows[i][j], expected[i][j].get<float>()) << name << " " << i << "," << j;
    }
  }
}

void ExpectColumn(const DataFrame& frame, const std::string& name, const Json& expected) {
  static const std::map<std::string, Kind> kinds = {{"categorical", Kind::kCategorical},
                                                    {"bool", Kind::kBool},
                                                    {"integer", Kind::kInteger},
                                                    {"float", Kind::kFloat},
                                                    {"string", Kind::kString}};
  const FrameColumn* column = frame.Find(name);
  ASSERT_NE(column, nullptr) << name;
  // anndata itself turns a nullable text column into categories.
  const Kind kind = name == "note" && column->kind == Kind::kCategorical
                        ? Kind::kCategorical
                        : kinds.at(expected["kind"].get<std::string>());
  EXPECT_EQ(column->kind, kind) << name;
  ASSERT_EQ(column->size(), expected["values"].size()) << name;
  for (size_t i = 0; i < column->size(); ++i) {
    const Json& value = expected["values"][i];
    if (value.is_null() || (value.is_number_float() && std::isnan(value.get<double>()))) {
      EXPECT_TRUE(column->IsMissing(i)) << name << " " << i;
      EXPECT_EQ(column->Text(i), "");
    } else if (value.is_string()) {
      EXPECT_EQ(column->Text(i), value.get<std::string>()) << name << " " << i;
    } else if (value.is_boolean()) {
      EXPECT_EQ(column->Text(i), value.get<bool>() ? "True" : "False") << name << " " << i;
    } else {
      const double number = column->kind == Kind::kFloat ? column->floats[i] : static_cast<double>(column->integers[i]);
      EXPECT_EQ(number, value.get<double>()) << name << " " << i;
    }
  }
}

void ExpectNames(const H5adFile& file) {
  EXPECT_EQ(file.obs().index, Expected()["obs_names"].get<std::vector<std::string>>());
  EXPECT_EQ(file.var().index, Expected()["var_names"].get<std::vector<std::string>>());
}

class CurrentH5ad : public ::testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(CurrentH5ad, HoldsWhatPythonWrote) {
  const auto [name, kind] = GetParam();
  const H5adFile file(kData / (std::string(name) + ".h5ad"));
  ExpectNames(file);
  EXPECT_EQ(file.n_obs(), 23);
  EXPECT_EQ(file.n_vars(), 17);
  EXPECT_THAT(file.layers(), ElementsAre("X", "raw", "counts", "log"));
  EXPECT_EQ(file.MatrixKind("X"), std::string(kind) + " float32");
  EXPECT_EQ(file.MatrixKind("counts"), std::string(kind) + " int64");
  for (const char* layer : {"X", "raw", "counts", "log"}) ExpectRows(ReadAll(file, layer), layer);
  EXPECT_EQ(file.VarOf("raw").index, Expected()["raw_names"].get<std::vector<std::string>>());
  EXPECT_EQ(file.VarOf("counts").index, file.var().index);
  EXPECT_EQ(file.var().Find("ensg_id")->Text(3), "ENSG00000000003");
}

TEST_P(CurrentH5ad, KnowsWhichLayersAreWhole) {
  const H5adFile file(kData / (std::string(GetParam().first) + ".h5ad"));
  EXPECT_THAT(IntegerLayers(file), ElementsAre("X", "raw", "counts"));
}

// One value at a time and one row of the dense matrix at a time must come to the same.
TEST_P(CurrentH5ad, IsTheSameInTheSmallestBuffer) {
  const H5adFile file(kData / (std::string(GetParam().first) + ".h5ad"), {.dense_values = 1, .sparse_values = 1});
  ExpectRows(ReadAll(file, "X", 1), "X");
  ExpectRows(ReadAll(file, "raw", 1000), "raw");
}

TEST_P(CurrentH5ad, HasObsmAndUns) {
  const H5adFile file(kData / (std::string(GetParam().first) + ".h5ad"));
  EXPECT_THAT(file.obsm_names(), ElementsAre("spatial"));  // a frame in obsm is skipped
  const DenseArray spatial = file.Obsm("spatial");
  EXPECT_EQ(spatial.rows, 23);
  EXPECT_EQ(spatial.columns, 2);
  EXPECT_EQ(spatial.values[2 * 7 + 1], Expected()["spatial"][7][1].get<double>());
  EXPECT_THAT(file.UnsKeys("spatial"), ElementsAre("lib1"));
  EXPECT_EQ(file.UnsNumber("spatial/lib1/scalefactors/spot_diameter_fullres"), 88.5);
  EXPECT_EQ(file.UnsNumber("spatial/lib2/scalefactors"), std::nullopt);
  EXPECT_EQ(ErrorName([&] { file.Obsm("pca"); }), "H5_MISSING");
}

INSTANTIATE_TEST_SUITE_P(Forms, CurrentH5ad,
                         ::testing::Values(std::pair("dense", "dense"), std::pair("csr", "csr_matrix"),
                                           std::pair("csc", "csc_matrix")));

TEST(H5ad, ReadsEveryKindOfColumn) {
  const H5adFile file(kData / "dense.h5ad");
  EXPECT_EQ(file.obs().columns.size(), Expected()["obs"].size());
  for (const auto& [name, expected] : Expected()["obs"].items()) ExpectColumn(file.obs(), name, expected);
  EXPECT_THAT(file.obs().Find("patient")->strings, ElementsAre("A", "B", "C"));
}

TEST(H5ad, ReadsNullableText) {
  const H5adFile file(kData / "nullable_text.h5ad");
  const FrameColumn* note = file.obs().Find("note");
  ASSERT_NE(note, nullptr);
  EXPECT_EQ(note->kind, Kind::kString);
  EXPECT_THAT(note->strings, ElementsAre("a", "", "c"));
  EXPECT_THAT(note->missing, ElementsAre(false, true, false));
}

TEST(H5ad, ReadsFilesFromBefore07) {
  const H5adFile file(kData / "v06.h5ad");
  ExpectNames(file);
  EXPECT_THAT(file.layers(), ElementsAre("X", "raw"));
  EXPECT_EQ(file.MatrixKind("X"), "csr_matrix float32");
  ExpectRows(ReadAll(file, "X"), "X");
  ExpectRows(ReadAll(file, "raw"), "raw");
  EXPECT_EQ(file.VarOf("raw").index.back(), "RAW2");
  EXPECT_EQ(file.VarOf("raw").Find("n")->integers.back(), 19);
  for (const char* name : {"patient", "area", "inside"}) ExpectColumn(file.obs(), name, Expected()["obs"][name]);
  EXPECT_EQ(file.obs().Find("tag")->Text(22), "tag22");
  EXPECT_THAT(file.obsm_names(), ElementsAre("spatial", "flat"));
  EXPECT_EQ(file.Obsm("spatial").values[2 * 7 + 1], Expected()["spatial"][7][1].get<double>());
  EXPECT_EQ(file.Obsm("flat").columns, 1);
  EXPECT_EQ(file.Obsm("flat").values[5], 5);
}

TEST(H5ad, ReadsFilesFromBefore08) {
  const H5adFile file(kData / "v07.h5ad");
  ExpectNames(file);
  EXPECT_EQ(file.MatrixKind("X"), "csc_matrix float32");
  ExpectRows(ReadAll(file, "X"), "X");
  for (const char* name : {"patient", "area"}) ExpectColumn(file.obs(), name, Expected()["obs"][name]);
  EXPECT_EQ(file.obs().columns.size(), 3u);
  EXPECT_EQ(file.obs().Find("fixed")->Text(12), "f12");
  EXPECT_THAT(file.var().columns, IsEmpty());
}

TEST(H5ad, NeedsXOnlyWhenItIsAskedFor) {
  const H5adFile file(kData / "no_x.h5ad");
  ExpectNames(file);
  EXPECT_THAT(file.layers(), IsEmpty());
  std::string text;
  EXPECT_EQ(ErrorName([&] { ReadAll(file, "X"); }, &text), "H5_LAYER");
  EXPECT_THAT(text, HasSubstr("holds none"));
}

TEST(H5ad, NamesTheLayersThatAreThere) {
  const H5adFile file(kData / "csr.h5ad");
  std::string text;
  EXPECT_EQ(ErrorName([&] { ReadAll(file, "spliced"); }, &text), "H5_LAYER");
  EXPECT_THAT(text, HasSubstr("X, raw, counts, log"));
}

TEST(H5ad, SaysThatAFileIsMissing) { EXPECT_THROW(H5adFile("/nowhere/demo.h5ad"), MissingFileError); }

DataFrame ManyKinds() {
  FrameColumn gaps = FrameColumn::Integers({5, 0, -7}), texts = FrameColumn::Strings({"x", "", "\u00e9"});
  FrameColumn unsure = FrameColumn::Bools({true, false, false});
  gaps.missing = unsure.missing = {false, true, false};
  texts.missing = {false, true, false};
  FrameColumn category = FrameColumn::Categorical({"b", "a", "b"});
  category.integers[2] = -1;
  DataFrame frame{{"s1", "s2", "s3"}, {}};
  frame.Set("category", category);
  frame.Set("text", FrameColumn::Strings({"u", "", "w"}));
  frame.Set("gap_text", texts);
  frame.Set("number", FrameColumn::Floats({1.5, std::numeric_limits<double>::quiet_NaN(), -2}));
  frame.Set("whole", FrameColumn::Integers({int64_t{1} << 40, -1, 0}));
  frame.Set("gap", gaps);
  frame.Set("flag", FrameColumn::Bools({true, false, true}));
  frame.Set("unsure", unsure);
  return frame;
}

void WriteManyKinds(const fs::path& path) {
  H5adWriter writer(path, ManyKinds(),
                    {{"g0", "g1", "g2", "g3"}, {{"ensg_id", FrameColumn::Strings({"E0", "E1", "E2", "E3"})}}});
  writer.SetObsm("spatial", {3, 2, {1, 2, 3, 4, 5, 6.5}});
  SparseRows rows;
  rows.columns = 4;
  rows.offsets = {0, 2, 2};
  rows.indices = {1, 3};
  rows.values = {2, 7};
  writer.Append(rows);
  writer.AppendDense(std::vector<float>{1, 0, 0, 0.5f});
  writer.Finish();
}

class H5adWriting : public H5adFixture {};

TEST_F(H5adWriting, GivesBackWhatItWrote) {
  WriteManyKinds(folder_ / "x.h5ad");
  const H5adFile file(folder_ / "x.h5ad");
  EXPECT_EQ(ReadAll(file, "X"), (Rows{{0, 2, 0, 7}, {0, 0, 0, 0}, {1, 0, 0, 0.5}}));
  EXPECT_EQ(file.MatrixKind("X"), "csr_matrix float32");
  EXPECT_EQ(file.Obsm("spatial").values, (std::vector<double>{1, 2, 3, 4, 5, 6.5}));
  EXPECT_EQ(file.var().Find("ensg_id")->Text(3), "E3");
  const DataFrame expected = ManyKinds();
  EXPECT_EQ(file.obs().index, expected.index);
  ASSERT_EQ(file.obs().columns.size(), expected.columns.size());
  for (size_t i = 0; i < expected.columns.size(); ++i) {
    const auto& [name, column] = expected.columns[i];
    const auto& [read_name, read] = file.obs().columns[i];
    EXPECT_EQ(read_name, name);
    EXPECT_EQ(read.kind, name == "gap_text" ? Kind::kCategorical : column.kind) << name;
    for (size_t row = 0; row < 3; ++row) {
      EXPECT_EQ(read.IsMissing(row), column.IsMissing(row)) << name;
      EXPECT_EQ(read.Text(row), column.Text(row)) << name;
    }
  }
}

TEST_F(H5adWriting, MakesEqualBytesFromEqualContent) {
  WriteManyKinds(folder_ / "a.h5ad");
  WriteManyKinds(folder_ / "b.h5ad");
  EXPECT_EQ(ReadFile(folder_ / "a.h5ad"), ReadFile(folder_ / "b.h5ad"));
}

TEST_F(H5adWriting, LeavesNothingBehindUnlessFinished) {
  std::ofstream(folder_ / "x.h5ad") << "the former file";
  {
    H5adWriter writer(folder_ / "x.h5ad", {{"a", "b"}, {}}, {{"g"}, {}});
    writer.AppendDense(std::vector<float>{1});
    EXPECT_THROW(writer.Finish(), InternalError);
  }
  EXPECT_EQ(ReadFile(folder_ / "x.h5ad"), "the former file");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

TEST_F(H5adWriting, RefusesWhatItCannotWrite) {
  EXPECT_EQ(ErrorName([&] { H5adWriter(folder_ / "no" / "x.h5ad", {{"a"}, {}}, {{"g"}, {}}); }), "FILE_WRITE");
  const DataFrame odd{{"a"}, {{".", FrameColumn::Integers({1})}}};
  EXPECT_EQ(ErrorName([&] { H5adWriter(folder_ / "x.h5ad", odd, {{"g"}, {}}); }), "H5_NAME");
  H5adWriter writer(folder_ / "x.h5ad", {{"a"}, {}}, {{"g"}, {}});
  EXPECT_THROW(writer.AppendDense(std::vector<float>{1, 2}), InternalError);
  EXPECT_THROW(writer.SetObsm("spatial", {2, 1, {1, 2}}), InternalError);
}

TEST_F(H5adWriting, SpansManyChunks) {
  constexpr int kRows = 300, kColumns = 1000;  // 300,000 values: five chunks of the file
  DataFrame obs, var;
  for (int i = 0; i < kRows; ++i) obs.index.push_back("o" + std::to_string(i));
  for (int j = 0; j < kColumns; ++j) var.index.push_back("v" + std::to_string(j));
  H5adWriter writer(folder_ / "x.h5ad", obs, var);
  std::vector<float> row(kColumns);
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < kColumns; ++j) row[j] = static_cast<float>((i * 7 + j) % 90 + 1);
    writer.AppendDense(row);
  }
  writer.Finish();
  const H5adFile file(folder_ / "x.h5ad");
  int64_t seen = 0;
  file.ForEachBatch("X", 64, [&](const SparseRows& batch) {
    for (int64_t i = 0; i < batch.rows(); ++i) {
      ASSERT_EQ(batch.RowIndices(i).size(), static_cast<size_t>(kColumns));
      for (int j = 0; j < kColumns; ++j) ASSERT_EQ(batch.RowValues(i)[j], ((batch.first_row + i) * 7 + j) % 90 + 1);
    }
    seen += batch.rows();
  });
  EXPECT_EQ(seen, kRows);
}

// A disk that is full, by way of a limit on the size of files.
class FaultH5adWriting : public H5adFixture {};

TEST_F(FaultH5adWriting, LeavesTheFormerFileWhenTheDiskIsFull) {
  std::ofstream(folder_ / "x.h5ad") << "the former file";
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{20000, before.rlim_max};
  std::signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  std::string text;
  const std::string name = ErrorName(
      [&] {
        DataFrame obs;
        for (int i = 0; i < 5000; ++i) obs.index.push_back("spot_" + std::to_string(i));
        H5adWriter writer(folder_ / "x.h5ad", obs, {{"g"}, {}});
        for (int i = 0; i < 5000; ++i) writer.AppendDense(std::vector<float>{static_cast<float>(i)});
        writer.Finish();
      },
      &text);
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, SIG_DFL);
  EXPECT_EQ(name, "FILE_WRITE");
  EXPECT_THAT(text, HasSubstr("File too large"));
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_EQ(ReadFile(folder_ / "x.h5ad"), "the former file");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

// Python's anndata opens what the writer wrote, with warnings as errors.
class E2eH5adPython : public H5adFixture {};

TEST_F(E2eH5adPython, OpensWhatTheWriterWrote) {
  const fs::path python = fs::path(GENVINCI_SOURCE_DIR) / ".deps/python/bin/python";
  if (!fs::exists(python)) GTEST_SKIP() << python << " is missing: run scripts/setup.sh --tests";
  WriteManyKinds(folder_ / "x.h5ad");
  const std::string script = R"(
import sys, anndata, numpy as np, pandas as pd, scipy.sparse as sp
a = anndata.read_h5ad(sys.argv[1])
o = a.obs
assert sp.isspmatrix_csr(a.X) or isinstance(a.X, sp.csr_array)
assert a.X.dtype == np.float32 and a.X.indices.dtype == a.X.indptr.dtype == np.int32
assert a.X.toarray().tolist() == [[0, 2, 0, 7], [0, 0, 0, 0], [1, 0, 0, 0.5]]
assert list(a.obs_names) == ['s1', 's2', 's3'] and list(a.var_names) == ['g0', 'g1', 'g2', 'g3']
assert list(a.var['ensg_id']) == ['E0', 'E1', 'E2', 'E3']
assert list(o.columns) == ['category', 'text', 'gap_text', 'number', 'whole', 'gap', 'flag', 'unsure']
assert isinstance(o['category'].dtype, pd.CategoricalDtype) and list(o['category'].cat.categories) == ['a', 'b']
assert list(o['category'][:2]) == ['b', 'a'] and pd.isna(o['category'].iloc[2])
assert list(o['text']) == ['u', '', 'w']
assert o['gap_text'].isna().tolist() == [False, True, False] and o['gap_text'].iloc[2] == '\u00e9'
assert o['number'].dtype == np.float64 and o['number'].iloc[0] == 1.5 and np.isnan(o['number'].iloc[1])
assert o['whole'].dtype == np.int64 and list(o['whole']) == [2**40, -1, 0]
assert o['gap'].dtype == pd.Int64Dtype() and o['gap'].isna().tolist() == [False, True, False] and o['gap'].iloc[2] == -7
assert o['flag'].dtype == bool and list(o['flag']) == [True, False, True]
assert o['unsure'].dtype == pd.BooleanDtype() and o['unsure'].isna().tolist() == [False, True, False]
assert a.obsm['spatial'].dtype == np.float64 and a.obsm['spatial'].tolist() == [[1, 2], [3, 4], [5, 6.5]]
a[:2].copy().write_h5ad(sys.argv[2])
)";
  std::ofstream(folder_ / "check.py") << script;
  const std::string command = python.string() + " -W error " + (folder_ / "check.py").string() + " " +
                              (folder_ / "x.h5ad").string() + " " + (folder_ / "back.h5ad").string();
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(ReadAll(H5adFile(folder_ / "back.h5ad"), "X"), (Rows{{0, 2, 0, 7}, {0, 0, 0, 0}}));
}

}  // namespace h5ad_test
}  // namespace genvinci
