#include "genvinci/genes/gene_mapping.h"

#include <algorithm>
#include <cctype>
#include <unordered_set>

#include "genvinci/core/error.h"
#include "genvinci/io/table.h"

namespace genvinci {
namespace {

constexpr double kLeastShare = 0.10;

std::string WithoutVersion(const std::string& id) { return id.substr(0, id.find('.')); }

const Vocabulary::Gene* Find(const Vocabulary& vocabulary, const std::string& name,
                             const std::unordered_map<std::string, std::string>& orthologs) {
  auto ortholog = orthologs.find(name);
  if (ortholog == orthologs.end() && !orthologs.empty()) ortholog = orthologs.find(WithoutVersion(name));
  if (ortholog != orthologs.end()) return vocabulary.ById(ortholog->second);
  const Vocabulary::Gene* gene = vocabulary.ById(name);
  return gene ? gene : vocabulary.BySymbol(name);
}

std::string Advice(const std::vector<std::string>& names) {
  const auto is_mouse = [](const std::string& name) { return name.starts_with("ENSMUSG"); };
  const size_t mouse = std::count_if(names.begin(), names.end(), is_mouse);
  if (2 * mouse > names.size())
    return "these are mouse genes: give a table of their human partners by --ortholog_table";
  // Mouse symbols are written like names, human ones in capitals.
  const auto is_like_mouse = [](const std::string& name) {
    return name.size() > 2 && std::isupper(static_cast<unsigned char>(name[0])) &&
           std::islower(static_cast<unsigned char>(name[1]));
  };
  if (2 * std::count_if(names.begin(), names.end(), is_like_mouse) > static_cast<int64_t>(names.size()))
    return "these are like a mouse's symbols: give a table of their human partners by --ortholog_table (two columns, "
           "the "
           "symbol and the human Ensembl id, as Ensembl BioMart exports)";
  return "name the genes by Ensembl id (ENSG...) or by symbol, or give --ortholog_table for another species";
}

std::string WithCommas(int64_t value) {
  const std::string digits = std::to_string(value);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

double Share(double part, double whole) { return whole > 0 ? part / whole : 0; }

}  // namespace

std::unordered_map<std::string, std::string> ReadOrthologTable(const fs::path& path) {
  TableReader table(path);
  if (table.header().size() != 2) {
    throw DataError("GENES_ORTHOLOGS", "{}: has {} columns: give two, a name and its Ensembl id", path.string(),
                    table.header().size());
  }
  std::unordered_map<std::string, std::string> orthologs;
  const auto add = [&](std::string_view name, std::string_view id) {
    if (!name.empty() && id.starts_with("ENS")) orthologs.emplace(name, id);
  };
  add(table.header()[0], table.header()[1]);
  std::vector<std::string_view> fields;
  while (table.Next(fields)) add(fields[0], fields[1]);
  if (orthologs.empty()) {
    throw DataError("GENES_ORTHOLOGS", "{}: no row's second field is an Ensembl id: give a name and its id",
                    path.string());
  }
  return orthologs;
}

GeneMapping MapGenes(const Vocabulary& vocabulary, const std::vector<std::string>& names, const std::string& source,
                     const std::unordered_map<std::string, std::string>& orthologs) {
  GeneMapping mapping;
  std::unordered_set<const Vocabulary::Gene*> genes;
  for (const std::string& name : names) {
    const Vocabulary::Gene* gene = Find(vocabulary, name, orthologs);
    mapping.gene_of_column.push_back(gene);
    if (!gene) continue;
    ++mapping.matched_columns;
    genes.insert(gene);
  }
  mapping.matched_genes = static_cast<int64_t>(genes.size());
  if (names.empty() || mapping.matched_columns < kLeastShare * names.size()) {
    throw DataError("GENES_UNMATCHED", "{}: {} of {} genes are in the vocabulary{}, at least 10 % must be: {}", source,
                    mapping.matched_columns, names.size(),
                    names.empty() ? "" : fmt::format(" (the first is '{}')", names[0]), Advice(names));
  }
  return mapping;
}

Json Coverage::ToJson() const {
  return {{"columns", columns},
          {"matched_columns", matched_columns},
          {"matched_genes", matched_genes},
          {"counts", counts},
          {"matched_counts", matched_counts}};
}

Coverage Coverage::FromJson(const Json& json) {
  Coverage coverage;
  coverage.columns = json.at("columns").get<int64_t>();
  coverage.matched_columns = json.at("matched_columns").get<int64_t>();
  coverage.matched_genes = json.at("matched_genes").get<int64_t>();
  coverage.counts = json.at("counts").get<double>();
  coverage.matched_counts = json.at("matched_counts").get<double>();
  return coverage;
}

std::string Coverage::Text() const {
  return fmt::format("{} of {} genes ({:.1f} %) and {:.1f} % of the counts are in the vocabulary",
                     WithCommas(matched_columns), WithCommas(columns), 100 * Share(matched_columns, columns),
                     100 * Share(matched_counts, counts));
}

}  // namespace genvinci
