"""What a person sees: tables on standard output, bars on standard error."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer
from rich import box
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
)
from rich.table import Table

from relu_landscape_cli.fitting import Column, Fitted
from relu_landscape_cli.matrices import Matrix

if TYPE_CHECKING:
    from collections.abc import Callable

    from relu_landscape_cli.findings import Finding
    from relu_landscape_client import FixedPoint, Landscape, Status, Trajectory

#: Wide enough for a landscape's table where neither a terminal nor COLUMNS says otherwise.
_WIDTH_WITHOUT_TERMINAL = 120
#: So much of an id is shown in lists: among a million ids two begin alike with 0.2%.
ID_DIGITS = 12


def console(*, is_error: bool = False) -> Console:
    """A console on standard output or error, as they are now (tests replace them)."""
    # Without markup: [gpu] in a sentence is a word, not a style.
    made = Console(stderr=is_error, highlight=False, markup=False)
    if not made.is_terminal and not os.environ.get("COLUMNS", "").isdigit():
        made.width = _WIDTH_WITHOUT_TERMINAL
    return made


def show(*parts: RenderableType) -> None:
    """Print on standard output, with an empty line between two parts."""
    screen = console()
    for place, part in enumerate(parts):
        if place:
            screen.print()
        screen.print(part)


def print_json(document: Any) -> None:
    """One strict JSON document on standard output (NaN as null)."""
    from relu_landscape_client import strict_json

    typer.echo(strict_json(document))


def number(value: float | None, digits: int = 6) -> str:
    """A number as wide as it needs to be; a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}g}"


def share(point: FixedPoint, *, is_short: bool = False) -> str:
    """The attraction probability in percent, with its interval where it is not ``is_short``."""
    if point.attraction is None or math.isnan(point.probability):
        return "–"
    if is_short:
        return f"{100 * point.probability:.2f}"
    low, high = point.attraction.interval_95
    return f"{100 * point.probability:.2f} ({100 * low:.2f}–{100 * high:.2f})"


def landscape_table(landscape: Landscape) -> Fitted:
    """A row per fixed point."""
    points = landscape.fixed_points
    eigenvalues = [point.stability.min_eigenvalue_span for point in points]
    columns = [
        Column("key", [point.key for point in points]),
        Column("structure", [point.structure.name for point in points]),
        Column(
            "loss", [number(point.loss, 12) for point in points],
            short=[number(point.loss) for point in points], is_number=True,
        ),
        Column("kind", [point.kind.replace("_", " ") for point in points], dropped=4),
        Column("index", [str(point.stability.index) for point in points], dropped=1,
               is_number=True),
        Column(
            "% of starts (95%)", [share(point) for point in points], dropped=2,
            short=[share(point, is_short=True) for point in points], short_heading="% of starts",
            is_number=True,
        ),
        Column(
            "smallest eigenvalue", [number(value) for value in eigenvalues], dropped=5,
            short=[number(value, 3) for value in eigenvalues], short_heading="eigenvalue",
            is_number=True,
        ),
        Column("proof", ["yes" if point.is_certified else "" for point in points], dropped=3),
    ]  # fmt: skip
    title = (
        f"{landscape.student_width} student units, {landscape.teacher_width} teacher units: "
        f"minima: {len(landscape.minima)}, saddles: {len(landscape.saddles)}"
    )
    return Fitted(columns, title=title, caption=_caption(landscape))


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


def point_tables(point: FixedPoint) -> list[RenderableType]:
    """One fixed point: its facts, its overlaps and its spectrum."""
    stability = point.stability
    facts = (
        ("kind", point.kind.replace("_", " ")),
        ("structure", point.structure.name),
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
    )
    lines = point.spectrum
    spectrum = [
        Column("eigenvalue", [number(value, 12) for value in lines.eigenvalues.tolist()],
               is_number=True),
        Column("multiplicity", [str(count) for count in lines.multiplicities], is_number=True),
        Column("space", lines.spaces),
    ]  # fmt: skip
    units = [int(each["size"]) for each in point.structure.students]
    return [
        fact_table(point.key, facts),
        Matrix("R", point.R, units, point.structure.blocks, "students", "teachers"),
        Matrix("Q", point.Q, units, units, "students", "students"),
        Fitted(spectrum, title="spectrum"),
    ]


def fact_table(title: str, pairs: Iterable[tuple[str, str | int | None]]) -> Fitted:
    """A name and a value per line."""
    rows = [(name, "–" if value is None else str(value)) for name, value in pairs]
    columns = [Column("", [row[place] for row in rows]) for place in (0, 1)]
    return Fitted(columns, title=title)


