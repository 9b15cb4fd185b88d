#!/usr/bin/env python3
"""Holds `genvinci forward` to the Python peers, component by component, with random weights.

Each peer is built here, its weights are saved as its users have them (folders of diffusers and Hugging Face, CompVis
and GenVinci checkpoints, torchvision, timm, torch-fidelity and lpips states), and both sides run the same input. Prints
a table in Markdown: the largest absolute and relative difference (max |a - b| / max |b|) and the cosine.

Usage: scripts/parity/parity.py [--genvinci PATH] [--full] [--only NAME...] [--keep FOLDER]
  --full: the published sizes (Stable Diffusion 1.5, ViT-B/16, ViT-H/14, ...); else reduced widths, for a quick look
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import diffusers
import torch
import torchvision
import transformers
from safetensors.torch import load_file, save_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
CHECKS = {}


def check(tolerance=1e-4):
    def add(function):
        CHECKS[function.__name__] = (function, tolerance)
        return function
    return add


class Bench:
    """Runs genvinci on inputs and collects what differs."""

    def __init__(self, program, folder, full):
        self.program, self.folder, self.full = program, folder, full
        self.rows, self.failed = [], False

    def path(self, name):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def forward(self, component, weights, inputs, *flags):
        source, target = self.path("in.safetensors"), self.path("out.safetensors")
        save_file({k: v.contiguous() for k, v in inputs.items()}, source)
        command = [self.program, "forward", "--component", component, "--weights", weights, "--input", source,
                   "--output", target, "--quiet", *flags]
        start = time.time()
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr.strip().splitlines()[-1])
        return load_file(target), time.time() - start

    def compare(self, name, ours, theirs, tolerance, seconds):
        a, b = ours.double().flatten(), theirs.detach().double().flatten()
        if a.shape != b.shape:
            raise RuntimeError(f"{name}: {tuple(ours.shape)} against {tuple(theirs.shape)}")
        absolute = (a - b).abs().max().item()
        relative = absolute / max(b.abs().max().item(), 1e-30)
        cosine = torch.nn.functional.cosine_similarity(a, b, dim=0).item()
        good = relative <= tolerance
        self.failed |= not good
        self.rows.append((name, absolute, relative, cosine, tolerance, seconds, "" if good else "**beyond**"))
        print(f"{name}: {relative:.2e}{'' if good else ' BEYOND'}", file=sys.stderr)


def randomise(model, scale=0.02):
    """Norms and zero layers of a fresh model hide mistakes: every parameter gets some noise."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * scale)
        for module in model.modules():
            if isinstance(module, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)):
                module.running_mean.copy_(torch.randn_like(module.running_mean) * 0.1)
                module.running_var.copy_(torch.rand_like(module.running_var) + 0.5)
    return model.eval()


def bert(bench, v2=False):
    width, layers, heads, inner = (256, 6, 4, 512) if bench.full else (32, 2, 4, 48)
    if v2 and bench.full:
        width, layers, heads, inner = 512, 12, 8, 1024
    config = transformers.BertConfig(
        vocab_size=(20275 if v2 else 25426) if bench.full else 60, hidden_size=width, num_hidden_layers=layers,
        num_attention_heads=heads, intermediate_size=inner, hidden_act="relu",
        max_position_embeddings=(4096 if v2 else 2048) if bench.full else 64, type_vocab_size=2, pad_token_id=0)
    return randomise(transformers.BertForMaskedLM(config, ))


