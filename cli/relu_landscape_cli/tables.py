"""What a person sees: tables on standard output, bars on standard error."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
)
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from relu_landscape_cli.findings import Finding
    from relu_landscape_client import FixedPoint, Landscape, Status, Trajectory

#: Wide enough for a landscape's table where there is no terminal that says otherwise.
_WIDTH_WITHOUT_TERMINAL = 120


def console(*, is_error: bool = False) -> Console:
    """A console on standard output or error, as they are now (tests replace them)."""
    # Without markup: [gpu] in a sentence is a word, not a style.
    made = Console(stderr=is_error, highlight=False, markup=False)
    if not made.is_terminal:
        made.width = _WIDTH_WITHOUT_TERMINAL
    return made


def print_json(document: Any) -> None:
    """One strict JSON document on standard output (NaN as null)."""
    from relu_landscape_client import strict_json

    typer.echo(strict_json(document))


def number(value: float | None, digits: int = 6) -> str:
    """A number as wide as it needs to be; a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}g}"


def share(point: FixedPoint) -> str:
    """The attraction probability with its interval, in percent."""
    if point.attraction is None or math.isnan(point.probability):
        return "–"
    low, high = point.attraction.interval_95
    return f"{100 * point.probability:.2f} ({100 * low:.2f}–{100 * high:.2f})"


def landscape_table(landscape: Landscape) -> Table:
    """A row per fixed point."""
    table = Table(
        title=f"{landscape.student_width} students, {landscape.teacher_width} teachers: "
        f"minima: {len(landscape.minima)}, saddles: {len(landscape.saddles)}",
        caption=_caption(landscape),
        title_justify="left",
        caption_justify="left",
    )
    for heading in ("key", "kind"):
        table.add_column(heading, no_wrap=True)
    for heading in ("loss", "% of starts (95%)", "index", "smallest eigenvalue"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("structure", "proof"):
        table.add_column(heading)
    for point in landscape.fixed_points:
        table.add_row(
            point.key, point.kind.replace("_", " "), number(point.loss, 12), share(point),
            str(point.stability.index), number(point.stability.min_eigenvalue_span),
            point.structure.name, "yes" if point.is_certified else "",
        )  # fmt: skip
    return table


def _caption(landscape: Landscape) -> str:
    starts = landscape.starts
    words = [f"{starts.get('converged', '?')} of {starts.get('asked', '?')} starts converged"]
    if landscape.missing_mass is not None:
        bound = landscape.missing_mass.get("upper_bound_95")
        if bound is not None:
            words.append(f"the next one ends elsewhere with at most {100 * bound:.2g}% (95%)")
    lines = [
        f"{line.key}: a set of saddles of dimension {line.dimension}, index {line.index}, "
        f"loss {number(line.loss, 12)}; split from {line.origin.structure.name!r}"
        for line in landscape.saddle_lines
    ]
    return "\n".join(["; ".join(words), *lines, f"id {landscape.id}"])


def point_tables(point: FixedPoint) -> list[Table]:
    """One fixed point: its facts, its overlaps and its spectrum."""
    facts = Table(title=repr(point), show_header=False, title_justify="left")
    stability = point.stability
    for name, value in (
        ("loss", number(point.loss, 17)),
        ("isotropy", point.structure.isotropy),
        ("relabelled copies", point.structure.orbit_size),
        ("anti-aligned students", point.structure.anti_aligned),
        ("attractive", "yes" if stability.attractive else "no"),
        ("index, nullity", f"{stability.index}, {stability.nullity}"),
        (
            "index in the span, per perpendicular dimension",
            f"{stability.index_span}, {stability.index_perpendicular}",
        ),
        ("relaxation time", number(stability.relaxation_time)),
        ("gradient norm", number(stability.gradient_norm)),
        ("% of starts (95%)", share(point)),
        ("proof", (point.certificate or {}).get("verdict", "none")),
    ):
        facts.add_row(name, "–" if value is None else str(value))
    spectrum = Table("eigenvalue", "multiplicity", "space", title="spectrum", title_justify="left")
    lines = point.spectrum
    for value, count, space in zip(
        lines.eigenvalues.tolist(), lines.multiplicities, lines.spaces, strict=True
    ):
        spectrum.add_row(number(value, 12), str(count), space)
    return [facts, *(_matrix(name, getattr(point, name)) for name in ("R", "Q")), spectrum]


def _matrix(name: str, matrix: Any) -> Table:
    table = Table(title=name, show_header=False, title_justify="left")
    for row in matrix.tolist() if matrix.ndim == 2 else ():
        # A zero added after rounding: an overlap of -1e-17 is not shown as -0.0000.
        table.add_row(*(f"{round(entry, 4) + 0.0: .4f}" for entry in row))
    return table


def status_table(statuses: list[Status]) -> Table:
    """A row per job of a server."""
    table = Table()
    table.add_column("id", no_wrap=True, min_width=64)  # it is there to be copied
    for heading in ("kind", "students", "teachers", "starts", "state", "created", "error"):
        table.add_column(heading)
    for each in statuses:
        request: Mapping[str, Any] = each.request
        table.add_row(
            each.id, each.kind, *(str(request.get(name, "–")) for name in
                       ("student_width", "teacher_width", "starts")),
            each.state, each.created_at or "–", each.error or "",
        )  # fmt: skip
    return table


@contextmanager
def bar(*, is_quiet: bool) -> Iterator[Callable[[Status], None] | None]:
    """A watcher for ``Status`` that draws one bar per phase on standard error."""
    screen = console(is_error=True)
    if is_quiet or not screen.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[words]}"),
    )  # fmt: skip
    with Progress(*columns, console=screen) as progress:
        shown: dict[str, TaskID] = {}

        def watch(status: Status) -> None:
            now = status.progress
            phase = now.phase or status.state
            if phase not in shown:
                shown[phase] = progress.add_task(phase, total=None, words="")
            words = f"{len(status.findings)} fixed points" if status.findings else ""
            if now.seconds_left is not None:
                words += f"  {now.seconds_left:.0f} s left"
            progress.update(
                shown[phase], completed=now.tasks_done, total=now.tasks or None, words=words
            )

        yield watch


