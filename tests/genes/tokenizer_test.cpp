#include "genvinci/genes/tokenizer.h"

#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>

#include "core/temp_folder.h"
#include "genvinci/core/sha256.h"
#include "genvinci/io/table.h"

namespace genvinci {
namespace tokenizer_test {

using testing::ElementsAre;
using testing::HasSubstr;

const fs::path kData = GENVINCI_SOURCE_DIR "/tests/genes/data";

// Medians 1, 2, 4 for tokens 2, 3, 4.
const Vocabulary& Small() {
  static const Vocabulary vocabulary({{2, "ENSG01", "A", 1.0}, {3, "ENSG02", "B", 2.0}, {4, "ENSG03", "C", 4.0}});
  return vocabulary;
}

std::vector<int32_t> Tokens(const std::vector<std::string>& names, const std::vector<float>& counts,
                            int64_t max_tokens = 2048) {
  RankValueTokenizer tokenizer(MapGenes(Small(), names, "t"), max_tokens);
  std::vector<int32_t> columns(counts.size());
  for (size_t i = 0; i < columns.size(); ++i) columns[i] = static_cast<int32_t>(i);
  return tokenizer.Tokenize(columns, counts, "spot 1x2");
}

TEST(Tokenizer, RanksByCountOverMedian) {
  // 3/1, 8/2, 4/4
  EXPECT_THAT(Tokens({"A", "B", "C"}, {3, 8, 4}), ElementsAre(3, 2, 4));
  EXPECT_THAT(Tokens({"C", "A", "B"}, {400, 1, 2}), ElementsAre(4, 2, 3));
}

TEST(Tokenizer, OrdersTiesByToken) { EXPECT_THAT(Tokens({"C", "B", "A"}, {4, 2, 1}), ElementsAre(2, 3, 4)); }

TEST(Tokenizer, LeavesOutZerosAndUnknownGenes) {
  EXPECT_THAT(Tokens({"A", "unknown", "B", "C"}, {1, 99, 0, 1}), ElementsAre(2, 4));
}

TEST(Tokenizer, SumsColumnsOfOneGene) {
  // B: 3 + 3 over 2 beats A: 2 over 1; each alone would not.
  EXPECT_THAT(Tokens({"B", "A", "ENSG02.4"}, {3, 2, 3}), ElementsAre(3, 2));
}

TEST(Tokenizer, CutsAtTheLimit) {
  EXPECT_THAT(Tokens({"A", "B", "C"}, {3, 8, 4}, /*max_tokens=*/2), ElementsAre(3, 2));
}

// As Geneformer V2: the frame counts among the tokens that fit.
TEST(Tokenizer, PutsAFrameAroundTheGenes) {
  const std::vector<Vocabulary::Gene> genes = {{4, "ENSG01", "A", 1}, {5, "ENSG02", "B", 2}, {6, "ENSG03", "C", 4}};
  const Vocabulary vocabulary(genes, "v2", {.cls = 2, .eos = 3});
  const std::vector<int32_t> columns = {0, 1, 2};
  const std::vector<float> counts = {3, 8, 4};
  const GeneMapping mapping = MapGenes(vocabulary, {"A", "B", "C"}, "t");
  EXPECT_THAT(RankValueTokenizer(mapping, 8, vocabulary.frame()).Tokenize(columns, counts, "s"),
              ElementsAre(2, 5, 4, 6, 3));
  EXPECT_THAT(RankValueTokenizer(mapping, 4, vocabulary.frame()).Tokenize(columns, counts, "s"),
              ElementsAre(2, 5, 4, 3));
}

TEST(Tokenizer, NamesAnEmptyProfile) {
  const Error error = CatchError("PROFILE_EMPTY", [] { Tokens({"A", "unknown"}, {0, 7}); });
  EXPECT_THAT(error.what(), HasSubstr("spot 1x2"));
}

TEST(Tokenizer, RefusesBadCountsAndStaysUsable) {
  RankValueTokenizer tokenizer(MapGenes(Small(), {"A", "B"}, "t"));
  const std::vector<int32_t> columns = {0, 1};
  for (const float bad : {-1.0f, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const std::vector<float> counts = {50, bad};
    CatchError("PROFILE_COUNT", [&] { tokenizer.Tokenize(columns, counts, "s"); });
  }
  const std::vector<float> counts = {1, 8};
  EXPECT_THAT(tokenizer.Tokenize(columns, counts, "s"), ElementsAre(3, 2));
}

TEST(Tokenizer, AgreesWithNumpy) {
  const Json golden = ReadJson(kData / "tokens.json");
  std::vector<Vocabulary::Gene> genes;
  for (const Json& gene : golden["genes"]) genes.push_back({gene[0], gene[1], gene[2], gene[3]});
  const Vocabulary vocabulary(std::move(genes));
  RankValueTokenizer tokenizer(MapGenes(vocabulary, golden["names"].get<std::vector<std::string>>(), "tokens.json"));
  ASSERT_EQ(golden["profiles"].size(), 20u);
  for (const Json& profile : golden["profiles"]) {
    const auto columns = profile["columns"].get<std::vector<int32_t>>();
    const auto counts = profile["counts"].get<std::vector<float>>();
    EXPECT_EQ(tokenizer.Tokenize(columns, counts, "s"), profile["tokens"].get<std::vector<int32_t>>());
  }
}

TEST(RealTokenizer, AgreesWithNumpyOnHer2st) {
  const char* folder = std::getenv("GENVINCI_REAL_DATA");
  const fs::path path = fs::path(folder ? folder : GENVINCI_SOURCE_DIR "/../shared/data") / "her2st/C2.tsv.gz";
  if (!fs::exists(path)) GTEST_SKIP() << path << " is missing: set GENVINCI_REAL_DATA";
  const Json golden = ReadJson(kData / "tokens_her2st_C2.json");
  TableReader table(path);
  const std::vector<std::string> names(table.header().begin() + 1, table.header().end());
  const GeneMapping mapping = MapGenes(Vocabulary::GeneformerV1(), names, path.string());
  EXPECT_EQ(names.size(), golden["columns"].get<size_t>());
  EXPECT_EQ(mapping.matched_columns, golden["matched_columns"].get<int64_t>());
  RankValueTokenizer tokenizer(mapping);
  std::vector<std::string_view> fields;
  std::vector<int32_t> columns;
  std::vector<float> counts;
  for (int64_t row = 0; table.Next(fields); ++row) {
    columns.clear();
    counts.clear();
    for (size_t i = 1; i < fields.size(); ++i) {
      if (fields[i] == "0") continue;
      columns.push_back(static_cast<int32_t>(i - 1));
      counts.push_back(static_cast<float>(table.Number(fields, i)));
    }
    const std::vector<int32_t> tokens = tokenizer.Tokenize(columns, counts, std::string(fields[0]));
    if (row % 20 != 0) continue;
    const Json& spot = golden["spots"][row / 20];
    ASSERT_EQ(spot["spot"], fields[0]);
    EXPECT_EQ(tokens.size(), spot["size"].get<size_t>());
    const std::vector<int32_t> first(tokens.begin(), tokens.begin() + std::min<size_t>(64, tokens.size()));
    EXPECT_EQ(first, spot["first"].get<std::vector<int32_t>>());
    EXPECT_EQ(Sha256(fmt::format("{}", fmt::join(tokens, ","))), spot["sha256"].get<std::string>());
  }
}

}  // namespace tokenizer_test
}  // namespace genvinci
