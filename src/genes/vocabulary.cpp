#include "genvinci/genes/vocabulary.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "gene_table.h"
#include "genvinci/core/error.h"
#include "genvinci/core/sha256.h"

namespace genvinci {
namespace {

constexpr int32_t kMaxToken = 1'000'000;
constexpr const char* kV1Name = "geneformer-v1";

std::string_view WithoutVersion(std::string_view id) { return id.substr(0, id.find('.')); }

void CheckGene(const Vocabulary::Gene& gene, const std::string& name) {
  if (gene.token <= kMaskToken || gene.token > kMaxToken) {
    throw DataError("VOCABULARY_TOKEN", "{}: {} has token {}: genes have 2 to {}", name, gene.ensembl_id, gene.token,
                    kMaxToken);
  }
  if (!std::isfinite(gene.median) || gene.median <= 0) {
    throw DataError("VOCABULARY_MEDIAN", "{}: the median of {} is {}: it must be above 0", name, gene.ensembl_id,
                    gene.median);
  }
}

const Json& Column(const Json& json, const char* key, const std::string& source) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_array()) {
    throw DataError("VOCABULARY_FILE", "{}: no list '{}': this is no vocabulary", source, key);
  }
  return *found;
}

Vocabulary::Gene GeneFromJson(const Json& token, const Json& id, const Json& median, const Json& symbols,
                              const std::string& source) {
  const bool are_texts = symbols.is_array() && std::all_of(symbols.begin(), symbols.end(),
                                                           [](const Json& symbol) { return symbol.is_string(); });
  if (!token.is_number_integer() || !id.is_string() || !median.is_number() || !are_texts ||
      token.get<int64_t>() != static_cast<int32_t>(token.get<int64_t>())) {
    throw DataError("VOCABULARY_FILE", "{}: a gene of the wrong types: token {}, id {}, median {}, symbols {}", source,
                    token.dump(), id.dump(), median.dump(), symbols.dump());
  }
  Vocabulary::Gene gene{token.get<int32_t>(), id.get<std::string>(), "", median.get<double>()};
  for (const Json& symbol : symbols) {
    (gene.symbol.empty() ? gene.symbol : gene.aliases.emplace_back()) = symbol.get<std::string>();
  }
  return gene;
}

}  // namespace

struct Vocabulary::Fingerprint {
  std::once_flag once;
  std::string text;
};

Vocabulary::Vocabulary(std::vector<Gene> genes, const std::string& name, const FrameTokens& frame)
    : name_(name), frame_(frame), genes_(std::move(genes)), fingerprint_(std::make_shared<Fingerprint>()) {
  std::sort(genes_.begin(), genes_.end(), [](const Gene& a, const Gene& b) { return a.token < b.token; });
  if (genes_.empty()) throw DataError("VOCABULARY_FILE", "{}: has no genes", name_);
  for (size_t i = 0; i < genes_.size(); ++i) {
    const Gene& gene = genes_[i];
    CheckGene(gene, name_);
    if (i > 0 && gene.token == genes_[i - 1].token) {
      throw DataError("VOCABULARY_TOKEN", "{}: {} and {} both have token {}", name_, genes_[i - 1].ensembl_id,
                      gene.ensembl_id, gene.token);
    }
    if (!by_id_.emplace(gene.ensembl_id, i).second) {
      throw DataError("VOCABULARY_ID", "{}: {} appears twice", name_, gene.ensembl_id);
    }
    if (!gene.symbol.empty()) by_symbol_.emplace(gene.symbol, i);
  }
  const auto [first, last] = std::minmax(frame_.cls, frame_.eos);
  if (last >= 0 && (first <= kMaskToken || first == last || last >= first_gene()))
    throw DataError("VOCABULARY_SPECIAL", "{}: <cls> = {} and <eos> = {}: both must stand between <mask> and the genes",
                    name_, frame_.cls, frame_.eos);
  for (size_t i = 0; i < genes_.size(); ++i) {
    for (const std::string& alias : genes_[i].aliases) by_symbol_.emplace(alias, i);
  }
  size_ = genes_.back().token + 1;
}

