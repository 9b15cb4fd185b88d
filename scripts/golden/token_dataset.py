#!/usr/bin/env python3
"""Makes tests/io/data/tokens.dataset (two shards, by the Python packages datasets and pyarrow) and
tests/io/data/lengths.pkl. Row r has r % 5 + 1 tokens; token i of it is 2 + 7919 * (r * 5 + i) % 25424."""

import json
import pathlib
import pickle
import shutil

import datasets
import pyarrow

ROWS = 23


def tokens(row):
    return [2 + 7919 * (row * 5 + i) % 25424 for i in range(row % 5 + 1)]


def main():
    folder = pathlib.Path(__file__).parent.parent.parent / "tests/io/data"
    rows = [tokens(row) for row in range(ROWS)]
    lengths = [len(row) for row in rows]
    shutil.rmtree(folder / "tokens.dataset", ignore_errors=True)
    datasets.Dataset.from_dict({"input_ids": rows, "length": lengths}).save_to_disk(
        folder / "tokens.dataset", num_shards=2)
    info = {"made by": {"datasets": datasets.__version__, "pyarrow": pyarrow.__version__}}
    (folder / "tokens.dataset/versions.json").write_text(json.dumps(info) + "\n")
    (folder / "lengths.pkl").write_bytes(pickle.dumps(lengths))


if __name__ == "__main__":
    main()
