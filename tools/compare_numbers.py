"""Show that a change of names, rooms or version has changed no number.

    python tools/compare_numbers.py record --environment .venv FOLDER
    python tools/compare_numbers.py compare [--same-names] BEFORE AFTER

``record`` computes the twelve ``REQUESTS`` with the ``relu-landscape`` of an environment, without a
server, and writes one JSON file each: what the command printed, and the details of every fixed
point (weights, every eigenvalue). ``compare`` reads two such folders, BEFORE by its own names,
and demands each of its members in AFTER, under the name that ``RENAMED`` gives it, equal to the
last bit. It leaves with status 1 where one is missing or differs; members that only AFTER has are
listed. ``--same-names`` does without the tables: for two recordings of one version.

Nothing of the project is imported. A recording takes about 2 minutes on 2 quiet cores.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

Object = Mapping[str, Any]
say = partial(print, flush=True)  # at once: a recording takes minutes
TIMEOUT_SECONDS = 900.0  # far above what any request takes; who hangs is at fault


@dataclass(frozen=True)
class Request:
    """One command line; ``kind`` is what it answers with, and the first word of every path."""

    name: str
    kind: str
    command: str
    teacher_gram: tuple[tuple[float, ...], ...] | None = None


#: Four teachers at obtuse angles, not all alike, one longer than the rest; exact in binary. Close
#: enough to orthonormal for a spurious minimum.
GRAM = (
    (1.0, -0.1875, -0.1875, -0.140625), (-0.1875, 1.0, -0.25, -0.2109375),
    (-0.1875, -0.25, 1.0, -0.2109375), (-0.140625, -0.2109375, -0.2109375, 1.265625),
)  # fmt: skip

#: As many students as teachers, more and fewer; inputs as wide as the teacher and far wider; with
#: and without starts, saddles, either proof; families at a width, at the largest, and along width.
REQUESTS = (
    Request("no-perpendicular", "landscape", "solve 6 6 --starts 400 --input-dimension 6"),
    Request("equal-saddles", "landscape", "solve 7 7 --saddles"),
    Request("wider", "landscape", "solve 9 8 --starts 200 --saddles --certify fast --seed 1"),
    Request("narrower", "landscape", "solve 5 7 --starts 300 --saddles --input-dimension 50"),
    Request("gram", "landscape", "solve 4 4 --starts 300 --saddles --certify fast", GRAM),
    Request("no-starts", "landscape", "solve 8 8 --starts 0 --saddles"),
    Request("many-minima", "landscape",
            "solve 12 12 --starts 200 --init-scale 0.5 --flow-tolerance 0.002"),
    Request("strict-proofs", "landscape", "solve 6 6 --starts 200 --certify strict --seed 2"),
    # Its minima lie in none of the named structures: some are only met below a saddle.
    Request("named-structures", "landscape",
            "solve 7 7 --starts 20 --saddles --structure 1+1+5 --structure 3+4 "
            "--input-dimension 100000 --seed 3"),
    Request("family", "family", "families '1+16 extra 1' 17 --student-width 18 --certify"),
    Request("family-widest", "family", "families one-anti-aligned 1000000000 --certify"),
    # From 4 on, so that the width at which it becomes stable, 5.6, is among the numbers.
    Request("continuation", "continuation", "families one-anti-aligned 4 --to 30 --points 50"),
)  # fmt: skip

#: Run by the environment's interpreter, around its command line. The command prints a landscape
#: without its details and has no option for a Gram matrix; both pass through the functions
#: ``..._locally`` of ``relu_landscape.jobs.local``, whatever their arguments are.
OBSERVER = """
import json, pathlib, runpy, sys
from relu_landscape.jobs import local
script, details, gram, *arguments = sys.argv[1:]
extra = {"teacher_gram": json.loads(gram)} if gram != "null" else {}
def asked(given):
    if extra and hasattr(given, "teacher_gram"):
        return type(given).model_validate({**given.model_dump(), **extra})
    return {**given, **extra} if isinstance(given, dict) and "student_width" in given else given
def observed(function):
    def call(*given, **named):
        answer = function(*map(asked, given), **{name: asked(each) for name, each in named.items()})
        parts = getattr(answer, "parts", None) or getattr(answer, "details", None)
        if parts:
            pathlib.Path(details).write_text(json.dumps(parts))
        return answer
    return call
for name, function in list(vars(local).items()):
    if name.endswith("_locally") and callable(function):
        setattr(local, name, observed(function))
