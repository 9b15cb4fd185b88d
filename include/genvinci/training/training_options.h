#pragma once

#include <optional>
#include <string>
#include <vector>

#include "genvinci/core/options.h"
#include "genvinci/core/run_folder.h"
#include "genvinci/diffusion/diffusion_options.h"
#include "genvinci/launch/rank_options.h"
#include "genvinci/models/model_options.h"

namespace genvinci {

// What every training command has.
struct TrainingOptions {
  int64_t epochs = 0;
  int64_t max_steps = 0;
  double max_minutes = 0;
  int64_t batch_size = 16;
  double lr = 5e-5;
  double weight_decay = 0.001;
  double beta2 = 0.999;
  int64_t warmup_steps = 0;
  std::string decay = "linear";
  double grad_clip = 0.5;
  int64_t accumulate = 1;
  double ema_decay = 0;
  int64_t save_steps = 0;
  int64_t eval_steps = 0;
  int64_t log_steps = 20;
  int64_t patience = 0;
  std::string precision = "fp32";
  bool gradient_checkpointing = false;
  std::string ema_device = "device";
  bool zero = false;
  int64_t keep_last = 2;
  std::string resume;
  bool allow_inexact_resume = false;

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("epochs", epochs, "passes over the training part (0: by max_steps)", Range{0, 1e9});
    v("max_steps", max_steps, "optimizer steps (0: by epochs)", Range{0, 1e12});
    v("max_minutes", max_minutes, "stop after this time (schedules still count steps); 0: no limit", Range{0, 1e9});
    v("batch_size", batch_size, "observations a step on each device", Range{1, 1e6});
    v("lr", lr, "learning rate", Range{1e-12, 10});
    v("weight_decay", weight_decay, "AdamW's weight decay", Range{0, 10});
    v("beta2", beta2, "AdamW's decay of squared gradients", Range{0, 0.999999});
    v("warmup_steps", warmup_steps, "linear warm-up", Range{0, 1e9});
    v("decay", decay, "learning rate after warm-up", Choices{{"linear", "cosine", "constant"}});
    v("grad_clip", grad_clip, "largest gradient norm, 0 = off", Range{0, 1e9});
    v("accumulate", accumulate, "batches to one optimizer step", Range{1, 1e6});
    v("ema_decay", ema_decay, "decay of the averaged weights, 0 = none", Range{0, 0.999999});
    v("save_steps", save_steps, "checkpoint every so many steps (0: each epoch)", Range{0, 1e12});
    v("eval_steps", eval_steps, "evaluate every so many steps (0: each epoch)", Range{0, 1e12});
    v("log_steps", log_steps, "log every so many steps", Range{1, 1e9});
    v("patience", patience, "stop after so many evaluations without a better one, 0 = never", Range{0, 1e9});
    v("precision", precision, "of the forward pass; weights and their update stay float32",
      Choices{{"fp32", "bf16", "fp16"}});
    v("gradient_checkpointing", gradient_checkpointing,
      "keep the activations of whole blocks only and compute the rest again: less memory, a third more time");
    v("ema_device", ema_device, "where the averaged weights lie", Choices{{"device", "host"}});
    v("zero", zero, "each rank keeps its share of the optimizer's state alone (ZeRO stage 1)");
    v("keep_last", keep_last, "checkpoints that are kept besides the best one", Range{1, 1e6});
    v("resume", resume, "auto, or a run to go on with");
    v("allow_inexact_resume", allow_inexact_resume,
      "go on with other options, data or number of ranks too, where the numbers then differ");
  }
};

struct PretrainOptions {
  CommonOptions common;
  std::string dataset;
  std::string lengths_file;
  std::string init_path;
  std::string model = "small";
  GeneTransformerConfig transformer;
  TrainingOptions training;
  RankOptions ranks;
  std::string vocabulary;
  double mask_probability = 0.15;
  std::optional<double> dropout;

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("common", common, "");
    v("dataset", dataset, "dataset folder or name, or a Geneformer .dataset folder");
    v("lengths_file", lengths_file, "pickle with the lengths of a .dataset folder");
    v("init_path", init_path, "weights to start from, of the model's own size: Geneformer's; empty: from scratch");
    v("model", model, "model size", Choices{kModelSizes});
    v("transformer", transformer, "gene transformer");
    v("training", training, "training");
    v("ranks", ranks, "ranks");
    v("vocabulary", vocabulary, "Geneformer's pickles (folder) or JSON; default: the built-in V1 table");
    v("mask_probability", mask_probability, "share of tokens that are masked", Range{0.001, 0.9});
    v("dropout", dropout, "drop-out of the transformer", Range{0, 0.99});
  }
};

struct AutoencoderOptions {
  CommonOptions common;
  std::string dataset;
  std::string model = "small";
  int64_t img_size = 0;
  AutoencoderConfig autoencoder;
  TrainingOptions training;
  RankOptions ranks;
  double kl_weight = 1e-6;
  double l1_weight = 1;
  double l2_weight = 1;
  double edge_weight = 0;

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("common", common, "");
    v("dataset", dataset, "dataset folder or name");
    v("model", model, "model size", Choices{kModelSizes});
    v("img_size", img_size, "px of the images (0: as stored)", Range{0, 65536});
    v("autoencoder", autoencoder, "autoencoder");
    v("training", training, "training");
    v("ranks", ranks, "ranks");
    v("kl_weight", kl_weight, "weight of the KL term", Range{0, 1e3});
    v("l1_weight", l1_weight, "weight of the absolute error", Range{0, 1e3});
    v("l2_weight", l2_weight, "weight of the squared error", Range{0, 1e3});
    v("edge_weight", edge_weight, "weight of the absolute error of image gradients", Range{0, 1e3});
  }
};

