#!/usr/bin/env python3
"""Golden rank-value tokens by numpy: tests/genes/data/tokens.json (made-up profiles) and, when the folder with real
data is given, tests/genes/data/tokens_her2st_C2.json.

    scripts/golden/tokens.py [REAL_DATA]

The order is numpy.lexsort's: value descending, token ascending, in float64.
"""

import gzip
import hashlib
import json
import pathlib
import sys

import numpy

ROOT = pathlib.Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
import make_gene_table  # noqa: E402

OUTPUT = ROOT / "tests/genes/data"


def rank_value_tokens(columns, counts, token_of_column, median_of_token):
    """counts[i] is the count in columns[i]; token_of_column is -1 for a column outside the vocabulary."""
    sums = numpy.zeros(max(median_of_token) + 1)
    for column, count in zip(columns, counts):
        if token_of_column[column] >= 0:
            sums[token_of_column[column]] += count
    tokens = numpy.nonzero(sums)[0]
    medians = numpy.array([median_of_token[token] for token in tokens])
    values = sums[tokens] / sums.sum() * 10_000 / medians
    return tokens[numpy.lexsort((tokens, -values))]


def write(name, content):
    content = {"made by": {"numpy": numpy.__version__}, **content}
    (OUTPUT / name).write_text(json.dumps(content, separators=(",", ":")) + "\n")


def made_up():
    random = numpy.random.default_rng(7)
    token_list = (2 + random.permutation(40)).tolist()
    # Few different medians and counts, so that ties are common.
    genes = [[token, f"ENSG{token:011d}", f"SYM{token}", float(random.choice([0.5, 1.0, 2.0, 2.718281828459045]))]
             for token in token_list]
    names, token_of_column = [], []
    for column in range(70):
        gene = genes[random.integers(len(genes))]
        kind = random.integers(4)
        names.append([gene[1], gene[1] + ".7", gene[2], f"absent{column}"][kind])
        token_of_column.append(-1 if kind == 3 else gene[0])
    medians = {gene[0]: gene[3] for gene in genes}
    profiles = []
    for _ in range(20):
        columns = numpy.sort(random.choice(70, size=random.integers(5, 50), replace=False))
        counts = random.integers(1, 4, size=len(columns))
        tokens = rank_value_tokens(columns, counts, token_of_column, medians)
        profiles.append({"columns": columns.tolist(), "counts": counts.tolist(), "tokens": tokens.tolist()})
    write("tokens.json", {"genes": genes, "names": names, "profiles": profiles})


def real(folder):
    tokens = make_gene_table.load(folder / "geneformer/token_dictionary.pkl")
    medians = make_gene_table.load(folder / "geneformer/gene_median_dictionary.pkl")
    ids = make_gene_table.load(folder / "geneformer/gene_name_id_dict.pkl")
    median_of_token = {tokens[key]: value for key, value in medians.items()}
    with gzip.open(folder / "her2st/C2.tsv.gz", "rt") as file:
        names = file.readline().rstrip("\n").split("\t")[1:]
        rows = [line.rstrip("\n").split("\t") for line in file]
    token_of_column = [tokens.get(ids.get(name, name), -1) for name in names]
    spots = []
    for row in rows[::20]:
        counts = numpy.array(row[1:], dtype=numpy.float64)
        columns = numpy.nonzero(counts)[0]
        all_tokens = rank_value_tokens(columns, counts[columns], token_of_column, median_of_token)[:2048]
        digest = hashlib.sha256(",".join(map(str, all_tokens)).encode()).hexdigest()
        spots.append({"spot": row[0], "size": len(all_tokens), "first": all_tokens[:64].tolist(), "sha256": digest})
    matched = sum(token >= 0 for token in token_of_column)
    write("tokens_her2st_C2.json", {"columns": len(names), "matched_columns": matched, "spots": spots})


if __name__ == "__main__":
    OUTPUT.mkdir(parents=True, exist_ok=True)
    made_up()
    if len(sys.argv) > 1:
        real(pathlib.Path(sys.argv[1]))
