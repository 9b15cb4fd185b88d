#include "genvinci/weights/layout.h"

#include <array>
#include <utility>

#include "genvinci/core/error.h"
#include "genvinci/core/text.h"

namespace genvinci {
namespace {

using Renaming = std::vector<std::pair<std::string, std::string>>;

// Replaces the first of the beginnings that fits.
std::string Rename(const std::string& name, const Renaming& beginnings) {
  for (const auto& [ours, theirs] : beginnings) {
    if (name.starts_with(ours)) return theirs + name.substr(ours.size());
  }
  return name;
}

// "7.0.rest" -> 7, "0.rest"; numbers of our own modules, so they are there.
int64_t TakeNumber(std::string& text) {
  const size_t dot = text.find('.');
  const int64_t number = std::stoll(text.substr(0, dot));
  text = text.substr(dot + 1);
  return number;
}

const Renaming kDiffusersResBlock = {{"in_layers.0.", "norm1."},          {"in_layers.2.", "conv1."},
                                     {"emb_layers.1.", "time_emb_proj."}, {"out_layers.0.", "norm2."},
                                     {"out_layers.3.", "conv2."},         {"skip_connection.", "conv_shortcut."}};

// A stage's part: 0 is the residual block, 1 the transformer.
std::string DiffusersPart(const std::string& stage, int64_t part, int64_t index, const std::string& rest) {
  const std::string at = std::to_string(index) + ".";
  return part == 0 ? stage + "resnets." + at + Rename(rest, kDiffusersResBlock) : stage + "attentions." + at + rest;
}

std::function<std::string(const std::string&)> Behind(const std::string& prefix) {
  return [prefix](const std::string& ours) { return prefix + ours; };
}

std::string WithoutDots(std::string name) {
  std::erase(name, '.');
  return name;
}

// CompVis keeps averaged weights in one module, under their names without the dots.
std::optional<Layout> FindCompVisEma(const WeightSource& source) {
  for (const char* prefix : {"model_ema.", "state_dict.model_ema.", "model_state_dict.model_ema."}) {
    const std::string start = prefix;
    if (!source.Has(start + "diffusion_modelinput_blocks00weight")) continue;
    return Layout{"CompVis",
                  start,
                  [start](const std::string& ours) { return start + WithoutDots("diffusion_model." + ours); },
                  {"diffusion_modeltime_embed_condtion", "decay", "num_updates"}};
  }
  return std::nullopt;
}

int64_t CountStages(const WeightSource& source, const std::string& before, const std::string& behind) {
  int64_t count = 0;
  while (source.Has(before + std::to_string(count) + behind)) ++count;
  return count;
}

}  // namespace

std::string DiffusersUNetName(const std::string& ours, int64_t res_blocks, int64_t levels) {
  static const Renaming kEnds = {{"time_embed.0.", "time_embedding.linear_1."},
                                 {"time_embed.2.", "time_embedding.linear_2."},
                                 {"input_blocks.0.0.", "conv_in."},
                                 {"out.0.", "conv_norm_out."},
                                 {"out.2.", "conv_out."}};
  const std::string renamed = Rename(ours, kEnds);
  if (renamed != ours) return renamed;
  std::string rest = ours.substr(ours.find('.') + 1);
  if (ours.starts_with("middle_block.")) {
    const int64_t part = TakeNumber(rest);
    return DiffusersPart("mid_block.", part % 2, part / 2, rest);
  }
  const int64_t block = TakeNumber(rest), part = TakeNumber(rest);
  if (ours.starts_with("input_blocks.")) {
    const int64_t level = (block - 1) / (res_blocks + 1), index = (block - 1) % (res_blocks + 1);
    const std::string stage = "down_blocks." + std::to_string(level) + ".";
    if (rest.starts_with("op.")) return stage + "downsamplers.0.conv." + rest.substr(3);
    return DiffusersPart(stage, part, index, rest);
  }
  const int64_t level = block / (res_blocks + 1), index = block % (res_blocks + 1);
  GENVINCI_CHECK(level < levels, "block {} of {} levels", block, levels);
  const std::string stage = "up_blocks." + std::to_string(level) + ".";
  if (rest.starts_with("conv.")) return stage + "upsamplers.0." + rest;
  return DiffusersPart(stage, part, index, rest);
}

std::string DiffusersAutoencoderName(const std::string& ours, int64_t levels, bool old_attention) {
  static const Renaming kMiddle = {
      {"block_1.", "resnets.0."}, {"attn_1.", "attentions.0."}, {"block_2.", "resnets.1."}};
  static const Renaming kNew = {
      {"norm.", "group_norm."}, {"q.", "to_q."}, {"k.", "to_k."}, {"v.", "to_v."}, {"proj_out.", "to_out.0."}};
  static const Renaming kOld = {
      {"norm.", "group_norm."}, {"q.", "query."}, {"k.", "key."}, {"v.", "value."}, {"proj_out.", "proj_attn."}};
  static const Renaming kBlock = {{"nin_shortcut.", "conv_shortcut."}};
  const size_t dot = ours.find('.');
  const std::string side = ours.substr(0, dot + 1);
  std::string rest = ours.substr(dot + 1);
  if (side != "encoder." && side != "decoder.") return ours;  // quant_conv, post_quant_conv
  if (rest.starts_with("norm_out.")) return side + "conv_" + rest;
  if (rest.starts_with("mid.")) {
    const std::string renamed = Rename(rest.substr(4), kMiddle);
    if (!renamed.starts_with("attentions.0.")) return side + "mid_block." + Rename(renamed, kBlock);
    return side + "mid_block.attentions.0." + Rename(renamed.substr(13), old_attention ? kOld : kNew);
  }
  const bool down = rest.starts_with("down."), up = rest.starts_with("up.");
  if (!down && !up) return ours;  // conv_in, conv_out
  rest = rest.substr(rest.find('.') + 1);
  const int64_t level = TakeNumber(rest);
  const std::string stage =
      side + (down ? "down_blocks." + std::to_string(level) : "up_blocks." + std::to_string(levels - 1 - level)) + ".";
  if (rest.starts_with("downsample.")) return stage + "downsamplers.0." + rest.substr(11);
  if (rest.starts_with("upsample.")) return stage + "upsamplers.0." + rest.substr(9);
  rest = rest.substr(6);  // "block."
  const int64_t block = TakeNumber(rest);
  return stage + "resnets." + std::to_string(block) + "." + Rename(rest, kBlock);
}

std::optional<Layout> FindUNet(const WeightSource& source) {
  std::string prefix;
  const std::vector<std::string> unused = {"time_embed_condtion."};
  if (source.wants_averaged()) {
    if (const auto averaged = FindCompVisEma(source)) return averaged;
    throw DataError("WEIGHTS_EMA", "{}: holds no averaged weights (model_ema.): leave out --ema",
                    source.path().string());
  }
  if (source.FindPrefix("input_blocks.0.0.weight", prefix)) return Layout{"CompVis", prefix, Behind(prefix), unused};
  if (source.FindPrefix("down_blocks.0.resnets.0.time_emb_proj.weight", prefix)) {
    const int64_t levels = CountStages(source, prefix + "down_blocks.", ".resnets.0.conv1.weight");
    const int64_t blocks = CountStages(source, prefix + "down_blocks.0.resnets.", ".conv1.weight");
    return Layout{"diffusers", prefix,
                  [=](const std::string& ours) { return prefix + DiffusersUNetName(ours, blocks, levels); }};
  }
  return FindCompVisEma(source);
}

std::optional<Layout> FindAutoencoder(const WeightSource& source) {
  std::string prefix;
  if (source.FindPrefix("encoder.down.0.block.0.conv1.weight", prefix))
    return Layout{"CompVis", prefix, Behind(prefix), {"loss."}};
  if (!source.FindPrefix("encoder.down_blocks.0.resnets.0.conv1.weight", prefix)) return std::nullopt;
  const int64_t levels = CountStages(source, prefix + "encoder.down_blocks.", ".resnets.0.conv1.weight");
  const bool old = source.Has(prefix + "encoder.mid_block.attentions.0.query.weight");
  return Layout{"diffusers", prefix,
                [=](const std::string& ours) { return prefix + DiffusersAutoencoderName(ours, levels, old); }};
}

std::optional<Layout> FindGeneTransformer(const WeightSource& source) {
  std::string prefix;
  if (!source.FindPrefix("embeddings.word_embeddings.weight", prefix)) return std::nullopt;
  const bool whole = prefix.ends_with("bert.");
  if (whole) prefix.resize(prefix.size() - 5);
  // The decoder is the word embedding.
  std::vector<std::string> unused = {"cls.predictions.decoder.", "cls.seq_relationship.", "classifier."};
  for (const char* name : {"embeddings.position_ids", "pooler."})
    unused.push_back((whole ? "bert." : "") + std::string(name));
  // Where the transformer lies among other modules, tensors that are not its own are theirs.
  if (!whole && !prefix.empty()) unused.push_back("");
  return Layout{
      "Hugging Face", prefix,
      [=](const std::string& ours) { return prefix + (!whole && ours.starts_with("bert.") ? ours.substr(5) : ours); },
      unused};
}

// The reference's parts may lie in different modules (the time path is the UNet's).
std::optional<Layout> FindConditioner(const WeightSource& source) {
  std::string prefix;
  if (!source.FindPrefix("channel_mapper.0.weight", prefix) && !source.FindPrefix("queries", prefix))
    return std::nullopt;
  std::string time_prefix = prefix;
  source.FindPrefix("time_embed_condtion.0.weight", time_prefix);
  return Layout{
      "GenVinci",
      prefix,
      [=](const std::string& ours) { return (ours.starts_with("time_embed_condtion.") ? time_prefix : prefix) + ours; },
      {""}};
}

std::optional<Layout> FindVisionTransformer(const WeightSource& source) {
  std::string prefix;
  if (source.FindPrefix("patch_embed.proj.weight", prefix)) {
    const bool in_trunk = prefix.ends_with("trunk.");
    const std::string outer = in_trunk ? prefix.substr(0, prefix.size() - 6) : prefix;
    return Layout{
        "timm", outer,
        [=](const std::string& ours) { return ours.starts_with("trunk.") ? prefix + ours.substr(6) : outer + ours; },
        in_trunk ? std::vector<std::string>{} : std::vector<std::string>{"head."}};
  }
  if (!source.FindPrefix("conv_proj.weight", prefix)) return std::nullopt;
  const bool old = source.Has(prefix + "encoder.layers.encoder_layer_0.mlp.linear_1.weight");
  return Layout{"torchvision",
                prefix,
                [=](const std::string& ours) {
                  static const Renaming kOuter = {{"trunk.cls_token", "class_token"},
                                                  {"trunk.pos_embed", "encoder.pos_embedding"},
                                                  {"trunk.patch_embed.proj.", "conv_proj."},
                                                  {"trunk.norm.", "encoder.ln."}};
                  if (!ours.starts_with("trunk.blocks.")) return prefix + Rename(ours, kOuter);
                  std::string rest = ours.substr(13);
                  const std::string layer = "encoder.layers.encoder_layer_" + std::to_string(TakeNumber(rest)) + ".";
                  const Renaming inner = {{"norm1.", "ln_1."},
                                          {"attn.qkv.", "self_attention.in_proj_"},
                                          {"attn.proj.", "self_attention.out_proj."},
                                          {"norm2.", "ln_2."},
                                          {"mlp.fc1.", old ? "mlp.linear_1." : "mlp.0."},
                                          {"mlp.fc2.", old ? "mlp.linear_2." : "mlp.3."}};
                  return prefix + layer + Rename(rest, inner);
                },
                {"heads."}};
}

std::optional<Layout> FindInception(const WeightSource& source) {
  std::string prefix;
  if (!source.FindPrefix("Conv2d_1a_3x3.conv.weight", prefix)) return std::nullopt;
  return Layout{"torch-fidelity", prefix, Behind(prefix), {"fc.", "AuxLogits."}};
}

std::optional<Layout> FindLpips(const WeightSource& source) {
  std::string prefix;
  if (!source.FindPrefix("lin0.model.1.weight", prefix)) return std::nullopt;
  if (source.Has(prefix + "net.slice1.0.weight"))
    return Layout{"lpips", prefix, Behind(prefix), {"scaling_layer.", "lins."}};
  // AlexNet as torchvision has it, beside LPIPS's linear layers.
  return Layout{"lpips",
                prefix,
                [prefix](const std::string& ours) {
                  if (!ours.starts_with("net.slice")) return prefix + ours;
                  return prefix + "features." + ours.substr(std::string_view("net.slice1.").size());
                },
                {"scaling_layer.", "lins.", "classifier."}};
}

}  // namespace genvinci
