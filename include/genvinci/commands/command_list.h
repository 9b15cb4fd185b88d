#pragma once

#include <map>
#include <string>
#include <vector>

#include "genvinci/commands/demo_options.h"
#include "genvinci/commands/forward_options.h"
#include "genvinci/commands/inspect_options.h"
#include "genvinci/generation/generate_options.h"
#include "genvinci/studies/evaluation/evaluate_options.h"
#include "genvinci/technologies/prepare_options.h"
#include "genvinci/training/training_options.h"
#include "genvinci/weights/convert_options.h"

namespace genvinci {

// What is said of one `genvinci NAME`.
struct CommandText {
  std::string name, description;
  std::vector<std::string> required = {};  // options ("dataset") that must be given somewhere
  std::string positional = {};             // an option that may stand without its flag
  bool runs_on_ranks = false;              // may be started once a rank; else a second process is refused
  std::vector<std::string> examples = {};  // complete command lines
  // Defaults that depend on more than the model size, by the options' dotted names.
  std::map<std::string, std::string> defaults = {};
};

// The one list of commands. The program makes flags and help of it, the library its functions (commands/entry.cpp):
// `commands.template Command<Options>(text)` is called for each.
template <typename Commands>
void ForEachCommand(Commands& commands) {
  commands.template Command<PrepareOptions>(
      {.name = "prepare",
       .description = "Make a dataset folder from measured or simulated data",
       .examples = {"genvinci prepare --technology st --input her2st --patch_size 224 --img_size 64 --split section "
                    "--test_values C5 --val_fraction 0.1 --output dataset/her2st",
                    "genvinci prepare --input sample/outs --images sample.tif --patch_um 110 --img_size 64 "
                    "--output dataset/visium",
                    "genvinci prepare --technology h5ad --input mine.h5ad --images patches --split obs:donor "
                    "--test_values D4 --val_values D3 --output dataset/mine"}});
  commands.template Command<PretrainOptions>(
      {.name = "pretrain",
       .description = "Train the gene transformer to predict hidden genes",
       .required = {"dataset"},
       .runs_on_ranks = true,
       .examples = {
           "genvinci pretrain --dataset her2st",
           "genvinci pretrain --dataset genecorpus/train.dataset --lengths_file train_lengths.pkl --model base "
           "--devices 2 --precision bf16",
           "genvinci pretrain --dataset her2st --resume auto"}});
  commands.template Command<AutoencoderOptions>(
      {.name = "autoencoder",
       .description = "Train the autoencoder that turns images into latents and back",
       .required = {"dataset"},
       .runs_on_ranks = true,
       .examples = {"genvinci autoencoder --dataset her2st", "genvinci autoencoder --dataset her2st --max_minutes 10",
                    "genvinci autoencoder --dataset her2st --set autoencoder.base_channels=96"}});
  commands.template Command<AlignOptions>(
      {.name = "align",
       .description = "Learn which images belong to which profiles; scores compare images in the features this gives",
       .required = {"dataset"},
       .runs_on_ranks = true,  // refuses several with a reason of its own
       .examples = {"genvinci align --dataset her2st --pretrain_mlm_path latest",
                    "genvinci align --dataset her2st --pretrain_mlm_path latest --colour_jitter 0.25",
                    "genvinci align --dataset her2st --pretrain_mlm_path latest --max_steps 200"}});
  commands.template Command<FinetuneOptions>(
      {.name = "finetune",
       .description = "Train the latent diffusion model that draws images from genes",
       .required = {"dataset", "autoencoder_path"},
       .runs_on_ranks = true,
       .examples = {"genvinci finetune --dataset her2st --pretrain_mlm_path latest --autoencoder_path latest "
                    "--align_path latest --img_size 64",
                    "genvinci finetune --dataset he_st --model genvinci-sd15 --autoencoder_path sd15/vae --unet_path "
                    "sd15/unet --pretrain_mlm_path geneformer --img_size 256 --devices 2",
                    "genvinci finetune --dataset her2st --autoencoder_path latest --neighbours 6 --resume auto"}});
  commands.template Command<GenerateOptions>(
      {.name = "generate",
       .description = "Draw images from profiles",
       .required = {"dataset", "checkpoint"},
       .runs_on_ranks = true,
       .examples = {"genvinci generate --dataset her2st --checkpoint latest --test --num_samples 5 --batch_size 4",
                    "genvinci generate --dataset her2st --checkpoint latest --val --guidance 3 --steps 50",
                    "genvinci generate --dataset he_st --checkpoint checkpoint_100.pth --sampler plms --steps 250"},
       .defaults = {{"sampling.sampler", "as in training"},
                    {"sampling.steps", "as chosen on the validation part, else as in training"},
                    {"sampling.eta", "as in training"},
                    {"sampling.guidance", "as chosen on the validation part, else as in training"},
                    {"sampling.guidance_rescale", "as chosen on the validation part, else as in training"}}});
  commands.template Command<EvaluateOptions>(
      {.name = "evaluate",
       .description = "Score generated images against real ones, beside baselines and controls",
       .required = {"generated"},
       .runs_on_ranks = true,
       .examples = {"genvinci evaluate --generated output/her2st/ldm/240104_230849/generated/test",
                    "genvinci evaluate --generated drawn --baselines mean,nearest",
                    "genvinci evaluate --generated drawn --align_path latest --bootstraps 500 --output scores"}});
  commands.template Command<ConvertOptions>(
      {.name = "convert",
       .description = "Write weights in another format",
       .required = {"weights", "format"},
       .examples = {
           "genvinci convert --weights v1-5-pruned.ckpt --format diffusers --output sd15",
           "genvinci convert --weights output/her2st/mlm/240104_230849 --format huggingface --output geneformer",
           "genvinci convert --weights sd15 --format compvis --dtype fp16 --output sd15.safetensors"}});
  commands.template Command<ForwardOptions>(
      {.name = "forward",
       .description = "Run one model on tensors from a file, to compare it with Python",
       .required = {"component", "weights", "input"},
       .examples = {
           "genvinci forward --component unet --weights sd15 --input in.safetensors --output out.safetensors",
           "genvinci forward --component mlm --weights geneformer --input in.safetensors --output out.safetensors",
           "genvinci forward --component sampler --weights sd15 --sampler pndm --steps 50 --input "
           "in.safetensors --output out.safetensors"}});
  commands.template Command<InspectOptions>(
      {.name = "inspect",
       .description = "Say what a file or folder is",
       .required = {"path"},
       .positional = "path",
       .examples = {"genvinci inspect mine.h5ad", "genvinci inspect dataset/her2st",
                    "genvinci inspect v1-5-pruned.ckpt"}});
  commands.template Command<DemoOptions>(
      {.name = "demo",
       .description = "Run the whole pipeline on virtual tissue",
       .examples = {"genvinci demo", "genvinci demo --minutes 3", "genvinci demo --spots 600 --seed 1 --output demo"}});
}

}  // namespace genvinci