struct AlignOptions {
  CommonOptions common;
  std::string dataset;
  std::string model = "small";
  std::string pretrain_mlm_path;
  int64_t img_size = 0;
  AlignerConfig aligner;
  TrainingOptions training;
  std::string vocabulary;
  double gene_dropout = 0;
  double colour_jitter = 0.1;
  double view_weight = 0;
  bool freeze_transformer = false;

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("common", common, "");
    v("dataset", dataset, "dataset folder or name");
    v("model", model, "model size", Choices{kModelSizes});
    v("pretrain_mlm_path", pretrain_mlm_path,
      "pretraining run (folder or timestamp), or weights of Hugging Face (Geneformer's); empty: from scratch");
    v("img_size", img_size, "px of the images (0: as stored)", Range{0, 65536});
    v("aligner", aligner, "gene transformer, patch encoder and the space they share");
    v("training", training, "training");
    v("vocabulary", vocabulary, "Geneformer's pickles (folder) or JSON; default: that of the pretraining run");
    v("gene_dropout", gene_dropout, "share of tokens left out of a training profile", Range{0, 0.9});
    v("colour_jitter", colour_jitter, "spread of a training image's gain and offset in each channel", Range{0, 1});
    v("view_weight", view_weight, "weight of the contrast of two views of an image, for what genes do not tell",
      Range{0, 100});
    v("freeze_transformer", freeze_transformer, "keep the gene transformer as pretrained, and run it once a profile");
  }
};

struct FinetuneOptions {
  CommonOptions common;
  std::string dataset;
  std::string model = "small";
  std::string pretrain_mlm_path;
  std::string autoencoder_path;
  std::string unet_path;
  std::string align_path;
  std::string vector, second_vector;
  int64_t neighbours = 0;
  std::string semantic_path;
  double semantic_weight = 1;
  int64_t img_size = 0;
  ModelOptions models;
  DiffusionConfig diffusion;
  SamplerOptions sampling;
  TrainingOptions training;
  RankOptions ranks;
  std::string vocabulary;
  double condition_dropout = 0.1;
  double second_dropout = 0.1;
  double gene_dropout = 0;
  bool freeze_transformer = false;
  int64_t grid_samples = 2;
  int64_t eval_images = 128;
  std::vector<double> guidance_candidates = {1, 1.5, 2, 3, 4};
  std::vector<int64_t> steps_candidates;
  std::optional<double> dropout;

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("common", common, "");
    v("dataset", dataset, "dataset folder or name");
    v("model", model, "model size", Choices{kModelSizes});
    v("pretrain_mlm_path", pretrain_mlm_path,
      "pretraining run (folder or timestamp), or weights of Hugging Face (Geneformer's); empty: from scratch");
    v("autoencoder_path", autoencoder_path,
      "autoencoder run (folder or timestamp), or weights of Stable Diffusion's (file or diffusers folder)");
    v("unet_path", unet_path, "weights that the UNet starts from: Stable Diffusion's, of the model's own size");
    v("align_path", align_path,
      "alignment run (folder or timestamp): val images are drawn and compared in its space to choose the checkpoint "
      "and the sampling; empty: by val_loss");
    v("vector", vector,
      "an embedding in place of genes: obsm:NAME of the dataset's expression.h5ad, or a .npy file with a row an "
      "observation");
    v("second_vector", second_vector, "the same beside the genes, with its own drop-out and guidance scale");
    v("neighbours", neighbours,
      "nearest observations of the section that are told beside the profile, with where they lie", Range{0, 1024});
    v("semantic_path", semantic_path,
      "vision transformer (BiomedCLIP's weights) whose image embedding the condition is drawn to; genvinci conditioner "
      "alone");
    v("semantic_weight", semantic_weight, "weight of that loss", Range{0, 1000});
    v("img_size", img_size, "px of the images (0: as stored)", Range{0, 65536});
    v("models", models, "model sizes");
    v("diffusion", diffusion, "noise process and objective");
    v("sampling", sampling, "how sample grids are drawn");
    v("training", training, "training");
    v("ranks", ranks, "ranks");
    v("vocabulary", vocabulary, "Geneformer's pickles (folder) or JSON; default: that of the pretraining run");
    v("condition_dropout", condition_dropout, "share of profiles replaced by the null condition", Range{0, 1});
    v("second_dropout", second_dropout, "the same of neighbours and second vector together", Range{0, 1});
    v("gene_dropout", gene_dropout, "share of tokens left out of a training profile", Range{0, 0.9});
    v("freeze_transformer", freeze_transformer, "keep the gene transformer as pretrained, and run it once a profile");
    v("grid_samples", grid_samples, "samples a profile in the grids", Range{1, 16});
    v("eval_images", eval_images, "val images drawn at each look, with align_path", Range{2, 1e6});
    v("guidance_candidates", guidance_candidates, "guidance scales tried on val at the end, with align_path");
    v("steps_candidates", steps_candidates, "numbers of sampling steps tried on val at the end, with align_path");
    v("dropout", dropout, "drop-out of the transformer", Range{0, 0.99});
  }
};

}  // namespace genvinci
