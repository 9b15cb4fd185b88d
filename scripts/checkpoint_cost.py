#!/usr/bin/env python3
"""What saving every 10 steps costs a fine-tuning run of size small.

    scripts/checkpoint_cost.py [--binary build/release/bin/genvinci] [--rounds 5] [--output docs/results/checkpoint_cost.md]

Makes a virtual tissue of 400 spots and trains what fine-tuning starts from, for a few steps; then fine-tunes in turn
with --save_steps 10 and without. Within a run that saves, the steps after a save are held against those that come
later, when nothing is being written any more; between runs, the whole times. Leave the machine alone meanwhile.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile

import machine

ROOT = pathlib.Path(__file__).resolve().parent.parent
STEPS, EVERY, WARM = 250, 10, 20
QUIET = range(5, EVERY)  # of each ten steps, those that no writing reaches


def durations(run):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    at = {row["step"]: row["seconds"] for row in rows if "loss" in row}
    return {step: at[step] - at[step - 1] for step in at if step > WARM and step - 1 in at}


def within(steps):
    """The share of time that saving takes, of a run that saves."""
    by_place = [[] for _ in range(EVERY)]
    for step, seconds in steps.items():
        by_place[(step - 1) % EVERY].append(seconds)
    means = [statistics.mean(place) for place in by_place]
    quiet = statistics.mean(means[place] for place in QUIET)
    return sum(mean - quiet for mean in means) / (EVERY * quiet)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default=ROOT / "build/release/bin/genvinci", type=pathlib.Path)
    parser.add_argument("--rounds", default=5, type=int)
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        def genvinci(line):
            subprocess.run([arguments.binary.resolve(), *line.split(), "--quiet"], cwd=folder, check=True,
                           stdout=subprocess.DEVNULL)

        genvinci("prepare --technology virtual --output dataset/v --spots 400 --img_size 64")
        genvinci("pretrain --dataset v --output mlm --max_steps 20")
        genvinci("autoencoder --dataset v --output ae --max_steps 40")
        seconds, costs = {True: [], False: []}, []
        for _ in range(arguments.rounds):
            for saves in (True, False):
                run = pathlib.Path(folder) / f"run{len(costs)}{saves}"
                genvinci(f"finetune --dataset v --pretrain_mlm_path mlm --autoencoder_path ae --max_steps {STEPS} --log_steps 1 "
                         f"--eval_steps 100000 --save_steps {EVERY if saves else 100000} --output {run.name}")
                steps = durations(run)
                seconds[saves].append(sum(steps.values()))
                if saves:
                    costs.append(within(steps))
        files = sorted((run.parent / "run0True/checkpoints" / f"step-{STEPS}").glob("*.safetensors"))
        sizes = ", ".join(f"{file.stem} {file.stat().st_size / 1e6:.1f}" for file in files)
    ratio = statistics.median(a / b - 1 for a, b in zip(seconds[True], seconds[False]))
    text = f"""# What a checkpoint costs training

Made by `scripts/checkpoint_cost.py` at commit {machine.commit()} on {machine.name()}, all of them in training. Fine-tuning of
size `small`, 64 px, {STEPS} steps (the first {WARM} left out), with `--save_steps {EVERY}` and without in turn. A checkpoint holds, in
MB: {sizes}; what is frozen is linked, not written again.

- Within runs that save, against their own steps far from a save: {100 * statistics.mean(costs):.1f} % of the time ({", ".join(f"{100 * c:.1f}" for c in costs)}).
- Between runs, median of the pairs: {100 * ratio:.1f} % (pairs: {", ".join(f"{100 * (a / b - 1):.1f}" for a, b in zip(seconds[True], seconds[False]))}).
"""
    if arguments.output:
        arguments.output.write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
