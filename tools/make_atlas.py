"""Compute the atlas: the landscapes of every pair of widths, and their overviews in one file.

    python tools/make_atlas.py 12 [--starts 2000] [--small 8]

Student and teacher width run from 1 to the number given. Everywhere the structured search and the
random starts are run; where both widths are at most ``--small``, saddles are looked for as well and
every isolated point gets a certificate (fast). Each landscape is kept in ``build/atlas`` as soon as
it is finished, so a run that is killed goes on with the next one. The file's bytes follow from
those landscapes alone.
"""

from __future__ import annotations

import argparse
import gzip
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from relu_landscape.engine.sweeping.grid import Problem
from relu_landscape.engine.sweeping.rows import row_of
from relu_landscape.jobs.local import solve_locally
from relu_landscape.wire.atlas import (
    FORMAT,
    Atlas,
    AtlasCell,
    AtlasOrigin,
    AtlasPoint,
    options_of,
)
from relu_landscape.wire.landscape import FixedPoint, Landscape
from relu_landscape.wire.sweeps import Sweep, SweepRequest, SweepRow

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "build" / "atlas"
TARGET = ROOT / "clients/python/src/relu_landscape_client/data/atlas.json.gz"

TITLE = "Atlas of the loss landscapes of two-layer ReLU networks in the teacher-student setting"
LICENCE = "CC-BY-4.0"
CITATION = (
    "The relu-landscape developers: {title}, version {version}, algorithm {algorithm}, {year}. "
    "The setting, and the minima of equal widths: Huang, Loureiro and Sarao Mannelli, Sharp "
    "description of local minima in the loss landscape of high-dimensional two-layer ReLU neural "
    "networks, ICML 2026, arXiv:2604.09412."
)


@dataclass(frozen=True)
class Plan:
    """What to compute: widths from 1 to ``width``, saddles and proofs up to ``small``."""

    width: int
    starts: int = 2000
    small: int = 8

    @property
    def command(self) -> str:
        """What computes the same once more."""
        return (
            f"make atlas ATLAS_WIDTH={self.width} ATLAS_STARTS={self.starts} "
            f"ATLAS_SMALL={self.small}"
        )

    @property
    def sweeps(self) -> Iterator[SweepRequest]:
        """Rectangles of one set of options each, that make up the square."""
        near = range(1, min(self.width, self.small) + 1)
        far = range(near.stop, self.width + 1)
        most = {"saddles": True, "certify": "fast"}
        yield self._sweep(near, near, most)
        if far:
            yield self._sweep(near, far, {})
            yield self._sweep(far, range(1, self.width + 1), {})

    def _sweep(
        self, teachers: Sequence[int], students: Sequence[int], options: Mapping[str, Any]
    ) -> SweepRequest:
        grid = {"teacher_width": list(teachers), "student_width": list(students)}
        base = {"starts": self.starts, **options}
        return SweepRequest.model_validate({"base": base, "grid": grid})


class Told:
    """Prints each cell when it has ended, with the time since the one before."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._seen: set[int] = set()

    def __call__(self, kind: str, data: Mapping[str, Any]) -> None:
        """One thing that ``solve_locally`` tells."""
        if kind != "findings":
            return
        for each in data["findings"]:
            if each["cell"] in self._seen:
                continue
            self._seen.add(each["cell"])
            now, before = time.monotonic(), self._since
            self._since = now
            student, teacher = each["values"]["student_width"], each["values"]["teacher_width"]
            said = each["error"] or f"{each['spurious_minima']} spurious minima"
            say(f"K={student} M={teacher}: {now - before:.1f} s, {said}")


def say(text: str) -> None:
    """A line, at once: whoever waits reads along."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def cell_of(row: SweepRow, found: Landscape) -> AtlasCell:
    """The overview of one landscape; its figures are those of a sweep's table."""
    request = found.request
    minima = [point for point in found.fixed_points if point.kind != "saddle"]
    return AtlasCell(
        **{name: getattr(row, name) for name in (
            "student_width", "teacher_width", "starts", "failed_starts", "zero_loss_hits",
            "zero_loss_probability", "zero_loss_interval_95", "spurious_minima",
            "lowest_spurious_loss", "missing_mass", "missing_mass_bound_95", "certified",
        )},
        id=found.id,
        digest=found.digest,
        options=options_of(request),
        minima=len(minima),
        saddles=row.saddles if request.saddles else None,
        seconds=found.provenance.seconds,
        fixed_points=[_point(point) for point in found.fixed_points],
    )  # fmt: skip


