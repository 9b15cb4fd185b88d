#!/usr/bin/env python3
"""Makes third_party/geneformer/gene_table.tsv.gz, the table that the library embeds, from Geneformer's dictionaries.

    scripts/make_gene_table.py FOLDER [--output FILE]

FOLDER holds token_dictionary.pkl, gene_median_dictionary.pkl and gene_name_id_dict.pkl. The standard library is
enough: an unpickler that knows numpy's scalars and nothing else reads them.

Each line of the table is: Ensembl id, median, symbols. The token is the line's number plus 1 (the first line has
token 2). "ENSG" and the zeros after it are left out of ids where digits alone follow; medians are the shortest decimal text that gives the same
float64; symbols are joined by a space, the preferred one (the first in the dictionary) in front.
"""

import argparse
import gzip
import pathlib
import pickle
import struct


class Dtype:
    def __init__(self, code, align=False, copy=False):
        self.code, self.order = code, "<"

    def __setstate__(self, state):
        self.order = "<" if state[1] in "<|=" else ">"


def scalar(dtype, data):
    return struct.unpack(dtype.order + {"i2": "h", "i4": "i", "i8": "q", "f4": "f", "f8": "d"}[dtype.code], data)[0]


class NumbersUnpickler(pickle.Unpickler):
    ALLOWED = {
        ("numpy", "dtype"): Dtype,
        ("numpy.core.multiarray", "scalar"): scalar,
        ("numpy._core.multiarray", "scalar"): scalar,
    }

    def find_class(self, module, name):
        try:
            return self.ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed") from None


def load(path):
    with open(path, "rb") as file:
        return NumbersUnpickler(file).load()


def symbols_of_ids(names):
    symbols = {}
    for symbol, ensembl_id in names.items():
        symbols.setdefault(ensembl_id, []).append(symbol)
    return symbols


def short_id(ensembl_id):
    digits = ensembl_id.removeprefix("ENSG")
    return str(int(digits)) if len(digits) == 11 and digits.isdigit() else ensembl_id


def table_lines(folder):
    tokens = load(folder / "token_dictionary.pkl")
    medians = load(folder / "gene_median_dictionary.pkl")
    symbols = symbols_of_ids(load(folder / "gene_name_id_dict.pkl"))
    assert tokens.pop("<pad>") == 0 and tokens.pop("<mask>") == 1
    assert sorted(tokens.values()) == list(range(2, len(tokens) + 2)), "tokens are not consecutive"
    for ensembl_id in sorted(tokens, key=tokens.get):
        names = symbols.get(ensembl_id, [])
        assert all(name and not set(name) & set(" \t\n") for name in names), names
        yield f"{short_id(ensembl_id)}\t{float(medians[ensembl_id])!r}\t{' '.join(names)}\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    default = pathlib.Path(__file__).parent.parent / "third_party/geneformer/gene_table.tsv.gz"
    parser.add_argument("--output", type=pathlib.Path, default=default)
    options = parser.parse_args()
    text = "".join(table_lines(options.folder)).encode()
    options.output.write_bytes(gzip.compress(text, 9, mtime=0))
    print(f"{options.output}: {text.count(10)} genes, {options.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
