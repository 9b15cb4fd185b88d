#!/usr/bin/env bash
# Builds the preset `cuda-dev`: library, program, kernels and tests, where nvcc is present. That needs no GPU and none of
# CUDA's libraries; after the preset `dev`, ccache has most of it. Where CUDA's libraries are (scripts/setup.sh --cuda),
# runs the tests labelled `gpu` too, which are skipped without a GPU. JOBS: how many compilers run at a time.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v nvcc >/dev/null && [ ! -x /usr/local/cuda/bin/nvcc ]; then
  echo "check_cuda: no nvcc on the PATH or in /usr/local/cuda: nothing was built or checked"
  exit 0
fi
export PATH="/usr/lib/ccache:$PATH"
./scripts/setup.sh
cmake --preset cuda-dev
cmake --build --preset cuda-dev -j "${JOBS:-$(nproc)}"
if [ ! -f .deps/wheels/.cuda ]; then
  echo "check_cuda: everything compiles and links; CUDA's libraries are not installed, so nothing was run"
  exit 0
fi
ctest --preset cuda-dev -L gpu
