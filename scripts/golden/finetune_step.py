#!/usr/bin/env python3
"""Makes tests/training/data/finetune_step.safetensors: one fine-tuning step of the reference, transcribed in PyTorch.

BERT is transformers', autoencoder and UNet are diffusers', the conditioner is the transcription of models.py: all
narrow, with random weights named as in a genvinci checkpoint. Tokens, images, noise and times are given; the file holds
the losses, the gradient of every parameter and the weights after one AdamW step with clipped gradients. Needs: pip
install torch diffusers transformers safetensors.
"""

import pathlib

import diffusers
import torch
import transformers
from safetensors.torch import save_file

from models import Conditioner, prepare, unet_name, vae_name

PATH = pathlib.Path(__file__).resolve().parents[2] / "tests" / "training" / "data" / "finetune_step.safetensors"
POSITIONS, HIDDEN, TOKENS, WIDTH, CHANNELS, SEMANTIC = 12, 16, 6, 12, 8, 10
LR, WEIGHT_DECAY, CLIP = 0.01, 0.001, 0.5


class Reference(torch.nn.Module):
    def __init__(self):
        super().__init__()
        nn = torch.nn
        self.transformer = transformers.BertModel(transformers.BertConfig(
            vocab_size=30, hidden_size=HIDDEN, num_hidden_layers=1, num_attention_heads=2, intermediate_size=20,
            hidden_act="relu", max_position_embeddings=POSITIONS, type_vocab_size=2, pad_token_id=0,
            hidden_dropout_prob=0, attention_probs_dropout_prob=0), add_pooling_layer=False)
        self.conditioner = Conditioner(POSITIONS, HIDDEN, TOKENS, WIDTH, 4 * CHANNELS)
        self.mapping = nn.Sequential(nn.Conv1d(TOKENS, 1, 1), nn.Linear(WIDTH, SEMANTIC))
        self.unet = diffusers.UNet2DConditionModel(
            in_channels=4, out_channels=4, block_out_channels=(CHANNELS, 2 * CHANNELS), layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=WIDTH, attention_head_dim=2, norm_num_groups=8, class_embed_type="identity")
        self.autoencoder = diffusers.AutoencoderKL(
            in_channels=3, out_channels=3, latent_channels=4, block_out_channels=(8, 16), layers_per_block=1,
            norm_num_groups=8, down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2)

    def name(self, theirs):
        """A tensor's name in genvinci's checkpoints."""
        part, _, rest = theirs.partition(".")
        if part == "transformer":
            return "transformer.bert." + rest
        if part == "mapping":
            return "conditioner.mapping." + rest
        if part == "unet":
            return "unet." + unet_name(rest, 1, [True, False])
        return "autoencoder." + vae_name(rest, 2) if part == "autoencoder" else theirs

    def losses(self, given):
        tokens = given["tokens"]
        hidden = self.transformer(tokens, attention_mask=(tokens != 0).long()).last_hidden_state
        context, time = self.conditioner(hidden)
        with torch.no_grad():
            posterior = self.autoencoder.encode(given["images"]).latent_dist
            latents = 0.18215 * (posterior.mean + posterior.std * given["posterior_noise"])
        schedule = diffusers.DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
        noisy = schedule.add_noise(latents, given["noise"], given["timesteps"])
        predicted = self.unet(noisy, given["timesteps"], context, class_labels=time).sample
        diffusion = torch.nn.functional.mse_loss(predicted, given["noise"])
        semantic = self.mapping(context)[:, 0]
        return diffusion, (1 - torch.nn.functional.cosine_similarity(semantic, given["image_embedding"])).mean()


def main():
    torch.manual_seed(20261123)
    model = prepare(Reference())
    model.autoencoder.requires_grad_(False)
    image_embedding = torch.nn.functional.normalize(torch.randn(3, SEMANTIC))
    given = {"tokens": torch.randint(1, 30, (3, POSITIONS)), "images": torch.rand(3, 3, 16, 16) * 2 - 1,
             "posterior_noise": torch.randn(3, 4, 8, 8), "noise": torch.randn(3, 4, 8, 8),
             "timesteps": torch.tensor([3, 500, 999]), "image_embedding": image_embedding}
    given["tokens"][1, 5:] = 0
    out = {}
    for name, value in model.state_dict().items():
        value = value[:, :, None, None] if name.startswith("autoencoder") and "attentions" in name and value.dim() == 2 \
            else value
        out["before." + model.name(name)] = value.half() if value.is_floating_point() else value.clone()
    model.train()
    model.autoencoder.eval()
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    groups = [{"params": [p for p in trained.values() if p.dim() > 1], "weight_decay": WEIGHT_DECAY},
              {"params": [p for p in trained.values() if p.dim() <= 1], "weight_decay": 0}]
    optimizer = torch.optim.AdamW(groups, lr=LR)
    diffusion, semantic = model.losses(given)
    (diffusion + semantic).backward()
    out |= {f"grad.{model.name(name)}": p.grad.clone() for name, p in trained.items()}
    out["norm"] = torch.nn.utils.clip_grad_norm_(trained.values(), CLIP)
    optimizer.step()
    out |= {f"after.{model.name(name)}": p.detach() for name, p in trained.items()}
    for name, value in model.named_buffers():
        if "running" in name:
            out[f"after.{model.name(name)}"] = value
    out |= given | {"diffusion_loss": diffusion.detach(), "semantic_loss": semantic.detach()}
    versions = {"torch": torch.__version__, "diffusers": diffusers.__version__,
                "transformers": transformers.__version__}
    PATH.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.clone(memory_format=torch.contiguous_format) for k, v in out.items()}, PATH, metadata=versions)
    print(PATH.name, PATH.stat().st_size, f"norm {out['norm']:.3f}", f"losses {diffusion:.3f} {semantic:.3f}")


if __name__ == "__main__":
    main()
