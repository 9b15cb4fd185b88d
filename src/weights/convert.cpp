#include "genvinci/weights/convert.h"

#include <functional>
#include <optional>
#include <set>

#include "genvinci/checkpoint/checkpoint.h"
#include "genvinci/core/error.h"
#include "genvinci/core/files.h"
#include "genvinci/diffusion/pipeline.h"
#include "genvinci/io/safetensors.h"
#include "genvinci/io/torch_checkpoint.h"
#include "genvinci/nn/layers.h"
#include "genvinci/tensor/convert.h"
#include "genvinci/tensor/skip_init.h"
#include "genvinci/weights/load.h"

namespace genvinci {
namespace {

constexpr const char* kKeptAside = "kept_aside.safetensors";

// A model that a source holds: our names of its tensors with their shapes, and where they are.
struct Part {
  std::string kind;  // unet, autoencoder, transformer
  const WeightSource* source;
  Layout layout;
  Json own_config, their_config;
  std::function<std::string(const std::string&)> diffusers_name;
  std::vector<std::pair<std::string, std::vector<int64_t>>> tensors = {};
};

void RequireArchitecture(bool is_standard, const WeightSource& source, const char* what) {
  if (is_standard) return;
  throw DataError("CONVERT_ARCHITECTURE", "{}: its {} is genvinci's own, which diffusers and CompVis have no model for",
                  source.path().string(), what);
}

// The number of groups that all widths share, as diffusers' configurations have one.
int64_t SharedGroups(int64_t given, int64_t base, const std::vector<int64_t>& multiples, const WeightSource& source) {
  if (given > 0) return given;
  const int64_t groups = NormGroups(base);
  for (const int64_t multiple : multiples)
    RequireArchitecture(NormGroups(base * multiple) == groups, source, "normalisation by level");
  return groups;
}

std::vector<int64_t> Widths(int64_t base, std::vector<int64_t> multiples) {
  for (int64_t& multiple : multiples) multiple *= base;
  return multiples;
}

Json DiffusersConfig(const UNetConfig& config, const WeightSource& source) {
  const bool standard = config.space_to_depth == 1 && config.mid_attention && !config.time_scale_shift;
  RequireArchitecture(standard, source, "UNet");
  std::vector<std::string> down, up;
  for (size_t level = 0; level < config.channel_mult.size(); ++level) {
    const auto& at = config.attention_downsamples;
    const bool attends = std::find(at.begin(), at.end(), int64_t{1} << level) != at.end();
    down.push_back(attends ? "CrossAttnDownBlock2D" : "DownBlock2D");
    up.insert(up.begin(), attends ? "CrossAttnUpBlock2D" : "UpBlock2D");
  }
  return {{"_class_name", "UNet2DConditionModel"},
          {"in_channels", config.latent_channels},
          {"out_channels", config.latent_channels},
          {"block_out_channels", Widths(config.model_channels, config.channel_mult)},
          {"down_block_types", down},
          {"up_block_types", up},
          {"layers_per_block", config.res_blocks},
          {"attention_head_dim", config.heads},
          {"cross_attention_dim", config.context_dim},
          {"norm_num_groups", SharedGroups(config.norm_groups, config.model_channels, config.channel_mult, source)},
          {"norm_eps", kResBlockEps}};
}

Json DiffusersConfig(const AutoencoderConfig& config, const WeightSource& source) {
  RequireArchitecture(config.space_to_depth == 1, source, "autoencoder");
  const size_t levels = config.channel_mult.size();
  return {{"_class_name", "AutoencoderKL"},
          {"in_channels", config.channels},
          {"out_channels", config.channels},
          {"latent_channels", config.latent_channels},
          {"block_out_channels", Widths(config.base_channels, config.channel_mult)},
          {"down_block_types", std::vector<std::string>(levels, "DownEncoderBlock2D")},
          {"up_block_types", std::vector<std::string>(levels, "UpDecoderBlock2D")},
          {"layers_per_block", config.res_blocks},
          {"mid_block_add_attention", config.mid_attention},
          {"norm_num_groups", SharedGroups(config.norm_groups, config.base_channels, config.channel_mult, source)},
          {"scaling_factor", kStableDiffusionLatentScale}};
}

Json HuggingFaceConfig(const GeneTransformerConfig& config) {
  return {{"architectures", {"BertForMaskedLM"}},
          {"model_type", "bert"},
          {"vocab_size", config.vocabulary_size},
          {"hidden_size", config.hidden},
          {"num_hidden_layers", config.layers},
          {"num_attention_heads", config.heads},
          {"intermediate_size", config.feed_forward},
          {"hidden_act", config.activation},
          {"max_position_embeddings", config.max_tokens},
          {"type_vocab_size", 2},
          {"layer_norm_eps", 1e-12},
          {"hidden_dropout_prob", config.dropout},
          {"attention_probs_dropout_prob", config.dropout},
          {"pad_token_id", 0}};
}

// Names and shapes are read from a model of that size, whose memory is never touched.
template <typename Make>
void ListTensors(Part& part, const Make& make) {
  const SkipRandomInit skip;
  auto model = make();
  for (const auto& [name, tensor] : StateOf(*model, "")) {
    if (part.source->Has(part.layout.theirs(name))) part.tensors.emplace_back(name, tensor.sizes().vec());
  }
  // A missing tensor is an error here, as it is when the model is opened.
  LoadOptions options;
  if (part.kind == "transformer") options.optional = {"cls."};
  RequireFit(*model, *part.source, part.layout, options);
}

void FindParts(const WeightSource& source, bool for_stable_diffusion, std::vector<Part>& parts) {
  const auto has = [&](const char* kind) {
    return std::any_of(parts.begin(), parts.end(), [&](const Part& part) { return part.kind == kind; });
  };
  if (const auto layout = FindUNet(source); layout && !has("unet")) {
    const UNetConfig config = InferUNet(source, *layout);
    const auto levels = static_cast<int64_t>(config.channel_mult.size());
    Part part{"unet",
              &source,
              *layout,
              ToJson(config),
              for_stable_diffusion ? DiffusersConfig(config, source) : Json(),
              [=](const std::string& ours) { return DiffusersUNetName(ours, config.res_blocks, levels); }};
    ListTensors(part, [&] { return UNet(config); });
    parts.push_back(std::move(part));
  }
  if (const auto layout = FindAutoencoder(source); layout && !has("autoencoder")) {
    const AutoencoderConfig config = InferAutoencoder(source, *layout);
    const auto levels = static_cast<int64_t>(config.channel_mult.size());
    Part part{"autoencoder",
              &source,
              *layout,
              ToJson(config),
              for_stable_diffusion ? DiffusersConfig(config, source) : Json(),
              [=](const std::string& ours) { return DiffusersAutoencoderName(ours, levels, /*old_attention=*/false); }};
    ListTensors(part, [&] { return Autoencoder(config); });
    parts.push_back(std::move(part));
  }
  if (const auto layout = FindGeneTransformer(source); layout && !has("transformer")) {
    const GeneTransformerConfig config = InferGeneTransformer(source, *layout);
    Part part{"transformer", &source, *layout, ToJson(config), HuggingFaceConfig(config), {}};
    ListTensors(part, [&] { return GeneTransformer(config); });
    parts.push_back(std::move(part));
  }
}

// Tensors to be written, views into the sources or into what was converted.
class Output {
 public:
  explicit Output(const std::string& dtype) : dtype_(dtype) {}

