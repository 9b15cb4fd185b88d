#include "genvinci/data/tokens.h"

#include <optional>
#include <span>
#include <string_view>

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

std::string_view Text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string Digest(const TensorView& tokens, const TensorView& offsets, const std::string& coverage) {
  return Sha256(Sha256(Text(tokens.bytes)) + Sha256(Text(offsets.bytes)) + coverage);
}

void WriteCache(const fs::path& path, const std::string& key, const TokenizedDataset& dataset) {
  std::vector<int32_t> flat;
  std::vector<int64_t> offsets{0};
  for (const auto& tokens : dataset.tokens) {
    flat.insert(flat.end(), tokens.begin(), tokens.end());
    offsets.push_back(static_cast<int64_t>(flat.size()));
  }
  const TensorView tokens_view = ViewOfVector(flat, DType::kI32);
  const TensorView offsets_view = ViewOfVector(offsets, DType::kI64);
  const std::string coverage = DumpJson(dataset.coverage.ToJson());
  MakeFolder(path.parent_path());
  WriteSafetensors(path, {{"tokens", tokens_view}, {"offsets", offsets_view}},
                   {{"key", key}, {"sha256", Digest(tokens_view, offsets_view, coverage)}, {"coverage", coverage}});
}

// Nothing when the key or the digest differs.
std::optional<TokenizedDataset> ReadCache(const fs::path& path, const std::string& key) {
  const SafetensorsFile file(path);
  const auto value = [&](const char* name) {
    const auto found = file.metadata().find(name);
    return found == file.metadata().end() ? std::string() : found->second;
  };
  if (value("key") != key || !file.Has("tokens") || !file.Has("offsets")) return std::nullopt;
  const TensorView& tokens = file.View("tokens");
  const TensorView& offsets = file.View("offsets");
  if (value("sha256") != Digest(tokens, offsets, value("coverage"))) return std::nullopt;
  TokenizedDataset dataset;
  dataset.coverage = Coverage::FromJson(ParseJson(value("coverage"), path.string()));
  const auto* values = reinterpret_cast<const int32_t*>(tokens.bytes.data());
  const auto* bounds = reinterpret_cast<const int64_t*>(offsets.bytes.data());
  const size_t profiles = offsets.bytes.size() / sizeof(int64_t) - 1;
  dataset.tokens.reserve(profiles);
  for (size_t i = 0; i < profiles; ++i) dataset.tokens.emplace_back(values + bounds[i], values + bounds[i + 1]);
  return dataset;
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

TokenizedDataset Tokenize(const Dataset& dataset, const Vocabulary& vocabulary, int64_t max_tokens) {
  const GeneMapping mapping = MapGenes(vocabulary, dataset.gene_names(), dataset.path().string());
  RankValueTokenizer tokenizer(mapping, max_tokens, vocabulary.frame());
  TokenizedDataset result;
  result.tokens.reserve(static_cast<size_t>(dataset.size()));
  result.coverage.columns = static_cast<int64_t>(mapping.gene_of_column.size());
  result.coverage.matched_columns = mapping.matched_columns;
  result.coverage.matched_genes = mapping.matched_genes;
  Progress progress("tokenizing", dataset.size(), "profiles");
  dataset.ForEachProfile([&](int64_t i, std::span<const int32_t> columns, std::span<const float> counts) {
    for (size_t k = 0; k < columns.size(); ++k) {
      result.coverage.counts += counts[k];
      if (mapping.gene_of_column[static_cast<size_t>(columns[k])]) result.coverage.matched_counts += counts[k];
    }
    result.tokens.push_back(tokenizer.Tokenize(columns, counts, dataset.obs_name(i)));
    progress.Add(1);
  });
  return result;
}

}  // namespace

TokenizedDataset TokenizeDataset(const Dataset& dataset, const Vocabulary& vocabulary, int64_t max_tokens) {
  const fs::path path = CachePath(dataset, vocabulary, max_tokens);
  const std::string key = CacheKey(dataset, vocabulary, max_tokens);
  if (auto cached = TryCache(path, key)) return std::move(*cached);
  TokenizedDataset result = Tokenize(dataset, vocabulary, max_tokens);
  try {
    WriteCache(path, key, result);
  } catch (const IoError& error) {
    Log("the tokens are not kept: {}", error.what());
  }
  return result;
}

}  // namespace genvinci
