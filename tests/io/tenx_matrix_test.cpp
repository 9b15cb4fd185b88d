#include "genvinci/io/tenx_matrix.h"

#include <gmock/gmock.h>

#include "genvinci/core/json.h"
#include "testing/test_folder.h"

namespace genvinci {
namespace tenx_matrix_test {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const fs::path kGolden = fs::path(GENVINCI_SOURCE_DIR) / "tests/io/data";

std::vector<std::vector<double>> Dense(const TenxMatrix& matrix, int64_t batch_rows) {
  std::vector<std::vector<double>> rows;
  matrix.ForEachBatch(batch_rows, [&](const SparseRows& batch) {
    EXPECT_EQ(batch.first_row, static_cast<int64_t>(rows.size()));
    EXPECT_LE(batch.rows(), batch_rows);
    for (int64_t r = 0; r < batch.rows(); ++r) {
      std::vector<double>& row = rows.emplace_back(batch.columns, 0.0);
      for (size_t k = 0; k < batch.RowIndices(r).size(); ++k) {
        EXPECT_TRUE(k == 0 || batch.RowIndices(r)[k] > batch.RowIndices(r)[k - 1]);
        row.at(static_cast<size_t>(batch.RowIndices(r)[k])) = batch.RowValues(r)[k];
      }
    }
  });
  return rows;
}

TEST(TenxHdf5, HoldsWhatScipyWroteInEveryForm) {
  const Json expected = ReadJson(kGolden / "tenx.json");
  for (const char* name : {"tenx_fixed.h5", "tenx_variable.h5", "tenx_genes.h5", "tenx_probes.h5"}) {
    const auto matrix = TenxMatrix::Open(kGolden / name);
    EXPECT_EQ(matrix->barcodes(), expected["barcodes"].get<std::vector<std::string>>()) << name;
    EXPECT_EQ(Dense(*matrix, 4), expected["counts"].get<std::vector<std::vector<double>>>()) << name;
    const bool of_probes = std::string(name) == "tenx_probes.h5";
    const bool is_old = std::string(name) == "tenx_genes.h5";
    for (size_t k = 0; k < matrix->features().size(); ++k) {
      const TenxFeature& feature = matrix->features()[k];
      EXPECT_EQ(feature.id, expected[of_probes ? "probe_gene_ids" : "ids"][k]) << name;
      EXPECT_EQ(feature.name, expected["names"][of_probes ? k / 2 : k]) << name;
      EXPECT_EQ(feature.type, is_old ? "" : of_probes ? "Gene Expression" : expected["types"][k].get<std::string>());
      EXPECT_EQ(feature.is_excluded_probe, of_probes && k == 2);
    }
  }
  EXPECT_EQ(TenxMatrix::Open(kGolden / "tenx_fixed.h5")->software(), "spaceranger-2.0.0");
  EXPECT_EQ(TenxMatrix::Open(kGolden / "tenx_variable.h5")->software(), "");
}

TEST(TenxHdf5, RefusesWhatHoldsNoMatrix) {
  EXPECT_EQ(Catch([] { TenxMatrix::Open(kGolden / "csr.h5ad"); }).name, "TENX_LAYOUT");
  EXPECT_EQ(Catch([] { TenxMatrix::Open(kGolden / "none.h5"); }).name, "FILE_MISSING");
}

class TenxFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteText(folder_ / "barcodes.tsv", "AAA-1\nCCC-1\nGGG-1\n");
    WriteText(folder_ / "features.tsv.gz", "ENSG1\tA\tGene Expression\nENSG2\tB\tGene Expression\n");
  }
  void Entries(const std::string& lines, const std::string& sizes = "2 3 4", const std::string& kind = "integer") {
    WriteText(folder_ / "matrix.mtx",
              "%%MatrixMarket matrix coordinate " + kind + " general\n%metadata: {}\n" + sizes + "\n" + lines);
  }
  Caught Refused() {
    return Catch([&] { Dense(*TenxMatrix::Open(folder_.path()), 2); });
  }
  TestFolder folder_;
};

const std::vector<std::vector<double>> kThree = {{5, 0}, {0, 7}, {1, 2}};

