#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "genvinci/genes/vocabulary.h"

namespace genvinci::internal {

// third_party/geneformer/gene_table.tsv.gz as it was when the program was built.
std::span<const std::byte> EmbeddedGeneTable();

std::vector<Vocabulary::Gene> ReadGeneTable(std::span<const std::byte> gzip);

// token_dictionary.pkl, gene_median_dictionary.pkl and gene_name_id_dict.pkl of `folder`.
std::vector<Vocabulary::Gene> ReadGeneformerPickles(const fs::path& folder);

}  // namespace genvinci::internal
