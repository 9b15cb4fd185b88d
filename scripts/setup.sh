#!/usr/bin/env bash
# Installs what the build needs: Debian packages (scripts/packages.txt), and LibTorch, Arrow and plotly.js from pinned
# wheels into .deps/. Idempotent: a second run only checks. `setup.sh --build PRESET [TARGET...]` also configures and
# builds that preset: `all` is the program, `tests` the tests. `--tests` adds the Python packages that the tests compare
# against, `--cuda` CUDA's libraries for the preset `cuda` (the toolkit with nvcc is the machine's own).
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD

say() { printf '==> %s\n' "$*" >&2; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

install_packages() {
  local missing=() name
  while read -r name; do
    dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q '^install ok installed' || missing+=("$name")
  done < <(grep -v '^#' scripts/packages.txt)
  [ ${#missing[@]} -eq 0 ] && return
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "as root, run: apt-get install --no-install-recommends ${missing[*]}"
    as_root=(sudo)
  fi
  say "installing Debian packages: ${missing[*]}"
  "${as_root[@]}" apt-get update -q
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends "${missing[@]}"
}

python_venv() {
  [ -x .deps/python/bin/pip ] && return
  say "making a Python environment in .deps/python"
  /usr/bin/python3 -m venv .deps/python
}

# download_wheels LIST: into .deps/download.
download_wheels() {
  rm -rf .deps/download
  mkdir -p .deps/download
  .deps/python/bin/pip download --require-hashes --no-deps --only-binary :all: --python-version 3.11 \
    --implementation cp --abi cp311 --abi none --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 \
    --platform manylinux_2_25_x86_64 --platform manylinux_2_18_x86_64 --platform manylinux2014_x86_64 \
    -d .deps/download -r "$1"
}

# The wheel names its libraries by their full version only; the linker looks for the short name.
name_arrow() {
  local library
  for library in "$1"/pyarrow/{libarrow,libparquet}.so.*; do
    ln -sf "$(basename "$library")" "${library%.so.*}.so"
  done
}

# unpack_wheels: each wheel's files land in .deps/wheels; the stamp is the hash of the list.
unpack_wheels() {
  local stamp; stamp=$(sha256sum scripts/wheels.txt | cut -d' ' -f1)
  if [ "$(cat .deps/wheels/.stamp 2>/dev/null || true)" = "$stamp" ]; then
    name_arrow .deps/wheels
    return
  fi
  python_venv
  say "downloading LibTorch, Arrow and plotly.js (600 MB, once)"
  rm -rf .deps/wheels.part
  mkdir -p .deps/wheels.part
  download_wheels scripts/wheels.txt
  say "unpacking"
  local wheel only
  for wheel in .deps/download/*.whl; do
    only=()
    # Of plotly's Python package we need the script and its licence.
    case $wheel in */plotly-*) only=(plotly/package_data/plotly.min.js 'plotly-*.dist-info/*') ;; esac
    unzip -qo "$wheel" "${only[@]}" -d .deps/wheels.part
  done
  rm -rf .deps/download .deps/wheels
  name_arrow .deps/wheels.part
  echo "$stamp" > .deps/wheels.part/.stamp
  mv .deps/wheels.part .deps/wheels
}

# Beside LibTorch, which looks for them there. Its CUDA run-time library takes the place of the older one.
unpack_cuda_wheels() {
  local stamp; stamp=$(sha256sum scripts/wheels_cuda.txt | cut -d' ' -f1)
  [ "$(cat .deps/wheels/.cuda 2>/dev/null || true)" = "$stamp" ] && return
  python_venv
  say "downloading CUDA's libraries (2 GB, once)"
  download_wheels scripts/wheels_cuda.txt
  say "unpacking"
  local wheel
  for wheel in .deps/download/*.whl; do unzip -qo "$wheel" -d .deps/wheels; done
  rm -rf .deps/download
  echo "$stamp" > .deps/wheels/.cuda
}

install_test_packages() {
  local stamp; stamp=$(sha256sum scripts/golden/requirements.txt | cut -d' ' -f1)
  [ "$(cat .deps/python/.tests 2>/dev/null || true)" = "$stamp" ] && return
  python_venv
  say "installing the Python packages that the tests compare against"
  .deps/python/bin/pip install -q --require-hashes --no-deps --only-binary :all: -r scripts/golden/requirements.txt
  echo "$stamp" > .deps/python/.tests
}

build() {
  local preset=$1
  shift
  export PATH="/usr/lib/ccache:$PATH"
  if [ ! -f "build/$preset/build.ninja" ]; then
    say "configuring $preset"
    cmake --preset "$preset" >&2
  fi
  say "building $preset: $*"
  cmake --build "build/$preset" --target "$@" >&2
}

mkdir -p .deps
install_packages
unpack_wheels
while [ $# -gt 0 ]; do
  case $1 in
    --tests) install_test_packages ;;
    --cuda) unpack_cuda_wheels ;;
    --build)
      preset=$2
      shift
      targets=()
      while [ $# -gt 1 ] && [[ $2 != --* ]]; do targets+=("$2"); shift; done
      build "$preset" "${targets[@]:-all}" ;;
    *) die "unknown argument $1" ;;
  esac
  shift
done