TEST_F(TenxFolder, ReadsEntriesInTheOrderOfBarcodesAndInAnyOther) {
  for (const char* entries :
       {"1 1 5\n2 2 7\n1 3 1\n2 3 2\n", "2 3 2\n1 1 5\n2 2 7\n1 3 1\n", "1 1 5\n1 3 1\n2 2 7\n2 3 2"}) {
    Entries(entries);
    const auto matrix = TenxMatrix::Open(folder_.path());
    for (const int64_t batch_rows : {1, 2, 3, 9}) EXPECT_EQ(Dense(*matrix, batch_rows), kThree) << entries;
    EXPECT_THAT(matrix->barcodes(), ElementsAre("AAA-1", "CCC-1", "GGG-1"));
    EXPECT_EQ(matrix->features()[1].id, "ENSG2");
    EXPECT_EQ(matrix->features()[1].name, "B");
  }
}

TEST_F(TenxFolder, ReadsGzipGenesTablesAndRealNumbers) {
  Entries("1 1 5.0\r\n2 2 7\r\n1 3 1e0\r\n2 3 2\r\n", "2 3 4\r", "real");
  const std::string plain = ReadFile(folder_ / "matrix.mtx");
  fs::remove(folder_ / "matrix.mtx");
  fs::remove(folder_ / "features.tsv.gz");
  WriteText(folder_ / "matrix.mtx.gz", plain);
  WriteText(folder_ / "genes.tsv", "ENSG1\tA\nENSG2\tB\n");
  const auto matrix = TenxMatrix::Open(folder_.path());
  EXPECT_EQ(Dense(*matrix, 2), kThree);
  EXPECT_EQ(matrix->features()[0].type, "");
}

TEST_F(TenxFolder, RefusesEntriesThatCannotBeTrue) {
  struct Case {
    const char *entries, *sizes, *name;
  };
  for (const Case& c : std::vector<Case>{{"1 1 5\n2 2 7\n1 3 1\n", "2 3 4", "MTX_CUT"},
                                         {"1 1 5\n2 2 7\n", "2 3 1", "MTX_CUT"},
                                         {"", "", "MTX_CUT"},
                                         {"3 1 5\n", "2 3 1", "MTX_INDEX"},
                                         {"0 1 5\n", "2 3 1", "MTX_INDEX"},
                                         {"1 4 5\n", "2 3 1", "MTX_INDEX"},
                                         {"1 1 -5\n", "2 3 1", "MTX_VALUE"},
                                         {"1 1 nan\n", "2 3 1", "MTX_VALUE"},
                                         {"1 1 x\n", "2 3 1", "MTX_FORMAT"},
                                         {"1 1\n", "2 3 1", "MTX_FORMAT"},
                                         {"1 1 5 9\n", "2 3 1", "MTX_FORMAT"},
                                         {"1 1 5\n1 1 6\n", "2 3 2", "MTX_DUPLICATE"},
                                         {"1 1 5\n", "2 4 1", "TENX_SHAPE"}}) {
    Entries(c.entries, c.sizes);
    EXPECT_EQ(Refused().name, c.name) << c.sizes << ": " << c.entries << Refused().text;
  }
  Entries("1 1 5\n2 2 7\nx\n", "2 3 3");
  EXPECT_THAT(Refused().text, HasSubstr("line 6"));
}

TEST_F(TenxFolder, RefusesTablesThatCannotBeTrue) {
  EXPECT_EQ(Refused().name, "TENX_FILE");  // as a download without its largest file
  Entries("1 1 5\n", "2 3 1");
  WriteText(folder_ / "barcodes.tsv", "AAA-1\nAAA-1\nGGG-1\n");
  EXPECT_EQ(Refused().name, "TENX_DUPLICATE");
  WriteText(folder_ / "matrix.mtx", "%%MatrixMarket matrix array real general\n2 3\n1\n");
  WriteText(folder_ / "barcodes.tsv", "AAA-1\nCCC-1\nGGG-1\n");
  EXPECT_EQ(Refused().name, "MTX_FORMAT");
}

}  // namespace tenx_matrix_test
}  // namespace genvinci
