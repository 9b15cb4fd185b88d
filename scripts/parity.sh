#!/usr/bin/env bash
# Holds `genvinci forward` to its Python peers at full size, component by component, and prints a table: needs 12 GB of
# memory, 10 GB of disk under TMPDIR and, the first time, 5 GB for the peers in .deps/parity. Arguments go to
# scripts/parity/parity.py (such as --only unet); --small takes reduced widths.
set -euo pipefail
cd "$(dirname "$0")/.."
size=(--full)
if [ "${1:-}" = --small ]; then
  size=()
  shift
fi
./scripts/setup.sh --build release
stamp=$(sha256sum scripts/parity/requirements.txt | cut -d' ' -f1)
if [ "$(cat .deps/parity/.stamp 2>/dev/null || true)" != "$stamp" ]; then
  printf '==> installing the Python peers\n' >&2
  rm -rf .deps/parity
  /usr/bin/python3 -m venv .deps/parity
  .deps/parity/bin/pip install -q -r scripts/parity/requirements.txt
  echo "$stamp" > .deps/parity/.stamp
fi
exec .deps/parity/bin/python -W ignore scripts/parity/parity.py "${size[@]}" "$@"
