#!/usr/bin/env python3
"""What training genvinci-sd15 on many GPUs costs and gains: communication, memory, expected efficiency.

    scripts/scaling.py [--measured FILE] [--output docs/scaling.md]

Computes the page from single-rank figures (docs/results/scaling_measured.json, which says how each was measured) and
from the link speeds and the GPU's speed stated below. Nothing here has been measured on more than one machine.
"""
import argparse
import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
GIB = 2**30

# Stated, not measured. Bytes a second that one GPU can send while it receives as much.
LINKS = [
    ("NVLink, 8 GPUs of a node (H100: 450 GB/s each way, 80 % of it)", 8, 0.8 * 450e9),
    ("InfiniBand NDR 400 Gb/s a GPU (90 %)", 64, 0.9 * 50e9),
    ("Ethernet 100 Gb/s a node of 8 GPUs (80 %)", 64, 0.8 * 12.5e9 / 8),
]
# Sustained, of a GPU that runs the UNet in bf16: 35 % of an H100's 989 TFLOP/s dense.
GPU_FLOPS = 0.35 * 989e12
LATENCY = 20e-6  # of one all-reduce, besides its bytes
BUCKET = 25 * 2**20
HBM = 0.8 * 3.35e12  # bytes a second of an H100's memory
CASES = [(4, 1), (16, 1), (16, 8)]  # observations a GPU, accumulated batches


def ring(world):
    """Share of a buffer that each rank sends in an all-reduce by ring (Patarasuk and Yuan 2009)."""
    return 2 * (world - 1) / world


def communication(m, world, zero):
    """Bytes that each rank sends in a step."""
    gradients = 4 * m["trained_parameters"]
    total = ring(world) * gradients
    if zero:
        total += (world - 1) / world * gradients  # updated weights, float32
    return total


def memory(m, world, zero, ema_on_host=False):
    """Bytes on each rank, by part; activations apart."""
    trained, frozen = m["trained_parameters"], m["frozen_parameters"]
    return {
        "weights": 4 * (trained + frozen),
        "gradients": 4 * trained,
        "buckets": 4 * trained if world > 1 else 0,
        "Adam's moments": 8 * trained / (world if zero else 1),
        "averaged weights": 0 if ema_on_host else 4 * trained,
    }


def update_seconds(m, share):
    """The optimizer and the averages read and write each parameter's values ten times; `share` of them on this rank."""
    return 10 * 4 * m["trained_parameters"] * share / HBM


