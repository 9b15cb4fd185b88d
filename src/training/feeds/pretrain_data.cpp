#include "genvinci/training/feeds/pretrain_data.h"

#include <algorithm>
#include <span>
#include <system_error>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/sha256.h"
#include "genvinci/data/dataset.h"
#include "genvinci/data/file_state.h"
#include "genvinci/data/tokens.h"
#include "genvinci/io/token_dataset.h"
#include "genvinci/training/engine/dry_run.h"
#include "genvinci/training/feeds/image_data.h"

namespace genvinci {
namespace {

bool IsTokenFolder(const fs::path& path) {
  std::error_code error;
  return path.extension() == ".dataset" || fs::exists(path / "state.json", error);
}

void CheckLengths(const fs::path& lengths_file, const TokenLists& lists) {
  const std::vector<int64_t> lengths = ReadLengths(lengths_file);
  if (static_cast<int64_t>(lengths.size()) != lists.size())
    throw DataError("LENGTHS", "{}: has {} lengths for {} profiles: give the file that belongs to the training part",
                    lengths_file.string(), lengths.size(), lists.size());
  for (int64_t i = 0; i < lists.size(); ++i) {
    const int64_t length = lengths[static_cast<size_t>(i)];
    if (length == static_cast<int64_t>(lists[i].size())) continue;
    throw DataError("LENGTHS", "{}: says {} for profile {}, which has {} tokens: give the file that belongs to it",
                    lengths_file.string(), length, i, lists[i].size());
  }
}

// One cut in a frame still ends with <eos>.
TokenLists Cut(const fs::path& source, int64_t max_tokens, const FrameTokens& frame, const TokenLists& lists) {
  TokenLists cut;
  for (int64_t i = 0; i < lists.size(); ++i) {
    const std::span<const int32_t> list = lists[i];
    if (list.empty()) throw DataError("PROFILE_EMPTY", "{}: profile {} has no token: drop it", source.string(), i);
    const bool is_longer = static_cast<int64_t>(list.size()) > max_tokens;
    cut.Add(is_longer ? list.first(static_cast<size_t>(max_tokens)) : list);
    if (is_longer && frame.any()) cut.tokens.back() = frame.eos;
  }
  return cut;
}

PretrainData FromTokenFolders(const PretrainOptions& options, const fs::path& train, const fs::path& val) {
  PretrainData data{FolderName(fs::path(options.dataset)), Vocabulary::Open(options.vocabulary), {}, {}, {}, {}, {}};
  const auto read = [&](const fs::path& folder, const std::string& lengths_file) {
    const TokenLists lists = ReadTokenDataset(folder, data.vocabulary.size());
    if (!lengths_file.empty()) CheckLengths(lengths_file, lists);
    RequireFrame(folder, data.vocabulary, lists);
    return ProfileTokens(Cut(folder, options.transformer.max_tokens, data.vocabulary.frame(), lists));
  };
  data.train = read(train, options.lengths_file);
  data.facts["dataset_fingerprint"] = Sha256(FileState(train));
  if (val.empty()) return data;
  data.val = read(val, "");
  data.facts["val_fingerprint"] = Sha256(FileState(val));
  return data;
}

PretrainData FromDataset(const PretrainOptions& options) {
  if (!options.lengths_file.empty())
    throw ConfigError("CONFIG_LENGTHS", "lengths_file: {}: belongs to a .dataset folder, but {} is none",
                      options.lengths_file, options.dataset);
  const Dataset dataset = Dataset::Open(options.dataset, UseOf(options.training));
  PretrainData data{FolderName(dataset.path()), Vocabulary::Open(options.vocabulary), {}, {}, {}, {}, {}};
  const TokenizedDataset tokenized = TokenizeDataset(dataset, data.vocabulary, options.transformer.max_tokens);
  Log("{}: {}", dataset.path().string(), tokenized.coverage.Text());
  const std::vector<int64_t> train = dataset.Indices(Split::kTrain);
  for (const int64_t i : train) data.train_names.push_back(dataset.obs_name(i));
  data.train = tokenized.tokens.Select(train);
  data.val = tokenized.tokens.Select(dataset.Indices(Split::kVal));
  data.test = tokenized.tokens.Select(dataset.Indices(Split::kTest));
  data.facts = {{"dataset_fingerprint", dataset.fingerprint()}, {"coverage", tokenized.coverage.ToJson()}};
  data.earlier_fingerprint = dataset.earlier_fingerprint();
  return data;
}

void Excerpt(int64_t items, PretrainData& data) {
  const std::vector<int64_t> kept = EvenlySpread(data.train.size(), std::min(data.train.size(), items));
  data.train = data.train.Select(kept);
  std::vector<std::string> names;
  for (const int64_t i : kept)
    if (!data.train_names.empty()) names.push_back(data.train_names[static_cast<size_t>(i)]);
  data.train_names = std::move(names);
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

void RequireFrame(const fs::path& source, const Vocabulary& vocabulary, const TokenLists& lists) {
  constexpr int32_t kV2Cls = 2, kV2Eos = 3;
  const FrameTokens expected = vocabulary.frame().any() ? vocabulary.frame() : FrameTokens{kV2Cls, kV2Eos};
  int64_t framed = 0;
  for (int64_t i = 0; i < lists.size(); ++i) {
    const std::span<const int32_t> list = lists[i];
    framed += list.size() > 1 && list.front() == expected.cls && list.back() == expected.eos;
  }
  if (vocabulary.frame().any() && framed != lists.size())
    throw DataError("TOKENS_VOCABULARY",
                    "{}: not every profile stands between <cls> and <eos>, as with {}: give the vocabulary that it was "
                    "made with",
                    source.string(), vocabulary.name());
  if (!vocabulary.frame().any() && framed > 0 && framed == lists.size())
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
  data.train_items = data.train.size();
  if (options.training.dry_run) Excerpt(DryRunItems(options.training), data);
  return data;
}

}  // namespace genvinci
