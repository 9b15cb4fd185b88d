#!/usr/bin/env python3
"""Makes tests/io/data/*.h5ad and h5ad.json: AnnData files of every age, and what a reader must find in them.

Current files are written by Python's anndata; older forms by hand through h5py, as anndata 0.6 and 0.7 stored them.
Run with the packages of scripts/golden/requirements.txt: python scripts/golden/h5ad.py
"""
import importlib.metadata
import json
import pathlib

import anndata
import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests/io/data"
N_OBS, N_VARS = 23, 17
TEXT = h5py.string_dtype()


def counts(seed, dtype="float32"):
    rng = np.random.default_rng(seed)
    values = rng.poisson(rng.gamma(0.4, 2.0, (N_OBS, N_VARS))).astype(dtype)
    values[4] = 0  # a spot without counts
    return values


X, LAYER, RAW = counts(1), counts(2, "int64"), np.hstack([counts(3), counts(4)[:, :3]])
OBS_NAMES = [f"spot_{i:02d}" for i in range(N_OBS)]
VAR_NAMES = [f"GENE{i}" for i in range(N_VARS)]
RAW_NAMES = VAR_NAMES + ["RAW0", "RAW1", "RAW2"]
PATIENTS = [["A", "B", "C"][i % 3] for i in range(N_OBS)]
AREA = [i * 0.5 if i != 3 else float("nan") for i in range(N_OBS)]
SPATIAL = np.arange(2 * N_OBS, dtype="float64").reshape(N_OBS, 2) * 1.5


def obs_frame():
    gaps = [None if i == 2 else f"t{i}" for i in range(N_OBS)]
    return pd.DataFrame(
        {
            "patient": pd.Categorical(PATIENTS),
            "gap": pd.Categorical([None if i == 5 else "xy"[i % 2] for i in range(N_OBS)]),
            "grade": pd.Categorical([i % 2 + 1 for i in range(N_OBS)]),
            "area": AREA,
            "half": np.arange(N_OBS, dtype="float32") / 2,
            "count": np.arange(N_OBS, dtype="uint16"),
            "inside": [i % 4 == 0 for i in range(N_OBS)],
            "maybe": pd.array([None if i == 1 else i for i in range(N_OBS)], dtype="Int32"),
            "perhaps": pd.array([None if i == 7 else i % 2 == 0 for i in range(N_OBS)], dtype="boolean"),
            "note": pd.array(gaps, dtype="string"),
            "text": [f"w\u00e9{i}" for i in range(N_OBS)],
        },
        index=OBS_NAMES,
    )


def column(series):
    if isinstance(series.dtype, pd.CategoricalDtype):
        kind, values = "categorical", [None if pd.isna(v) else str(v) for v in series]
    elif pd.api.types.is_bool_dtype(series.dtype):
        kind, values = "bool", [None if pd.isna(v) else bool(v) for v in series]
    elif pd.api.types.is_integer_dtype(series.dtype):
        kind, values = "integer", [None if pd.isna(v) else int(v) for v in series]
    elif pd.api.types.is_float_dtype(series.dtype):
        kind, values = "float", [None if pd.isna(v) else float(v) for v in series]
    else:
        kind, values = "string", [None if pd.isna(v) else str(v) for v in series]
    return {"kind": kind, "values": values}


def whole_file(to_matrix, obs):
    adata = anndata.AnnData(to_matrix(RAW), obs=obs)
    adata.var_names = RAW_NAMES
    adata.raw = adata
    adata = adata[:, :N_VARS].copy()
    adata.X = to_matrix(X)
    adata.layers["counts"] = to_matrix(LAYER)
    adata.layers["log"] = to_matrix(np.log1p(X))
    adata.var["ensg_id"] = [f"ENSG{i:011d}" for i in range(N_VARS)]
    adata.obsm["spatial"] = SPATIAL
    adata.obsm["frame"] = pd.DataFrame({"a": np.arange(N_OBS)}, index=OBS_NAMES)
    adata.uns["spatial"] = {"lib1": {"scalefactors": {"spot_diameter_fullres": 88.5}}}
    return adata


def current_files():
    with anndata.settings.override(allow_write_nullable_strings=True):
        short = obs_frame()[["area"]]  # compressing many columns of a few values makes files larger, not smaller
        whole_file(lambda m: m, obs_frame()).write_h5ad(OUT / "dense.h5ad")
        whole_file(sp.csc_matrix, short).write_h5ad(OUT / "csc.h5ad", compression="lzf")
        whole_file(sp.csr_matrix, short).write_h5ad(OUT / "csr.h5ad", compression="gzip")
        anndata.AnnData(obs=short, var=pd.DataFrame(index=VAR_NAMES)).write_h5ad(OUT / "no_x.h5ad")


