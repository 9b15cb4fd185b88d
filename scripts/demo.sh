#!/usr/bin/env bash
# One command: installs what is missing, builds, and runs the whole pipeline on the virtual tissue.
# Further arguments go to `genvinci demo` (such as --minutes 3 or --seed 1).
set -euo pipefail
cd "$(dirname "$0")/.."
./scripts/setup.sh --build release
exec build/release/bin/genvinci demo "$@"
