#!/usr/bin/env python3
"""Makes tests/io/data/plain_<protocol>.pkl: the same values in pickle protocols 0 to 4, by Python 3.11's pickle."""

import collections
import pathlib
import pickle

VALUES = [None, True, -5, 300, 70000, -(1 << 40), 1.5, "\u00e9\u20ac\n\\u", b"\x00\xffz", (1, 2), {"k": [7]},
          collections.OrderedDict([("o", 9)])]

if __name__ == "__main__":
    folder = pathlib.Path(__file__).parent.parent.parent / "tests/io/data"
    for protocol in range(5):
        (folder / f"plain_{protocol}.pkl").write_bytes(pickle.dumps(VALUES, protocol))
