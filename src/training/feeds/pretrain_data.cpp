#include "genvinci/training/feeds/pretrain_data.h"

#include <algorithm>
#include <system_error>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/sha256.h"
#include "genvinci/data/dataset.h"
#include "genvinci/data/file_state.h"
#include "genvinci/data/tokens.h"
#include "genvinci/io/token_dataset.h"

namespace genvinci {
namespace {

using Lists = std::vector<std::vector<int32_t>>;

bool IsTokenFolder(const fs::path& path) {
  std::error_code error;
  return path.extension() == ".dataset" || fs::exists(path / "state.json", error);
}

void CheckLengths(const fs::path& lengths_file, const Lists& lists) {
  const std::vector<int64_t> lengths = ReadLengths(lengths_file);
  if (lengths.size() != lists.size())
    throw DataError("LENGTHS", "{}: has {} lengths for {} profiles: give the file that belongs to the training part",
                    lengths_file.string(), lengths.size(), lists.size());
  for (size_t i = 0; i < lists.size(); ++i) {
    if (lengths[i] == static_cast<int64_t>(lists[i].size())) continue;
    throw DataError("LENGTHS", "{}: says {} for profile {}, which has {} tokens: give the file that belongs to it",
                    lengths_file.string(), lengths[i], i, lists[i].size());
  }
}

void Cut(const fs::path& source, int64_t max_tokens, const FrameTokens& frame, Lists& lists) {
  for (size_t i = 0; i < lists.size(); ++i) {
    if (lists[i].empty()) throw DataError("PROFILE_EMPTY", "{}: profile {} has no token: drop it", source.string(), i);
    if (static_cast<int64_t>(lists[i].size()) <= max_tokens) continue;
    lists[i].resize(static_cast<size_t>(max_tokens));
    if (frame.any()) lists[i].back() = frame.eos;
  }
}

PretrainData FromTokenFolders(const PretrainOptions& options, const fs::path& train, const fs::path& val) {
  PretrainData data{FolderName(fs::path(options.dataset)), Vocabulary::Open(options.vocabulary), {}, {}, {}, {}, {}};
  data.train = ReadTokenDataset(train, data.vocabulary.size()).tokens;
  if (!options.lengths_file.empty()) CheckLengths(options.lengths_file, data.train);
  RequireFrame(train, data.vocabulary, data.train);
  Cut(train, options.transformer.max_tokens, data.vocabulary.frame(), data.train);
  data.facts["dataset_fingerprint"] = Sha256(FileState(train));
  if (val.empty()) return data;
  data.val = ReadTokenDataset(val, data.vocabulary.size()).tokens;
  RequireFrame(val, data.vocabulary, data.val);
  Cut(val, options.transformer.max_tokens, data.vocabulary.frame(), data.val);
  data.facts["val_fingerprint"] = Sha256(FileState(val));
  return data;
}

PretrainData FromDataset(const PretrainOptions& options) {
  if (!options.lengths_file.empty())
    throw ConfigError("CONFIG_LENGTHS", "lengths_file: {}: belongs to a .dataset folder, but {} is none",
                      options.lengths_file, options.dataset);
  const Dataset dataset = Dataset::Open(options.dataset);
  PretrainData data{FolderName(dataset.path()), Vocabulary::Open(options.vocabulary), {}, {}, {}, {}, {}};
  TokenizedDataset tokenized = TokenizeDataset(dataset, data.vocabulary, options.transformer.max_tokens);
  Log("{}: {}", dataset.path().string(), tokenized.coverage.Text());
  for (const int64_t i : dataset.Indices(Split::kTrain)) {
    data.train.push_back(tokenized.tokens[static_cast<size_t>(i)]);
    data.train_names.push_back(dataset.obs_name(i));
  }
  for (const int64_t i : dataset.Indices(Split::kVal)) data.val.push_back(tokenized.tokens[static_cast<size_t>(i)]);
  for (const int64_t i : dataset.Indices(Split::kTest)) data.test.push_back(tokenized.tokens[static_cast<size_t>(i)]);
  data.facts = {{"dataset_fingerprint", dataset.fingerprint()}, {"coverage", tokenized.coverage.ToJson()}};
  data.earlier_fingerprint = dataset.earlier_fingerprint();
  return data;
}

PretrainData Load(const PretrainOptions& options) {
  const fs::path path = options.dataset;
  std::error_code error;
  if (IsTokenFolder(path)) return FromTokenFolders(options, path, {});
  if (!fs::exists(path / "train.dataset", error)) return FromDataset(options);
  const fs::path val = path / "val.dataset";
  return FromTokenFolders(options, path / "train.dataset", fs::exists(val, error) ? val : fs::path());
}

}  // namespace

void RequireFrame(const fs::path& source, const Vocabulary& vocabulary, const Lists& lists) {
  constexpr int32_t kV2Cls = 2, kV2Eos = 3;
  const FrameTokens expected = vocabulary.frame().any() ? vocabulary.frame() : FrameTokens{kV2Cls, kV2Eos};
  const auto framed = std::count_if(lists.begin(), lists.end(), [&](const std::vector<int32_t>& list) {
    return list.size() > 1 && list.front() == expected.cls && list.back() == expected.eos;
  });
  if (vocabulary.frame().any() && framed != static_cast<int64_t>(lists.size()))
    throw DataError("TOKENS_VOCABULARY",
                    "{}: not every profile stands between <cls> and <eos>, as with {}: give the vocabulary that it was "
                    "made with",
                    source.string(), vocabulary.name());
  if (!vocabulary.frame().any() && framed > 0 && framed == static_cast<int64_t>(lists.size()))
    throw DataError("TOKENS_VOCABULARY",
                    "{}: its profiles begin and end as Geneformer V2's do, {} is V1's: give V2's dictionaries with "
                    "--vocabulary",
                    source.string(), vocabulary.name());
}

PretrainData LoadPretrainData(const PretrainOptions& options) {
  PretrainData data = Load(options);
  if (data.train.empty())
    throw DataError("TRAIN_EMPTY", "{}: its training part is empty: prepare it with another split", options.dataset);
  data.facts["vocabulary_fingerprint"] = data.vocabulary.fingerprint();
  data.facts["train_items"] = data.train.size();
  data.facts["val_items"] = data.val.size();
  return data;
}

}  // namespace genvinci
