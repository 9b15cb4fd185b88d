#!/usr/bin/env bash
# Builds the preset `cuda`: library, program, kernels and tests, where nvcc of CUDA 13 and NCCL are present. That needs
# no GPU and none of CUDA's other libraries; after the preset `release`, ccache has most of it. Where CUDA's libraries are
# (scripts/setup.sh --cuda), runs the tests labelled `gpu` too, which are skipped without a GPU. JOBS: how many compilers
# run at a time.
set -euo pipefail
cd "$(dirname "$0")/.."

skip() { echo "check_cuda: $*: nothing was built or checked"; exit 0; }
nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
[ -x "$nvcc" ] || skip "no nvcc on the PATH or in /usr/local/cuda"
[[ $("$nvcc" --version) == *"release 13."* ]] || skip "$nvcc is not of CUDA 13"
toolkit=$(dirname "$(dirname "$(readlink -f "$nvcc")")")
headers=$(ls .deps/wheels/nvidia/nccl/include/nccl.h "$toolkit"{,/targets/*}/include/nccl.h /usr/include/nccl.h \
  2>/dev/null || true)
[ -n "$headers" ] || skip "no nccl.h in $toolkit (scripts/setup.sh --cuda brings one)"
export PATH="/usr/lib/ccache:$PATH"
./scripts/setup.sh
cmake --preset cuda
cmake --build --preset cuda -j "${JOBS:-$(nproc)}" --target all tests
if [ ! -f .deps/wheels/.cuda ]; then
  echo "check_cuda: everything compiles and links; CUDA's libraries are not installed, so nothing was run"
  exit 0
fi
ctest --preset cuda -L gpu