def efficiency(m, world, bandwidth, case, zero):
    """Share of the ideal speed: what of the all-reduce the last backward pass does not hide is lost."""
    batch, accumulate = case
    one = batch * 3 * m["forward_flop"] / GPU_FLOPS
    ideal = accumulate * one + update_seconds(m, 1)
    buckets = 4 * m["trained_parameters"] / BUCKET
    reduce = ring(world) * 4 * m["trained_parameters"] / bandwidth + buckets * LATENCY
    # The last bucket can only go out when the backward pass is over.
    exposed = max(reduce - m["backward_share"] * one, BUCKET / bandwidth)
    spent = accumulate * one + update_seconds(m, 1 / world if zero else 1) + exposed
    if zero:
        spent += (world - 1) / world * 4 * m["trained_parameters"] / bandwidth
    return ideal / spent


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def page(m):
    trained, frozen = m["trained_parameters"], m["frozen_parameters"]
    parts = memory(m, 1, zero=False)
    activations = m["peak_bytes"] - sum(parts[part] for part in ("weights", "gradients", "Adam's moments"))
    out = ["# Training on many GPUs: what to expect", ""]
    out.append("Made by `scripts/scaling.py` from single-rank figures and stated speeds. **None of it has been measured on "
               "a GPU or on more than one machine**; it says what to expect and what to compare with.")
    out.append("")
    out.append("## What it is computed from")
    out.append(f"- Measured with one rank, {m['how']}: {trained:,} trained and {frozen:,} frozen parameters; "
               f"{m['seconds_per_step']:.1f} s a step of one observation; {m['peak_bytes'] / GIB:.1f} GiB at its peak, "
               f"{activations / GIB:.1f} GiB of it activations and buffers of the libraries (what the weights, their gradients and "
               "Adam's moments leave of the peak).")
    out.append(f"- Counted: {m['forward_flop'] / 1e9:.1f} GFLOP for the UNet's forward pass of an observation at 256 px, "
               f"{m['forward_flop_512px'] / 1e9:.1f} at 512 px ({m['flop_how']}); a step takes three times that.")
    out.append(f"- Stated: the backward pass is {100 * m['backward_share']:.0f} % of a step ({m['backward_how']}).")
    out.append(f"- Stated: {GPU_FLOPS / 1e12:.0f} TFLOP/s sustained a GPU (35 % of an H100's bf16 peak), {HBM / 1e12:.1f} TB/s of memory, "
               f"{1e6 * LATENCY:.0f} us an all-reduce, and these links:")
    for name, _, bandwidth in LINKS:
        out.append(f"  - {name}: {bandwidth / 1e9:.1f} GB/s a GPU")
    out.append("")
    out.append("## Communication a step")
    out.append("Gradients are float32 and summed by ring in buckets of 25 MiB, whatever the precision of the forward pass. "
               "With `--accumulate n` this happens once in n batches. ZeRO stage 1 also sends the updated weights round.")
    out.append("")
    worlds = [2, 8, 16, 32, 64]
    out.append(table(["GPUs", "sent by each, GB", "with `--zero`, GB"],
                     [[str(w), f"{communication(m, w, False) / 1e9:.2f}", f"{communication(m, w, True) / 1e9:.2f}"] for w in worlds]))
    out.append("")
    out.append("## Memory a rank, activations apart")
    rows = []
    for world, zero, host in [(1, False, False), (8, False, False), (8, True, False), (8, True, True), (64, True, True)]:
        parts = memory(m, world, zero, host)
        name = f"{world}" + (", `--zero`" if zero else "") + (", `--ema_device host`" if host else "")
        rows.append([name] + [f"{parts[k] / GIB:.2f}" for k in parts] + [f"{sum(parts.values()) / GIB:.2f}"])
    out.append(table(["GPUs", *memory(m, 1, False), "GiB in all"], rows))
    out.append("")
    out.append("## Expected efficiency")
    out.append("Share of the speed that as many GPUs would have without communication. The all-reduce runs beside the backward "
               "pass; what it takes longer, and its last bucket, is waited for. The update of the weights is bound by memory; ZeRO spreads "
               "it, which is why it can come out ahead. \"x 8\": `--accumulate 8`.")
    out.append("")
    for name, most, bandwidth in LINKS:
        rows = []
        for world in [w for w in (8, 16, 32, 64) if w <= most]:
            row = [str(world)]
            for case in CASES:
                row += [f"{100 * efficiency(m, world, bandwidth, case, zero):.0f} %" for zero in (False, True)]
            rows.append(row)
        head = ["GPUs"] + [f"{b} a GPU" + (f" x {a}" if a > 1 else "") + z for b, a in CASES for z in ("", ", `--zero`")]
        out += [f"### {name}", table(head, rows), ""]
    out.append("## What to do with it")
    out.append("- At 256 px a step is short beside what 871 million gradients weigh: take as many observations a GPU as fit, then "
               f"`--accumulate`. At 512 px a step has {m['forward_flop_512px'] / m['forward_flop']:.1f} times the operations, and the same links do.")
    out.append("- One node with NVLink does well; `--zero` where memory is short.")
    out.append("- Several nodes want InfiniBand; Ethernet of 100 Gb/s a node does not carry this model.")
    out.append("- What would help most and is not there yet: gradients sent in bf16, and the reduce-scatter of ZeRO in place of its "
               "all-reduce.")
    out.append("- Start: `examples/finetune.sbatch`. What to run first on GPUs: [gpu.md](gpu.md).")
    return "\n".join(out) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--measured", default=ROOT / "docs/results/scaling_measured.json", type=pathlib.Path)
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    text = page(json.loads(arguments.measured.read_text()))
    if arguments.output:
        arguments.output.write_text(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
