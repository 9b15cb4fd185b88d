#!/usr/bin/env python3
"""Writes tests/diffusion/data/samplers.safetensors: what diffusers' schedulers make of a small analytic network.

The network is tanh(0.3 x + 0.01 t / 1000), so that no weights are needed. Schedulers keep abar and sigmas in float32;
here they are given the same formulas in float64, which takes that rounding out of the comparison.

Usage: scripts/golden/samplers.py [FILE]   (needs diffusers 0.42.1, numpy, torch, safetensors)
"""
import pathlib
import sys

import diffusers
import numpy as np
import torch
from safetensors.torch import save_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def network(x, t):
    return torch.tanh(0.3 * x + 0.01 * float(t) / 1000)


def alphas_cumprod():
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, 0)


def run(scheduler, steps, start, noises, **step_options):
    """Sampling from given start noise; `noises` take the place of the scheduler's own draws."""
    draws = iter(noises)
    for module in (diffusers.schedulers.scheduling_ddim, diffusers.schedulers.scheduling_euler_ancestral_discrete):
        module.randn_tensor = lambda *args, **options: next(draws)
    x = start * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        predicted = network(scheduler.scale_model_input(x, t), t)
        x = scheduler.step(predicted, t, x, **step_options).prev_sample
    return x, scheduler.timesteps.double()


def by_alphas(kind, prediction, steps, **options):
    made = kind(**BETAS, set_alpha_to_one=False, steps_offset=1, timestep_spacing="leading",
                prediction_type=prediction, **options)
    made.alphas_cumprod = alphas_cumprod()
    made.final_alpha_cumprod = made.alphas_cumprod[0]
    made.set_timesteps(steps)
    return made


def by_sigmas(kind, prediction, steps):
    made = kind(**BETAS, prediction_type=prediction)
    made.set_timesteps(steps)
    alphas = alphas_cumprod().numpy()
    sigmas = np.interp(made.timesteps.double().numpy(), np.arange(1000), ((1 - alphas) / alphas) ** 0.5)
    made.sigmas = torch.from_numpy(np.concatenate([sigmas, [0.0]]))
    return made


def flow(kind, steps):
    if kind is diffusers.FlowMatchEulerDiscreteScheduler:
        made = kind()
        made.set_timesteps(steps)
        made.sigmas = torch.cat([torch.linspace(1, 0.001, steps, dtype=torch.float64), torch.zeros(1).double()])
        return made
    if kind is diffusers.FlowMatchHeunDiscreteScheduler:
        made = kind()
        made.set_timesteps(steps)
        made.sigmas = torch.cat([made.timesteps.double() / 1000, torch.zeros(1).double()])
        return made
    made = kind(prediction_type="flow_prediction", use_flow_sigmas=True)
    sigmas = np.linspace(0, 0.999, steps + 1)[::-1][:-1].copy()
    if kind is diffusers.UniPCMultistepScheduler:
        made.set_timesteps(sigmas=sigmas)
    else:
        made.set_timesteps(steps)
    # The network is asked at the exact times; the schedulers cut theirs to whole ones.
    made.timesteps = torch.from_numpy(sigmas * 1000)
    made.sigmas = torch.from_numpy(np.concatenate([sigmas, [0.0]]))
    return made


def run_flow(scheduler, start):
    x = start
    scheduler.set_begin_index(0)
    for t in scheduler.timesteps:
        x = scheduler.step(network(x, t), t, x).prev_sample.double()
    return x, scheduler.timesteps.double()


def main():
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tests/diffusion/data/samplers.safetensors"
    torch.manual_seed(20240104)
    start = torch.randn(2, 2, 3, 3, dtype=torch.float64)
    noises = torch.randn(10, *start.shape, dtype=torch.float64)
    tensors = {"start": start, "step_noise": noises}

    def keep(name, made):
        tensors[name], tensors[name + ".timesteps"] = made

    d = diffusers
    for name, kind, steps, eta in [("ddim_eps_50", "epsilon", 50, 0.0), ("ddim_eps_7", "epsilon", 7, 0.0),
                                   ("ddim_v_20", "v_prediction", 20, 0.0), ("ddim_eps_10_eta", "epsilon", 10, 0.6),
                                   ("ddim_v_10_eta", "v_prediction", 10, 1.0)]:
        keep(name, run(by_alphas(d.DDIMScheduler, kind, steps, clip_sample=False), steps, start, noises, eta=eta))
    for steps in (1, 2, 7, 50):
        keep(f"pndm_eps_{steps}", run(by_alphas(d.PNDMScheduler, "epsilon", steps, skip_prk_steps=True), steps, start, []))
    for key, kind in (("dpmsolver++", d.DPMSolverMultistepScheduler), ("unipc", d.UniPCMultistepScheduler),
                      ("euler", d.EulerDiscreteScheduler), ("heun", d.HeunDiscreteScheduler)):
        for name, prediction, steps in (("eps_50", "epsilon", 50), ("eps_4", "epsilon", 4), ("v_20", "v_prediction", 20)):
            keep(f"{key}_{name}", run(by_sigmas(kind, prediction, steps), steps, start, []))
    for name, prediction in (("eps_10", "epsilon"), ("v_10", "v_prediction")):
        keep(f"euler_ancestral_{name}",
             run(by_sigmas(d.EulerAncestralDiscreteScheduler, prediction, 10), 10, start, noises))
    for key, kind in (("euler", d.FlowMatchEulerDiscreteScheduler), ("heun", d.FlowMatchHeunDiscreteScheduler),
                      ("dpmsolver++", d.DPMSolverMultistepScheduler), ("unipc", d.UniPCMultistepScheduler)):
        keep(f"{key}_flow_10", run_flow(flow(kind, 10), start))
    versions = {"made_by": "scripts/golden/samplers.py", "diffusers": diffusers.__version__, "torch": torch.__version__}
    save_file({name: value.contiguous() for name, value in tensors.items()}, path, metadata=versions)


if __name__ == "__main__":
    main()
