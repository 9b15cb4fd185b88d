#!/usr/bin/env bash
# One command: installs what is missing, builds with warnings as errors (with CUDA too, where nvcc is), checks the layers,
# and runs the tests. Arguments go to ctest (such as -L unit or -R io).
set -euo pipefail
cd "$(dirname "$0")/.."
./scripts/setup.sh --tests --build release all tests
./scripts/check_layers
./scripts/check_cuda.sh
# Two tests run at a time; threads of one that wait for each other would take the other's core.
export OMP_NUM_THREADS=1
ctest --test-dir build/release --output-on-failure --parallel 2 "$@"
