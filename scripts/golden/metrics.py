#!/usr/bin/env python3
"""Writes tests/metrics/data/image_metrics.safetensors: image scores of scikit-image and numpy for small uint8 images.

Usage: scripts/golden/metrics.py [FILE]   (needs scikit-image 0.26, numpy, safetensors)
"""
import pathlib
import sys

import numpy as np
import skimage
from safetensors.numpy import save_file
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

ROOT = pathlib.Path(__file__).resolve().parents[2]


def pairs(channels, random):
    """(N, H, W, C): a smooth picture and what noise, blur and another picture make of it."""
    y, x = np.mgrid[0:20, 0:23]
    base = np.stack([127 + 90 * np.sin(0.3 * x + c) * np.cos(0.2 * y) for c in range(channels)], axis=-1)
    other = np.stack([127 + 90 * np.cos(0.4 * y - c) * np.sin(0.15 * x) for c in range(channels)], axis=-1)
    noisy = base + random.normal(0, 25, base.shape)
    blurred = (base + np.roll(base, 2, 0) + np.roll(base, 2, 1)) / 3
    to_bytes = lambda image: np.clip(np.rint(image), 0, 255).astype(np.uint8)
    real = np.stack([to_bytes(base)] * 3)
    return real, np.stack([to_bytes(noisy), to_bytes(blurred), to_bytes(other)])


def scores(real, made):
    each = lambda score: np.array([score(a, b) for a, b in zip(real, made)], dtype=np.float64)
    return {
        "ssim": each(lambda a, b: structural_similarity(a, b, channel_axis=-1, data_range=255)),
        "psnr": each(lambda a, b: peak_signal_noise_ratio(a, b, data_range=255)),
        "mse": each(lambda a, b: mean_squared_error(a / 255, b / 255)),
        "pcc": each(lambda a, b: np.corrcoef(a.ravel().astype(float), b.ravel().astype(float))[0, 1]),
    }


def main():
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tests/metrics/data/image_metrics.safetensors"
    random = np.random.default_rng(20240104)
    tensors = {}
    for name, channels in [("grey", 1), ("rgb", 3)]:
        real, made = pairs(channels, random)
        # Images are kept as N, C, H, W.
        tensors[f"{name}.real"] = np.ascontiguousarray(real.transpose(0, 3, 1, 2))
        tensors[f"{name}.made"] = np.ascontiguousarray(made.transpose(0, 3, 1, 2))
        tensors.update({f"{name}.{key}": value for key, value in scores(real, made).items()})
    versions = {"made_by": "scripts/golden/metrics.py", "scikit-image": skimage.__version__, "numpy": np.__version__}
    save_file(tensors, path, metadata=versions)


if __name__ == "__main__":
    main()
