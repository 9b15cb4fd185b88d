"""Runs two programs through all commands and compares what they make, bit by bit (see same_numbers.sh)."""
import argparse
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import zlib

import h5py
import numpy

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "tests/weights/data"
STEPS = ["--model", "tiny", "--max_steps", "8", "--eval_steps", "4", "--save_steps", "4"]
STUDY = ["--steps", "4", "--eval_images", "4", "--guidance_candidates", "1.5", "--steps_candidates", "3"]
# Not numbers of the run: where, when, by what it was made.
NO_NUMBERS = {"seconds", "version", "command_line", "provenance", "dataset_fingerprint",
              "fingerprint", "align", "checkpoint", "generated", "dataset", "path", "sources", "test_reads"}


def tissue_commands(dataset):
    """The way from a dataset to scores; each entry is named for the report."""
    train = ["--dataset", dataset]
    return [
        ("pretrain", ["pretrain", *train, *STEPS, "--output", "mlm"]),
        ("align", ["align", *train, *STEPS, "--pretrain_mlm_path", "mlm", "--output", "align"]),
        ("autoencoder", ["autoencoder", *train, *STEPS, "--output", "autoencoder"]),
        ("finetune", ["finetune", *train, *STEPS, *STUDY, "--pretrain_mlm_path", "mlm", "--autoencoder_path",
                      "autoencoder", "--align_path", "align", "--img_size", "32", "--output", "ldm"]),
        ("finetune neighbours", ["finetune", *train, *STEPS, "--pretrain_mlm_path", "mlm", "--autoencoder_path",
                                 "autoencoder", "--neighbours", "3", "--img_size", "32", "--steps", "4",
                                 "--condition_dropout", "0.2", "--output", "ldm_neighbours"]),
        ("generate", ["generate", *train, "--checkpoint", "ldm", "--num_samples", "2", "--limit", "8", "--rank",
                      "--save_latents", "--output", "generated"]),
        ("generate plms", ["generate", *train, "--checkpoint", "ldm", "--num_samples", "1", "--limit", "4", "--sampler",
                           "plms", "--steps", "5", "--guidance", "1.5", "--output", "generated_plms"]),
        ("extract", ["generate", *train, "--checkpoint", "ldm", "--extract", "--limit", "8", "--output", "embeddings"]),
        ("evaluate", ["evaluate", "--generated", "generated", *train, "--bootstraps", "100"]),
        ("convert", ["convert", "--weights", "mlm", "--format", "huggingface", "--output", "huggingface"]),
        ("forward", ["forward", "--component", "unet", "--weights", str(GOLDEN / "unet"), "--input",
                     str(GOLDEN / "unet.safetensors"), "--output", "unet.safetensors"]),
    ]


