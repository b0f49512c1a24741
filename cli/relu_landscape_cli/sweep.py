"""``relu-landscape sweep``: landscapes over a grid, from a server or computed here."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relu_landscape.errors import InputError
from relu_landscape_cli import asking
from relu_landscape_cli.computing import Quiet, ServerIfAny, Timeout, Workers, computed
from relu_landscape_cli.exits import reporting
from relu_landscape_cli.remote import ApiKey, AsJson, connect
from relu_landscape_cli.saving import check

if TYPE_CHECKING:
    from relu_landscape_client import Sweep

ENDINGS = (".json", ".csv", ".parquet")
_RANGE = re.compile(r"(-?[0-9]{1,9}):(-?[0-9]{1,9})")
#: Values that a range may stand for; the service's own bound on an axis is lower.
_LONGEST = 10_000


def sweep(
    grid: Annotated[
        list[str],
        typer.Argument(
            metavar="AXIS=VALUES...",
            help="Axes of the grid: teacher_width=2:6 (both ends), init_scale=0.5,1. "
            "Others: student_width, extra_students, teacher_correlation, teacher_decay, "
            "input_dimension, starts, seed, flow_tolerance, precision.",
        ),
    ],
    student_width: Annotated[
        int | None, typer.Option(help="Of every cell, where it is no axis.", show_default=False)
    ] = None,
    teacher_width: Annotated[
        int | None, typer.Option(help="Of every cell, where it is no axis.", show_default=False)
    ] = None,
    starts: asking.Starts = None,
    seed: asking.Seed = None,
    input_dimension: asking.InputDimension = None,
    init_scale: asking.InitScale = None,
    flow_tolerance: asking.FlowTolerance = None,
    precision: asking.Arithmetic = None,
    leak: asking.Leak = None,
    structured: asking.Structured = None,
    structure: asking.Structures = None,
    saddles: asking.Saddles = None,
    widen: asking.Widen = None,
    learning_rates: asking.LearningRates = None,
    certify: asking.Proofs = None,
    again: Annotated[
        int | None,
        typer.Option(help="Another number tries cells that failed once more.", show_default="0"),
    ] = None,
    server: ServerIfAny = None,
    api_key: ApiKey = None,
    workers: Workers = None,
    kept: Annotated[
        Path | None,
        typer.Option(
            help="Without a server: folder for the landscapes, so that a sweep that is killed "
            "goes on.", show_default=False,
        ),
    ] = None,
    timeout: Timeout = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Also write the table to this .json, .csv or .parquet file.",
            show_default=False,
        ),
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Compute landscapes over a grid, and show them as one table.

    With --server through that server, otherwise here; every landscape is one that can be asked for
    alone, with the same id and digest. What is left out takes the service's default.
    """
    base = asking.options(
        student_width=student_width, teacher_width=teacher_width, starts=starts, seed=seed,
        input_dimension=input_dimension, init_scale=init_scale, flow_tolerance=flow_tolerance,
        precision=precision, leak=leak, structured=structured, structures=structure,
        saddles=saddles, widen=widen, learning_rates=learning_rates, certify=certify,
    )  # fmt: skip
    with reporting(as_json=as_json):
        if output is not None:
            check(output, ENDINGS)
        axes = axes_of(grid)
        if server is not None:
            found = _ask(server, api_key, axes, base, again, timeout, quiet)
        else:
            asked = {"base": base, "grid": axes} | ({} if again is None else {"again": again})
            found = _compute(asked, workers, kept, quiet)
        if output is not None:
            save(found, output)
        _show(found, as_json=as_json)


def axes_of(words: list[str]) -> dict[str, list[Any]]:
    """The axes that ``name=2:6`` and ``name=0.5,1`` say. Raises ``InputError``.

    >>> axes_of(["teacher_width=2:4", "precision=float32,float64"])
    {'teacher_width': [2, 3, 4], 'precision': ['float32', 'float64']}
    """
    axes: dict[str, list[Any]] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not text:
            raise InputError(f"{word}: write an axis as name=2:6 or name=0.5,1")
        if name in axes:
            raise InputError(f"{name} is given twice; give all its values at once")
        axes[name] = _values(text)
    return axes


def _values(text: str) -> list[Any]:
    found = _RANGE.fullmatch(text)
    if found is None:
        return [_value(part.strip()) for part in text.split(",")]
    first, last = int(found[1]), int(found[2])
    if not 0 <= last - first < _LONGEST:
        raise InputError(f"{text}: a range runs upwards, over {_LONGEST:,} numbers at the most")
    return list(range(first, last + 1))


def _value(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float) else text


def save(found: Sweep, path: Path) -> None:
    """Write the table in the format that the name's ending says."""
    match path.suffix.lower():
        case ".json":
            found.to_json(path)
        case ".csv":
            found.to_csv(path)
        case _:
            found.to_parquet(path)


def _show(found: Sweep, *, as_json: bool) -> None:
    from relu_landscape_cli import tables

    if as_json:
        tables.print_json(found.document)
    else:
        tables.console().print(*sweep_tables(found))


def sweep_tables(found: Sweep) -> list[Any]:
    """The table of a sweep, and what its cells without a landscape say."""
    from rich.table import Table

    from relu_landscape_cli.tables import number

    axes = [axis.name for axis in found.axes]
    table = Table(*axes, "zero loss", "spurious", "lowest", "smallest eigenvalue", "landscape")
    for row in found.rows:
        share = row.zero_loss_probability
        table.add_row(
            *(str(row.values[name]) for name in axes),
            "" if share is None else f"{share:.1%}",
            "" if row.spurious_minima is None else str(row.spurious_minima),
            "" if row.lowest_spurious_loss is None else number(row.lowest_spurious_loss, 9),
            "" if row.smallest_eigenvalue is None else number(row.smallest_eigenvalue, 4),
            row.error or (row.landscape or "")[:12],
        )
    return [repr(found), table, f"id {found.id}"]


def _ask(
    server: str, api_key: str | None, axes: dict[str, Any], base: dict[str, Any],
    again: int | None, timeout: float | None, is_quiet: bool,
) -> Sweep:  # fmt: skip
    from relu_landscape_cli import tables

    with connect(server, api_key) as client, tables.bar(is_quiet=is_quiet) as watch:
        return client.sweep(
            axes, again=again, progress=watch or False, timeout_seconds=timeout, **base
        )


def _compute(
    asked: dict[str, Any], workers: int | None, kept: Path | None, is_quiet: bool
) -> Sweep:
    from relu_landscape.wire.sweeps import SweepRequest
    from relu_landscape_cli.questions import validated
    from relu_landscape_client import Sweep

    request = validated(SweepRequest, asked)
    found = computed(request, is_quiet=is_quiet, asked=asked, workers=workers, kept=kept)
    return Sweep.from_document(found)
