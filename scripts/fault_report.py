#!/usr/bin/env python3
"""The page of a fault campaign, from what its tests recorded.

    scripts/fault_report.py RECORD TRAINING_XML SECONDS STATUS PAGE

What the page tells under "Found by it" stays.
"""
import json
import pathlib
import sys
import xml.etree.ElementTree as xml

import machine

FOUND = "## Found by it\n"


def table(rows):
    lines = ["| what was done | cases | ended as they must |", "|---|---|---|"]
    for row in rows:
        more = {k: v for k, v in row.items() if k not in ("kind", "cases", "passed")}
        note = "" if not more else " (" + ", ".join(f"{k.replace('_', ' ')}: {v}" for k, v in more.items()) + ")"
        lines.append(f"| {row['kind']}{note} | {row['cases']} | {row['passed']} |")
    return "\n".join(lines)


def result(case):
    for kind in ("failure", "skipped"):
        if case.find(kind) is not None:
            return f"**{kind}**"
    return "passed"


def main():
    record, training, seconds, status, page = sys.argv[1:]
    page = pathlib.Path(page)
    found = page.read_text().partition(FOUND)[2] if page.exists() else ""
    rows = [json.loads(line) for line in pathlib.Path(record).read_text().splitlines()]
    cases = "\n".join(f"| {case.get('name')} | {float(case.get('time')):.0f} | {result(case)} |"
                      for case in xml.parse(training).getroot().iter("testcase"))
    page.write_text(f"""# What was done to training, and how it ended

Made by `scripts/fault_campaign.sh` at commit {machine.commit()}, {int(seconds) // 60} minutes on {machine.name()}, no GPU. Ranks
are processes of one machine and speak through Gloo: **NCCL's faults and those of a network between machines have not
been tried.** {"All tests passed." if status == "0" else "**Not all tests passed.**"}

A run of 12 steps of the tiny pretraining, which saves every 3. Unless something else is said, a case has ended as it must
when the run, resumed, has the weights, averages and optimizer state of a run that nothing happened to, to the last bit,
and the same losses as hexadecimal floats; no half-written checkpoint is left.

{table(rows)}

## Two ranks as one, and resuming
40 steps. *TwoTrainAsOneWithTwiceTheBatch*: losses within 1e-4 of one rank's with twice the batch.
*TwoResumeAtEveryStepToTheSameBits*, *OneResumesAtEveryStepToTheSameBits*: one start a step, 39 cuts. *ZeroGivesTheSameBits*:
ZeRO stage 1 against none. `finetune_bn` has batch normalisation in the conditioner.

| test | seconds | |
|---|---|---|
{cases}

{FOUND}{found}""")


if __name__ == "__main__":
    main()
