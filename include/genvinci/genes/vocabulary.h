#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "genvinci/core/files.h"
#include "genvinci/core/json.h"

namespace genvinci {

inline constexpr int32_t kPadToken = 0;
inline constexpr int32_t kMaskToken = 1;

// The tokens that begin and end a profile of Geneformer V2; V1 has none.
struct FrameTokens {
  int32_t cls = -1, eos = -1;

  bool any() const { return cls >= 0; }
};

// Geneformer's table: token, Ensembl id, non-zero median and symbol of each gene. Tokens 0 and 1 are <pad> and <mask>;
// V2's <cls> and <eos> come next.
// Moving keeps pointers to genes valid; copying gives genes of its own.
class Vocabulary {
 public:
  struct Gene {
    int32_t token;
    std::string ensembl_id;
    std::string symbol;                     // may be empty
    double median;                          // > 0
    std::vector<std::string> aliases = {};  // further symbols
  };

  // Geneformer V1, 25,424 genes, from the table compiled into the program.
  static const Vocabulary& GeneformerV1();
  // "" or "geneformer-v1": the above. A folder with Geneformer's three pickles, or a JSON file as ToJson writes.
  static Vocabulary Open(const std::string& name_or_path);
  static Vocabulary FromJson(const Json& json, const std::string& source);
  // {"name", "tokens": [...], "ensembl_ids": [...], "medians": [...], "symbols": [["TSPAN6"], ...]}, with V2's tokens
  // also {"cls", "eos"}.
  Json ToJson() const;

  // DataError VOCABULARY_* when a token or id appears twice, a token is below 2 or beyond 1,000,000, a median is not a
  // positive number, or only one of <cls> and <eos> is there or they do not stand before the genes. A symbol that
  // several genes claim belongs to the first that prefers it, else to the first.
  explicit Vocabulary(std::vector<Gene> genes, const std::string& name = "custom", const FrameTokens& frame = {});

  const std::string& name() const { return name_; }
  int64_t size() const { return size_; }                     // tokens, with <pad> and <mask>: 25,426 for V1
  const std::vector<Gene>& genes() const { return genes_; }  // by ascending token
  const FrameTokens& frame() const { return frame_; }
  int32_t first_gene() const { return genes_.front().token; }  // every token from here on may be a gene's
  // By Ensembl id, with or without ".version"; or by symbol (upper and lower case differ). nullptr when unknown.
  const Gene* ById(std::string_view ensembl_id) const;
  const Gene* BySymbol(std::string_view symbol) const;
  const std::string& fingerprint() const;  // sha256 of its content, whatever its name; computed once

 private:
  struct Fingerprint;

  std::string name_;
  FrameTokens frame_;
  int64_t size_ = 0;
  std::vector<Gene> genes_;
  std::unordered_map<std::string, size_t> by_id_, by_symbol_;
  std::shared_ptr<Fingerprint> fingerprint_;  // of all copies
};

}  // namespace genvinci
