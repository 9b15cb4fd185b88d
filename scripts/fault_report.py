#!/usr/bin/env python3
"""The page of a fault campaign, from what its tests recorded.

    scripts/fault_report.py RECORD TRAINING_XML SECONDS STATUS
"""
import json
import pathlib
import platform
import subprocess
import sys
import xml.etree.ElementTree as xml


def git(*arguments):
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()


def table(rows):
    lines = ["| what was done | cases | ended as they must |", "|---|---|---|"]
    for row in rows:
        more = {k: v for k, v in row.items() if k not in ("kind", "cases", "passed")}
        note = "" if not more else " (" + ", ".join(f"{k.replace('_', ' ')}: {v}" for k, v in more.items()) + ")"
        lines.append(f"| {row['kind']}{note} | {row['cases']} | {row['passed']} |")
    return "\n".join(lines)


def main():
    record, training, seconds, status = sys.argv[1:5]
    rows = [json.loads(line) for line in pathlib.Path(record).read_text().splitlines()]
    cases = [(case.get("name"), float(case.get("time")), case.find("failure") is None)
             for case in xml.parse(training).getroot().iter("testcase")]
    print("# What was done to training, and how it ended")
    print()
    print(f"Made by `scripts/fault_campaign.sh` at commit {git('rev-parse', '--short', 'HEAD')}, {int(seconds) // 60} minutes on "
          f"{platform.machine()}, two cores, no GPU. Ranks are processes of one machine and speak through Gloo: **NCCL's faults "
          "and those of a network between machines have not been tried.** "
          + ("All tests passed." if status == "0" else "**Not all tests passed.**"))
    print()
    print("A run of 12 steps of the tiny pretraining, which saves every 3. Unless something else is said, a case has ended as it "
          "must when the run, resumed, has the weights, averages and optimizer state of a run that nothing happened to, to the "
          "last bit, and the same losses as hexadecimal floats; no half-written checkpoint is left.")
    print()
    print(table(rows))
    print()
    print("## Two ranks as one, and resuming")
    print("40 steps. *TwoTrainAsOneWithTwiceTheBatch*: losses within 1e-4 of one rank's with twice the batch. "
          "*TwoResumeAtEveryStepToTheSameBits*, *OneResumesAtEveryStepToTheSameBits*: one start a step, 39 cuts, two ranks and "
          "one. *ZeroGivesTheSameBits*: ZeRO stage 1 against "
          "none. `finetune_bn` has batch normalisation in the conditioner.")
    print()
    print("| test | seconds | |")
    print("|---|---|---|")
    for name, took, passed in cases:
        print(f"| {name} | {took:.0f} | {'passed' if passed else '**failed**'} |")


if __name__ == "__main__":
    main()
