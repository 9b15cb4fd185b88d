#include "genvinci/data/tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/temp_folder.h"
#include "genvinci/genes/tokenizer.h"
#include "testing/profiles.h"
#include "testing/tiny_dataset.h"

namespace genvinci {
namespace tokens_test {

using testing::ElementsAreArray;

// The one file in the cache.
fs::path CacheFile(const fs::path& dataset) {
  const auto first = fs::directory_iterator(dataset / "cache");
  return first->path();
}

TEST(TokenizeDataset, GivesTheTokenizersTokensInOrder) {
  const TempFolder folder;
  const Dataset dataset = Dataset::Open(MakeTinyDataset(folder / "tiny").string());
  const Vocabulary& vocabulary = Vocabulary::GeneformerV1();
  const TokenizedDataset tokenized = TokenizeDataset(dataset, vocabulary, 64);
  RankValueTokenizer tokenizer(MapGenes(vocabulary, dataset.gene_names(), "test"), 64);
  ASSERT_EQ(tokenized.tokens.size(), dataset.size());
  dataset.ForEachProfile([&](int64_t i, std::span<const int32_t> columns, std::span<const float> counts) {
    EXPECT_THAT(tokenized.tokens[i], ElementsAreArray(tokenizer.Tokenize(columns, counts, "x")));
  });
  EXPECT_EQ(tokenized.coverage.columns, 40);
  EXPECT_EQ(tokenized.coverage.matched_genes, 40);
  EXPECT_GT(tokenized.coverage.counts, 0);
  EXPECT_EQ(tokenized.coverage.counts, tokenized.coverage.matched_counts);
}

TEST(TokenizeDataset, ReadsItsCache) {
  const TempFolder folder;
  const fs::path path = MakeTinyDataset(folder / "tiny");
  const Dataset dataset = Dataset::Open(path.string());
  const auto first = TokenizeDataset(dataset, Vocabulary::GeneformerV1(), 64);
  const auto time = fs::last_write_time(CacheFile(path));
  const auto second = TokenizeDataset(dataset, Vocabulary::GeneformerV1(), 64);
  EXPECT_EQ(ListsOf(first.tokens), ListsOf(second.tokens));
  EXPECT_EQ(first.coverage.counts, second.coverage.counts);
  EXPECT_EQ(fs::last_write_time(CacheFile(path)), time);  // not written anew
  EXPECT_EQ(TokenizeDataset(dataset, Vocabulary::GeneformerV1(), 3).tokens[0].size(), 3u);
}

TEST(TokenizeDataset, ComputesADamagedCacheAnew) {
  const TempFolder folder;
  const fs::path path = MakeTinyDataset(folder / "tiny");
  const Dataset dataset = Dataset::Open(path.string());
  const auto tokens = [&] { return ListsOf(TokenizeDataset(dataset, Vocabulary::GeneformerV1(), 64).tokens); };
  const auto first = tokens();
  const std::string good = Slurp(CacheFile(path));
  for (size_t at = 0; at < good.size(); at += 97) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 4);
    Spill(CacheFile(path), bad);
    ASSERT_EQ(tokens(), first) << at;
  }
  Spill(CacheFile(path), good.substr(0, good.size() / 2));
  EXPECT_EQ(tokens(), first);
}

TEST(TokenizeDataset, NoticesAChangedDataset) {
  const TempFolder folder;
  const fs::path path = MakeTinyDataset(folder / "tiny");
  const auto first = TokenizeDataset(Dataset::Open(path.string()), Vocabulary::GeneformerV1(), 64);
  fs::remove_all(path / "patches");
  fs::remove(path / "expression.h5ad");
  MakeTinyDataset(path, {.train = 14});
  EXPECT_EQ(TokenizeDataset(Dataset::Open(path.string()), Vocabulary::GeneformerV1(), 64).tokens.size(), 22);
}

TEST(TokenizeDataset, DoesWithoutACacheWhereItCannotWrite) {
  const TempFolder folder;
  const fs::path path = MakeTinyDataset(folder / "tiny");
  Spill(path / "cache", "a file where the folder should be");  // works for root too
  EXPECT_EQ(TokenizeDataset(Dataset::Open(path.string()), Vocabulary::GeneformerV1(), 64).tokens.size(), 20);
}

TEST(TokenizeDataset, NamesTheProfileWithoutAKnownGene) {
  const TempFolder folder;
  const fs::path path = MakeTinyDataset(folder / "tiny", {.channels = 0});
  DataFrame obs, var;
  obs.index = {"full", "void"};
  obs.Set("split", FrameColumn::Categorical({"train", "train"}));
  var.index = {Vocabulary::GeneformerV1().genes()[0].ensembl_id, "ENSG99999999999"};
  fs::remove(path / "expression.h5ad");
  H5adWriter writer(path / "expression.h5ad", obs, var);
  writer.AppendDense(std::vector<float>{3, 1});
  writer.AppendDense(std::vector<float>{0, 5});
  writer.Finish();
  const Error error = CatchError(
      "PROFILE_EMPTY", [&] { TokenizeDataset(Dataset::Open(path.string()), Vocabulary::GeneformerV1(), 64); });
  EXPECT_NE(std::string(error.what()).find("void"), std::string::npos);
  EXPECT_EQ(error.exit_code(), ExitCode::kBadData);
}

}  // namespace tokens_test
}  // namespace genvinci
