#pragma once

#include <string>

#include "genvinci/core/options.h"
#include "genvinci/core/run_folder.h"
#include "genvinci/diffusion/diffusion_options.h"
#include "genvinci/launch/rank_options.h"

namespace genvinci {

struct GenerateOptions {
  CommonOptions common;
  RankOptions ranks;
  std::string dataset;
  std::string checkpoint;
  int64_t img_size = 256;
  bool generate = false;
  bool extract = false;
  bool train = false, val = false, test = false;
  int64_t num_samples = 5;
  int64_t batch_size = 4;
  int64_t limit = 0;
  SamplerOptions sampling;
  std::string vector, second_vector;
  std::string noise;
  bool save_latents = false;
  bool unconditional = false;
  bool any_scale = false;
  double strength = 1;
  bool rank = false;
  std::string align_path;

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("common", common, "");
    v("ranks", ranks, "ranks");
    v.Group("Input");
    v("dataset", dataset, "dataset folder or name");
    v("checkpoint", checkpoint,
      "fine-tuning run (folder, timestamp or latest), one of its checkpoints, or one of GenVinci (checkpoint_<n>.pth)");
    v.Group("Model");
    v("img_size", img_size, "side in px of the images that a checkpoint of GenVinci draws (our runs know their own)",
      Range{8, 65536});
    v.Group("Input");
    v("any_scale", any_scale,
      "draw though the dataset's images have another scale than those that the model was trained on");
    v.Group("What to do");
    v("generate", generate, "draw images (the default)");
    v("extract", extract, "write embeddings instead");
    v("train", train, "for the training part");
    v("val", val, "for the validation part");
    v("test", test, "for the test part (the default)");
    v("num_samples", num_samples, "images for each profile", Range{1, 1e6});
    v("batch_size", batch_size, "images drawn at once on each device", Range{1, 1e6});
    v("limit", limit, "use only the first so many observations (0: all)", Range{0, 1e12});
    v("sampling", sampling, "sampler");
    v.Group("Input");
    v("vector", vector, "embedding to draw from, obsm:NAME or a .npy file (default: as in training)");
    v("second_vector", second_vector,
      "embedding to draw from besides the genes, obsm:NAME or a .npy file (default: as in training)");
    v("noise", noise, "safetensors file with the start noise as `noise` (observations, samples, C, H, W)");
    v.Group("Output");
    v("save_latents", save_latents, "also write latents.safetensors");
    v.Group("Sampling");
    v("unconditional", unconditional, "draw under the null condition, as a control without the genes");
    v("strength", strength,
      "start from each observation's own image with this share of the noise (1: from noise alone)", Range{0, 1});
    v.Group("Output");
    v("rank", rank, "rank the samples of each profile by how well they fit it (in samples.h5ad)");
    v.Group("Input");
    v("align_path", align_path,
      "alignment run to rank by (default: that of the checkpoint, else the dataset's latest)");
  }
};

}  // namespace genvinci
