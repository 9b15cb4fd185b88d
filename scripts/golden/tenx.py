#!/usr/bin/env python3
"""Makes tests/io/data/tenx_*.h5 and tenx.json: 10x Genomics' matrices in their forms, and what a reader must find.

The layout of each is as Space Ranger (fixed texts, int32), a rewriter in R (texts of variable length, float64, no
attributes), Cell Ranger 2 in one group (genes), and Space Ranger's probe matrix store it; written through h5py from a
scipy matrix. Run with the packages of scripts/golden/requirements.txt: python scripts/golden/tenx.py
"""
import json
import pathlib

import h5py
import numpy as np
import scipy
import scipy.sparse as sp

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests/io/data"
GENES, BARCODES = 7, 11


def matrix(seed):
    rng = np.random.default_rng(seed)
    values = rng.poisson(rng.gamma(0.5, 3.0, (GENES, BARCODES)))
    values[:, 3] = 0
    values[1, 4] = 70000  # beyond 16 bits
    return sp.csc_matrix(values.astype("int32"))


def texts(values, fixed):
    return np.array(values, dtype="S") if fixed else np.array(values, dtype=object)


def write(name, counts, features, barcodes, fixed=True, dtype="int32", group="features", attrs=None):
    with h5py.File(OUT / name, "w") as file:
        for key, value in (attrs or {}).items():
            file.attrs[key] = value
        root = file.create_group("matrix")
        kind = None if fixed else h5py.string_dtype()
        root.create_dataset("barcodes", data=texts(barcodes, fixed), dtype=kind)
        root.create_dataset("data", data=counts.data.astype(dtype))
        root.create_dataset("indices", data=counts.indices.astype("int64"))
        root.create_dataset("indptr", data=counts.indptr.astype("int64"))
        root.create_dataset("shape", data=np.array(counts.shape, dtype="int32"))
        target = root if group is None else root.create_group(group)
        for key, value in features.items():
            value = np.asarray(value)
            is_text = value.dtype.kind in "UO"
            target.create_dataset(key, data=texts(value, fixed) if is_text else value, dtype=kind if is_text else None)


def main():
    ids = [f"ENSG0000000000{i}" for i in range(GENES)]
    names = [f"GENE{i}" for i in range(GENES)]
    types = ["Gene Expression"] * (GENES - 1) + ["Antibody Capture"]
    barcodes = [f"ACGTACGTACGTAC{a}{b}-1" for a in "ACGT" for b in "ACGT"][:BARCODES]
    counts = matrix(1)
    full = {"id": ids, "name": names, "feature_type": types, "genome": ["GRCh38"] * GENES}
    attrs = {"software_version": "spaceranger-2.0.0", "filetype": "matrix", "version": np.int64(2)}
    write("tenx_fixed.h5", counts, full, barcodes, attrs=attrs)
    write("tenx_variable.h5", counts, full, barcodes, fixed=False, dtype="float64")
    write("tenx_genes.h5", counts, {"genes": ids, "gene_name": names}, barcodes, group=None)
    probes = {
        "id": [f"{i}|p" for i in range(GENES)],
        "name": names,
        "feature_type": ["Gene Expression"] * GENES,
        "gene_id": [ids[i // 2] for i in range(GENES)],
        "gene_name": [names[i // 2] for i in range(GENES)],
        "probe_region": ["spliced"] * GENES,
        "filtered_probes": np.array([i != 2 for i in range(GENES)]),
    }
    write("tenx_probes.h5", counts, probes, barcodes, attrs=attrs)
    expected = {"ids": ids, "names": names, "types": types, "barcodes": barcodes,
                "counts": counts.toarray().T.tolist(), "probe_gene_ids": probes["gene_id"],
                "versions": {"h5py": h5py.__version__, "scipy": scipy.__version__}}
    (OUT / "tenx.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