def _point(point: FixedPoint) -> AtlasPoint:
    stability, credited = point.stability, point.attraction
    beside = stability.min_eigenvalue_perpendicular
    inside = stability.min_eigenvalue_span
    proof = point.certificate
    return AtlasPoint(
        key=point.key,
        kind=point.kind,
        structure=point.structure.name,
        loss=point.loss,
        probability=None if credited is None else credited.probability,
        hits=None if credited is None else credited.hits,
        index=stability.index,
        smallest_eigenvalue=inside if beside is None else min(inside, beside),
        orbit_size=point.structure.orbit_size,
        certified=proof is not None and proof.verdict != "not certified",
    )


def cells_of(
    asked: SweepRequest, sweep: Sweep, kept: Path
) -> Iterator[tuple[AtlasCell, Landscape]]:
    """Every cell of a finished sweep, with its landscape. Stops where one has none."""
    problem = Problem(asked)
    for row in sweep.rows:
        if row.landscape is None or row.error is not None:
            raise SystemExit(f"K={row.student_width} M={row.teacher_width}: {row.error}")
        found = Landscape.model_validate_json((kept / f"{row.landscape}.json").read_bytes())
        yield cell_of(row_of(problem, row.cell, found), found), found


def atlas_of(plan: Plan, kept: Path, workers: int | None = None) -> Atlas:
    """Compute what is not in the folder ``kept`` yet, and sum everything up."""
    pairs: list[tuple[AtlasCell, Landscape]] = []
    for asked in plan.sweeps:
        solved = solve_locally(asked, kept=kept, watch=Told(), workers=workers)
        pairs += cells_of(asked, Sweep.model_validate(solved.result), kept)
    cells = [cell for cell, _ in pairs]
    origin = _origin(plan, [found for _, found in pairs], kept)
    words = {"title": TITLE, "version": origin.version, "algorithm": origin.algorithm}
    return Atlas(
        format=FORMAT,
        title=TITLE,
        licence=LICENCE,
        citation=CITATION.format(year=origin.date[:4], **words),
        origin=origin,
        cells=sorted(cells, key=lambda cell: (cell.teacher_width, cell.student_width)),
    )


def _origin(plan: Plan, found: Sequence[Landscape], kept: Path) -> AtlasOrigin:
    """What all landscapes say of their making; stops where they say different things."""
    told = {each.provenance.model_copy(update={"seconds": 0.0}).model_dump_json() for each in found}
    if len(told) > 1:
        raise SystemExit(f"{kept} has landscapes of several releases or machines; empty it.")
    made_by = found[0].provenance
    last = max((kept / f"{each.id}.json").stat().st_mtime for each in found)
    return AtlasOrigin(
        version=made_by.version,
        algorithm=made_by.algorithm,
        kernel=made_by.kernel,
        device=made_by.device,
        libraries=made_by.libraries,
        command=plan.command,
        seconds=round(sum(each.provenance.seconds for each in found), 3),
        date=datetime.fromtimestamp(last, UTC).date().isoformat(),
    )


def packed(atlas: Atlas) -> bytes:
    """The file: JSON with sorted keys in gzip, the same bytes for the same atlas."""
    text = orjson.dumps(atlas.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
    return gzip.compress(text, compresslevel=9, mtime=0)


def main() -> None:
    """Compute and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("width", type=int, help="largest width of student and teacher")
    parser.add_argument("--starts", type=int, default=2000, help="random starts of each landscape")
    parser.add_argument("--small", type=int, default=8, help="saddles and proofs up to this width")
    parser.add_argument("--kept", type=Path, default=KEPT, help="folder for the landscapes")
    parser.add_argument("--output", type=Path, default=TARGET)
    given = parser.parse_args()
    atlas = atlas_of(Plan(given.width, given.starts, given.small), given.kept)
    for cell in atlas.cells:
        say(f"K={cell.student_width} M={cell.teacher_width}: {cell.seconds:.1f} s of computing")
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_bytes(content := packed(atlas))
    say(f"{given.output}: {len(atlas.cells)} landscapes, {len(content)} bytes")


if __name__ == "__main__":
    main()
