#include "genvinci/cli/subcommand.h"
#include "genvinci/commands/demo_options.h"
#include "genvinci/commands/forward_options.h"
#include "genvinci/commands/inspect_options.h"
#include "genvinci/generation/generate_options.h"
#include "genvinci/studies/evaluate_options.h"
#include "genvinci/technologies/prepare_options.h"
#include "genvinci/training/training_options.h"
#include "genvinci/weights/convert_options.h"

namespace genvinci {
namespace {

template <typename Options>
std::unique_ptr<Subcommand> Make(CLI::App& root, SubcommandText text) {
  return std::make_unique<OptionsSubcommand<Options>>(root, std::move(text));
}

}  // namespace

std::vector<std::unique_ptr<Subcommand>> MakeSubcommands(CLI::App& root) {
  std::vector<std::unique_ptr<Subcommand>> all;
  all.push_back(Make<PrepareOptions>(root, {"prepare", "Make a dataset folder from vendor files", {}, ""}));
  all.push_back(Make<PretrainOptions>(root, {"pretrain", "Masked gene pretraining", {"dataset"}, ""}));
  all.push_back(
      Make<AutoencoderOptions>(root, {"autoencoder", "Train the KL autoencoder of the images", {"dataset"}, ""}));
  all.push_back(Make<AlignOptions>(root, {"align", "Train the contrastive gene-image encoder", {"dataset"}, ""}));
  all.push_back(Make<FinetuneOptions>(
      root,
      {"finetune", "Train the latent diffusion model conditioned on genes", {"dataset", "autoencoder_path"}, ""}));
  all.push_back(Make<GenerateOptions>(root, {"generate", "Draw images from profiles", {"dataset", "checkpoint"}, ""}));
  all.push_back(
      Make<EvaluateOptions>(root, {"evaluate", "Score generated images against real ones", {"generated"}, ""}));
  all.push_back(Make<ConvertOptions>(root, {"convert", "Write weights in another format", {"weights", "format"}, ""}));
  all.push_back(Make<ForwardOptions>(root, {"forward",
                                            "Run one model on tensors from a file, to compare with Python",
                                            {"component", "weights", "input"},
                                            ""}));
  all.push_back(Make<InspectOptions>(root, {"inspect", "Say what a file or folder is", {"path"}, "path"}));
  all.push_back(Make<DemoOptions>(root, {"demo", "The whole pipeline on the virtual tissue", {}, ""}));
  return all;
}

}  // namespace genvinci
