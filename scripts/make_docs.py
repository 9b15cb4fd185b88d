#!/usr/bin/env python3
"""Makes docs/commands.md from the program's own options, and docs/errors.md from the errors that the sources throw.

Usage: scripts/make_docs.py [--program build/release/bin/genvinci] [--check]     --check: exit 1 where a page is stale
"""
import argparse
import collections
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# The kinds of core/error.h with their exit codes, in the order of the page.
KINDS = {
    "UsageError": (2, "Usage", "an unknown flag or a bad value on the command line"),
    "ConfigError": (78, "Configuration", "options that are out of range or do not go together"),
    "MissingFileError": (66, "Missing files", "a file, folder or run is not there"),
    "DataError": (65, "Data", "a file is malformed, or its content is not what is needed"),
    "OverwriteError": (73, "Overwriting", "the run's folder is in use, or output would overwrite what is there"),
    "IoError": (74, "Reading and writing", "the disk is full, a file cannot be written, ..."),
    "NotFiniteError": (76, "Training", "the loss or a gradient is NaN or infinite"),
    "RankError": (71, "Ranks", "another rank of the run died, hung or failed"),
    "InternalError": (70, "Bugs", "please report these"),
}
LITERAL = r'"(?:[^"\\]|\\.)*"'
# A call or braces whose first text is a name in capitals, and the texts that follow it.
THROWN = re.compile(rf'(\w+)\s*(?:\(\s*\{{?|\{{)\s*(?:\w+,\s*)?"([A-Z][A-Z0-9_]{{2,}})"\s*,\s*(?:[\w:]+\(\s*)?((?:{LITERAL}\s*)*)')


def thrown_in(text):
    for match in THROWN.finditer(text):
        call, name, literals = match.groups()
        kind = call if call in KINDS else None
        if kind is None and name.startswith("RANK_"):
            kind = "RankError"
        elif kind is None and call.startswith("Fail"):
            kind = "DataError"
        if kind:
            yield kind, name, "".join(part[1:-1] for part in re.findall(LITERAL, literals))


def shown(message):
    """A format string as a reader sees it: values become dots."""
    message = message.replace("{{", "\0").replace("}}", "\1").replace('\\"', '"').replace("\\n", " ")
    message = re.sub(r"\{[^}]*\}", "...", message).replace("\0", "{").replace("\1", "}")
    message = re.sub(r"\.{4,}", "...", message)  # values side by side
    return message.strip().replace("|", "\\|").replace("<", "&lt;")


def errors_page():
    found = {kind: collections.defaultdict(list) for kind in KINDS}
    for path in sorted(p for top in ("include", "src") for p in (ROOT / top).rglob("*") if p.suffix in (".h", ".cpp")):
        if path.name == "error.h":
            continue
        for kind, name, message in thrown_in(path.read_text()):
            texts = found[kind][name]
            if message and shown(message) not in texts:
                texts.append(shown(message))
    lines = ["# Errors", "*Made from the sources by `scripts/make_docs.py`; do not edit.*", "",
             "genvinci ends with one line on stderr, `genvinci: error[NAME]: <file>: <what>: <what to do>`. Names are stable, "
             "so that scripts can match them. Below, `...` stands for a file or a value.", ""]
    for kind, (code, title, meaning) in KINDS.items():
        lines += [f"## {title}: exit code {code}", f"{meaning[0].upper()}{meaning[1:]}.", "", "| name | what it says |",
                  "|---|---|"]
        for name, texts in sorted(found[kind].items()):
            lines.append(f"| `{name}` | {'<br>'.join(texts) if texts else '(told by the place that failed)'} |")
        lines.append("")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", default=ROOT / "build/release/bin/genvinci")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    commands = subprocess.run([options.program, "--help_markdown"], capture_output=True, text=True, check=True).stdout
    stale = []
    for name, text in (("commands.md", commands), ("errors.md", errors_page())):
        path = ROOT / "docs" / name
        if path.exists() and path.read_text() == text:
            continue
        stale.append(name)
        if not options.check:
            path.write_text(text)
            print(path.relative_to(ROOT))
    if options.check and stale:
        print(f"stale: {', '.join(stale)}: run scripts/make_docs.py")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
