#pragma once

#include <torch/torch.h>

#include <memory>
#include <optional>
#include <string>

#include "genvinci/core/files.h"
#include "genvinci/core/json.h"
#include "genvinci/genes/vocabulary.h"
#include "genvinci/io/safetensors.h"
#include "genvinci/tensor/convert.h"

namespace genvinci {

// Commits checkpoints/step-<n>/ of a run: files written and fsynced, manifest.json with the sha256 of each, fsync,
// rename of the folder, fsync of the parent; then `latest` (and `best` where `best` is set) follow, as small files that
// name it. Nothing of it is visible before the rename; a writer that is not committed leaves nothing behind. IoError.
class CheckpointWriter {
 public:
  CheckpointWriter(const fs::path& run, int64_t step);
  // "model" -> model.safetensors. Returns its sha256.
  std::string Tensors(const std::string& file, const NamedTensors& tensors);
  // The run's checkpoint of `step` has the same file, with this sha256: takes it over as a hard link, which costs no
  // writing. False where that file is gone, or where the file system has no hard links.
  bool Link(const std::string& file, int64_t step, const std::string& sum);
  void Json(const std::string& file, const genvinci::Json& value);  // "state" -> state.json
  // vocabulary.json unless it is the built-in table; returns what state.json keeps of it: name and fingerprint.
  genvinci::Json Vocabulary(const genvinci::Vocabulary& vocabulary);
  // Keeps the last `keep` checkpoints and the best one; others are removed after the commit.
  void Commit(bool best, int64_t keep = 2);

 private:
  fs::path run_, target_;
  int64_t step_;
  std::unique_ptr<StagedFolder> staged_;
  genvinci::Json files_ = genvinci::Json::object();
};

// What a checkpoint is opened for: a network needs its weights alone, a run that is resumed the optimizer's state too.
enum class CheckpointUse { kWeights, kAll };

// A verified checkpoint folder.
class Checkpoint {
 public:
  // `path`: a run (its `which`, "best" or "latest"), a checkpoint folder, or "step-<n>" in it. The manifest and the
  // files that `use` needs are verified by their sums, each once a process as long as it does not change; for a run, a
  // damaged checkpoint falls back to the one before with a warning. "latest" is the last one committed even where a
  // crash kept the file `latest` from following. DataError CKPT_MANIFEST, CKPT_DAMAGED; MissingFileError CKPT_MISSING.
  static Checkpoint Open(const fs::path& path, const std::string& which = "best",
                         CheckpointUse use = CheckpointUse::kWeights);

  const fs::path& path() const { return path_; }
  int64_t step() const { return step_; }
  bool Has(const std::string& file) const;                                  // "vocabulary.json"
  std::shared_ptr<SafetensorsFile> Tensors(const std::string& file) const;  // "model"; DataError CKPT_FILE, CKPT_DAMAGED
  // model.safetensors and, where there is one, frozen.safetensors.
  std::shared_ptr<TensorFile> Weights() const;
  genvinci::Json Json(const std::string& file) const;  // "state"
  // DataError CKPT_KIND unless state.json's "kind" is `kind`; returns state.json.
  genvinci::Json RequireKind(const std::string& kind) const;
  // The vocabulary that state.json names. DataError CKPT_VOCABULARY.
  genvinci::Vocabulary Vocabulary() const;
  // LoadState from Weights(), then the averaged weights of ema.safetensors where there are any.
  void LoadInto(torch::nn::Module& module, const std::string& prefix) const;

 private:
  fs::path path_;
  int64_t step_ = 0;
  genvinci::Json files_;
};

// The folder that belongs to a model, for what is written about it: <run> of <run>/checkpoints/step-<n>, the folder that
// holds any other checkpoint folder or weight file.
fs::path RunOf(const fs::path& checkpoint);

// The step that a pointer of the run ("best", "latest") names; nothing when there is none.
std::optional<int64_t> PointedStep(const fs::path& run, const std::string& pointer);
// Writes the pointer; a resumed run does so where a crash kept it from following.
void PointTo(const fs::path& run, const std::string& pointer, int64_t step);

}  // namespace genvinci