class Folder:
    """A working folder with one program."""

    def __init__(self, path, program):
        self.path, self.program = path, pathlib.Path(program).resolve()
        path.mkdir(parents=True, exist_ok=True)

    def run(self, arguments):
        with open(self.path / "log.txt", "ab") as log:
            done = subprocess.run([self.program, *arguments, "--quiet"], cwd=self.path, stdout=log,
                                  stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"}, text=True)
        return done.returncode, done.stderr.strip()


def read_safetensors(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        tensors[name] = (entry["dtype"], entry["shape"], data[8 + size + begin:8 + size + end])
    return tensors


def read_png(path):
    """The bytes that make the pixels; text chunks say when and by what a picture was made."""
    data, at, out, packed = path.read_bytes(), 8, [], b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        if kind == b"IHDR":
            out.append(body)
        elif kind == b"IDAT":
            packed += body
        at += 12 + length
    return out, zlib.decompress(packed)


def numbers_of(value):
    if isinstance(value, dict):
        return {k: numbers_of(v) for k, v in value.items() if k not in NO_NUMBERS}
    return [numbers_of(v) for v in value] if isinstance(value, list) else value


def read_h5(path):
    found = {}

    def visit(name, node):
        if isinstance(node, h5py.Dataset):
            found[name] = numpy.asarray(node[()]).tolist() if node.dtype == object else node[()]

    with h5py.File(path) as file:
        file.visititems(visit)
    return found


def differences(before, after, path, old_keys_only=False):
    """What differs of two parsed values; with old_keys_only `after` may have more keys."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = before.keys() if old_keys_only else before.keys() | after.keys()
        for key in sorted(keys):
            if key not in before or key not in after:
                yield f"{path}: {key}: only in {'before' if key in before else 'after'}"
            else:
                yield from differences(before[key], after[key], f"{path}: {key}", old_keys_only)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for i, (one, other) in enumerate(zip(before, after)):
            yield from differences(one, other, f"{path}[{i}]", old_keys_only)
    elif isinstance(before, numpy.ndarray):
        if before.dtype != after.dtype or before.shape != after.shape or before.tobytes() != after.tobytes():
            yield f"{path}: values differ"
    elif before != after:
        yield f"{path}: {str(before)[:80]} became {str(after)[:80]}"


def compare_file(before, after):
    name = f"{before.name}"
    if before.suffix == ".safetensors":
        yield from differences(read_safetensors(before), read_safetensors(after), name)
    elif before.suffix == ".png":
        if read_png(before) != read_png(after):
            yield f"{name}: pixels differ"
    elif before.suffix == ".h5ad":
        for text in differences(read_h5(before), read_h5(after), name, old_keys_only=True):
            if "uns/" not in text:
                yield text
    elif before.name == "metrics.jsonl":
        rows = [[numbers_of(json.loads(line)) for line in p.read_text().splitlines()] for p in (before, after)]
        yield from differences({"rows": rows[0]}, {"rows": rows[1]}, name)
    elif before.suffix == ".json":
        old, new = (numbers_of(json.loads(p.read_text())) for p in (before, after))
        yield from differences(old, new, name, old_keys_only=True)


# The files that hold results; logs, locks and settings are none.
PATTERNS = ["unet.safetensors", "*/expression.h5ad", "*/dataset.json", "*/patches/*.png", "*/metrics.jsonl", "*/test.json",
            "*/sampling.json", "*/checkpoints/step-*/model.safetensors", "*/checkpoints/step-*/ema.safetensors",
            "*/checkpoints/step-*/frozen.safetensors", "*/checkpoints/step-*/optimizer.safetensors", "*/*_[0-9].png",
            "*/samples/*.png", "*/samples.h5ad", "*/embeddings*.h5ad", "*/*.safetensors", "*/evaluation.json",
            "huggingface/*"]


def compare(before, after):
    count, found = 0, []
    for pattern in PATTERNS:
        for path in sorted(before.glob(pattern)):
            other = after / path.relative_to(before)
            count += 1
            if not other.exists():
                found.append(f"{path.relative_to(before)}: not made any more")
                continue
            found += [f"{path.parent.relative_to(before)}/{text}" for text in compare_file(path, other)]
    return count, found


def report(what, count, found):
    print(f"{'DIFFERENT' if found else 'same'}: {what}: {count} files" + "".join(f"\n    {t}" for t in found[:20]))
    if len(found) > 20:
        print(f"    and {len(found) - 20} more")
    sys.stdout.flush()
    return not found and count > 0


def run_all(folder, commands):
    for name, arguments in commands:
        code, error = folder.run(arguments)
        if code != 0:
            raise SystemExit(f"{folder.path}: {name} ended with {code}: {error}")


def tissue(name, prepare, options):
    """Both programs from nothing; then the new one with what the old one left."""
    folders = {key: Folder(options.folder / name / key, program)
               for key, program in (("before", options.before), ("after", options.after))}
    commands = [("prepare", [*prepare, "--output", "tissue"]), *tissue_commands("tissue")]
    for folder in folders.values():
        run_all(folder, commands)
    same = report(f"{name}, each program by itself", *compare(folders["before"].path, folders["after"].path))
    return goes_on(name, folders["before"].path, options) and same


def goes_on(name, before, options):
    """The new program draws, scores and trains on in a copy of the old one's folder."""
    copy = Folder(options.folder / name / "updated", options.after)
    shutil.copytree(before, copy.path, dirs_exist_ok=True)
    commands = dict(tissue_commands("tissue"))
    good = True
    for step in ("generate", "generate plms", "extract", "evaluate"):
        if step != "evaluate":
            shutil.rmtree(copy.path / commands[step][-1])
        good = runs_or_says_why(copy, commands[step], f"{name}, {step}") and good
    for step in ("pretrain", "autoencoder"):
        good = goes_on_training(copy, commands[step], options, f"{name}, {step}") and good
    return report(f"{name}, the old dataset and runs with the new program", *compare(before, copy.path)) and good


def runs_or_says_why(folder, command, what):
    """What must be made anew says so in one line."""
    code, error = folder.run(command)
    if code != 0:
        print(f"updated, {what}: {error}")
    return code == 0 or (error.startswith("genvinci: error[") and "\n" not in error)


def goes_on_training(folder, command, options, what):
    """A run that the old program began comes to the same weights."""
    run = command[-1]
    cut = Folder(folder.path, options.before)
    code, error = cut.run([*command[:-1], f"{run}_cut", "--max_minutes", "0.00001"])
    if code != 0:
        raise SystemExit(f"{what}: the old program ended with {code}: {error}")
    resume = [*command[:-1], f"{run}_cut", "--resume", "auto"]
    code, error = folder.run(resume)
    if code != 0:
        print(f"updated, {what} going on: {error}")
        return error.startswith("genvinci: error[") and "\n" not in error
    last = "checkpoints/step-8/model.safetensors"
    found = list(compare_file(folder.path / run / last, folder.path / f"{run}_cut" / last))
    return report(f"{what} going on with the new program", 1, found)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("before", "after", "folder", "data"):
        parser.add_argument(f"--{name}", required=True, type=pathlib.Path)
    options = parser.parse_args()
    shutil.rmtree(options.folder, ignore_errors=True)
    same = tissue("virtual", ["prepare", "--technology", "virtual", "--spots", "96", "--img_size", "32"], options)
    her2st = options.data / "her2st"
    if her2st.is_dir():
        same = tissue("her2st", ["prepare", "--technology", "st", "--input", str(her2st.resolve()), "--sections", "C4",
                                 "C5", "--patch_size", "224", "--img_size", "32", "--split", "section", "--test_values",
                                 "C5", "--val_fraction", "0.1"], options) and same
    else:
        print(f"skipped: {her2st} is missing")
    print("the numbers are the same" if same else "THE NUMBERS DIFFER")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