sys.argv = [script, *arguments]
runpy.run_path(script, run_name="__main__")
"""

#: Where the JSON of certificates stands.
CERTIFICATES = ("landscape.fixed_points[].certificate", "family.certificate")

#: Members that say who answered and not what, with the reason why they are not compared.
LEFT_OUT = {
    "landscape.id": "a hash of the request together with the version of the algorithm",
    "landscape.digest": "a hash of the bytes, names and id included",
    "landscape.provenance": "version, machine and seconds of one computation",
}

#: Path of a member in BEFORE, and the name that it has in AFTER, in the same place.
RENAMED = {
    "landscape.unseen_mass": "missing_mass",
    "landscape.transitions": "pathways",
    "landscape.searched.passages_without_end": "pathways_without_end",
    "landscape.fixed_points[].stability.min_eigenvalue": "min_eigenvalue_span",
    "landscape.fixed_points[].stability.slowest_time": "relaxation_time",
    "details.*.eigenvalues_plane": "eigenvalues_span",
    "family.stability.index": "index_span",
    "family.stability.perpendicular_index": "index_perpendicular",
    "family.stability.nullity": "nullity_span",
    "family.stability.min_eigenvalue": "min_eigenvalue_span",
    "family.stability.slowest_time": "relaxation_time",
    "family.branches[].index": "index_span",
    "family.branches[].min_eigenvalue": "min_eigenvalue_span",
} | {
    f"{certificate}.{before}": after
    for certificate in CERTIFICATES
    for before, after in (
        ("index", "index_span"),
        ("smallest_eigenvalue_plane", "smallest_eigenvalue_span"),
        ("stored_point.plane", "span"),
    )
}  # fmt: skip

#: Words that must have changed, by the path of the member that holds them.
REWORDED = {
    "landscape.fixed_points[].stability.spectrum[].space": {"plane": "span"},
    "family.spectrum[].space": {"plane": "span"},
    "continuation.changes[].space": {"plane": "span"},
} | {
    f"{certificate}.format": {"relu-landscape certificate 1": "relu-landscape certificate 2"}
    for certificate in CERTIFICATES
}  # fmt: skip

#: Objects whose keys are data rather than names of members: in paths every key is ``*``, and a key
#: that only AFTER has is a difference.
KEYED_BY_DATA = frozenset({
    "details",
    "landscape.starts.outcomes",
    "landscape.searched.structures[].set_aside",
    "continuation.points[].smallest",
})  # fmt: skip


def _met_below_a_saddle(before: Any, after: Any, _: Object) -> bool:
    """``structured`` named two ways of being found; the second is called ``pathway`` now."""
    names = {*after} if isinstance(after, list) and len(after) == len({*after}) else set()
    others = names - {"structured", "pathway"}
    return "structured" in before and "pathway" in names and others == {*before} - {"structured"}


def _joins_one_continuum(before: Any, after: Any, transition: Object) -> bool:
    """Two points of the zero-loss continuum were called different, for their weights differ."""
    return (before, after, transition["minima"]) == ("different", "same continuum", ["g1", "g1"])


def _one_rule_for_zero(before: Any, after: Any, _: Object) -> bool:
    """Families counted eigenvalues below 1e-8 as zero; now they too follow the spectrum."""
    return bool(1e-9 <= after <= before * (1.0 + 1e-6))


#: Changes that are counted and not held against AFTER, by path: ``(before, after, parent)``.
PERMITTED: dict[str, Callable[[Any, Any, Object], bool]] = {
    "landscape.fixed_points[].found_by": _met_below_a_saddle,
    "landscape.transitions[].relation": _joins_one_continuum,
    "family.stability.eigenvalue_tolerance": _one_rule_for_zero,
}

#: Members that AFTER need not have, since the function derives them from their neighbours.
DERIVED: dict[str, Callable[[Object], Any]] = {
    "landscape.transitions[].same_copy": lambda transition: transition["relation"] == "same copy",
}


class Rules(NamedTuple):
    """The tables that one comparison goes by."""

    left_out: Mapping[str, str]
    renamed: Mapping[str, str]
    reworded: Mapping[str, Mapping[str, str]]
    permitted: Mapping[str, Callable[[Any, Any, Object], bool]]
    derived: Mapping[str, Callable[[Object], Any]]


ACROSS_VERSIONS = Rules(LEFT_OUT, RENAMED, REWORDED, PERMITTED, DERIVED)
#: Two recordings of one version may differ in nothing but the clock and the machine.
SAME_NAMES = Rules({"landscape.provenance": LEFT_OUT["landscape.provenance"]}, {}, {}, {}, {})


def _leaves(value: Any) -> int:
    """How many numbers, texts, truth values and nulls a value holds; empty ones count as one."""
    if isinstance(value, dict | list) and value:
        return sum(map(_leaves, value.values() if isinstance(value, dict) else value))
    return 1


def identical(before: Any, after: Any) -> bool:
    """Equal in type and value, floats in every bit: -0.0 is not 0.0, and 1 is not 1.0."""
    if isinstance(before, float) and isinstance(after, float):
        return struct.pack("<d", before) == struct.pack("<d", after)
    return type(before) is type(after) and bool(before == after)


def spelt(value: Any) -> str:
    """A value for a reader; a float with its bits, which decimals may hide."""
    if isinstance(value, float):
        return f"{value!r} ({value.hex()})"
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


@dataclass
class Comparison:
    """Walks two documents at once and keeps account of what it meets.

    A path says where a value stands by names of BEFORE and without positions, as the tables do; a
    place says it for a reader. ``problems`` are lines for a reader, by path.
    """

    rules: Rules
    counts: Counter[str] = field(default_factory=Counter)
    problems: dict[str, list[str]] = field(default_factory=dict)
    new: Counter[str] = field(default_factory=Counter)
    permitted: Counter[str] = field(default_factory=Counter)

    @property
    def summary(self) -> str:
        return "{} numbers and {} others compared, {} differing, {} missing, {} new".format(
            *(self.counts[what] for what in ("numbers", "others", "differing", "missing")),
            self.new.total(),
        )

    def _differs(self, path: str, text: str) -> None:
        self.counts["differing"] += 1
        self.problems.setdefault(path, []).append(text)

    def compare(self, before: Any, after: Any, path: str, place: str) -> None:
        """Compare two values and all below them."""
        if isinstance(before, dict) and isinstance(after, dict):
            self._members(before, after, path, place)
        elif isinstance(before, list) and isinstance(after, list):
            if len(before) != len(after):
                self._differs(path, f"{place}: {len(before)} elements, now {len(after)}")
            for number, (old, new) in enumerate(zip(before, after, strict=False)):
                self.compare(old, new, f"{path}[]", f"{place}[{number}]")
        else:
            self._leaf(before, after, path, place)

    def _leaf(self, before: Any, after: Any, path: str, place: str) -> None:
        is_number = isinstance(before, int | float) and not isinstance(before, bool)
        self.counts["numbers" if is_number else "others"] += 1
        words = self.rules.reworded.get(path, {})
        wanted = words.get(before, before) if isinstance(before, str) else before
        if not identical(wanted, after):
            self._differs(path, f"{place}: {spelt(wanted)} wanted, now {spelt(after)}")

    def _members(self, before: Object, after: Object, path: str, place: str) -> None:
        rules, keyed = self.rules, path in KEYED_BY_DATA
        known = set()
        for name, value in before.items():
            inner, where = f"{path}.{'*' if keyed else name}", f"{place}.{name}"
            renamed = rules.renamed.get(inner, name)
            if inner in rules.left_out:
                known.add(name)
            elif inner in rules.derived:
                self.compare(value, rules.derived[inner](before), inner, f"{where} as derived")
            elif renamed not in after:
                self.counts["missing"] += _leaves(value)
                self.problems.setdefault(inner, []).append(f"{where}: missing, as {renamed}")
            else:
                known.add(renamed)
                self._member(value, after[renamed], inner, where, before)
        for name in sorted(after.keys() - known):
            if keyed:
                self._differs(f"{path}.*", f"{place}.{name}: only there now")
            else:
                self.new[f"{path}.{name}"] += 1

    def _member(self, before: Any, after: Any, path: str, place: str, parent: Object) -> None:
        is_permitted = self.rules.permitted.get(path)
        if is_permitted is not None and before != after and is_permitted(before, after, parent):
            self.permitted[f"{path}: {spelt(before)}, now {spelt(after)}"] += 1
            self.counts["others"] += _leaves(before)
        else:
            self.compare(before, after, path, place)


def compared(before: Object, after: Object, rules: Rules) -> Comparison:
    """Two recordings of one request: what was asked, the document and the details."""
    found = Comparison(rules)
    for member in ("kind", "command", "details"):
        found.compare(before[member], after[member], member, member)
    found.compare(before["document"], after["document"], before["kind"], "document")
    return found


def report(before: Path, after: Path, rules: Rules) -> bool:
    """Say what became of every request; whether nothing is missing and no value differs."""
    total, count = Comparison(rules), 0
    for name in (request.name for request in REQUESTS):
        files = [folder / f"{name}.json" for folder in (before, after)]
        absent = [str(file) for file in files if not file.exists()]
        if absent:
            say(f"{name}: there is no {' and no '.join(absent)}")
            continue
        old, new = (json.loads(file.read_text(encoding="utf-8")) for file in files)
        count, one = count + 1, compared(old, new, rules)
        say(f"{name}: {one.summary}")
        for lines in one.problems.values():
            say(f"    {lines[0]}" + f" (and {len(lines) - 1} more like it)" * (len(lines) > 1))
        for sum_of in ("counts", "new", "permitted"):
            getattr(total, sum_of).update(getattr(one, sum_of))
    for title, counts in (("new", total.new), ("permitted", total.permitted)):
        for what, times in sorted(counts.items()):
            say(f"{title}, {times} times: {what}")
    for path, reason in rules.left_out.items():
        say(f"not compared: {path}, {reason}")
    say(f"{count} of {len(REQUESTS)} requests: {total.summary}")
    return count == len(REQUESTS) and not total.counts["differing"] + total.counts["missing"]


def record(environment: Path, folder: Path) -> None:
    """Compute every request and write one file each. Leaves where a command fails."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise SystemExit(f"{folder} is not empty: a recording would mix with what is in it.")
    began = time.monotonic()
    for request in REQUESTS:
        start = time.monotonic()
        recording = json.dumps(answer(environment, request), indent=1, allow_nan=False)
        (folder / f"{request.name}.json").write_text(recording + "\n", encoding="utf-8")
        say(f"{request.name}: {time.monotonic() - start:.1f} s, {request.command}")
    say(f"{len(REQUESTS)} requests: {time.monotonic() - began:.0f} s")


