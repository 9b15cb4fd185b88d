#include "genvinci/genes/vocabulary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "core/temp_folder.h"
#include "genvinci/genes/gene_mapping.h"
#include "genvinci/io/pickle.h"

namespace genvinci {
namespace vocabulary_test {

using testing::HasSubstr;

std::vector<Vocabulary::Gene> SmallGenes() {
  return {{3, "ENSG02", "B", 2.0, {"oldB", "A"}}, {2, "ENSG01", "A", 0.1 + 0.2, {}}, {7, "ENSG05", "", 4.0, {}}};
}

TEST(Vocabulary, HoldsGeneformerV1) {
  const Vocabulary& v1 = Vocabulary::GeneformerV1();
  EXPECT_EQ(v1.size(), 25'426);
  ASSERT_EQ(v1.genes().size(), 25'424u);
  EXPECT_EQ(v1.genes().front().token, 2);
  EXPECT_EQ(v1.genes().back().token, 25'425);
  // From Geneformer's own dictionaries.
  const Vocabulary::Gene* gene = v1.ById("ENSG00000000003");
  ASSERT_TRUE(gene);
  EXPECT_EQ(gene->token, 2);
  EXPECT_EQ(gene->symbol, "TSPAN6");
  EXPECT_EQ(gene->median, 2.001186019549122);
  EXPECT_EQ(v1.ById("ENSG00000000003.15"), gene);
  EXPECT_EQ(v1.BySymbol("TSPAN6"), gene);
  EXPECT_EQ(v1.BySymbol("tspan6"), nullptr);
  EXPECT_EQ(v1.BySymbol(""), nullptr);
  EXPECT_EQ(v1.ById("ENSG99999999999"), nullptr);
  ASSERT_TRUE(v1.ById("ENSGR0000002586"));
  EXPECT_EQ(v1.ById("ENSGR0000002586")->median, 4.95012230929615);
}

TEST(Vocabulary, FindsBySymbolAndAlias) {
  const Vocabulary vocabulary(SmallGenes());
  EXPECT_EQ(vocabulary.size(), 8);
  EXPECT_EQ(vocabulary.genes()[0].token, 2);
  EXPECT_EQ(vocabulary.BySymbol("oldB")->token, 3);
  EXPECT_EQ(vocabulary.BySymbol("A")->token, 2) << "the gene that prefers the symbol has it";
}

TEST(Vocabulary, ComesBackFromJson) {
  const TempFolder folder;
  const Vocabulary vocabulary(SmallGenes(), "mine");
  WriteJson(folder / "v.json", vocabulary.ToJson());
  const Vocabulary again = Vocabulary::Open((folder / "v.json").string());
  EXPECT_EQ(again.name(), "mine");
  EXPECT_EQ(again.fingerprint(), vocabulary.fingerprint());
  EXPECT_EQ(again.ById("ENSG01")->median, 0.1 + 0.2);
  EXPECT_EQ(again.BySymbol("oldB")->token, 3);
  std::vector<Vocabulary::Gene> changed = SmallGenes();
  changed[0].median = 2.0000000000000004;
  EXPECT_NE(Vocabulary(changed).fingerprint(), vocabulary.fingerprint());
}

TEST(Vocabulary, TheBuiltInOneComesBackFromJson) {
  const Vocabulary& v1 = Vocabulary::GeneformerV1();
  const Vocabulary again = Vocabulary::FromJson(ParseJson(v1.ToJson().dump(), "v1"), "v1");
  EXPECT_EQ(again.fingerprint(), v1.fingerprint());
  EXPECT_EQ(Vocabulary::Open("").fingerprint(), v1.fingerprint());
  EXPECT_EQ(Vocabulary::Open("geneformer-v1").name(), "geneformer-v1");
}

TEST(Vocabulary, RefusesBadTables) {
  const auto fails = [](const std::string& name, Vocabulary::Gene gene) {
    std::vector<Vocabulary::Gene> genes = SmallGenes();
    genes.push_back(std::move(gene));
    CatchError(name, [&] { Vocabulary vocabulary(genes); });
  };
  fails("VOCABULARY_TOKEN", {3, "ENSG09", "", 1.0});
  fails("VOCABULARY_TOKEN", {1, "ENSG09", "", 1.0});
  fails("VOCABULARY_TOKEN", {2'000'000, "ENSG09", "", 1.0});
  fails("VOCABULARY_ID", {9, "ENSG02", "", 1.0});
  fails("VOCABULARY_MEDIAN", {9, "ENSG09", "", 0.0});
  fails("VOCABULARY_MEDIAN", {9, "ENSG09", "", -1.0});
  CatchError("VOCABULARY_FILE", [] { Vocabulary vocabulary({}); });
}

TEST(Vocabulary, RefusesBadJson) {
  const auto fails = [](const char* name, const char* text) {
    CatchError(name, [&] { Vocabulary::FromJson(ParseJson(text, "v.json"), "v.json"); });
  };
  fails("VOCABULARY_FILE", "[]");
  fails("VOCABULARY_FILE", R"({"tokens":[2],"ensembl_ids":["a"],"medians":[1]})");
  fails("VOCABULARY_FILE", R"({"tokens":[2],"ensembl_ids":["a"],"medians":[1],"symbols":[]})");
  fails("VOCABULARY_FILE", R"({"tokens":[2.5],"ensembl_ids":["a"],"medians":[1],"symbols":[[]]})");
  fails("VOCABULARY_FILE", R"({"tokens":[4294967298],"ensembl_ids":["a"],"medians":[1],"symbols":[[]]})");
  fails("VOCABULARY_FILE", R"({"tokens":[2],"ensembl_ids":["a"],"medians":["1"],"symbols":[[]]})");
  fails("VOCABULARY_FILE", R"({"tokens":[2],"ensembl_ids":["a"],"medians":[1],"symbols":["A"]})");
  CatchError("FILE_MISSING", [] { Vocabulary::Open("/nowhere/v.json"); });
}

// Protocol 0 by hand: {"ENSG01": 2, ...}.
std::string DictPickle(const std::vector<std::pair<std::string, std::string>>& items) {
  std::string out = "(d";
  for (const auto& [key, value] : items) out += "V" + key + "\n" + value + "\ns";
  return out + ".";
}

TEST(Vocabulary, OpensAFolderOfPickles) {
  const TempFolder folder;
  Spill(folder / "token_dictionary.pkl",
        DictPickle({{"<pad>", "I0"}, {"<mask>", "I1"}, {"ENSG02", "I3"}, {"ENSG01", "I2"}}));
  Spill(folder / "gene_median_dictionary.pkl", DictPickle({{"ENSG01", "F0.25"}, {"ENSG02", "I2"}}));
  Spill(folder / "gene_name_id_dict.pkl", DictPickle({{"A", "VENSG01"}, {"oldA", "VENSG01"}, {"Z", "VENSG09"}}));
  const Vocabulary vocabulary = Vocabulary::Open(folder.path().string());
  EXPECT_EQ(vocabulary.size(), 4);
  EXPECT_EQ(vocabulary.ById("ENSG01")->median, 0.25);
  EXPECT_EQ(vocabulary.ById("ENSG02")->median, 2.0);
  EXPECT_EQ(vocabulary.ById("ENSG01")->symbol, "A");
  EXPECT_EQ(vocabulary.BySymbol("oldA")->token, 2);
  EXPECT_EQ(vocabulary.BySymbol("Z"), nullptr);

  Spill(folder / "gene_median_dictionary.pkl", DictPickle({{"ENSG01", "F0.25"}}));
  EXPECT_THAT(CatchError("VOCABULARY_MEDIAN", [&] { Vocabulary::Open(folder.path().string()); }).what(),
              HasSubstr("ENSG02"));
  Spill(folder / "gene_median_dictionary.pkl", "(l.");
  CatchError("VOCABULARY_FILE", [&] { Vocabulary::Open(folder.path().string()); });
  Spill(folder / "gene_median_dictionary.pkl", DictPickle({{"ENSG01", "F0.25"}, {"ENSG02", "I2"}}));
  Spill(folder / "token_dictionary.pkl", DictPickle({{"<pad>", "I0"}, {"<mask>", "I1"}, {"<sep>", "I2"}}));
  EXPECT_THAT(CatchError("VOCABULARY_SPECIAL", [&] { Vocabulary::Open(folder.path().string()); }).what(),
              HasSubstr("<sep>"));
}

TEST(Vocabulary, OpensGeneformerV2) {
  const TempFolder folder;
  const auto tokens = [&](const std::vector<std::pair<std::string, std::string>>& special) {
    std::vector<std::pair<std::string, std::string>> all = {{"<pad>", "I0"}, {"<mask>", "I1"}};
    all.insert(all.end(), special.begin(), special.end());
    all.insert(all.end(), {{"ENSG01", "I4"}, {"ENSG02", "I5"}});
    Spill(folder / "token_dictionary_gc104M.pkl", DictPickle(all));
  };
  tokens({{"<cls>", "I2"}, {"<eos>", "I3"}});
  Spill(folder / "gene_median_dictionary_gc104M.pkl", DictPickle({{"ENSG01", "F0.25"}, {"ENSG02", "I2"}}));
  Spill(folder / "gene_name_id_dict_gc104M.pkl", DictPickle({{"A", "VENSG01"}}));
  const Vocabulary vocabulary = Vocabulary::Open(folder.path().string());
  EXPECT_EQ(vocabulary.size(), 6);
  EXPECT_EQ(vocabulary.frame().cls, 2);
  EXPECT_EQ(vocabulary.frame().eos, 3);
  EXPECT_EQ(vocabulary.first_gene(), 4);
  const Vocabulary again = Vocabulary::FromJson(vocabulary.ToJson(), "json");
  EXPECT_EQ(again.frame().eos, 3);
  EXPECT_EQ(again.fingerprint(), vocabulary.fingerprint());
  EXPECT_NE(Vocabulary(vocabulary.genes()).fingerprint(), vocabulary.fingerprint());
  EXPECT_FALSE(Vocabulary::GeneformerV1().frame().any());
  for (const auto& special :
       std::vector<std::vector<std::pair<std::string, std::string>>>{{{"<cls>", "I2"}},
                                                                     {{"<eos>", "I3"}},
                                                                     {{"<cls>", "I2"}, {"<eos>", "I2"}},
                                                                     {{"<cls>", "I2"}, {"<eos>", "I9"}}}) {
    tokens(special);
    CatchError("VOCABULARY_SPECIAL", [&] { Vocabulary::Open(folder.path().string()); });
  }
  tokens({});
  Spill(folder / "token_dictionary_gc95M.pkl", "");
  CatchError("VOCABULARY_FILE", [&] { Vocabulary::Open(folder.path().string()); });
}

TEST(GeneMapping, MapsIdsVersionsAndSymbols) {
  const Vocabulary vocabulary(SmallGenes());
  const GeneMapping mapping = MapGenes(vocabulary, {"ENSG01.3", "B", "no", "oldB", "ENSG05"}, "x.h5ad");
  EXPECT_EQ(mapping.matched_columns, 4);
  EXPECT_EQ(mapping.matched_genes, 3);
  EXPECT_EQ(mapping.gene_of_column[0]->token, 2);
  EXPECT_EQ(mapping.gene_of_column[2], nullptr);
  EXPECT_EQ(mapping.gene_of_column[1], mapping.gene_of_column[3]);
}

TEST(GeneMapping, RefusesWhatHardlyMatches) {
  const Vocabulary vocabulary(SmallGenes());
  std::vector<std::string> names(20, "unknown");
  names[0] = "B";
  EXPECT_THAT(CatchError("GENES_UNMATCHED", [&] { MapGenes(vocabulary, names, "x.h5ad"); }).what(),
              HasSubstr("x.h5ad: 1 of 20 genes"));
  names[1] = "A";
  EXPECT_EQ(MapGenes(vocabulary, names, "x.h5ad").matched_columns, 2);
  for (std::string& name : names) name = "ENSMUSG00000000001.4";
  const Error error = CatchError("GENES_UNMATCHED", [&] { MapGenes(vocabulary, names, "x.h5ad"); });
  EXPECT_THAT(error.what(), HasSubstr("mouse"));
  EXPECT_THAT(error.what(), HasSubstr("--ortholog_table"));
  CatchError("GENES_UNMATCHED", [&] { MapGenes(vocabulary, {}, "x.h5ad"); });
}

TEST(GeneMapping, GoesThroughOrthologs) {
  const TempFolder folder;
  Spill(folder / "o.tsv", "mouse\thuman\nENSMUSG01\tENSG02\nENSMUSG01\tENSG05\nENSMUSG02\t\nCd4\tENSG01\n");
  const auto orthologs = ReadOrthologTable(folder / "o.tsv");
  EXPECT_EQ(orthologs.size(), 2u);
  const GeneMapping mapping =
      MapGenes(Vocabulary(SmallGenes()), {"ENSMUSG01.2", "Cd4", "ENSMUSG02"}, "x.h5ad", orthologs);
  EXPECT_EQ(mapping.matched_columns, 2);
  Spill(folder / "no_header.csv", "ENSMUSG01,ENSG02\nENSMUSG02,ENSG01\n");
  EXPECT_EQ(ReadOrthologTable(folder / "no_header.csv").size(), 2u);
  Spill(folder / "bad.csv", "a,b,c\n");
  CatchError("GENES_ORTHOLOGS", [&] { ReadOrthologTable(folder / "bad.csv"); });
  Spill(folder / "bad.csv", "a,b\nc,d\n");
  CatchError("GENES_ORTHOLOGS", [&] { ReadOrthologTable(folder / "bad.csv"); });
}

TEST(Coverage, IsReadable) {
  const Coverage coverage{16149, 14563, 14500, 1000, 961};
  EXPECT_EQ(coverage.Text(), "14,563 of 16,149 genes (90.2 %) and 96.1 % of the counts are in the vocabulary");
  EXPECT_EQ(coverage.ToJson()["matched_genes"], 14500);
  EXPECT_EQ((Coverage{1'234'567, 100, 1, 0, 0}).Text(),
            "100 of 1,234,567 genes (0.0 %) and 0.0 % of the counts are in the vocabulary");
}

TEST(RealVocabulary, TheBuiltInTableIsThatOfThePickles) {
  const char* folder = std::getenv("GENVINCI_REAL_DATA");
  const fs::path data = fs::path(folder ? folder : GENVINCI_SOURCE_DIR "/../shared/data") / "geneformer";
  if (!fs::exists(data)) GTEST_SKIP() << data << " is missing: set GENVINCI_REAL_DATA";
  const Vocabulary pickles = Vocabulary::Open(data.string());
  EXPECT_EQ(pickles.fingerprint(), Vocabulary::GeneformerV1().fingerprint());
}

}  // namespace vocabulary_test
}  // namespace genvinci
