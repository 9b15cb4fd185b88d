#!/usr/bin/env bash
# Proves that a change changes no numbers: runs each command shortly with the program of BASE and with this one, on the
# virtual tissue and, where the data are, on her2st, and compares weights, losses, images and scores bit by bit. Then
# this program goes on with BASE's datasets and runs, as a user does after an update.
#
# Usage: scripts/same_numbers.sh BASE      BASE: a commit, built once in build/same_numbers/, or a genvinci program
set -euo pipefail
cd "$(dirname "$0")/.."
base=${1:?usage: scripts/same_numbers.sh COMMIT_OR_PROGRAM}
./scripts/setup.sh --tests --build release
if [ ! -x "$base" ]; then
  commit=$(git rev-parse --verify "$base^{commit}")
  tree=$PWD/build/same_numbers/$commit
  if [ ! -d "$tree" ]; then
    git worktree prune
    git worktree add --detach "$tree" "$commit" >&2
    ln -s "$PWD/.deps" "$tree/.deps"
  fi
  (cd "$tree" && ./scripts/setup.sh --build release)
  base=$tree/build/release/bin/genvinci
fi
.deps/python/bin/python scripts/same_numbers.py --before "$base" --after build/release/bin/genvinci \
  --data "${GENVINCI_REAL_DATA:-../shared/data}" --folder build/same_numbers/runs
