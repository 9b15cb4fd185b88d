#!/usr/bin/env python3
"""Makes tests/models/data/*.safetensors: narrow models with random weights, their inputs and outputs.

The peers are transformers' BertForMaskedLM, diffusers' AutoencoderKL and UNet2DConditionModel, and a transcription of
the reference's conditioner. Weights are named as genvinci names them and are float16 numbers, so that the files stay
small and both sides read the same values. Needs: pip install torch diffusers transformers safetensors.
"""

import pathlib
import re

import diffusers
import torch
import transformers
from safetensors.torch import save_file

DATA = pathlib.Path(__file__).resolve().parents[2] / "tests" / "models" / "data"


def groups(channels):
    count = 32
    while count > 1 and (channels % count or channels // count < 2):
        count //= 2
    return count


def prepare(model):
    """Random weights everywhere (norms too), rounded to float16; GroupNorm groups by genvinci's rule."""
    for module in model.modules():
        if isinstance(module, torch.nn.GroupNorm):
            module.num_groups = groups(module.num_channels)
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.copy_((torch.randn_like(module.running_mean) * 0.3).half().float())
            module.running_var.copy_((torch.rand_like(module.running_var) + 0.5).half().float())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
            parameter.copy_(parameter.half().float())
    return model.eval()


def save(name, state, tensors):
    DATA.mkdir(parents=True, exist_ok=True)
    out = {f"model.{k}": (v.half() if v.is_floating_point() else v).contiguous() for k, v in state.items()}
    out.update({k: v.detach().clone(memory_format=torch.contiguous_format) for k, v in tensors.items()})
    versions = {"torch": torch.__version__, "diffusers": diffusers.__version__,
                "transformers": transformers.__version__}
    path = DATA / f"{name}.safetensors"
    save_file(out, path, metadata=versions)
    print(path.name, path.stat().st_size)


def gene_transformer():
    config = transformers.BertConfig(
        vocab_size=60, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
        hidden_act="relu", max_position_embeddings=24, type_vocab_size=2, pad_token_id=0)
    model = prepare(transformers.BertForMaskedLM(config))
    tokens = torch.randint(1, 60, (3, 20))
    tokens[0, 13:] = 0
    tokens[2, 1:] = 0
    mask = (tokens != 0).long()
    with torch.no_grad():
        hidden = model.bert(tokens, attention_mask=mask).last_hidden_state
        logits = model(tokens, attention_mask=mask).logits
    skipped = ("cls.predictions.decoder", "bert.embeddings.position_ids", "bert.pooler")
    state = {k: v for k, v in model.state_dict().items() if not k.startswith(skipped)}
    save("gene_transformer", state, {"tokens": tokens, "hidden": hidden, "logits": logits})


VAE_NAMES = [
    (r"conv_norm_out", "norm_out"), (r"conv_shortcut", "nin_shortcut"),
    (r"mid_block\.resnets\.0", "mid.block_1"), (r"mid_block\.resnets\.1", "mid.block_2"),
    (r"mid_block\.attentions\.0\.group_norm", "mid.attn_1.norm"),
    (r"mid_block\.attentions\.0\.to_out\.0", "mid.attn_1.proj_out"),
    (r"mid_block\.attentions\.0\.to_([qkv])", r"mid.attn_1.\1"),
    (r"down_blocks\.(\d+)\.resnets", r"down.\1.block"),
    (r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample"),
]


def vae_name(name, levels):
    for pattern, new in VAE_NAMES:
        name = re.sub(pattern, new, name)
    level = lambda m: str(levels - 1 - int(m.group(1)))
    name = re.sub(r"up_blocks\.(\d+)\.resnets", lambda m: f"up.{level(m)}.block", name)
    return re.sub(r"up_blocks\.(\d+)\.upsamplers\.0", lambda m: f"up.{level(m)}.upsample", name)


def autoencoder():
    widths = (8, 16)
    model = prepare(diffusers.AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=4, block_out_channels=widths, layers_per_block=2,
        norm_num_groups=8, down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2))
    state = {}
    for name, value in model.state_dict().items():
        new = vae_name(name, len(widths))
        attention = "attn_1" in new and value.dim() == 2
        state[new] = value[:, :, None, None] if attention else value
    images = torch.rand(2, 3, 16, 12) * 2 - 1
    latents = torch.randn(2, 4, 8, 6)
    with torch.no_grad():
        posterior = model.encode(images).latent_dist
        save("autoencoder", state, {
            "images": images, "mean": posterior.mean, "log_variance": posterior.logvar, "kl": posterior.kl(),
            "latents": latents, "decoded": model.decode(latents).sample})


RESNET_NAMES = [("norm1", "in_layers.0"), ("conv1", "in_layers.2"), ("time_emb_proj", "emb_layers.1"),
                ("norm2", "out_layers.0"), ("conv2", "out_layers.3"), ("conv_shortcut", "skip_connection")]
TOP_NAMES = [("time_embedding.linear_1", "time_embed.0"), ("time_embedding.linear_2", "time_embed.2"),
             ("conv_in", "input_blocks.0.0"), ("conv_norm_out", "out.0"), ("conv_out", "out.2")]
MIDDLE = {("resnets", 0): 0, ("attentions", 0): 1, ("resnets", 1): 2}


def unet_name(name, blocks, attention_in_up):
    for old, new in TOP_NAMES:
        if name.startswith(old + "."):
            return name.replace(old, new, 1)
    if ".resnets." in name:
        for old, new in RESNET_NAMES:
            name = name.replace(f".{old}.", f".{new}.")
    way, *rest = name.split(".")
    if way == "mid_block":
        kind, index, *tail = rest
        return ".".join(["middle_block", str(MIDDLE[kind, int(index)]), *tail])
    level, kind, index, *tail = rest
    level, index = int(level), int(index)
    if way == "down_blocks":
        if kind == "downsamplers":
            return f"input_blocks.{(level + 1) * (blocks + 1)}.0.op." + tail[-1]
        stage = 1 + level * (blocks + 1) + index
        return ".".join(["input_blocks", str(stage), "0" if kind == "resnets" else "1", *tail])
    if kind == "upsamplers":
        return f"output_blocks.{level * (blocks + 1) + blocks}.{1 + attention_in_up[level]}.conv." + tail[-1]
    stage = level * (blocks + 1) + index
    return ".".join(["output_blocks", str(stage), "0" if kind == "resnets" else "1", *tail])


def unet(name, attention):
    """attention: for each level, finest first."""
    blocks, width = 2, 8
    down = tuple("CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attention)
    up = tuple("CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attention))
    model = prepare(diffusers.UNet2DConditionModel(
        in_channels=4, out_channels=4, block_out_channels=(width, 2 * width), layers_per_block=blocks,
        down_block_types=down, up_block_types=up, cross_attention_dim=12, attention_head_dim=2, norm_num_groups=8,
        class_embed_type="identity"))
    state = {unet_name(k, blocks, list(reversed(attention))): v for k, v in model.state_dict().items()}
    latents = torch.randn(3, 4, 8, 6)
    timesteps = torch.tensor([0, 17, 999])
    context = torch.randn(3, 5, 12)
    time = torch.randn(3, 4 * width)
    with torch.no_grad():
        run = lambda t: model(latents, timesteps, context, class_labels=t).sample
        save(name, state, {"latents": latents, "timesteps": timesteps, "context": context, "time": time,
                           "output": run(time), "output_without_time": run(torch.zeros_like(time))})


class Conditioner(torch.nn.Module):
    """The reference's conditioning, at any size."""

    def __init__(self, positions, hidden, tokens, width, time):
        super().__init__()
        self.channel_mapper = torch.nn.Sequential(
            torch.nn.Conv1d(positions, tokens, 1), torch.nn.BatchNorm1d(tokens), torch.nn.ReLU())
        self.dim_mapper = torch.nn.Sequential(
            torch.nn.Linear(hidden, width), torch.nn.BatchNorm1d(tokens), torch.nn.ReLU())
        self.time_embed_condtion = torch.nn.Sequential(
            torch.nn.Conv1d(tokens, tokens // 2, 1), torch.nn.Conv1d(tokens // 2, 1, 1), torch.nn.Linear(width, time))

    def forward(self, hidden):
        context = self.dim_mapper(self.channel_mapper(hidden))
        return context, self.time_embed_condtion(context)[:, 0]


def conditioner():
    model = prepare(Conditioner(positions=24, hidden=16, tokens=7, width=20, time=32))
    state = {k: v.clone() for k, v in model.state_dict().items()}
    hidden = torch.randn(4, 24, 16)
    with torch.no_grad():
        context, time = model(hidden)
        training_context, training_time = model.train()(hidden)
    save("conditioner", state, {"hidden": hidden, "context": context, "time": time,
                                "training_context": training_context, "training_time": training_time})


if __name__ == "__main__":
    torch.manual_seed(20261120)
    gene_transformer()
    autoencoder()
    unet("unet_attention_fine", [True, False])
    unet("unet_attention_both", [True, True])
    conditioner()