def status_document(status: Status) -> dict[str, Any]:
    """A status as JSON."""
    return asdict(status)


def print_status_line(status: Status) -> None:
    """A status as one line of JSON, at once: somebody reads along."""
    print_json(status_document(status))
    sys.stdout.flush()


def verdict_table(verdicts: list[dict[str, Any]]) -> Table:
    """A row per certificate: what it vouches for of the numbers beside it, and what it does not."""
    words = {True: "yes", False: "NO", None: "claims nothing"}
    table = Table("key", "holds", "reason", "covers", "not covered", show_lines=True)
    for each in verdicts:
        lists = [", ".join(each.get(name) or []) for name in ("covers", "not_covered")]
        table.add_row(
            str(each.get("key", "")), words[each["holds"]], each.get("reason") or "", *lists
        )
    return table


def doctor_table(findings: list[Finding]) -> Table:
    """A row per thing that was looked at."""
    table = Table("", "", "found", "what to do")
    for each in findings:
        table.add_row(each.verdict, each.name, each.says, each.remedy)
    return table


def family_tables(document: Mapping[str, Any]) -> list[Table]:
    """A family at one width: its facts, its branches and its spectrum."""
    facts = Table(show_header=False)
    for name, value in {**document, **(document.get("stability") or {})}.items():
        if not isinstance(value, dict | list):
            facts.add_row(name.replace("_", " "), _cell(value))
    return [
        facts,
        *(
            _rows(name, document[name])
            for name in ("student_blocks", "branches", "spectrum")
            if document.get(name)
        ),
    ]


def _rows(title: str, rows: list[Mapping[str, Any]]) -> Table:
    """A table of a list of objects, without what is itself an object."""
    headings = [name for name, value in rows[0].items() if not isinstance(value, dict | list)]
    table = Table(
        *(name.replace("_", " ") for name in headings),
        title=title.replace("_", " "), title_justify="left",
    )  # fmt: skip
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in headings))
    return table


def continuation_tables(document: Mapping[str, Any]) -> list[Table]:
    """A family along width: its points, changes of stability, folds, and where it ends."""
    names = ("points", "changes", "events")
    tables = [_rows(name, document[name]) for name in names if document.get(name)]
    if document.get("ends"):
        tables.append(_rows("ends", [document["ends"]]))
    return tables


def learning_rates_tables(document: Mapping[str, Any]) -> list[Table | str]:
    """A minimum as a function of the learning rate: what it is, and its loss along the way."""
    names = ("structure", "student_width", "teacher_width", "loss", "slope", "critical_rate")
    head = _rows("minimum", [{name: document[name] for name in names}])
    return [head, _rows("up to the critical rate", document["curve"])]


def trajectory_tables(found: Trajectory) -> list[Table | str]:
    """A trajectory: the loss at a dozen of its times, where it leads, and how its runs ended."""
    curve, count = found.loss, len(found.times)
    table = Table()
    for heading in ("time", "runs", "mean loss", "standard deviation"):
        table.add_column(heading, justify="right")
    for place in sorted({round(n * (count - 1) / 11) for n in range(12)}):
        values = (found.times[place], curve.mean[place], curve.standard_deviation[place])
        time, mean, spread = (number(float(value), 8) for value in values)
        table.add_row(time, str(curve.running[place]), mean, spread)
    ends = Table(
        "attractor", "loss", "kind", "runs", title="beneath the ends", title_justify="left"
    )
    for each in found.attractors:
        kind = "global" if each.is_global else "minimum" if each.attractive else "no minimum"
        ends.add_row(each.key, number(each.loss, 12), kind, str(each.runs))
    outcomes = Table("runs", "outcome", title_justify="left")
    for outcome in dict.fromkeys(run.outcome for run in found.runs):
        outcomes.add_row(str(sum(run.outcome == outcome for run in found.runs)), outcome)
    return [repr(found), table, ends, outcomes, f"id {found.id}"]


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value, 12) if isinstance(value, float) or value is None else str(value)
