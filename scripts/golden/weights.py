#!/usr/bin/env python3
"""Makes tests/weights/data/: narrow models with random weights as their own libraries save them, inputs and outputs.

`<name>/` holds the weights (float16, so that files stay small) and config.json, `<name>.safetensors` the inputs and what
the library makes of them in float32. Inception-v3 and LPIPS have one size: their weights come from a formula that the
test knows too. Usage: scripts/golden/weights.py   (needs diffusers 0.42.1, transformers 5.23.0, timm 1.0.31,
torchvision 0.29.2, torch-fidelity 0.4.0, lpips 0.1.4)
"""
import json
import pathlib
import shutil

import diffusers
import lpips
import timm
import torch
import torchvision
import transformers
from safetensors.torch import save_file
from torch_fidelity import feature_extractor_inceptionv3 as fidelity

DATA = pathlib.Path(__file__).resolve().parents[2] / "tests/weights/data"
VERSIONS = {"made_by": "scripts/golden/weights.py", "torch": torch.__version__, "diffusers": diffusers.__version__,
            "transformers": transformers.__version__, "timm": timm.__version__, "torchvision": torchvision.__version__,
            "torch-fidelity": "0.4.0", "lpips": "0.1.4"}


def prepare(model):
    """Every parameter random, and a float16 number."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
            parameter.copy_(parameter.half().float())
    return model.eval()


def keep(name, tensors):
    save_file({k: v.detach().contiguous().clone() for k, v in tensors.items()}, DATA / f"{name}.safetensors",
              metadata=VERSIONS)


def half(model):
    return {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}


def unet():
    model = prepare(diffusers.UNet2DConditionModel(
        sample_size=8, cross_attention_dim=8, block_out_channels=(8, 16), norm_num_groups=4, layers_per_block=1,
        attention_head_dim=2, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D")))
    inputs = {"sample": torch.randn(2, 4, 7, 8), "timestep": torch.tensor([981.0, 7.25]),
              "encoder_hidden_states": torch.randn(2, 5, 8)}
    with torch.no_grad():
        output = model(**inputs).sample
    model.half().save_pretrained(DATA / "unet")
    keep("unet", {**inputs, "output": output})


def vae():
    model = prepare(diffusers.AutoencoderKL(
        block_out_channels=(8, 16), layers_per_block=1, latent_channels=4, norm_num_groups=4,
        down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2))
    x = torch.rand(2, 3, 8, 12) * 2 - 1
    with torch.no_grad():
        moments = model.encode(x).latent_dist.parameters
        image = model.decode(moments[:, :4]).sample
    model.half().save_pretrained(DATA / "vae")
    keep("vae", {"x": x, "moments": moments, "image": image})
    # The names that diffusers gave attention until 2023, here over the same weights.
    names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    state = {}
    for key, value in half(model).items():
        for new, old in names.items():
            key = key.replace(f"attentions.0.{new}.", f"attentions.0.{old}.")
        state[key] = value.contiguous()
    (DATA / "vae_old").mkdir(exist_ok=True)
    torch.save(state, DATA / "vae_old/diffusion_pytorch_model.bin")
    shutil.copy(DATA / "vae/config.json", DATA / "vae_old/config.json")


def bert():
    config = transformers.BertConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        hidden_act="gelu", max_position_embeddings=12, type_vocab_size=2, pad_token_id=0)
    model = prepare(transformers.BertForMaskedLM(config))
    ids = torch.randint(1, 40, (2, 9))
    ids[0, 5:] = 0
    mask = (ids != 0).long()
    mask[1, 2] = 0
    with torch.no_grad():
        hidden = model.bert(ids, attention_mask=mask).last_hidden_state
        logits = model(ids, attention_mask=mask).logits
    keep("bert", {"input_ids": ids, "attention_mask": mask, "hidden": hidden, "logits": logits})
    model.half().save_pretrained(DATA / "bert")
    # Sharded, and without "bert.": what BertModel saves.
    model.bert.save_pretrained(DATA / "bert_sharded", max_shard_size="6KB")


def vision():
    trunk = prepare(timm.models.VisionTransformer(img_size=16, patch_size=8, embed_dim=128, depth=1, num_heads=2,
                                                  mlp_ratio=0.5, num_classes=0))
    head = prepare(torch.nn.Linear(128, 6, bias=False))
    x = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        output = head(trunk(x))
    (DATA / "vit_timm").mkdir(exist_ok=True)
    state = {f"visual.trunk.{k}": v.contiguous() for k, v in half(trunk).items()}
    state["visual.head.proj.weight"] = head.weight.detach().half()
    state["text.proj.weight"] = torch.zeros(2)
    save_file(state, DATA / "vit_timm/open_clip_model.safetensors")
    keep("vit_timm", {"x": x, "output": output})
    model = prepare(torchvision.models.VisionTransformer(image_size=16, patch_size=8, num_layers=1, num_heads=2,
                                                         hidden_dim=128, mlp_dim=64, num_classes=3))
    (DATA / "vit_torchvision").mkdir(exist_ok=True)
    torch.save(half(model), DATA / "vit_torchvision/pytorch_model.bin")
    model.heads = torch.nn.Identity()
    with torch.no_grad():
        output = model(x)
    keep("vit_torchvision", {"x": x, "output": output})


def by_formula(model):
    """sin(0.7 i + k) of the k-th name in alphabetical order, scaled so that activations neither vanish nor explode."""
    state = model.state_dict()
    for k, name in enumerate(sorted(n for n in state if n in WANTED[type(model).__name__](state))):
        tensor = state[name]
        wave = torch.sin(0.7 * torch.arange(tensor.numel(), dtype=torch.float64) + k).view(tensor.shape)
        if name.endswith("running_var"):
            value = 1 + 0.5 * wave
        elif tensor.dim() == 4:
            value = wave * (3 / tensor[0].numel()) ** 0.5
            if "lin" in name:
                value = value.abs()
        elif name.endswith("weight"):
            value = 1 + 0.3 * wave
        else:
            value = 0.1 * wave
        tensor.copy_(value)
    return model.eval()


WANTED = {
    "FeatureExtractorInceptionV3": lambda s: [n for n in s if not n.startswith("fc.") and "num_batches" not in n],
    "LPIPS": lambda s: [n for n in s if n.startswith(("net.", "lin0.", "lin1.", "lin2.", "lin3.", "lin4."))],
}


def fixed():
    fidelity.load_state_dict_from_url = lambda *args, **kwargs: None
    fidelity.FeatureExtractorInceptionV3.load_state_dict = lambda *args, **kwargs: None
    model = by_formula(fidelity.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"]))
    x = torch.randint(0, 256, (1, 3, 20, 31), dtype=torch.uint8)
    with torch.no_grad():
        keep("inception", {"x": x, "output": model(x)[0]})
    model = by_formula(lpips.LPIPS(net="alex", pretrained=False, pnet_rand=True, verbose=False))
    x, y = torch.rand(2, 3, 64, 70) * 2 - 1, torch.rand(2, 3, 64, 70) * 2 - 1
    with torch.no_grad():
        keep("lpips", {"x": x, "y": y, "output": model(x, y)})


if __name__ == "__main__":
    shutil.rmtree(DATA, ignore_errors=True)
    DATA.mkdir(parents=True)
    torch.manual_seed(20240104)
    torch.set_grad_enabled(True)
    for make in (unet, vae, bert, vision, fixed):
        make()
    for path in DATA.rglob("config.json"):
        config = json.loads(path.read_text())
        config.pop("_name_or_path", None)
        path.write_text(json.dumps(config, indent=1) + "\n")
