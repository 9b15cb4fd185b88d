#!/usr/bin/env python3
"""Writes tests/diffusion/data/ddim.safetensors: what diffusers' DDIMScheduler makes of a small analytic network.

The network is tanh(0.3 x + 0.01 t / 1000), so that no weights are needed; all in float64.

Usage: scripts/golden/samplers.py [FILE]   (needs diffusers 0.42.1, torch, safetensors)
"""
import pathlib
import sys

import diffusers
import torch
from safetensors.torch import save_file

ROOT = pathlib.Path(__file__).resolve().parents[2]


def network(x, t):
    return torch.tanh(0.3 * x + 0.01 * float(t) / 1000)


def scheduler(prediction_type):
    made = diffusers.DDIMScheduler(
        num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
        clip_sample=False, set_alpha_to_one=False, steps_offset=1, timestep_spacing="leading",
        prediction_type=prediction_type)
    # The scheduler rounds abar to float32; the same formula in float64 takes that noise out of the comparison.
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    made.alphas_cumprod = torch.cumprod(1 - betas, 0)
    made.final_alpha_cumprod = made.alphas_cumprod[0]
    return made


def sample(prediction_type, steps, eta, start, step_noise):
    made = scheduler(prediction_type)
    made.set_timesteps(steps)
    x = start
    for i, t in enumerate(made.timesteps):
        x = made.step(network(x, t), t, x, eta=eta, variance_noise=step_noise[i]).prev_sample
    return x, made.timesteps


def main():
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tests/diffusion/data/ddim.safetensors"
    torch.manual_seed(20240104)
    start = torch.randn(2, 2, 3, 3, dtype=torch.float64)
    step_noise = torch.randn(10, *start.shape, dtype=torch.float64)
    tensors = {"start": start, "step_noise": step_noise}
    for name, kind, steps, eta in [("eps_50", "epsilon", 50, 0.0), ("eps_7", "epsilon", 7, 0.0),
                                   ("v_20", "v_prediction", 20, 0.0), ("eps_10_eta", "epsilon", 10, 0.6),
                                   ("v_10_eta", "v_prediction", 10, 1.0)]:
        noise = step_noise if eta else [None] * steps
        tensors[name], tensors[name + ".timesteps"] = sample(kind, steps, eta, start, noise)
    versions = {"made_by": "scripts/golden/samplers.py", "diffusers": diffusers.__version__, "torch": torch.__version__}
    save_file({name: value.contiguous() for name, value in tensors.items()}, path, metadata=versions)


if __name__ == "__main__":
    main()
