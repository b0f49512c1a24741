"""``relu-landscape atlas``: overviews of landscapes that were computed beforehand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relu_landscape.errors import InputError
from relu_landscape_cli.exits import reporting
from relu_landscape_cli.remote import AsJson

if TYPE_CHECKING:
    from rich.console import RenderableType

    from relu_landscape_client import Atlas, AtlasCell


def atlas(
    student_width: Annotated[
        int | None,
        typer.Argument(min=1, metavar="[STUDENT", help="Width of the student.", show_default=False),
    ] = None,
    teacher_width: Annotated[
        int | None,
        typer.Argument(min=1, metavar="TEACHER]", help="Width of the teacher; without both, "
                       "every pair is shown.", show_default=False),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="An atlas in a file; left out: the one installed.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Show what the landscapes of many widths say; no server, and nothing is computed."""
    from relu_landscape_cli import tables
    from relu_landscape_client import atlas as opened

    with reporting(as_json=as_json):
        if (student_width is None) != (teacher_width is None):
            raise InputError("give both widths, the student's and the teacher's, or neither")
        found = opened(file)
        if student_width is None or teacher_width is None:
            shown = _whole(found)
        else:
            shown = _one(found[student_width, teacher_width])
        if not as_json:
            tables.show(*shown)
        elif student_width is None:
            tables.print_json(found.document)
        else:
            tables.print_json(_document(found, (student_width, teacher_width)))


def _document(found: Atlas, widths: tuple[object, object]) -> object:
    """One cell as it stands in the file."""
    cells = found.document["cells"]
    return next(cell for cell in cells if (cell["student_width"], cell["teacher_width"]) == widths)


def _whole(found: Atlas) -> list[RenderableType]:
    """A row per pair of widths, and how to cite them."""
    from relu_landscape_cli.fitting import Column, Fitted
    from relu_landscape_cli.tables import number

    cells = found.cells
    columns = [
        Column("students", [str(each.student_width) for each in cells], is_number=True),
        Column("teachers", [str(each.teacher_width) for each in cells], is_number=True),
        Column("zero loss", [_chance(each) for each in cells],
               short=[_chance(each, is_short=True) for each in cells], is_number=True),
        Column("minima", [str(each.minima) for each in cells], dropped=3, is_number=True),
        Column("spurious", [str(each.spurious_minima) for each in cells], is_number=True),
        Column("lowest", [number(each.lowest_spurious_loss, 9) for each in cells], dropped=1,
               short=[number(each.lowest_spurious_loss) for each in cells], is_number=True),
        Column("missing mass", [number(each.missing_mass, 3) for each in cells], dropped=2,
               is_number=True),
        Column("id", [each.id[:12] for each in cells], dropped=4),
    ]  # fmt: skip
    return [repr(found), Fitted(columns), f"{found.licence}. {found.citation}"]


def _chance(cell: AtlasCell, *, is_short: bool = False) -> str:
    """Probability of zero loss with its interval, in per cent."""
    if cell.zero_loss_probability is None or cell.zero_loss_interval_95 is None:
        return "–"
    low, high = cell.zero_loss_interval_95
    share = f"{cell.zero_loss_probability:.1%}"
    return share if is_short else f"{share} ({low:.1%} to {high:.1%})"


def _one(cell: AtlasCell) -> list[RenderableType]:
    """The figures of one pair of widths, and its fixed points."""
    from relu_landscape_cli.fitting import Column, Fitted
    from relu_landscape_cli.tables import fact_table, number

    options = ", ".join(f"{name}={json.dumps(value)}" for name, value in cell.options.items())
    facts = fact_table(
        f"{cell.student_width} student units, {cell.teacher_width} teacher units",
        [
            ("zero loss", _chance(cell)),
            ("spurious minima", cell.spurious_minima),
            ("lowest of them", number(cell.lowest_spurious_loss, 12)),
            ("missing mass", number(cell.missing_mass, 3)),
            ("asked", options),
            ("id", cell.id),
        ],
    )
    points = cell.fixed_points
    columns = [
        Column("key", [each.key for each in points]),
        Column("loss", [number(each.loss, 12) for each in points],
               short=[number(each.loss) for each in points], is_number=True),
        Column("structure", [each.structure for each in points], dropped=1),
        Column("hits", [number(each.hits) for each in points], is_number=True),
        Column("index", [str(each.index) for each in points], dropped=2, is_number=True),
        Column("smallest eigenvalue", [number(each.smallest_eigenvalue) for each in points],
               dropped=3, is_number=True),
        Column("copies", [str(each.orbit_size) for each in points], dropped=5, is_number=True),
        Column("certified", ["yes" if each.certified else "" for each in points], dropped=4),
    ]  # fmt: skip
    return [facts, Fitted(columns)]
