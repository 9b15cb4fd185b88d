#pragma once

#include <optional>
#include <string>
#include <vector>

#include "genvinci/core/files.h"
#include "genvinci/generation/output_images.h"
#include "genvinci/generation/picture_grid.h"
#include "job.h"

namespace genvinci {

// What is drawn of one split. An item is one sample of one observation; an observation's samples follow one another.
struct SplitItems {
  std::vector<int64_t> observations;
  int64_t samples = 1;  // of each

  int64_t count() const { return static_cast<int64_t>(observations.size()); }
  int64_t size() const { return count() * samples; }
  int64_t Observation(int64_t item) const { return observations[static_cast<size_t>(item / samples)]; }
};

// Items that follow one another, on the CPU.
struct DrawnItems {
  torch::Tensor latents_BCHW, images_BCHW;  // images in [-1, 1]
  torch::Tensor scores_B;                   // float64, of the ranker, where there is one
};

// The folder of one split: real and drawn images, a grid of some, samples.h5ad, generation.json. It appears when all is
// there.
class SplitOutput {
 public:
  SplitOutput(const GenerationJob& job, Split split, const SplitItems& items, fs::path folder);

  void WriteReal();
  void Write(int64_t first, const DrawnItems& drawn);
  void Commit(double seconds_per_image);

 private:
  std::string Stem(int64_t item) const;
  bool HasReal() const { return job_.dataset.has_images(); }
  void AddToGrid(int64_t row, const Image& image);
  void WriteGrid();
  PngText Provenance() const;
  PngText SyntheticText(int64_t item) const;
  PngText RealText(int64_t i) const;
  void WriteLatents() const;
  void WriteDescription(double seconds_per_image) const;
  void WriteSamplesTable() const;

  const GenerationJob& job_;
  Split split_;
  const SplitItems& items_;
  StagedFolder staged_;
  std::vector<std::string> channels_;
  torch::Tensor latents_;              // (items, C, H, W); with --save_latents
  std::vector<torch::Tensor> scores_;  // of the ranker, one a batch
  PictureGrid grid_;
};

}  // namespace genvinci
