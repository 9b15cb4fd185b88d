#include "gene_table.h"

#include <unordered_map>

#include "genvinci/core/error.h"
#include "genvinci/core/text.h"
#include "genvinci/io/gzip.h"
#include "genvinci/io/pickle.h"

// The assembler copies the file into the library's read-only data.
asm(".section .rodata\n"
    ".balign 16\n"
    ".global genvinci_gene_table\n"
    ".hidden genvinci_gene_table\n"
    "genvinci_gene_table: .incbin \"" GENVINCI_GENE_TABLE
    "\"\n"
    ".global genvinci_gene_table_end\n"
    ".hidden genvinci_gene_table_end\n"
    "genvinci_gene_table_end: .byte 0\n"
    ".text\n");

extern "C" {
[[gnu::visibility("hidden")]] extern const std::byte genvinci_gene_table[];
[[gnu::visibility("hidden")]] extern const std::byte genvinci_gene_table_end[];
}

namespace genvinci::internal {
namespace {

constexpr int32_t kFirstGeneToken = 2;

// "3" stands for "ENSG00000000003".
std::string FullId(std::string_view id) {
  return id.starts_with("ENS") ? std::string(id) : fmt::format("ENSG{:0>11}", id);
}

void SetSymbols(std::vector<std::string> symbols, Vocabulary::Gene& gene) {
  if (symbols.empty()) return;
  gene.symbol = symbols.front();
  gene.aliases.assign(symbols.begin() + 1, symbols.end());
}

const PickleDict& ReadDict(const PicklePointer& root, const fs::path& path) {
  const PickleDict* dict = root->As<PickleDict>();
  if (!dict) throw DataError("VOCABULARY_FILE", "{}: holds {}, not a dictionary", path.string(), Describe(*root));
  return *dict;
}

const std::string& Text(PickleRef value, const fs::path& path) {
  const std::string* text = value->As<std::string>();
  if (!text) throw DataError("VOCABULARY_FILE", "{}: {} where a name was expected", path.string(), Describe(*value));
  return *text;
}

std::unordered_map<std::string, double> ReadMedians(const fs::path& path) {
  const PicklePointer root = ReadPickle(path);
  std::unordered_map<std::string, double> medians;
  for (const auto& [key, value] : ReadDict(root, path).items) {
    const double* number = value->As<double>();
    const int64_t* integer = value->As<int64_t>();
    if (!number && !integer) {
      throw DataError("VOCABULARY_FILE", "{}: {}: {} where a median was expected", path.string(), Text(key, path),
                      Describe(*value));
    }
    medians[Text(key, path)] = number ? *number : static_cast<double>(*integer);
  }
  return medians;
}

std::unordered_map<std::string, std::vector<std::string>> ReadSymbols(const fs::path& path) {
  const PicklePointer root = ReadPickle(path);
  std::unordered_map<std::string, std::vector<std::string>> symbols;
  for (const auto& [symbol, id] : ReadDict(root, path).items) symbols[Text(id, path)].push_back(Text(symbol, path));
  return symbols;
}

// What stands behind the dictionaries' names: ".pkl", "_gc104M.pkl", ...
std::string Release(const fs::path& folder) {
  constexpr std::string_view kName = "token_dictionary";
  std::vector<std::string> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kName) && name.ends_with(".pkl")) found.push_back(name.substr(kName.size()));
  }
  if (found.size() > 1)
    throw DataError("VOCABULARY_FILE", "{}: holds the dictionaries of {} releases: keep one's in a folder",
                    folder.string(), found.size());
  return found.empty() ? ".pkl" : found[0];
}

void TakeSpecial(const std::string& name, int32_t token, const fs::path& path, FrameTokens& frame) {
  if (name == "<cls>") {
    frame.cls = token;
  } else if (name == "<eos>") {
    frame.eos = token;
  } else if (!(name == "<pad>" && token == kPadToken) && !(name == "<mask>" && token == kMaskToken)) {
    throw DataError("VOCABULARY_SPECIAL",
                    "{}: the special token {} = {}: Geneformer's are <pad> = 0, <mask> = 1, <cls> and <eos>",
                    path.string(), name, token);
  }
}

}  // namespace

std::span<const std::byte> EmbeddedGeneTable() { return {genvinci_gene_table, genvinci_gene_table_end}; }

std::vector<Vocabulary::Gene> ReadGeneTable(std::span<const std::byte> gzip) {
  const std::string text = Gunzip(gzip, "the built-in gene table");
  std::vector<Vocabulary::Gene> genes;
  for (const std::string_view line : SplitText(text, '\n')) {
    if (line.empty()) continue;
    const std::vector<std::string_view> fields = SplitText(line, '\t');
    GENVINCI_CHECK(fields.size() == 3, "gene table: '{}'", line);
    Vocabulary::Gene gene{kFirstGeneToken + static_cast<int32_t>(genes.size()), FullId(fields[0]), "", 0};
    GENVINCI_CHECK(ParseNumber(fields[1], gene.median), "gene table: '{}'", line);
    std::vector<std::string> symbols;
    for (const std::string_view symbol : SplitText(fields[2], ' ')) {
      if (!symbol.empty()) symbols.emplace_back(symbol);
    }
    SetSymbols(std::move(symbols), gene);
    genes.push_back(std::move(gene));
  }
  return genes;
}

GeneformerTable ReadGeneformerPickles(const fs::path& folder) {
  const std::string release = Release(folder);
  const fs::path path = folder / ("token_dictionary" + release);
  const PicklePointer root = ReadPickle(path);
  const auto medians = ReadMedians(folder / ("gene_median_dictionary" + release));
  const auto symbols = ReadSymbols(folder / ("gene_name_id_dict" + release));
  GeneformerTable table;
  for (const auto& [key, value] : ReadDict(root, path).items) {
    const std::string& id = Text(key, path);
    const int64_t* token = value->As<int64_t>();
    if (!token || *token < 0 || *token > INT32_MAX) {
      throw DataError("VOCABULARY_TOKEN", "{}: {} has {} as its token", path.string(), id, Describe(*value));
    }
    if (id.starts_with('<')) {
      TakeSpecial(id, static_cast<int32_t>(*token), path, table.frame);
      continue;
    }
    const auto median = medians.find(id);
    if (median == medians.end()) {
      throw DataError("VOCABULARY_MEDIAN", "{}: no median for {}, which has a token: use files of one release",
                      (folder / ("gene_median_dictionary" + release)).string(), id);
    }
    Vocabulary::Gene gene{static_cast<int32_t>(*token), id, "", median->second};
    if (const auto found = symbols.find(id); found != symbols.end()) SetSymbols(found->second, gene);
    table.genes.push_back(std::move(gene));
  }
  return table;
}

}  // namespace genvinci::internal
