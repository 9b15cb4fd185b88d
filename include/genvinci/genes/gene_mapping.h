#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "genvinci/genes/vocabulary.h"

namespace genvinci {

// How a file's columns meet the vocabulary, which must outlive it.
struct GeneMapping {
  std::vector<const Vocabulary::Gene*> gene_of_column;  // nullptr: not in the vocabulary
  int64_t matched_columns = 0;
  int64_t matched_genes = 0;  // different genes; fewer than columns when several columns map to one id
};

// A table from one species' ids or symbols to Ensembl ids of the vocabulary: two columns, with or without a header
// (its second field is no Ensembl id). Rows without a partner are left out; of several partners the first counts.
// DataError GENES_ORTHOLOGS when it has not two columns or no row with an Ensembl id.
std::unordered_map<std::string, std::string> ReadOrthologTable(const fs::path& path);

// Maps each name (Ensembl id, versioned or not, or symbol), through `orthologs` where it has the name. Fewer than 10 %
// mapped is a DataError (GENES_UNMATCHED) that says "mouse" when most are ENSMUSG ids and then points to
// --ortholog_table.
GeneMapping MapGenes(const Vocabulary& vocabulary, const std::vector<std::string>& names, const std::string& source,
                     const std::unordered_map<std::string, std::string>& orthologs = {});

// Shares of genes and of counts that matched, as printed and kept by prepare.
struct Coverage {
  int64_t columns = 0, matched_columns = 0, matched_genes = 0;
  double counts = 0, matched_counts = 0;
  Json ToJson() const;
  static Coverage FromJson(const Json& json);  // what ToJson gives
  std::string Text() const;  // "14,563 of 16,149 genes (90.2 %) and 96.1 % of the counts are in the vocabulary"
};

}  // namespace genvinci