  void Add(const std::string& name, const TensorView& view, std::vector<int64_t> shape) {
    TensorView out = view;
    out.shape = std::move(shape);
    const std::optional<torch::ScalarType> wanted = Wanted(view.dtype);
    if (wanted && ToTorch(view.dtype) != *wanted) {
      owners_.push_back(BorrowTensor(view).to(*wanted).contiguous());
      const TensorView converted = ViewOf(owners_.back());
      out.dtype = converted.dtype;
      out.bytes = converted.bytes;
    }
    tensors_.emplace_back(name, std::move(out));
  }
  const std::vector<std::pair<std::string, TensorView>>& tensors() const { return tensors_; }
  bool empty() const { return tensors_.empty(); }

 private:
  std::optional<torch::ScalarType> Wanted(DType dtype) const {
    if (dtype_ == "keep" || !torch::isFloatingType(ToTorch(dtype))) return std::nullopt;
    return dtype_ == "fp32" ? torch::kFloat32 : dtype_ == "fp16" ? torch::kFloat16 : torch::kBFloat16;
  }

  std::string dtype_;
  std::vector<torch::Tensor> owners_;
  std::vector<std::pair<std::string, TensorView>> tensors_;
};

// diffusers has linear layers where we and CompVis have 1 x 1 convolutions in the autoencoder's attention.
std::vector<int64_t> DiffusersShape(const std::string& name, std::vector<int64_t> shape) {
  const bool linear = name.find(".mid_block.attentions.0.to_") != std::string::npos && shape.size() == 4;
  if (linear) shape.resize(2);
  return shape;
}

std::string WithoutDictionary(const std::string& name) {
  for (const char* dictionary : {"state_dict.", "model_state_dict."}) {
    if (name.starts_with(dictionary)) return name.substr(std::string_view(dictionary).size());
  }
  return name;
}

class Converter {
 public:
  explicit Converter(const ConvertOptions& options) : options_(options), output_(options.common.output), kept_("keep") {
    if (options.common.output.empty()) throw UsageError("FLAG_MISSING", "genvinci convert: --output is required");
    OpenSources();
  }

