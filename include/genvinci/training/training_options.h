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
  bool dry_run = false;

  template <typename Visitor>
  void Fields(Visitor& v) {
    v.Group("Training");
    v("epochs", epochs, "passes over the training part (0: --max_steps decides)", Range{0, 1e9});
    v("max_steps", max_steps, "optimizer steps (0: --epochs decides)", Range{0, 1e12});
    v("max_minutes", max_minutes, "stop after this time, while schedules still count steps (0: no limit)",
      Range{0, 1e9}, kDecidesNoNumber);
    v("batch_size", batch_size, "observations in a batch on each device", Range{1, 1e6});
    v("lr", lr, "learning rate", Range{1e-12, 10});
    v("weight_decay", weight_decay, "weight decay of AdamW", Range{0, 10});
    v("beta2", beta2, "decay of AdamW's mean of squared gradients", Range{0, 0.999999});
    v("warmup_steps", warmup_steps, "steps over which the learning rate rises from 0", Range{0, 1e9});
    v("decay", decay, "course of the learning rate after the warm-up", Choices{{"linear", "cosine", "constant"}});
    v("grad_clip", grad_clip, "largest norm of the gradient (0: no limit)", Range{0, 1e9});
    v("accumulate", accumulate, "batches that make one optimizer step", Range{1, 1e6});
    v("ema_decay", ema_decay, "decay of the averaged weights (0: no averaging)", Range{0, 0.999999});
    v.Group("Checkpoints");
    v("save_steps", save_steps, "steps between checkpoints (0: one each epoch)", Range{0, 1e12}, kDecidesNoNumber);
    v("eval_steps", eval_steps, "steps between evaluations on the validation part (0: one each epoch)", Range{0, 1e12});
    v.Group("Output");
    v("log_steps", log_steps, "steps between rows of metrics.jsonl", Range{1, 1e9}, kDecidesNoNumber);
    v.Group("Training");
    v("patience", patience, "stop after this many evaluations without a better one (0: never)", Range{0, 1e9});
    v.Group("Devices");
    v("precision", precision, "precision of the forward pass; weights and their updates stay fp32",
      Choices{{"fp32", "bf16", "fp16"}});
    v("gradient_checkpointing", gradient_checkpointing,
      "save memory: keep only the activations between blocks and recompute the rest, which takes a third more time");
    v("ema_device", ema_device, "where the averaged weights are kept", Choices{{"device", "host"}}, kDecidesNoNumber);
    v("zero", zero, "divide the optimizer's state among the ranks (ZeRO stage 1)", kDecidesNoNumber);
    v.Group("Checkpoints");
    v("keep_last", keep_last, "checkpoints to keep besides the best one", Range{1, 1e6}, kDecidesNoNumber);
    v("resume", resume, "continue a run: its folder or timestamp, or auto for the latest unfinished one",
      kDecidesNoNumber);
    v("allow_inexact_resume", allow_inexact_resume,
      "continue even where options, data or the number of ranks have changed, so that the numbers will differ",
      kDecidesNoNumber);
    v.Group("Output");
    v("dry_run", dry_run,
      "print all options, the number of steps, and the time and memory that a new run would take, by a few batches; "
      "write nothing",
      kDecidesNoNumber);
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
  std::optional<double> dropout;  // resolving puts it into the transformer's options, which training reads

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("common", common, "");
    v.Group("Input");
    v("dataset", dataset, "dataset folder or name, or a Geneformer .dataset folder", kDecidesNoNumber);
    v("lengths_file", lengths_file, "pickle with the lengths of a .dataset folder's profiles");
    v("init_path", init_path, "weights of Geneformer to start from, of the model's own size (empty: random weights)");
    v.Group("Model");
    v("model", model, "model size", Choices{kModelSizes});
    v("transformer", transformer, "gene transformer");
    v("training", training, "training");
    v("ranks", ranks, "ranks", kDecidesNoNumber);
    v.Group("Input");
    v("vocabulary", vocabulary, "folder of Geneformer's pickles, or JSON (default: the built-in table of V1)");
    v.Group("Training");
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
    v.Group("Input");
    v("dataset", dataset, "dataset folder or name", kDecidesNoNumber);
    v.Group("Model");
    v("model", model, "model size", Choices{kModelSizes});
    v("img_size", img_size, "side of the images in px (0: as stored)", Range{0, 65536});
    v("autoencoder", autoencoder, "autoencoder");
    v("training", training, "training");
    v("ranks", ranks, "ranks", kDecidesNoNumber);
    v.Group("Training");
    v("kl_weight", kl_weight, "weight of the KL divergence of the latents from a standard normal", Range{0, 1e3});
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
    v.Group("Input");
    v("dataset", dataset, "dataset folder or name", kDecidesNoNumber);
    v.Group("Model");
    v("model", model, "model size", Choices{kModelSizes});
    v.Group("Input");
    v("pretrain_mlm_path", pretrain_mlm_path,
      "pretraining run (folder, timestamp or latest), or weights of Geneformer (empty: random weights)");
    v.Group("Model");
    v("img_size", img_size, "side of the images in px (0: as stored)", Range{0, 65536});
    v("aligner", aligner, "gene transformer, patch encoder and the space that they share");
    v("training", training, "training");
    v.Group("Input");
    v("vocabulary", vocabulary, "folder of Geneformer's pickles, or JSON (default: that of the pretraining run)");
    v.Group("Training");
    v("gene_dropout", gene_dropout, "share of each training profile's genes that is left out at random", Range{0, 0.9});
    v("colour_jitter", colour_jitter, "random change of each training image's gain and offset in each channel",
      Range{0, 1});
    v("view_weight", view_weight,
      "weight of a contrastive loss between two augmented views of each image, which keeps image features that the "
      "genes do not predict",
      Range{0, 100});
    v("freeze_transformer", freeze_transformer, "keep the gene transformer as pretrained");
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
  std::optional<double> dropout;  // resolving puts it into the transformer's options, which training reads

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("common", common, "");
    v.Group("Input");
    v("dataset", dataset, "dataset folder or name", kDecidesNoNumber);
    v.Group("Model");
    v("model", model, "model size", Choices{kModelSizes});
    v.Group("Input");
    v("pretrain_mlm_path", pretrain_mlm_path,
      "pretraining run (folder, timestamp or latest), or weights of Geneformer (empty: random weights)");
    v("autoencoder_path", autoencoder_path,
      "autoencoder run (folder, timestamp or latest), or weights of Stable Diffusion (file or diffusers folder)");
    v("unet_path", unet_path, "weights of Stable Diffusion's UNet to start from, of the model's own size");
    v("align_path", align_path,
      "alignment run (folder, timestamp or latest) in whose space validation images are compared, to choose the "
      "checkpoint and the sampling (empty: the validation loss chooses the checkpoint)");
    v("vector", vector,
      "embedding to use instead of genes: obsm:NAME of the dataset, or a .npy file with a row for each observation");
    v("second_vector", second_vector, "embedding to use besides the genes: obsm:NAME or a .npy file");
    v("neighbours", neighbours, "how many of the nearest observations of the section to add to the condition",
      Range{0, 1024});
    v("semantic_path", semantic_path,
      "weights of BiomedCLIP's vision transformer, whose embedding of the image the condition is trained to predict "
      "(only with the genvinci conditioner)");
    v.Group("Training");
    v("semantic_weight", semantic_weight, "weight of the loss of --semantic_path", Range{0, 1000});
    v.Group("Model");
    v("img_size", img_size, "side of the images in px (0: as stored)", Range{0, 65536});
    v("models", models, "sizes of the networks");
    v("diffusion", diffusion, "noise process and objective");
    v("sampling", sampling, "how sample pictures are drawn");
    v("training", training, "training");
    v("ranks", ranks, "ranks", kDecidesNoNumber);
    v.Group("Input");
    v("vocabulary", vocabulary, "folder of Geneformer's pickles, or JSON (default: that of the pretraining run)");
    v.Group("Training");
    v("condition_dropout", condition_dropout, "share of profiles that are replaced by the null condition", Range{0, 1});
    v("second_dropout", second_dropout,
      "share of extra conditions (neighbours and second vector together) that are left out", Range{0, 1});
    v("gene_dropout", gene_dropout, "share of each training profile's genes that is left out at random", Range{0, 0.9});
    v("freeze_transformer", freeze_transformer, "keep the gene transformer as pretrained");
    v.Group("Checkpoints");
    v("grid_samples", grid_samples, "samples for each profile in the sample pictures", Range{1, 16});
    v("eval_images", eval_images, "with --align_path: validation images drawn at each evaluation", Range{2, 1e6});
    v("guidance_candidates", guidance_candidates,
      "with --align_path: guidance scales that are tried on the validation part at the end");
    v("steps_candidates", steps_candidates,
      "with --align_path: numbers of sampling steps that are tried on the validation part at the end");
    v.Group("Training");
    v("dropout", dropout, "drop-out of the transformer", Range{0, 0.99});
  }
};

}  // namespace genvinci