def answer(environment: Path, request: Request) -> dict[str, Any]:
    """What one command of the environment prints, and the details that it does not print."""
    programs = environment.absolute() / "bin"
    # A server, a folder or a device named there would be asked instead of this environment.
    kept = {k: v for k, v in os.environ.items() if not k.startswith("RELU_LANDSCAPE_")}
    variables = kept | {"RELU_LANDSCAPE_KERNEL": "numpy"}  # all that older releases have
    is_landscape = request.kind == "landscape"
    gram = request.teacher_gram and [list(row) for row in request.teacher_gram]
    options = ["--json", *(["--quiet", "--backend", "numpy"] if is_landscape else [])]
    with tempfile.TemporaryDirectory() as scratch:
        details = Path(scratch) / "details.json"
        # -I: nothing of the folder we are in, which may be the other version's.
        done = subprocess.run(  # noqa: S603 - our own command lines
            [programs / "python", "-I", "-c", OBSERVER, programs / "relu-landscape", details,
             json.dumps(gram), *shlex.split(request.command), *options],
            capture_output=True, text=True, check=False, env=variables, timeout=TIMEOUT_SECONDS,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"{request.command} left with {done.returncode}:\n{done.stderr}")
        document = json.loads(done.stdout)
        seen = json.loads(details.read_text()) if details.exists() else {}
    if is_landscape and seen.keys() != {point["key"] for point in document["fixed_points"]}:
        raise SystemExit(f"{request.command}: OBSERVER did not see every point's details.")
    if is_landscape and document["request"]["teacher_gram"] != gram:
        raise SystemExit(f"{request.command}: OBSERVER did not pass the Gram matrix on.")
    asked = {"kind": request.kind, "command": request.command}
    return {**asked, "document": document, "details": seen}


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; the status to leave with."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record", help="compute the requests and store the answers")
    recording.add_argument("--environment", type=Path, required=True, help="such as .venv")
    recording.add_argument("folder", type=Path)
    comparing = commands.add_parser("compare", help="compare two recordings bit for bit")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    comparing.add_argument("--same-names", action="store_true", help="both are of one version")
    asked = parser.parse_args(arguments)
    if asked.command == "record":
        record(asked.environment, asked.folder)
        return 0
    rules = SAME_NAMES if asked.same_names else ACROSS_VERSIONS
    return 0 if report(asked.before, asked.after, rules) else 1


if __name__ == "__main__":
    sys.exit(main())