  Json Run() {
    const std::string& format = options_.format;
    const bool stable_diffusion = format == "diffusers" || format == "compvis";
    for (const WeightSource& source : sources_) FindParts(source, stable_diffusion, parts_);
    std::erase_if(parts_, [&](const Part& part) {
      return format != "genvinci" && (part.kind == "transformer") == stable_diffusion;
    });
    if (parts_.empty()) {
      throw DataError("WEIGHTS_MODEL", "{}: holds no model that the format {} has a place for", options_.weights,
                      format);
    }
    KeepAside();
    if (format == "genvinci") WriteGenvinci();
    if (format == "diffusers") WriteDiffusers();
    if (format == "compvis") WriteCompVis();
    if (format == "huggingface") WriteHuggingFace();
    Json models = Json::array(), kept = Json::array();
    for (const Part& part : parts_) models.push_back(part.kind);
    constexpr size_t kListed = 10;
    const size_t count = kept_.tensors().size();
    for (size_t i = 0; i < std::min(count, kListed); ++i) kept.push_back(kept_.tensors()[i].first);
    if (count > kListed) kept.push_back(fmt::format("and {} more in {}", count - kListed, kKeptAside));
    return {{"output", output_.string()}, {"models", models}, {"tensors", written_}, {"kept_aside", kept}};
  }

 private:
  void OpenSources() {
    const fs::path path = options_.weights;
    std::error_code error;
    const bool is_pipeline = fs::is_directory(path / "unet", error) || fs::is_directory(path / "vae", error);
    if (!is_pipeline) sources_.push_back(WeightSource::Open(path));
    for (const char* part : {"unet", "vae"}) {
      if (is_pipeline && fs::is_directory(path / part, error)) sources_.push_back(WeightSource::Open(path, part));
    }
    if (!options_.model_config.empty()) {
      for (WeightSource& source : sources_) source.set_config(ReadJson(options_.model_config));
    }
    for (WeightSource& source : sources_) source.set_wants_averaged(options_.ema);
    const fs::path folder = fs::is_directory(path, error) ? sources_[0].Folder() : path.parent_path();
    for (const fs::path& beside :
         {path / kKeptAside, folder / kKeptAside, fs::path(path.string() + "." + kKeptAside)}) {
      if (!aside_ && fs::exists(beside, error)) aside_.emplace(beside);
    }
  }