const Vocabulary& Vocabulary::GeneformerV1() {
  static const Vocabulary vocabulary(internal::ReadGeneTable(internal::EmbeddedGeneTable()), kV1Name);
  return vocabulary;
}

Vocabulary Vocabulary::Open(const std::string& name_or_path) {
  if (name_or_path.empty() || name_or_path == kV1Name) return GeneformerV1();
  if (fs::is_directory(name_or_path)) {
    internal::GeneformerTable table = internal::ReadGeneformerPickles(name_or_path);
    return Vocabulary(std::move(table.genes), name_or_path, table.frame);
  }
  RequireFile(name_or_path, "give 'geneformer-v1', a folder with Geneformer's pickles or a vocabulary's JSON file");
  return FromJson(ReadJson(name_or_path), name_or_path);
}

Vocabulary Vocabulary::FromJson(const Json& json, const std::string& source) {
  const Json &tokens = Column(json, "tokens", source), &ids = Column(json, "ensembl_ids", source),
             &medians = Column(json, "medians", source), &symbols = Column(json, "symbols", source);
  if (ids.size() != tokens.size() || medians.size() != tokens.size() || symbols.size() != tokens.size()) {
    throw DataError("VOCABULARY_FILE", "{}: {} tokens, {} ids, {} medians and {} symbols: they must be as many", source,
                    tokens.size(), ids.size(), medians.size(), symbols.size());
  }
  std::vector<Gene> genes;
  for (size_t i = 0; i < tokens.size(); ++i) {
    genes.push_back(GeneFromJson(tokens[i], ids[i], medians[i], symbols[i], source));
  }
  const auto name = json.find("name");
  FrameTokens frame;
  for (const auto& [key, token] : {std::pair{"cls", &frame.cls}, {"eos", &frame.eos}}) {
    if (!json.contains(key)) continue;
    if (!json[key].is_number_integer()) throw DataError("VOCABULARY_FILE", "{}: '{}' is no token", source, key);
    *token = json[key].get<int32_t>();
  }
  Vocabulary vocabulary(std::move(genes), source, frame);
  vocabulary.name_ = name != json.end() && name->is_string() ? name->get<std::string>() : "custom";
  return vocabulary;
}

Json Vocabulary::ToJson() const {
  Json tokens = Json::array(), ids = Json::array(), medians = Json::array(), symbols = Json::array();
  for (const Gene& gene : genes_) {
    tokens.push_back(gene.token);
    ids.push_back(gene.ensembl_id);
    medians.push_back(gene.median);
    Json names = Json::array();
    if (!gene.symbol.empty()) names.push_back(gene.symbol);
    for (const std::string& alias : gene.aliases) names.push_back(alias);
    symbols.push_back(std::move(names));
  }
  Json json = {{"name", name_}, {"tokens", tokens}, {"ensembl_ids", ids}, {"medians", medians}, {"symbols", symbols}};
  if (frame_.any()) json.update({{"cls", frame_.cls}, {"eos", frame_.eos}});
  return json;
}

const Vocabulary::Gene* Vocabulary::ById(std::string_view ensembl_id) const {
  auto found = by_id_.find(std::string(ensembl_id));
  if (found == by_id_.end()) found = by_id_.find(std::string(WithoutVersion(ensembl_id)));
  return found == by_id_.end() ? nullptr : &genes_[found->second];
}

const Vocabulary::Gene* Vocabulary::BySymbol(std::string_view symbol) const {
  const auto found = by_symbol_.find(std::string(symbol));
  return found == by_symbol_.end() ? nullptr : &genes_[found->second];
}

const std::string& Vocabulary::fingerprint() const {
  std::call_once(fingerprint_->once, [&] {
    Json content = ToJson();
    content.erase("name");
    fingerprint_->text = Sha256(content.dump());
  });
  return fingerprint_->text;
}

}  // namespace genvinci
