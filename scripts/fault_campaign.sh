#!/usr/bin/env bash
# Everything that tests do to a run, in full: about forty minutes on two cores. Writes docs/results/faults.md.
set -euo pipefail
cd "$(dirname "$0")/.."
./scripts/setup.sh --tests --build release all tests
record=$(mktemp)
trap 'rm -f "$record"' EXIT
export GENVINCI_FAULT_FULL=1 GENVINCI_FAULT_ROUNDS=20 GENVINCI_FAULT_RECORD=$record OMP_NUM_THREADS=1
started=$(date +%s)
status=0
# The programs themselves, as ctest would end those that run for longer than a test may.
for program in build/release/bin/test_*; do
  "$program" --gtest_filter='Fault*' || status=$?
done
build/release/bin/test_training --gtest_filter='E2eRanks*' --gtest_output="xml:$record.xml" || status=$?
python3 scripts/fault_report.py "$record" "$record.xml" "$(($(date +%s) - started))" "$status" docs/results/faults.md
rm -f "$record.xml"
exit "$status"
