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
  double strength = 1;
  bool rank = false;
  std::string align_path;

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("common", common, "");
    v("ranks", ranks, "ranks");
    v("dataset", dataset, "dataset folder or name");
    v("checkpoint", checkpoint,
      "fine-tuning run (folder or timestamp), one of its checkpoints, or GenVinci's own (checkpoint_<n>.pth)");
    v("img_size", img_size, "px of the images that GenVinci's own checkpoint draws (a run knows its own)",
      Range{8, 65536});
    v("generate", generate, "draw images (the default)");
    v("extract", extract, "write embeddings instead");
    v("train", train, "of the training part");
    v("val", val, "of the validation part");
    v("test", test, "of the test part (the default)");
    v("num_samples", num_samples, "images a profile", Range{1, 1e6});
    v("batch_size", batch_size, "images drawn at once on each device", Range{1, 1e6});
    v("limit", limit, "only the first so many observations (0: all)", Range{0, 1e12});
    v("sampling", sampling, "sampler");
    v("vector", vector, "vectors to draw from, obsm:NAME or a .npy file (default: as in training)");
    v("second_vector", second_vector, "second vectors, likewise");
    v("noise", noise, "safetensors file with start noise `noise` (observations, samples, C, H, W)");
    v("save_latents", save_latents, "also write latents.safetensors");
    v("unconditional", unconditional, "draw under the null condition: a control that knows no genes");
    v("strength", strength,
      "img2img: how far each observation's own image is noised before it is drawn anew (1: from noise alone)",
      Range{0, 1});
    v("rank", rank, "rank the samples of a profile by gene-image similarity (samples.h5ad)");
    v("align_path", align_path,
      "alignment run to rank by (default: the one of the checkpoint, else the dataset's latest)");
  }
};

}  // namespace genvinci
