"""Two runs of one benchmark, figure by figure.

    python benchmarks/compare.py OLD.json NEW.json      (make benchmark-compare A=.. B=..)

Prints a table in Markdown; a ratio below 1 means that the new figure is smaller. What makes the two
hard to compare (another machine, a busy one, other options) is said first.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Run = dict[str, Any]


def read(path: str) -> Run:
    """A run. Exits with a sentence where the file is none."""
    try:
        run: Run = json.loads(Path(path).read_text(encoding="utf-8"))
        figures(run)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SystemExit(f"{path} is not a run of a benchmark: {error!r}") from error
    return run


def figures(run: Run) -> dict[tuple[str, str], float]:
    """Case and unit to value."""
    return {(row["case"], row["unit"]): float(row["value"]) for row in run["rows"]}


def caveats(old: Run, new: Run) -> Iterator[str]:
    """Sentences on why the two may not be comparable."""
    for name in ("cpu", "cores", "blas_threads"):
        if old["machine"][name] != new["machine"][name]:
            yield f"{name} differs: {old['machine'][name]} and {new['machine'][name]}"
    if old["options"] != new["options"]:
        yield f"options differ: {old['options']} and {new['options']}"
    for which, run in (("old", old), ("new", new)):
        load = run["machine"]["load_at_start"]
        if load > 0.5:
            yield f"the {which} run began on a busy machine, load average {load}"
    for name in sorted(old["versions"].keys() & new["versions"].keys()):
        if old["versions"][name] != new["versions"][name]:
            yield f"{name} differs: {old['versions'][name]} and {new['versions'][name]}"


def table(old: Run, new: Run) -> Iterator[str]:
    """Lines of Markdown: the figures of both, then those that only one of them has."""
    before, after = figures(old), figures(new)
    yield "| case | unit | old | new | new / old |"
    yield "|---|---|---|---|---|"
    for case, unit in (key for key in before if key in after):
        a, b = before[case, unit], after[case, unit]
        ratio = f"{b / a:.2f}" if a else ("1.00" if a == b else "")
        yield f"| {case} | {unit} | {a:.4g} | {b:.4g} | {ratio} |"
    for which, here, there in (("old", before, after), ("new", after, before)):
        for case, unit in (key for key in here if key not in there):
            cells = [f"{here[case, unit]:.4g}", ""]
            old_value, new_value = cells if which == "old" else reversed(cells)
            yield f"| {case} | {unit} | {old_value} | {new_value} |  |"


def main(arguments: list[str]) -> int:
    """Print the comparison; 2 where the two are of different benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old")
    parser.add_argument("new")
    chosen = parser.parse_args(arguments)
    old, new = read(chosen.old), read(chosen.new)
    if old["benchmark"] != new["benchmark"]:
        print(f"not one benchmark: {old['benchmark']} and {new['benchmark']}", file=sys.stderr)
        return 2
    print(f"# {old['benchmark']}: {old['commit']} ({old['date']}) and "
          f"{new['commit']} ({new['date']})\n")  # fmt: skip
    sentences = list(caveats(old, new))
    if sentences:
        print("\n".join(f"- {sentence}" for sentence in sentences) + "\n")
    print("\n".join(table(old, new)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
