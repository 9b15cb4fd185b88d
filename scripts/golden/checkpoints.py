#!/usr/bin/env python3
"""Makes tests/io/data/checkpoint.{ckpt,bin}: what torch.save writes, as the zip file and as the older stream.

The values are shared storages, a view with strides, an empty and a zero-dimensional tensor, a parameter, every type that
genvinci reads, lists in dictionaries, and an object of a class that the reader does not have, as a training framework
leaves its callbacks in a checkpoint. Usage: scripts/golden/checkpoints.py   (needs torch 2.15)
"""
import pathlib
import sys
import types

import torch

DATA = pathlib.Path(__file__).resolve().parents[2] / "tests/io/data"


def callback():
    module = types.ModuleType("some_framework.callbacks")
    kind = type("Checkpointer", (), {"__module__": module.__name__})
    module.Checkpointer = kind
    sys.modules["some_framework"], sys.modules[module.__name__] = types.ModuleType("some_framework"), module
    made = kind()
    made.best = torch.tensor([9.0])
    return made


def main():
    base = torch.arange(12, dtype=torch.float32)
    types_ = {str(t).split(".")[1]: torch.tensor([1, 0, 3]).to(t) for t in (
        torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8,
        torch.bool)}
    value = {"state_dict": {"base": base, "part": base[2:8].view(2, 3), "transposed": base.view(3, 4).t(),
                            "empty": torch.zeros(0, 3), "number": torch.tensor(2.5),
                            "parameter": torch.nn.Parameter(torch.tensor([4.0, 5.0]))},
             "types": types_, "list": [torch.tensor([7]), {"inner": torch.tensor([8])}], "epoch": 3,
             "callbacks": {"checkpoint": callback()}, 5: torch.tensor([6])}
    torch.save(value, DATA / "checkpoint.ckpt")
    del value["callbacks"]  # the older stream keeps the source of classes
    torch.save(value, DATA / "checkpoint.bin", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main()
