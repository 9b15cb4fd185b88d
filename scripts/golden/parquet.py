#!/usr/bin/env python3
"""Makes tests/io/data/parquet_*.parquet and parquet.json: tables as vendors write them, and what a reader must find.

One has every type that is read, in two row groups with ZSTD; one has texts as plain bytes and dictionary texts with
SNAPPY. Run with the packages of scripts/golden/requirements.txt and pyarrow: python scripts/golden/parquet.py
"""
import json
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests/io/data"
ROWS = 9


def main():
    big = 2305843009213693951  # 2^61 - 1: a double would round it
    columns = {
        "id": pa.array([big + i for i in range(ROWS)], pa.int64()),
        "u64": pa.array([2**63 - 2 + i for i in range(ROWS)], pa.uint64()),
        "u8": pa.array([i for i in range(ROWS)], pa.uint8()),
        "i16": pa.array([-i for i in range(ROWS)], pa.int16()),
        "x": pa.array([None if i == 4 else i / 3 for i in range(ROWS)], pa.float64()),
        "f": pa.array([i / 4 for i in range(ROWS)], pa.float32()),
        "inside": pa.array([i % 2 == 0 for i in range(ROWS)]),
        "name": pa.array([None if i == 2 else f"é{i}" for i in range(ROWS)], pa.string()),
        "large": pa.array([f"l{i}" for i in range(ROWS)], pa.large_string()),
        "list": pa.array([[i] for i in range(ROWS)], pa.list_(pa.int32())),
    }
    pq.write_table(pa.table(columns), OUT / "parquet_types.parquet", compression="zstd", row_group_size=5)
    texts = {
        "bytes": pa.array([f"b{i}".encode() for i in range(ROWS)], pa.binary()),
        "kind": pa.array([["a", "b", None][i % 3] for i in range(ROWS)]).dictionary_encode(),
        "wkb": pa.array([bytes(range(i, i + 4)) for i in range(ROWS)], pa.binary(4)),
    }
    pq.write_table(pa.table(texts), OUT / "parquet_texts.parquet", compression="snappy")
    expected = {name: array.to_pylist() for name, array in columns.items() if name != "list"}
    expected["kind"] = texts["kind"].to_pylist()
    expected["bytes"] = [f"b{i}" for i in range(ROWS)]
    expected["pyarrow"] = pa.__version__
    (OUT / "parquet.json").write_text(json.dumps(expected, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
