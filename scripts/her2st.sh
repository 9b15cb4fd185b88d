#!/usr/bin/env bash
# The real run: HER2-positive breast cancer sections (Andersson et al. 2021). Sections C2-C4 train, a tenth of them as
# spatial blocks validates, C5 tests and is read once. The gene transformer is pretrained on the sections of six other
# patients. Everything lands in OUTPUT (default output/her2st_run); the table and the picture also in docs/results/her2st.
#
# A second call goes on with the first step that is not done; remove the run's folder to start anew.
#
# Usage: scripts/her2st.sh [DATA]      DATA: folder with her2st/ and her2st_counts/ (README.md names the public record)
# Environment: OUTPUT the run's folder, TEST the test section (C5), MLM the pretraining run (default: in OUTPUT),
# RESULTS where table and pictures go (docs/results/her2st; empty: nowhere)
set -euo pipefail
cd "$(dirname "$0")/.."
data=$(realpath "${1:-${GENVINCI_REAL_DATA:-../shared/data}}")
[ -d "$data/her2st" ] || { echo "her2st.sh: $data/her2st is missing: give the data's folder" >&2; exit 66; }
./scripts/setup.sh --build release
genvinci=build/release/bin/genvinci
run=${OUTPUT:-output/her2st_run}
test=${TEST:-C5}
mlm=${MLM:-$run/mlm}
results=${RESULTS-docs/results/her2st}
mkdir -p "$run"
[ -f "$run/started" ] || date +%s > "$run/started"
start=$(cat "$run/started")
# once FOLDER COMMAND...: unless the folder, which appears when its command has got somewhere, is there.
once() {
  local folder=$1
  shift
  [ -e "$folder" ] || "$@"
}
step() { printf '\n==> %s (minute %d)\n' "$*" $((($(date +%s) - start) / 60)) >&2; }

step "expression of six other patients, patient H unseen"
[ -e "$mlm/checkpoints/best" ] || once "$run/dataset/her2st_counts" \
  "$genvinci" prepare --technology st --input "$data/her2st_counts" --no_images --split patient --val_values G \
  --test_values H --output "$run/dataset/her2st_counts"
step "sections C2-C5"
once "$run/dataset/her2st" \
  "$genvinci" prepare --technology st --input "$data/her2st" --patch_size 224 --img_size 64 --split section \
  --test_values "$test" --val_fraction 0.1 --output "$run/dataset/her2st"

step "pretraining"
once "$mlm/checkpoints/best" \
  "$genvinci" pretrain --config configs/her2st_pretrain.json --dataset "$run/dataset/her2st_counts" --output "$mlm"
step "gene-image encoder"
once "$run/align/checkpoints/best" \
  "$genvinci" align --config configs/her2st_align.json --dataset "$run/dataset/her2st" --pretrain_mlm_path "$mlm" \
  --output "$run/align"
step "autoencoder"
once "$run/autoencoder/checkpoints/best" \
  "$genvinci" autoencoder --config configs/her2st_autoencoder.json --dataset "$run/dataset/her2st" --output "$run/autoencoder"
step "fine-tuning"
once "$run/ldm/sampling.json" \
  "$genvinci" finetune --config configs/her2st_finetune.json --dataset "$run/dataset/her2st" --pretrain_mlm_path "$mlm" \
  --autoencoder_path "$run/autoencoder" --align_path "$run/align" --img_size 64 --output "$run/ldm"
step "drawing the test section"
once "$run/generated" \
  "$genvinci" generate --config configs/her2st_generate.json --dataset "$run/dataset/her2st" --checkpoint "$run/ldm" \
  --output "$run/generated"
step "scores"
# Once, so that the test section is read once.
once "$run/generated/evaluation.json" "$genvinci" evaluate --generated "$run/generated"
step "done"
minutes=$((($(date +%s) - start + 59) / 60))

[ -n "$results" ] || exit 0
mkdir -p "$results"
cp "$run/generated/"{evaluation.json,evaluation.png,extremes.png} "$run/ldm/sampling.json" "$results/"
pretraining_table() {
  python3 - "$mlm/test.json" <<'EOF'
import json, sys
t = json.load(open(sys.argv[1]))
print("| masked genes of patient H | transformer | frequency of genes | frequency by rank |\n|---|---|---|---|")
for name, form in (("accuracy", "{:.2%}"), ("loss", "{:.3f}")):
    print(f"| {name} |", " | ".join(form.format(t[f"{who}_{name}"]) for who in ("test", "frequency", "rank_frequency")), "|")
EOF
}
{
  echo "# her2st: $test tests, the other sections of C2-C5 train"
  echo
  echo "Command \`scripts/her2st.sh\`, commit $(git rev-parse --short HEAD), $(date -u +%Y-%m-%d), $(nproc) cores" \
    "($(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)), $minutes minutes from prepare to evaluate."
  echo
  echo "Pretraining on the sections of patients A, D, E and F (G validates), read once on patient H, whom it had not seen:"
  echo
  pretraining_table
  echo
  sed 's/^#/##/' "$run/generated/evaluation.md"
  echo
  echo "![rows: real, reconstructed, generated, nearest profile, CNN](evaluation.png)"
  echo
  echo "The profiles whose samples lie nearest to, midway and farthest from their real image, by feature distance:"
  echo
  echo "![best, median and worst](extremes.png)"
} > "$results/README.md"
echo "$results/README.md"
