#!/usr/bin/env python3
"""Makes tests/technologies/data/visium_hd: a window of a Visium HD slide as Space Ranger 4 lays it out, and its facts.

Positions and mappings are Parquet with the vendor's types (ZSTD, uint8, uint32, double), the cells' matrix HDF5, the
bins' a folder of MatrixMarket. Cells: one of one part, one of two parts, one with a hole, one of a single square that
has no nucleus, one in the matrix alone and one in the mapping alone. Expected centres are pandas' means.
Run with the packages of scripts/golden/requirements.txt, pyarrow and pillow: python scripts/golden/visium_hd.py
"""
import gzip
import json
import pathlib
import shutil

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests/technologies/data/visium_hd"
GENES = [("ENSG00000075624", "ACTB"), ("ENSG00000141510", "TP53"), ("ENSG00000119888", "EPCAM")]
MPP, FIRST_ROW, FIRST_COL, SIDE = 0.5, 100, 200, 40  # um per px; the window, in squares of 2 um


def pixel(row, col):
    """Centre of a square of 2 um in px of the full image, slightly turned."""
    c, r = col - FIRST_COL, row - FIRST_ROW
    return 30 + 4 * c + 0.1 * r, 25 + 4 * r - 0.1 * c


def positions(um):
    scale = um // 2
    rows = []
    for row in range(FIRST_ROW // scale, (FIRST_ROW + SIDE) // scale):
        for col in range(FIRST_COL // scale, (FIRST_COL + SIDE) // scale):
            x, y = pixel(row * scale + (scale - 1) / 2, col * scale + (scale - 1) / 2)
            in_tissue = int(row * scale >= FIRST_ROW + 8)
            rows.append((f"s_{um:03}um_{row:05}_{col:05}-1", in_tissue, row, col, y, x))
    return pd.DataFrame(rows, columns=["barcode", "in_tissue", "array_row", "array_col",
                                       "pxl_row_in_fullres", "pxl_col_in_fullres"])


def write_positions(table, folder):
    folder.mkdir(parents=True)
    schema = pa.schema([("barcode", pa.string()), ("in_tissue", pa.uint8()), ("array_row", pa.uint32()),
                        ("array_col", pa.uint32()), ("pxl_row_in_fullres", pa.float64()),
                        ("pxl_col_in_fullres", pa.float64())])
    pq.write_table(pa.Table.from_pandas(table, schema=schema, preserve_index=False), folder / "tissue_positions.parquet",
                   compression="zstd", compression_level=3)


def write_bins(table, folder):
    """Counts of gene g in the k-th bin that has any: 1 + (k + g) % 4; every seventh bin has none."""
    folder.mkdir(parents=True)
    barcodes = [b for k, b in enumerate(table.barcode) if k % 7]
    lines = [f"{g + 1} {k + 1} {1 + (k + g) % 4}" for k in range(len(barcodes)) for g in range(len(GENES))]
    for name, text in {"barcodes.tsv": "\n".join(barcodes) + "\n",
                       "features.tsv": "".join(f"{i}\t{n}\tGene Expression\n" for i, n in GENES),
                       "matrix.mtx": "%%MatrixMarket matrix coordinate integer general\n%\n"
                                     f"{len(GENES)} {len(barcodes)} {len(lines)}\n" + "\n".join(lines) + "\n"}.items():
        with gzip.GzipFile(folder / (name + ".gz"), "wb", mtime=0) as file:
            file.write(text.encode())
    return barcodes


def cells():
    """The squares of each cell, and those of its nucleus."""
    def block(row, col, height, width):
        return [(FIRST_ROW + row + r, FIRST_COL + col + c) for r in range(height) for c in range(width)]
    ring = [square for square in block(20, 4, 5, 5) if square not in block(22, 6, 1, 1)]
    return {717: (block(10, 4, 4, 5), block(11, 5, 2, 2)),
            718: (block(10, 20, 3, 3) + block(10, 28, 1, 2), block(10, 20, 2, 2)),
            720: (ring, block(21, 5, 1, 1)),
            725: (block(30, 30, 1, 1), []),
            900: (block(34, 4, 2, 2), block(34, 4, 1, 1))}


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    binned, segmented = OUT / "outs/binned_outputs", OUT / "outs/segmented_outputs"
    two, eight = positions(2), positions(8)
    write_positions(two, binned / "square_002um/spatial")
    write_positions(eight, binned / "square_008um/spatial")
    barcodes = write_bins(eight, binned / "square_008um/filtered_feature_bc_matrix")
    (segmented / "spatial").mkdir(parents=True)
    factors = {"tissue_hires_scalef": 0.5, "tissue_lowres_scalef": 0.25, "microns_per_pixel": MPP,
               "fiducial_diameter_fullres": 330 / MPP, "regist_target_img_scalef": 0.3}
    (binned / "square_008um/spatial/scalefactors_json.json").write_text(
        json.dumps({**factors, "spot_diameter_fullres": 8 / MPP, "bin_size_um": 8.0}))
    (segmented / "spatial/scalefactors_json.json").write_text(json.dumps(factors))
    ys, xs = np.mgrid[:110, :110].astype("uint8")
    hires = Image.fromarray(np.dstack([2 * xs, 2 * ys, np.full_like(xs, 7)]))
    for folder in (binned / "square_008um/spatial", segmented / "spatial"):
        hires.save(folder / "tissue_hires_image.png")

    at = {(r, c): (x, y) for r, c, y, x in zip(two.array_row, two.array_col, two.pxl_row_in_fullres,
                                               two.pxl_col_in_fullres)}
    mapping, centres = [], {}
    owner, nucleus = {}, set()
    for cell, (squares, inner) in cells().items():
        owner.update({square: cell for square in squares})
        nucleus.update(inner)
    for row, col in at:
        cell = owner.get((row, col))
        mapping.append((f"s_002um_{row:05}_{col:05}-1", f"s_008um_{row // 4:05}_{col // 4:05}-1",
                        None if cell is None else f"cellid_{cell:09}-1", (row, col) in nucleus, cell is not None))
    frame = pd.DataFrame(mapping, columns=["square_002um", "square_008um", "cell_id", "in_nucleus", "in_cell"])
    frame = frame.sample(frac=1, random_state=1)  # joined by name, not by order
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), OUT / "outs/barcode_mappings.parquet")
    frame["x"], frame["y"] = zip(*[at[tuple(int(p) for p in b[:-2].split("_")[2:])] for b in frame.square_002um])
    for name, part in (("cell", frame[frame.in_cell]), ("nucleus", frame[frame.in_nucleus & frame.in_cell])):
        means = part.groupby("cell_id")[["x", "y"]].mean()
        centres[name] = {cell: [row.x, row.y] for cell, row in means.iterrows()}

    ids = [f"cellid_{cell:09}-1" for cell in (717, 718, 720, 725, 999)]  # 999 has no square, 900 no counts
    counts = np.array([[1 + (k + g) % 4 for g in range(len(GENES))] for k in range(len(ids))])
    with h5py.File(segmented / "filtered_feature_cell_matrix.h5", "w") as file:
        file.attrs["software_version"] = "spaceranger-4.0.1"
        root = file.create_group("matrix")
        root["barcodes"] = np.array(ids, dtype="S")
        root["data"] = counts.ravel().astype("int32")
        root["indices"] = np.tile(np.arange(len(GENES)), len(ids)).astype("int64")
        root["indptr"] = np.arange(len(ids) + 1) * len(GENES)
        root["shape"] = np.array([len(GENES), len(ids)], dtype="int32")
        features = root.create_group("features")
        features["id"] = np.array([i for i, _ in GENES], dtype="S")
        features["name"] = np.array([n for _, n in GENES], dtype="S")
        features["feature_type"] = np.array(["Gene Expression"] * len(GENES), dtype="S")
    facts = {"bins": barcodes, "cells": ids, "counts": counts.tolist(), "centres": centres,
             "bin_centres": {row.barcode: [row.pxl_col_in_fullres, row.pxl_row_in_fullres, int(row.in_tissue)]
                             for row in eight.itertuples()}}
    (OUT / "expected.json").write_text(json.dumps(facts) + "\n")


if __name__ == "__main__":
    main()
