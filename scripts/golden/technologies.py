#!/usr/bin/env python3
"""Makes tests/technologies/data/real.json: facts of vendors' sample files, worked out by h5py, scipy, pandas, pyarrow,
shapely, tifffile and Pillow, which the readers must find too.

    scripts/golden/technologies.py [DATA]      DATA: the folder with technologies/ (default ../shared/data)

Samples and licences: Seurat's Visium test data (MIT; satijalab/seurat), VisiumIO's cut of V1_Adult_Mouse_Brain_Coronal
(Artistic-2.0), SpatialFeatureExperiment's sample01 (Artistic-2.0), vpt's test data (Apache-2.0; Vizgen/vizgen-postprocessing). Only sums, positions and hashes of patches are
kept. Run with the packages of scripts/golden/requirements.txt, pyarrow, shapely, tifffile and pillow.
"""
import hashlib
import json
import pathlib
import sys

import h5py
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import scipy.io
import scipy.sparse as sp
import shapely
import tifffile
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT.parent / "shared/data") / "technologies"
EVERY = 37  # of the observations whose numbers are kept


def facts(path, names, counts, places, um_per_px, image, side):
    """counts: observations x genes; places: (x, y) in px of `image` (rows, columns, channels)."""
    kept = {}
    for i in range(0, len(names), EVERY):
        x, y = places[i]
        left, top = int(np.floor(x - side / 2 + 0.5)), int(np.floor(y - side / 2 + 0.5))
        inside = left >= 0 and top >= 0 and left + side <= image.shape[1] and top + side <= image.shape[0]
        patch = np.ascontiguousarray(image[top:top + side, left:left + side]) if inside else None
        kept[names[i]] = {"row": i, "x": x, "y": y, "counts": float(counts[i].sum()), "genes": int((counts[i] > 0).sum()),
                          "patch": hashlib.sha256(patch.tobytes()).hexdigest() if inside else None}
    return {"path": path, "observations": len(names), "columns": counts.shape[1], "counts": float(counts.sum()),
            "um_per_px": um_per_px, "side": side, "kept": kept}


def positions(path):
    table = pd.read_csv(path, header=None)
    if table.iloc[0, 0] == "barcode":
        table = pd.read_csv(path)
    table.columns = ["barcode", "in_tissue", "array_row", "array_col", "y", "x"]
    return table.set_index("barcode")


def visium(path, matrix, barcodes, section, scale_key, image_name):
    folder = DATA / path
    spatial = next(folder.rglob("spatial"))
    scale = json.loads((spatial / "scalefactors_json.json").read_text())
    place = positions(next(spatial.glob("tissue_positions*"))).loc[barcodes]
    factor = scale[scale_key]
    image = np.array(Image.open(spatial / image_name).convert("RGB"))
    um = 105 / scale["fiducial_diameter_fullres"] / factor
    return facts(path, [f"{section}_{b}" for b in barcodes], np.asarray(matrix.todense()),
                 list(zip(place.x * factor, place.y * factor)), um, image, 12)


def tenx_h5(path):
    with h5py.File(path) as file:
        m = file["matrix"]
        matrix = sp.csc_matrix((m["data"][:], m["indices"][:], m["indptr"][:]), shape=m["shape"][:]).T.tocsr()
        return matrix, [b.decode() for b in m["barcodes"][:]]


def seurat():
    path = "visium/spaceranger-1_seurat"
    return visium(path, *tenx_h5(DATA / path / "filtered_feature_bc_matrix.h5"), "spaceranger-1_seurat",
                  "tissue_hires_scalef", "tissue_hires_image.png")


def visium_io():
    path = "visium/spaceranger-1_VisiumIO/section1"
    return visium(path, *tenx_h5(DATA / path / "outs/raw_feature_bc_matrix.h5"), "section1", "tissue_lowres_scalef",
                  "tissue_lowres_image.png")


def sfe():
    path = "visium/spaceranger-2_cytassistlike_SFE/sample01"
    folder = DATA / path / "outs/filtered_feature_bc_matrix"
    matrix = scipy.io.mmread(folder / "matrix.mtx").T.tocsr()
    return visium(path, matrix, (folder / "barcodes.tsv").read_text().split(), "sample01", "tissue_hires_scalef",
                  "tissue_hires_image.png")


def merscope():
    path = "merscope/vpt-demo"
    counts = pd.read_csv(DATA / path / "cell_by_gene.csv", index_col=0, dtype={0: str})
    genes = [g for g in counts.columns if not g.startswith("Blank")]
    cells = pq.read_table(DATA / path / "cells_cellpose.parquet").to_pandas()
    outlines = shapely.from_wkb(cells.Geometry.values)
    cells["area"] = shapely.area(outlines)
    cells["wx"] = [p.centroid.x * p.area for p in outlines]
    cells["wy"] = [p.centroid.y * p.area for p in outlines]
    sums = cells.groupby("EntityID")[["area", "wx", "wy"]].sum()
    sums.index = sums.index.map(str)
    sums = sums.loc[counts.index.map(str)]
    matrix = np.loadtxt(DATA / path / "micron_to_mosaic_pixel_transform.csv")
    places = [(x * matrix[0, 0] + y * matrix[0, 1] + matrix[0, 2], x * matrix[1, 0] + y * matrix[1, 1] + matrix[1, 2])
              for x, y in zip(sums.wx / sums.area, sums.wy / sums.area)]
    image = np.dstack([tifffile.imread(DATA / path / f"input_images/mosaic_{stain}_z3.tif")
                       for stain in ("DAPI", "Cellbound1", "Cellbound2")])
    um = 1 / np.sqrt(abs(np.linalg.det(matrix[:2, :2])))
    return facts(path, [f"vpt-demo_{c}" for c in counts.index], counts[genes].to_numpy(), places, um, image, 64)


def main():
    out = ROOT / "tests/technologies/data/real.json"
    out.write_text(json.dumps({"visium_seurat": seurat(), "visium_io": visium_io(), "visium_sfe": sfe(), "merscope": merscope()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