  // Tensors that no part of the target takes, and those that an earlier conversion kept aside.
  void KeepAside() {
    std::set<std::string> names;
    for (const WeightSource& source : sources_) {
      std::set<std::string> used;
      for (const Part& part : parts_) {
        if (part.source != &source) continue;
        for (const auto& [ours, shape] : part.tensors) used.insert(part.layout.theirs(ours));
      }
      for (const std::string& name : source.names()) {
        if (used.count(name) == 0 && names.insert(WithoutDictionary(name)).second)
          kept_.Add(WithoutDictionary(name), source.View(name), source.Shape(name));
      }
    }
    if (!aside_) return;
    for (const std::string& name : aside_->names()) {
      if (names.insert(name).second) kept_.Add(name, aside_->View(name), aside_->Shape(name));
    }
  }

  void AddPart(Output& output, const Part& part, const std::function<std::string(const std::string&)>& rename) {
    for (const auto& [ours, shape] : part.tensors) {
      const std::string name = rename(ours);
      const bool diffusers = options_.format == "diffusers";
      output.Add(name, part.source->View(part.layout.theirs(ours)),
                 diffusers ? DiffusersShape("." + name, shape) : shape);
      ++written_;
    }
  }

  void WriteKept(const fs::path& path) const {
    if (!kept_.empty()) WriteSafetensors(path, kept_.tensors());
  }

  void WriteGenvinci() {
    Output output(options_.dtype);
    Json state = {{"kind", "weights"}, {"step", 0}};
    NamedTensors tensors;
    for (const Part& part : parts_) {
      AddPart(output, part, [&](const std::string& ours) { return part.kind + "." + ours; });
      state[part.kind] = part.own_config;
    }
    for (const auto& [name, view] : output.tensors()) tensors.emplace_back(name, BorrowTensor(view));
    CheckpointWriter writer(output_, 0);
    writer.Tensors("model", tensors);
    writer.Json("state", state);
    writer.Commit(/*best=*/true);
    WriteKept(output_ / kKeptAside);
  }

  void WriteDiffusers() {
    StagedFolder staged(output_);
    for (const Part& part : parts_) {
      const fs::path folder = staged.path() / (part.kind == "unet" ? "unet" : "vae");
      MakeFolder(folder);
      Output output(options_.dtype);
      AddPart(output, part, part.diffusers_name);
      WriteSafetensors(folder / "diffusion_pytorch_model.safetensors", output.tensors(), {{"format", "pt"}});
      WriteJson(folder / "config.json", part.their_config);
    }
    WriteKept(staged.path() / kKeptAside);
    staged.Commit();
  }

  // The target is one file, in which everything that was kept aside has a place again.
  void WriteCompVis() {
    std::error_code error;
    if (fs::exists(output_, error))
      throw OverwriteError("OUTPUT_EXISTS", "{}: is there already: give another --output", output_.string());
    Output output(options_.dtype);
    for (const Part& part : parts_) {
      const std::string prefix = part.kind == "unet" ? "model.diffusion_model." : "first_stage_model.";
      AddPart(output, part, [&](const std::string& ours) { return prefix + ours; });
    }
    std::vector<std::pair<std::string, TensorView>> tensors = output.tensors();
    tensors.insert(tensors.end(), kept_.tensors().begin(), kept_.tensors().end());
    kept_ = Output("keep");
    if (output_.extension() == ".safetensors") {
      WriteSafetensors(output_, tensors);
    } else {
      WriteTorchCheckpoint(output_, tensors);
    }
  }

  void WriteHuggingFace() {
    StagedFolder staged(output_);
    Output output(options_.dtype);
    AddPart(output, parts_[0], [](const std::string& ours) { return ours; });
    WriteSafetensors(staged.path() / "model.safetensors", output.tensors(), {{"format", "pt"}});
    WriteJson(staged.path() / "config.json", parts_[0].their_config);
    WriteKept(staged.path() / kKeptAside);
    staged.Commit();
  }

  const ConvertOptions& options_;
  fs::path output_;
  std::vector<WeightSource> sources_;
  std::optional<SafetensorsFile> aside_;
  std::vector<Part> parts_;
  Output kept_;
  int64_t written_ = 0;
};

}  // namespace

Json Convert(const ConvertOptions& options) { return Converter(options).Run(); }

}  // namespace genvinci
