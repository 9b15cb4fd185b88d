#pragma once

#include <torch/torch.h>

#include <memory>
#include <string>

#include "genvinci/core/json.h"
#include "genvinci/diffusion/pipeline.h"
#include "genvinci/genes/vocabulary.h"
#include "genvinci/tensor/convert.h"

namespace genvinci {

// Commits checkpoints/step-<n>/ of a run: files written and fsynced, manifest.json with the sha256 of each, fsync, rename
// of the folder, fsync of the parent; then `latest` (and `best` where `best` is set) follow, as small files that name it.
// Nothing of it is visible before the rename.
class CheckpointWriter {
 public:
  CheckpointWriter(const fs::path& run, int64_t step);
  void Tensors(const std::string& file, const NamedTensors& tensors);  // "model" -> model.safetensors
  void Json(const std::string& file, const genvinci::Json& value);     // "state" -> state.json
  // Keeps the last `keep` checkpoints and the best one; others are removed after the commit.
  void Commit(bool best, int64_t keep = 2);

 private:
  fs::path run_, target_;
  std::unique_ptr<StagedFolder> staged_;
  genvinci::Json manifest_ = genvinci::Json::object();
};

// A verified checkpoint folder.
class Checkpoint {
 public:
  // `path`: a run (its `which`, "best" or "latest"), a checkpoint folder, or "step-<n>" in it. The manifest is verified;
  // for a run, a damaged checkpoint falls back to the one before with a warning. DataError CKPT_*, MissingFileError.
  static Checkpoint Open(const fs::path& path, const std::string& which = "best");

  const fs::path& path() const { return path_; }
  bool Has(const std::string& file) const;
  std::shared_ptr<SafetensorsFile> Tensors(const std::string& file) const;
  genvinci::Json Json(const std::string& file) const;

 private:
  fs::path path_;
};

// A fine-tuned checkpoint ready to generate: EMA weights where there are any. DataError CKPT_KIND for another kind of run.
struct LoadedPipeline {
  Pipeline pipeline{nullptr};
  Vocabulary vocabulary;
  genvinci::Json state;
  fs::path path;
};
LoadedPipeline LoadPipeline(const fs::path& path, const torch::Device& device);

// The autoencoder of an autoencoder run, with its config.
Autoencoder LoadAutoencoder(const fs::path& path, const torch::Device& device);

}  // namespace genvinci
