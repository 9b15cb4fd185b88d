#!/usr/bin/env python3
"""Makes tests/io/data/python.safetensors with the Python package safetensors (0.5 or later) and numpy."""

import pathlib

import numpy
import safetensors.numpy

TENSORS = {
    "x": numpy.arange(6, dtype=numpy.float32).reshape(2, 3) / 2,
    "half": numpy.array([1.5, -2.0], dtype=numpy.float16),
    "tokens": numpy.array([[2, 3, 25425]], dtype=numpy.int32),
    "flags": numpy.array([True, False, True]),
}

if __name__ == "__main__":
    path = pathlib.Path(__file__).parent.parent.parent / "tests/io/data/python.safetensors"
    versions = {"safetensors": safetensors.__version__, "numpy": numpy.__version__}
    safetensors.numpy.save_file(TENSORS, path, {"made_by": "safetensors.numpy", **versions})