def kept_nullable_text():
    """A nullable text column as anndata stores it when it does not turn it into categories."""
    frame = pd.DataFrame(index=pd.Index(OBS_NAMES[:3], dtype="str"))
    anndata.AnnData(sp.csr_matrix(X[:3]), obs=frame, var=pd.DataFrame(index=VAR_NAMES)).write_h5ad(OUT / "nullable_text.h5ad")
    with h5py.File(OUT / "nullable_text.h5ad", "a") as f, anndata.settings.override(allow_write_nullable_strings=True):
        anndata.io.write_elem(f["obs"], "note", pd.array(["a", None, "c"], dtype="string"))
        del f["obs"].attrs["column-order"]
        f["obs"].attrs["column-order"] = np.array(["note"], dtype=object)


def old_sparse(f, name, matrix):
    group = f.create_group(name)
    group.attrs["h5sparse_format"] = "csr"
    group.attrs["h5sparse_shape"] = np.array(matrix.shape)
    matrix = sp.csr_matrix(matrix)
    for part in ("data", "indices", "indptr"):
        group.create_dataset(part, data=getattr(matrix, part))


def before_0_7():
    """Compound tables with fixed texts, categories in uns, raw.X and raw.var, obsm as one compound dataset."""
    with h5py.File(OUT / "v06.h5ad", "w") as f:
        old_sparse(f, "X", X)
        obs = np.zeros(N_OBS, dtype=[("index", "S10"), ("patient", "i1"), ("area", "f8"), ("inside", "?"), ("tag", TEXT)])
        obs["index"] = [n.encode() for n in OBS_NAMES]
        obs["patient"] = ["ABC".index(p) for p in PATIENTS]
        obs["area"] = AREA
        obs["inside"] = [i % 4 == 0 for i in range(N_OBS)]
        obs["tag"] = [f"tag{i}" for i in range(N_OBS)]
        f.create_dataset("obs", data=obs)
        for name, names in (("var", VAR_NAMES), ("raw.var", RAW_NAMES)):
            var = np.zeros(len(names), dtype=[("index", "S8"), ("n", "i4")])
            var["index"] = [n.encode() for n in names]
            var["n"] = np.arange(len(names))
            f.create_dataset(name, data=var)
        old_sparse(f, "raw.X", RAW)
        obsm = np.zeros(N_OBS, dtype=[("spatial", "f8", (2,)), ("flat", "f4")])
        obsm["spatial"] = SPATIAL
        obsm["flat"] = np.arange(N_OBS)
        f.create_dataset("obsm", data=obsm)
        f.create_dataset("uns/patient_categories", data=np.array(["A", "B", "C"], dtype=object), dtype=TEXT)


def before_0_8():
    """No root attributes; codes that refer to __categories; texts of fixed and of variable length."""
    with h5py.File(OUT / "v07.h5ad", "w") as f:
        group = f.create_group("X")
        group.attrs["encoding-type"] = "csc_matrix"
        group.attrs["encoding-version"] = "0.1.0"
        group.attrs["shape"] = np.array(X.shape)
        for part in ("data", "indices", "indptr"):
            group.create_dataset(part, data=getattr(sp.csc_matrix(X), part))
        for name, names in (("obs", OBS_NAMES), ("var", VAR_NAMES)):
            frame = f.create_group(name)
            frame.attrs["encoding-type"] = "dataframe"
            frame.attrs["encoding-version"] = "0.1.0"
            frame.attrs["_index"] = "names"
            frame.create_dataset("names", data=np.array(names, dtype=object), dtype=TEXT)
        obs = f["obs"]
        obs.attrs["column-order"] = np.array(["patient", "area", "fixed"], dtype=object)
        f["var"].attrs["column-order"] = np.array([], dtype="float64")
        categories = obs.create_dataset("__categories/patient", data=np.array(["A", "B", "C"], dtype=object), dtype=TEXT)
        categories.attrs["ordered"] = False
        codes = obs.create_dataset("patient", data=np.array(["ABC".index(p) for p in PATIENTS], dtype="i1"))
        codes.attrs["categories"] = categories.ref
        obs.create_dataset("area", data=AREA)
        obs.create_dataset("fixed", data=np.array([f"f{i}".encode() for i in range(N_OBS)], dtype="S5"))


def external_links():
    """X is in another file, itself or through a group on the way to it."""
    for name in ("link_end", "link_middle"):
        with h5py.File(OUT / f"{name}.h5ad", "w") as f:
            if name == "link_end":
                f["X"] = h5py.ExternalLink("dense.h5ad", "/X")
            else:
                f["door"] = h5py.ExternalLink("dense.h5ad", "/")
                f["X"] = h5py.SoftLink("/door/X")


def expected():
    rows = lambda m: [[float(v) for v in row] for row in m]
    frame = obs_frame()
    versions = {p: importlib.metadata.version(p) for p in ("anndata", "h5py", "numpy", "pandas", "scipy")}
    return {
        "versions": versions, "obs_names": OBS_NAMES, "var_names": VAR_NAMES, "raw_names": RAW_NAMES,
        "X": rows(X), "counts": rows(LAYER), "log": rows(np.log1p(X)), "raw": rows(RAW), "spatial": rows(SPATIAL),
        "obs": {name: column(frame[name]) for name in frame.columns},
    }


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    current_files()
    kept_nullable_text()
    before_0_7()
    before_0_8()
    external_links()
    (OUT / "h5ad.json").write_text(json.dumps(expected()) + "\n")
