#!/usr/bin/env python3
"""A Markdown table of evaluation.json of several test sections: RUN/<section>/generated/evaluation.json.

Usage: scripts/summarise_cv.py RUN SECTION...
"""
import json
import pathlib
import sys

ROWS = [
    ("label agreement, generated", lambda e: e["label_agreement"]["generated"]),
    ("label agreement, reconstructed", lambda e: e["label_agreement"]["reconstructed"]),
    ("label agreement, real", lambda e: e["label_agreement"]["real"]),
    ("label agreement, nearest profile", lambda e: e["label_agreement"]["nearest"]),
    ("label agreement, majority", lambda e: e["label_agreement"]["majority"]),
    ("proportions, correlation, generated", lambda e: e["composition"]["correlation"]["generated"]["value"]),
    ("proportions, correlation, real", lambda e: e["composition"]["correlation"]["real"]["value"]),
    ("feature-distance gap", lambda e: e["shuffle_gap"]["feature_distance"]["value"]),
    ("its 95 % interval, from", lambda e: e["shuffle_gap"]["feature_distance"]["ci95"][0]),
    ("its 95 % interval, to", lambda e: e["shuffle_gap"]["feature_distance"]["ci95"][1]),
    ("Frechet distance, generated", lambda e: e["metrics"]["frechet_domain"]["generated"]),
    ("Frechet distance, reconstructed", lambda e: e["metrics"]["frechet_domain"]["reconstructed"]),
    ("Frechet distance, real training part", lambda e: e["metrics"]["frechet_domain"]["real_floor"]),
    ("Frechet distance, CNN", lambda e: e["metrics"]["frechet_domain"]["cnn"]),
    ("MSE, generated", lambda e: e["metrics"]["mse"]["generated"]),
    ("MSE, mean image", lambda e: e["metrics"]["mse"]["mean_image"]),
    ("guidance chosen on val", lambda e: e["guidance"]),
]


def main():
    run, sections = pathlib.Path(sys.argv[1]), sys.argv[2:]
    scores = [json.loads((run / s / "generated" / "evaluation.json").read_text()) for s in sections]
    print("| |", " | ".join(f"{s} ({e['n']})" for s, e in zip(sections, scores)), "| mean |")
    print("|---|" + "---:|" * (len(sections) + 1))
    for title, value in ROWS:
        values = [value(e) for e in scores]
        cells = [f"{v:.4f}" for v in values] + [f"{sum(values) / len(values):.4f}"]
        print(f"| {title} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
