#!/usr/bin/env bash
# Leave one section out: scripts/her2st.sh four times, each of C2-C5 as the test section once; the pretraining on six
# other patients is shared. Everything lands in OUTPUT (default output/her2st_cv), the table in docs/results/her2st_cv.
# A second call goes on with the first step that is not done.
#
# Usage: scripts/her2st_cv.sh [DATA]      DATA as for scripts/her2st.sh
# Environment: OUTPUT the folder of the runs, MLM a pretraining run to share (default: in OUTPUT)
set -euo pipefail
cd "$(dirname "$0")/.."
run=${OUTPUT:-output/her2st_cv}
for section in C2 C3 C4 C5; do
  TEST=$section OUTPUT=$run/$section MLM=${MLM:-$run/mlm} RESULTS='' scripts/her2st.sh "$@"
done
results=docs/results/her2st_cv
mkdir -p "$results"
table=$(python3 scripts/summarise_cv.py "$run" C2 C3 C4 C5)
{
  echo "# her2st: leave one section out"
  echo
  echo "Command \`scripts/her2st_cv.sh\`, commit $(git rev-parse --short HEAD), $(date -u +%Y-%m-%d), $(nproc) cores" \
    "($(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)). Each section was scored once, by a model that had seen the" \
    "other three, which are of the same patient."
  echo
  echo "$table"
} > "$results/README.md"
for section in C2 C3 C4 C5; do cp "$run/$section/generated/evaluation.json" "$results/$section.json"; done
echo "$results/README.md"
