#!/usr/bin/env python3
"""Writes tests/metrics/data/feature_metrics.safetensors: scores of feature sets and bootstrap statistics.

Frechet and kernel distances are torch-fidelity's, Frechet distances torchmetrics' too, balanced accuracies scikit-learn's, means and percentiles numpy's.
Precision, recall, density and coverage are written out from the papers' definitions, row by row.

Usage: scripts/golden/make_feature_metrics.py [FILE]   (needs torch-fidelity 0.4, torchmetrics, torch,
                                                        scikit-learn, numpy, safetensors)
"""
import pathlib
import sys
import warnings

import numpy as np
import sklearn
import torch
import torch_fidelity
import torchmetrics
from safetensors.numpy import save_file
from sklearn.metrics import balanced_accuracy_score
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torchmetrics.image.fid import FrechetInceptionDistance

ROOT = pathlib.Path(__file__).resolve().parents[2]


def frechet(a, b):
    statistics = [fid_features_to_statistics(torch.from_numpy(rows)) for rows in (a, b)]
    return fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]


def torchmetrics_frechet(a, b):
    """Of given features: the metric's own network is replaced by one that hands them through."""
    class Same(torch.nn.Module):
        num_features = a.shape[1]

        def forward(self, rows):
            return rows

    metric = FrechetInceptionDistance(feature=Same(), normalize=True).set_dtype(torch.float64)
    metric.update(torch.from_numpy(a), real=True)
    metric.update(torch.from_numpy(b), real=False)
    return metric.compute().item()


def kernel(a, b):
    """Of all rows, so that nothing is drawn; torch-fidelity wants sets of one size."""
    scores = kid_features_to_metric(torch.from_numpy(a), torch.from_numpy(b), kid_subsets=1, kid_subset_size=len(a),
                                    verbose=False)
    return scores["kernel_inception_distance_mean"]


def distance(x, y):
    return np.sqrt(np.sum((x - y) ** 2))


def radius(rows, i, k):
    return sorted(distance(rows[i], rows[j]) for j in range(len(rows)) if j != i)[k - 1]


def neighbourhood(real, made, k):
    real_radius = [radius(real, i, k) for i in range(len(real))]
    made_radius = [radius(made, j, k) for j in range(len(made))]
    in_real = np.array([[distance(x, y) < r for y in made] for x, r in zip(real, real_radius)])
    in_made = np.array([[distance(x, y) < r for y, r in zip(made, made_radius)] for x in real])
    precision = np.mean([in_real[:, j].any() for j in range(len(made))])
    recall = np.mean([in_made[i].any() for i in range(len(real))])
    density = in_real.sum() / (k * len(made))
    coverage = np.mean([in_real[i].any() for i in range(len(real))])
    return np.array([precision, recall, density, coverage])


def feature_sets(random):
    """`many`: more rows than features; `few`: fewer, so that covariances are singular."""
    tensors = {}
    for name, n, m, width in [("many", 70, 60, 8), ("few", 12, 15, 20)]:
        scale = 0.5 + random.random(width)
        real = (random.normal(0, 1, (n, width)) * scale + 0.5).astype(np.float32)
        made = (random.normal(0, 1, (m, width)) * scale[::-1] * 0.8 + 0.9).astype(np.float32)
        a, b = real.astype(np.float64), made.astype(np.float64)
        least = min(n, m)
        tensors |= {
            f"{name}.real": real, f"{name}.made": made,
            f"{name}.frechet": np.array([frechet(a, b)]),
            f"{name}.frechet_torchmetrics": np.array([torchmetrics_frechet(a, b)]),
            f"{name}.kernel": np.array([kernel(a[:least], b[:least])]),  # of the first rows of each
            f"{name}.balls_3": neighbourhood(a, b, 3), f"{name}.balls_5": neighbourhood(a, b, 5),
            f"{name}.nearest": np.array([min(distance(x, y) for y in a) for x in b]),
            f"{name}.nearest_index": np.array([np.argmin([distance(x, y) for y in a]) for x in b], dtype=np.int64),
        }
    return tensors


def bootstrap(random):
    n, resamples = 30, 150
    values = random.normal(2, 1, n)
    values[[4, 17]] = np.nan
    truth = random.integers(0, 4, n)
    truth[truth == 3] = random.integers(0, 4, np.sum(truth == 3))  # a rare class, which some resamples lack
    predicted = np.where(random.random(n) < 0.6, truth, random.integers(0, 4, n))
    truth[[2, 9, 20]] = -1
    rows = random.integers(0, n, (resamples, n))
    means = np.array([np.nanmean(values[drawn]) for drawn in rows])
    labelled = [drawn[truth[drawn] >= 0] for drawn in rows]
    with warnings.catch_warnings():  # of predicted classes that a resample's truth lacks
        warnings.simplefilter("ignore")
        balanced = np.array([balanced_accuracy_score(truth[drawn], predicted[drawn]) for drawn in labelled])
    return {
        "bootstrap.values": values, "bootstrap.truth": truth, "bootstrap.predicted": predicted,
        "bootstrap.rows": rows.astype(np.int64), "bootstrap.means": means, "bootstrap.balanced": balanced,
        "bootstrap.interval_95": np.percentile(means, [2.5, 97.5]),
        "bootstrap.interval_80": np.percentile(means, [10, 90]),
        "bootstrap.classes_drawn": np.array([len(set(truth[drawn])) for drawn in labelled], dtype=np.int64),
    }


def main():
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tests/metrics/data/feature_metrics.safetensors"
    random = np.random.default_rng(20240611)
    tensors = feature_sets(random) | bootstrap(random)
    versions = {"made_by": "scripts/golden/make_feature_metrics.py", "torch-fidelity": torch_fidelity.__version__,
                "torchmetrics": torchmetrics.__version__,
                "scikit-learn": sklearn.__version__, "numpy": np.__version__, "torch": torch.__version__}
    save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, path, metadata=versions)


if __name__ == "__main__":
    main()
