#include "genvinci/data/tokens.h"

#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/progress.h"
#include "genvinci/core/sha256.h"
#include "genvinci/genes/tokenizer.h"
#include "genvinci/io/safetensors.h"

namespace genvinci {
namespace {

constexpr int kCacheFormat = 1;

// One file a vocabulary and length, so that a changed dataset overwrites its stale tokens.
fs::path CachePath(const Dataset& dataset, const Vocabulary& vocabulary, int64_t max_tokens) {
  return dataset.path() / "cache" /
         fmt::format("tokens-{}-{}.safetensors", vocabulary.fingerprint().substr(0, 12), max_tokens);
}

std::string CacheKey(const Dataset& dataset, const Vocabulary& vocabulary, int64_t max_tokens) {
  return Sha256(fmt::format("{} {} {} {}", kCacheFormat, dataset.fingerprint(), vocabulary.fingerprint(), max_tokens));
}

template <typename T>
TensorView ViewOfVector(const std::vector<T>& values, DType dtype) {
  return {dtype, {static_cast<int64_t>(values.size())}, std::as_bytes(std::span(values))};
}

std::string Digest(const TensorView& tokens, const TensorView& offsets, const std::string& coverage) {
  return Sha256(Sha256(tokens.bytes) + Sha256(offsets.bytes) + coverage);
}

void WriteCache(const fs::path& path, const std::string& key, const TokenLists& lists, const Coverage& coverage) {
  const TensorView tokens = ViewOfVector(lists.tokens, DType::kI32);
  const TensorView offsets = ViewOfVector(lists.offsets, DType::kI64);
  const std::string coverage_json = DumpJson(coverage.ToJson());
  MakeFolder(path.parent_path());
  WriteSafetensors(path, {{"tokens", tokens}, {"offsets", offsets}},
                   {{"key", key}, {"sha256", Digest(tokens, offsets, coverage_json)}, {"coverage", coverage_json}});
}

template <typename T>
std::span<const T> Values(const TensorView& view) {
  return {reinterpret_cast<const T*>(view.bytes.data()), view.bytes.size() / sizeof(T)};
}

// Nothing when the key or the digest differs.
std::optional<TokenizedDataset> ReadCache(const fs::path& path, const std::string& key) {
  const auto kept = std::make_shared<const SafetensorsFile>(path);
  const SafetensorsFile& file = *kept;
  const auto value = [&](const char* name) {
    const auto found = file.metadata().find(name);
    return found == file.metadata().end() ? std::string() : found->second;
  };
  if (value("key") != key || !file.Has("tokens") || !file.Has("offsets")) return std::nullopt;
  const TensorView& tokens = file.View("tokens");
  const TensorView& offsets = file.View("offsets");
  if (value("sha256") != Digest(tokens, offsets, value("coverage"))) return std::nullopt;
  return TokenizedDataset{ProfileTokens(Values<int32_t>(tokens), Values<int64_t>(offsets), kept),
                          Coverage::FromJson(ParseJson(value("coverage"), path.string()))};
}

// A damaged cache costs time, not the run.
std::optional<TokenizedDataset> TryCache(const fs::path& path, const std::string& key) {
  std::error_code error;
  if (!fs::exists(path, error)) return std::nullopt;
  try {
    if (auto cached = ReadCache(path, key)) return cached;
    Log("{}: is stale or damaged: tokenizing anew", path.string());
  } catch (const Error& damaged) {
    Log("{}: tokenizing anew", damaged.what());
  }
  return std::nullopt;
}

// Their tokens and the coverage, which is of the whole dataset.
std::pair<TokenLists, Coverage> Tokenize(const Dataset& dataset, const Vocabulary& vocabulary, int64_t max_tokens) {
  const GeneMapping mapping = MapGenes(vocabulary, dataset.gene_names(), dataset.path().string());
  RankValueTokenizer tokenizer(mapping, max_tokens, vocabulary.frame());
  TokenLists lists;
  Coverage coverage;
  coverage.columns = static_cast<int64_t>(mapping.gene_of_column.size());
  coverage.matched_columns = mapping.matched_columns;
  coverage.matched_genes = mapping.matched_genes;
  Progress progress("tokenizing", dataset.size(), "profiles");
  dataset.ForEachProfile([&](int64_t i, std::span<const int32_t> columns, std::span<const float> counts) {
    for (size_t k = 0; k < columns.size(); ++k) {
      coverage.counts += counts[k];
      if (mapping.gene_of_column[static_cast<size_t>(columns[k])]) coverage.matched_counts += counts[k];
    }
    lists.Add(tokenizer.Tokenize(columns, counts, dataset.obs_name(i)));
    progress.Add(1);
  });
  return {std::move(lists), coverage};
}

}  // namespace

TokenizedDataset TokenizeDataset(const Dataset& dataset, const Vocabulary& vocabulary, int64_t max_tokens) {
  const fs::path path = CachePath(dataset, vocabulary, max_tokens);
  const std::string key = CacheKey(dataset, vocabulary, max_tokens);
  if (auto cached = TryCache(path, key)) return std::move(*cached);
  auto [lists, coverage] = Tokenize(dataset, vocabulary, max_tokens);
  if (!dataset.keeps_caches()) return {ProfileTokens(std::move(lists)), coverage};
  try {
    WriteCache(path, key, lists, coverage);
    // The mapped file's pages can leave memory again.
    if (auto cached = TryCache(path, key)) return std::move(*cached);
  } catch (const IoError& error) {
    Log("the tokens are not kept: {}", error.what());
  }
  return {ProfileTokens(std::move(lists)), coverage};
}

}  // namespace genvinci