def status_table(statuses: list[Status]) -> Fitted:
    """A row per job of a server; an id's first digits do for every command."""

    def asked(name: str) -> list[str]:
        return [str(each.request.get(name, "–")) for each in statuses]

    times = [(each.created_at or "–").replace("T", " ") for each in statuses]
    columns = [
        Column("id", [each.id[:ID_DIGITS] for each in statuses]),
        Column("kind", [each.kind for each in statuses], dropped=1),
        Column("students", asked("student_width"), dropped=3, is_number=True),
        Column("teachers", asked("teacher_width"), dropped=4, is_number=True),
        Column("starts", asked("starts"), dropped=5, is_number=True),
        Column("state", [each.state for each in statuses]),
        Column("created", [time[:19] for time in times], short=[time[:16] for time in times],
               dropped=6),
    ]  # fmt: skip
    if any(each.tags for each in statuses):
        columns.append(Column("tags", [", ".join(each.tags) for each in statuses], dropped=2))
    errors = [f"{each.id[:ID_DIGITS]}: {each.error}" for each in statuses if each.error]
    return Fitted(columns, caption="\n".join(errors))


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
            before = status.waiting_before if status.state == "queued" else None
            found = f"{len(status.findings)} fixed points" if status.findings else ""
            waits = f"{before} before it" if before else ""
            words = "  ".join(filter(None, (waits, found, now.time_left)))
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


def verdict_table(verdicts: list[dict[str, Any]]) -> Fitted:
    """A row per certificate: what it vouches for of the numbers beside it, and what it does not."""
    words = {True: "yes", False: "NO", None: "claims nothing"}
    columns = [
        Column("key", [str(each.get("key", "")) for each in verdicts]),
        Column("holds", [words[each["holds"]] for each in verdicts]),
        Column("reason", [each.get("reason") or "" for each in verdicts]),
    ]
    # The lists are long and mostly alike: each is said once, with those it is true of.
    alike: dict[str, list[str]] = {}
    for each in verdicts:
        covers, other = (", ".join(each.get(name) or []) for name in ("covers", "not_covered"))
        lists = f"covers {covers or 'nothing'}; does not cover {other or 'nothing named'}"
        alike.setdefault(lists, []).append(str(each.get("key", "")))
    told = [f"{', '.join(keys)}: {lists}" for lists, keys in alike.items()]
    return Fitted(columns, caption="\n".join(told))


def doctor_table(findings: list[Finding]) -> Table:
    """A row per thing that was looked at."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in ("", "what"):
        table.add_column(heading, no_wrap=True)
    table.add_column("found, and what to do", overflow="fold")
    for each in findings:
        remedy = f"\n→ {each.remedy}" if each.remedy else ""
        table.add_row(each.verdict, each.name, each.says + remedy)
    return table


def family_tables(document: Mapping[str, Any]) -> list[Fitted]:
    """A family at one width: its facts, its branches and its spectrum."""
    everything = {**document, **(document.get("stability") or {})}
    facts = [
        (name.replace("_", " "), _cell(value))
        for name, value in everything.items()
        if not isinstance(value, dict | list)
    ]
    return [
        fact_table("", facts),
        *(
            _rows(name, document[name])
            for name in ("student_blocks", "branches", "spectrum")
            if document.get(name)
        ),
    ]


def _rows(title: str, rows: list[Mapping[str, Any]]) -> Fitted:
    """A table of a list of objects, without what is itself an object; the last column goes first.

    The first two stay: they say which object it is, and its most telling number.
    """
    names = [name for name, value in rows[0].items() if not isinstance(value, dict | list)]
    columns = []
    for place, name in enumerate(names):
        values = [row.get(name) for row in rows]
        columns.append(Column(
            name.replace("_", " "), [_cell(value) for value in values],
            dropped=place if place > 1 else 0, short=[_cell(value, 6) for value in values],
            is_number=all(map(_is_number, values)),
        ))  # fmt: skip
    return Fitted(columns, title=title.replace("_", " "))


def _is_number(value: Any) -> bool:
    """A number, one in digits because it is large, or none."""
    if isinstance(value, str):
        return value.isdigit()
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def continuation_tables(document: Mapping[str, Any]) -> list[Fitted]:
    """A family along width: its points, changes of stability, folds, and where it ends."""
    names = ("points", "changes", "events")
    tables = [_rows(name, document[name]) for name in names if document.get(name)]
    if document.get("ends"):
        tables.append(_rows("ends", [document["ends"]]))
    return tables


def learning_rates_tables(document: Mapping[str, Any]) -> list[Fitted]:
    """A minimum as a function of the learning rate: what it is, and its loss along the way."""
    names = ("structure", "student_width", "teacher_width", "loss", "slope", "critical_rate")
    facts = [(name.replace("_", " "), _cell(document[name])) for name in names]
    second = (
        "second order: the part in the teacher's span is held"
        if (document["is_second_order"])
        else "exact"
    )
    facts.append(("which is", second))
    return [fact_table("", facts), _rows("up to the critical rate", document["curve"])]


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


def _cell(value: Any, digits: int = 12) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value, digits) if isinstance(value, float) or value is None else str(value)