def tokens(model, batch=2):
    length = model.config.max_position_embeddings
    ids = torch.randint(1, model.config.vocab_size, (batch, min(length, 512)))
    ids[0, ids.shape[1] // 3:] = 0
    return ids


@check()
def gene_transformer(bench, tolerance):
    for name, model in (("gene transformer (V1)", bert(bench)), ("gene transformer (V2, 12 layers)", bert(bench, True))):
        folder = bench.path("bert")
        model.save_pretrained(folder)
        ids = tokens(model)
        mask = (ids != 0).long()
        with torch.no_grad():
            hidden = model.bert(ids, attention_mask=mask).last_hidden_state
            logits = model(ids, attention_mask=mask).logits
        inputs = {"input_ids": ids, "attention_mask": mask}
        out, seconds = bench.forward("gene_transformer", folder, inputs)
        bench.compare(name, out["output"], hidden, tolerance, seconds)
        out, seconds = bench.forward("mlm", folder, inputs)
        bench.compare(name + ", logits", out["output"], logits, tolerance, seconds)
        torch.save(model.state_dict(), bench.path("pytorch_model.bin"))
        config = ["--model_config", folder / "config.json"]
        out, seconds = bench.forward("mlm", bench.path("pytorch_model.bin"), inputs, *config)
        bench.compare(name + ", logits, from pytorch_model.bin", out["output"], logits, tolerance, seconds)


class Conditioner(torch.nn.Module):
    """What the reference puts behind its transformer."""

    def __init__(self, positions, hidden, tokens, width, time, semantic):
        super().__init__()
        nn = torch.nn
        self.channel_mapper = nn.Sequential(nn.Conv1d(positions, tokens, 1), nn.BatchNorm1d(tokens), nn.ReLU())
        self.dim_mapper = nn.Sequential(nn.Linear(hidden, width), nn.BatchNorm1d(tokens), nn.ReLU())
        self.time_embed_condtion = nn.Sequential(nn.Conv1d(tokens, tokens // 2, 1), nn.Conv1d(tokens // 2, 1, 1),
                                                 nn.Linear(width, time))
        self.mapping = nn.Sequential(nn.Conv1d(tokens, 1, 1), nn.Linear(width, semantic))

    def forward(self, hidden):
        c = self.dim_mapper(self.channel_mapper(hidden))
        return c, self.time_embed_condtion(c).squeeze(1), self.mapping(c).squeeze(1)


@check()
def conditioner(bench, tolerance):
    transformer = bert(bench)
    config = transformer.config
    sizes = (77, 768, 1280, 512) if bench.full else (7, 24, 32, 16)
    model = randomise(Conditioner(config.max_position_embeddings, config.hidden_size, *sizes))
    ids = torch.zeros(2, config.max_position_embeddings, dtype=torch.long)
    ids[:, :40] = torch.randint(1, config.vocab_size, (2, 40))
    with torch.no_grad():
        hidden = transformer.bert(ids, attention_mask=(ids != 0).long()).last_hidden_state
        c, time_embedding, semantic = model(hidden)
    state = {f"cond_stage_model.gf_model.{k}": v for k, v in transformer.state_dict().items()}
    for key, value in model.state_dict().items():
        inner = "model.diffusion_model." if key.startswith("time_embed_condtion") else "cond_stage_model."
        state[inner + key] = value
    path = bench.path("conditioner.pth")
    torch.save({"model_state_dict": state, "config": {"a": 1}}, path)
    transformer.config.save_pretrained(bench.path("c"))
    out, seconds = bench.forward("conditioner", path, {"input_ids": ids}, "--model_config", bench.path("c") / "config.json")
    bench.compare("conditioner, c", out["output"], c, tolerance, seconds)
    bench.compare("conditioner, time path", out["time_embedding"], time_embedding, tolerance, seconds)
    bench.compare("conditioner, semantic path", out["semantic"], semantic, tolerance, seconds)


def unet_model(bench):
    if bench.full:
        config = dict(sample_size=64, cross_attention_dim=768)
    else:
        config = dict(sample_size=16, cross_attention_dim=24, block_out_channels=(32, 64), norm_num_groups=8,
                      layers_per_block=1, attention_head_dim=4, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
                      up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"))
    return randomise(diffusers.UNet2DConditionModel(**config))


def compvis_unet(name, blocks, levels):
    """diffusers' name of a UNet's tensor in CompVis's checkpoints."""
    ends = {"time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
            "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2"}
    inner = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
             "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}
    for theirs, ours in ends.items():
        if name.startswith(theirs + "."):
            return ours + name[len(theirs):]
    stage, level, kind, index, rest = re.match(r"(down|up|mid)_blocks?\.(?:(\d+)\.)?(\w+)\.(\d+)\.(.*)", name).groups()
    index = int(index)
    if kind == "resnets":
        head, _, tail = rest.partition(".")
        rest = f"{inner[head]}.{tail}"
    if stage == "mid":
        return f"middle_block.{2 * index if kind == 'resnets' else 1}.{rest}"
    level = int(level)
    if kind == "downsamplers":
        return f"input_blocks.{(level + 1) * (blocks + 1)}.0.op.{rest.split('.', 1)[1]}"
    block = 1 + level * (blocks + 1) + index if stage == "down" else level * (blocks + 1) + index
    if kind == "upsamplers":
        block, has_attention = level * (blocks + 1) + blocks, levels[level]
        return f"output_blocks.{block}.{2 if has_attention else 1}.{rest}"
    place = "input_blocks" if stage == "down" else "output_blocks"
    return f"{place}.{block}.{1 if kind == 'attentions' else 0}.{rest}"


def save_genvinci_checkpoint(bench, path):
    """All of GenVinci in one file, as its training saves it."""
    transformer, unet_part, vae_part = bert(bench), unet_model(bench), vae_model(bench)
    config = transformer.config
    sizes = (77, 768, 1280, 512) if bench.full else (7, 24, 128, 16)
    parts = randomise(Conditioner(config.max_position_embeddings, config.hidden_size, *sizes))
    state = {f"cond_stage_model.gf_model.{k}": v for k, v in transformer.state_dict().items()}
    for key, value in parts.state_dict().items():
        inner = "model.diffusion_model." if key.startswith("time_embed_condtion") else "cond_stage_model."
        state[inner + key] = value
    has_attention = ["CrossAttn" in kind for kind in unet_part.config.up_block_types]
    for key, value in unet_part.state_dict().items():
        state["model.diffusion_model." + compvis_unet(key, unet_part.config.layers_per_block, has_attention)] = value
    for key, value in vae_part.state_dict().items():
        attention = "attentions" in key and value.dim() == 2
        state["first_stage_model." + compvis_vae(key, len(vae_part.config.block_out_channels))] = (
            value[:, :, None, None] if attention else value)
    torch.save({"model_state_dict": state, "config": {"img_size": 256}, "state": torch.get_rng_state()}, path)
    return transformer, unet_part, vae_part


@check()
def unet(bench, tolerance):
    model = unet_model(bench)
    config = model.config
    folder = bench.path("diffusers/unet")
    model.save_pretrained(folder)
    inputs = {"sample": torch.randn(2, 4, 32, 32) if bench.full else torch.randn(2, 4, 16, 16),
              "timestep": torch.tensor([981, 7]),
              "encoder_hidden_states": torch.randn(2, 77, config.cross_attention_dim)}
    with torch.no_grad():
        expected = model(**inputs).sample
    out, seconds = bench.forward("unet", folder.parent, inputs)
    bench.compare("UNet, diffusers folder", out["output"], expected, tolerance, seconds)
    has_attention = ["CrossAttn" in kind for kind in config.up_block_types]
    names = {k: compvis_unet(k, config.layers_per_block, has_attention) for k in model.state_dict()}
    path = bench.path("sd.ckpt")
    torch.save({"state_dict": {f"model.diffusion_model.{names[k]}": v for k, v in model.state_dict().items()},
                "global_step": 7}, path)
    flags = ["--model_config", folder / "config.json"]
    out, seconds = bench.forward("unet", path, inputs, *flags)
    bench.compare("UNet, CompVis checkpoint", out["output"], expected, tolerance, seconds)
    odd = dict(inputs, sample=torch.randn(2, 4, 27, 22) if bench.full else torch.randn(2, 4, 13, 9))
    with torch.no_grad():
        expected = model(**odd).sample
    out, seconds = bench.forward("unet", path, odd, *flags)
    bench.compare("UNet, odd sides", out["output"], expected, tolerance, seconds)
    time_embedding = torch.randn(2, 4 * config.block_out_channels[0])
    hook = model.time_embedding.register_forward_hook(lambda module, given, result: result + time_embedding)
    with torch.no_grad():
        expected = model(**inputs).sample
    hook.remove()
    out, seconds = bench.forward("unet", path, dict(inputs, time_embedding=time_embedding), *flags)
    bench.compare("UNet, with the time path", out["output"], expected, tolerance, seconds)


def compvis_vae(name, levels):
    """diffusers' name of an autoencoder's tensor in CompVis's checkpoints."""
    for theirs, ours in (("conv_norm_out", "norm_out"), ("conv_shortcut", "nin_shortcut"),
                         ("mid_block.resnets.0", "mid.block_1"), ("mid_block.resnets.1", "mid.block_2"),
                         ("mid_block.attentions.0.group_norm", "mid.attn_1.norm"),
                         ("mid_block.attentions.0.to_out.0", "mid.attn_1.proj_out"),
                         ("mid_block.attentions.0.to_", "mid.attn_1.")):
        name = name.replace(theirs, ours)
    name = re.sub(r"down_blocks\.(\d+)\.resnets", r"down.\1.block", name)
    name = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(r"up_blocks\.(\d+)\.resnets", lambda m: f"up.{levels - 1 - int(m[1])}.block", name)
    return re.sub(r"up_blocks\.(\d+)\.upsamplers\.0", lambda m: f"up.{levels - 1 - int(m[1])}.upsample", name)


@check(0)
def conversions(bench, tolerance):
    """What `convert` writes is opened by the peers' from_pretrained, and holds the same numbers. GenVinci's checkpoint
    tells neither heads nor groups, so at the published sizes alone."""
    if not bench.full:
        return
    path = bench.path("genvinci/checkpoint_1.pth")
    transformer, unet_part, vae_part = save_genvinci_checkpoint(bench, path)

    def convert(form, output):
        command = [bench.program, "convert", "--weights", path, "--format", form, "--output", output, "--quiet"]
        start = time.time()
        subprocess.run([str(part) for part in command], check=True, capture_output=True)
        return time.time() - start

    def compare(name, original, opened, seconds):
        theirs = opened.state_dict()
        wrong = [key for key, value in original.state_dict().items() if not torch.equal(value, theirs[key])]
        bench.compare(f"{name}, tensors that differ", torch.tensor([float(len(wrong))]), torch.zeros(1), tolerance, seconds)

    folder = bench.path("genvinci/diffusers")
    seconds = convert("diffusers", folder)
    compare("converted UNet in diffusers", unet_part, diffusers.UNet2DConditionModel.from_pretrained(folder / "unet"),
            seconds)
    compare("converted autoencoder in diffusers", vae_part, diffusers.AutoencoderKL.from_pretrained(folder / "vae"), seconds)
    folder = bench.path("genvinci/bert")
    seconds = convert("huggingface", folder)
    compare("converted transformer in transformers", transformer,
            transformers.BertForMaskedLM.from_pretrained(folder), seconds)


def vae_model(bench):
    if bench.full:
        return randomise(diffusers.AutoencoderKL(
            block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=4, norm_num_groups=32,
            down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4))
    return randomise(diffusers.AutoencoderKL(
        block_out_channels=(16, 32), layers_per_block=1, latent_channels=4, norm_num_groups=8,
        down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2))


@check()
def autoencoder(bench, tolerance):
    model = vae_model(bench)
    folder = bench.path("diffusers/vae")
    model.save_pretrained(folder)
    x = torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        moments = model.encode(x).latent_dist.parameters
        z = moments[:, :4]
        image = model.decode(z).sample
    out, seconds = bench.forward("vae_encoder", folder.parent, {"x": x})
    bench.compare("autoencoder, mean and log-variance", out["output"], moments, tolerance, seconds)
    out, seconds = bench.forward("vae_decoder", folder.parent, {"x": z})
    bench.compare("autoencoder, image", out["output"], image, tolerance, seconds)
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    state = {}
    for key, value in model.state_dict().items():
        for new, name in old.items():
            key = key.replace(f"attentions.0.{new}.", f"attentions.0.{name}.")
        state[key] = value
    save_file(state, bench.path("old/diffusion_pytorch_model.safetensors"))
    model.save_config(bench.path("old"))
    out, seconds = bench.forward("vae_decoder", bench.path("old"), {"x": z})
    bench.compare("autoencoder, older names of attention", out["output"], image, tolerance, seconds)


@check()
def vision(bench, tolerance):
    import timm
    kind = "vit_base_patch16_224" if bench.full else "vit_tiny_patch16_224"
    trunk = randomise(timm.create_model(kind, num_classes=0))
    head = torch.nn.Linear(trunk.num_features, 512, bias=False)
    x = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        features = trunk(x)
        projected = head(features)
    state = {f"visual.trunk.{k}": v for k, v in trunk.state_dict().items()}
    state["visual.head.proj.weight"] = head.weight.detach()
    state["text.transformer.embeddings.weight"] = torch.zeros(3)
    save_file(state, bench.path("open_clip.safetensors"))
    out, seconds = bench.forward("vit", bench.path("open_clip.safetensors"), {"x": x})
    bench.compare("ViT-B/16 of open_clip, projected", out["output"], projected, tolerance, seconds)
    save_file(trunk.state_dict(), bench.path("timm.safetensors"))
    out, seconds = bench.forward("vit", bench.path("timm.safetensors"), {"x": x})
    bench.compare("ViT of timm", out["output"], features, tolerance, seconds)
    model = (torchvision.models.vit_h_14(weights=None) if bench.full else torchvision.models.VisionTransformer(
        image_size=224, patch_size=14, num_layers=2, num_heads=2, hidden_dim=128, mlp_dim=256))
    randomise(model)
    torch.save(model.state_dict(), bench.path("vit_h.pth"))
    model.heads = torch.nn.Identity()
    with torch.no_grad():
        expected = model(x)
    out, seconds = bench.forward("vit", bench.path("vit_h.pth"), {"x": x})
    bench.compare("ViT-H/14 of torchvision", out["output"], expected, tolerance, seconds)


@check()
def inception(bench, tolerance):
    from torch_fidelity import feature_extractor_inceptionv3 as peer
    original, path = torch.load, bench.path("inception.pth")
    peer.load_state_dict_from_url = lambda *args, **kwargs: None
    load = peer.FeatureExtractorInceptionV3.load_state_dict
    peer.FeatureExtractorInceptionV3.load_state_dict = lambda *args, **kwargs: None
    model = randomise(peer.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"]), 0.01)
    peer.FeatureExtractorInceptionV3.load_state_dict = load
    torch.load = original
    torch.save(model.state_dict(), path)
    x = torch.randint(0, 256, (2, 3, 71, 96), dtype=torch.uint8)
    with torch.no_grad():
        expected = model(x)[0]
    out, seconds = bench.forward("inception", path, {"x": x})
    bench.compare("Inception-v3 of torch-fidelity", out["output"], expected, tolerance, seconds)


@check(1e-5)
def lpips(bench, tolerance):
    import lpips as peer
    model = peer.LPIPS(net="alex", pretrained=False, pnet_rand=True, verbose=False)
    with torch.no_grad():
        for layer in model.lins:
            layer.model[-1].weight.abs_()
    model.eval()
    torch.save(model.state_dict(), bench.path("lpips.pth"))
    x, y = torch.rand(3, 3, 64, 80) * 2 - 1, torch.rand(3, 3, 64, 80) * 2 - 1
    with torch.no_grad():
        expected = model(x, y)
    out, seconds = bench.forward("lpips", bench.path("lpips.pth"), {"x": x, "y": y})
    bench.compare("LPIPS of lpips (AlexNet)", out["output"], expected, tolerance, seconds)


def plms(predict, x, steps):
    """PLMS as Stable Diffusion's first release and the reference have it: its times, a pseudo improved Euler step first."""
    betas = torch.linspace(BETAS["beta_start"] ** 0.5, BETAS["beta_end"] ** 0.5, 1000, dtype=torch.float64) ** 2
    signal = torch.cumprod(1 - betas, 0)
    times = [t + 1 for t in range(0, 1000, 1000 // steps)]
    before = [signal[0]] + [signal[t] for t in times[:-1]]
    older = []
    for i in reversed(range(len(times))):
        a, b = signal[times[i]].item(), before[i].item()

        def move(noise):
            clean = (x - (1 - a) ** 0.5 * noise) / a**0.5
            return b**0.5 * clean + (1 - b) ** 0.5 * noise

        noise = predict(x, times[i])
        if not older:
            mixed = (noise + predict(move(noise), times[max(i - 1, 0)])) / 2
        elif len(older) == 1:
            mixed = (3 * noise - older[-1]) / 2
        elif len(older) == 2:
            mixed = (23 * noise - 16 * older[-1] + 5 * older[-2]) / 12
        else:
            mixed = (55 * noise - 59 * older[-1] + 37 * older[-2] - 9 * older[-3]) / 24
        x = move(mixed)
        older.append(noise)
    return x


@check(1e-3)
def samplers(bench, tolerance):
    """At reduced width always: over 50 steps of guided sampling."""
    reduced = Bench(bench.program, bench.folder, full=False)
    model = unet_model(reduced)
    folder = bench.path("small/unet")
    model.save_pretrained(folder)
    d = diffusers
    made = {"ddim": d.DDIMScheduler(**BETAS, clip_sample=False, set_alpha_to_one=False, steps_offset=1),
            "pndm": d.PNDMScheduler(**BETAS, skip_prk_steps=True, set_alpha_to_one=False, steps_offset=1),
            "dpmsolver++": d.DPMSolverMultistepScheduler(**BETAS), "unipc": d.UniPCMultistepScheduler(**BETAS),
            "euler": d.EulerDiscreteScheduler(**BETAS), "heun": d.HeunDiscreteScheduler(**BETAS)}
    noise, context = torch.randn(2, 4, 16, 16), torch.randn(2, 77, 24)
    negative = torch.randn(2, 77, 24)

    def guided(x, t):
        u, c = model(torch.cat([x, x]), t, encoder_hidden_states=torch.cat([negative, context])).sample.chunk(2)
        return u + 3 * (c - u)

    def sample(scheduler):
        scheduler.set_timesteps(50)
        x = noise * scheduler.init_noise_sigma
        for t in scheduler.timesteps:
            x = scheduler.step(guided(scheduler.scale_model_input(x, t), t), t, x).prev_sample
        return x

    for name in [*made, "plms"]:
        with torch.no_grad():
            x = plms(guided, noise, 50) if name == "plms" else sample(made[name])
        inputs = {"noise": noise, "encoder_hidden_states": context, "negative_encoder_hidden_states": negative}
        out, seconds = bench.forward("sampler", folder, inputs, "--sampler", name, "--steps", 50, "--guidance", 3)
        bench.compare(f"sampler {name}, 50 steps, guidance 3", out["output"], x, tolerance, seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--genvinci", default=ROOT / "build/release/bin/genvinci")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", nargs="*", choices=CHECKS)
    parser.add_argument("--keep")
    options = parser.parse_args()
    torch.manual_seed(20240104)
    with tempfile.TemporaryDirectory(prefix="parity.") as temporary:
        bench = Bench(options.genvinci, pathlib.Path(options.keep or temporary), options.full)
        for name, (function, tolerance) in CHECKS.items():
            if options.only and name not in options.only:
                continue
            try:
                function(bench, tolerance)
            except (RuntimeError, ImportError) as error:
                print(f"{name}: {error}", file=sys.stderr)
                bench.rows.append((name, *[float("nan")] * 3, tolerance, float("nan"), f"**{error}**"))
                bench.failed = True
    print("| component | largest difference | relative | cosine | allowed | genvinci, s | |\n|---|---|---|---|---|---|---|")
    for name, absolute, relative, cosine, tolerance, seconds, note in bench.rows:
        print(f"| {name} | {absolute:.1e} | {relative:.1e} | {cosine:.9f} | {tolerance:.0e} | {seconds:.1f} | {note} |")
    sys.exit(1 if bench.failed else 0)


if __name__ == "__main__":
    main()
