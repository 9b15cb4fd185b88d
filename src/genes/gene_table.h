#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "genvinci/genes/vocabulary.h"

namespace genvinci::internal {

// third_party/geneformer/gene_table.tsv.gz as it was when the program was built.
std::span<const std::byte> EmbeddedGeneTable();

std::vector<Vocabulary::Gene> ReadGeneTable(std::span<const std::byte> gzip);

struct GeneformerTable {
  std::vector<Vocabulary::Gene> genes;
  FrameTokens frame;
};

// token_dictionary, gene_median_dictionary and gene_name_id_dict of `folder`: .pkl (V1), or _gc104M.pkl and the like,
// as Geneformer names those of its later releases. DataError VOCABULARY_FILE for a folder with several releases.
GeneformerTable ReadGeneformerPickles(const fs::path& folder);

}  // namespace genvinci::internal
