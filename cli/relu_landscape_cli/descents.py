"""``relu-landscape descents``: where descents by another rule end, by a server or here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relu_landscape_cli import asking
from relu_landscape_cli.answering import Way, answer
from relu_landscape_cli.computing import Quiet, ServerIfAny, Timeout, Workers
from relu_landscape_cli.remote import ApiKey, AsJson

if TYPE_CHECKING:
    from rich.console import RenderableType

    from relu_landscape.wire.descents import DescentsRequest
    from relu_landscape_client import Descents
    from relu_landscape_client.descents import DescentEnd, StructuredSearch


def descents(
    student_width: asking.StudentWidth,
    teacher_width: asking.TeacherWidth,
    rule: Annotated[asking.Rule, typer.Argument(help="How the descent goes on.")],
    step: Annotated[
        float | None, typer.Option(help="In units of time.", show_default="8/(K+max(K,M)+8)")
    ] = None,
    student_layer: asking.Layer = None,
    teacher_layer: asking.Layer = None,
    teacher_gram: asking.TeacherGram = None,
    start_layer: asking.StartLayer = None,
    init_scale: asking.InitScale = None,
    starts: Annotated[int | None, typer.Option(help="Random starts.", show_default="200")] = None,
    seed: asking.Seed = None,
    input_dimension: asking.InputDimension = None,
    until: Annotated[
        float | None, typer.Option(help="Time at which it is given up.", show_default="10000")
    ] = None,
    flow_tolerance: asking.FlowTolerance = None,
    structured: Annotated[
        bool,
        typer.Option("--structured", help="Also search saddles and minima by their symmetry."),
    ] = False,
    server: ServerIfAny = None,
    api_key: ApiKey = None,
    workers: Workers = None,
    timeout: Timeout = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Also write .json.")] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Descend from random starts under a rule, and say at which points, and how often, it ends.

    With --server through that server, otherwise here; id, digest and every number are the same.
    """
    asked = {
        "student_width": student_width, "teacher_width": teacher_width, "rule": rule.value,
        **asking.options(
            step=step, student_layer=student_layer, teacher_layer=teacher_layer,
            teacher_gram=teacher_gram, start_layer=start_layer, init_scale=init_scale,
            starts=starts, seed=seed,
            input_dimension=input_dimension, until=until, flow_tolerance=flow_tolerance,
            structured=structured or None,
        ),
    }  # fmt: skip
    way = Way(server, api_key, workers, timeout, output, quiet, as_json)
    answer(
        way, asked, ask=lambda client: client.descents, request=_request, read=_read,
        tables=_tables,
    )  # fmt: skip


def _tables(found: Descents) -> list[RenderableType]:
    """A row per end, then per other outcome."""
    from rich.table import Table

    from relu_landscape_cli.tables import number

    table = Table(title=f"ends of {len(found.reached)} descents", title_justify="left")
    usual = ("end", "kind", "loss", "structure", "turned", "smallest", "share")
    for heading in usual if found.searched is None else (*usual, "index", "found by"):
        table.add_column(heading, justify="left" if heading in ("end", "kind") else "right")
    for end in found.ends:
        named, bent = end.structure, end.curvature
        smallest = ""
        if bent is not None:
            # The one that is NaN, for want of such a direction, is no smaller than the other.
            lowest = min(bent.min_eigenvalue_span, bent.min_eigenvalue_beside, key=_or_last)
            smallest = number(lowest, 4)
        table.add_row(
            end.key, end.kind, number(end.loss, 8), "" if named is None else named.name,
            "" if named is None else str(named.anti_aligned), smallest, _share(end.attraction),
            *_structured(found, end),
        )  # fmt: skip
    for one in found.others:
        table.add_row("-", one.outcome, number(one.lowest_loss, 8), "", "", "",
                      _share(one.attraction))  # fmt: skip
    zero = f"zero loss: {_share(found.zero_loss)}"
    bound = [] if not found.loss_bound else [f"no loss is below {number(found.loss_bound, 8)}"]
    searched = [] if found.searched is None else [_coverage(found.searched)]
    return [repr(found), table, zero, *bound, *searched, f"id {found.id}"]


def _structured(found: Descents, end: DescentEnd) -> list[str]:
    """What stands in the columns of a structured search."""
    if found.searched is None:
        return []
    return ["" if end.curvature is None else str(end.curvature.index), ", ".join(end.found_by)]


def _coverage(searched: StructuredSearch) -> str:
    starts = sum(each.starts for each in searched.patterns)
    left_out = f", {searched.not_searched} left out" if searched.not_searched else ""
    return f"structured search: {len(searched.patterns)} patterns{left_out}, {starts} starts"


def _or_last(value: float) -> tuple[bool, float]:
    return value != value, value


def _share(attraction: Any) -> str:
    low, high = attraction.interval_95
    return f"{attraction.probability:.4f} ({low:.4f} to {high:.4f})"


def _request() -> type[DescentsRequest]:
    from relu_landscape.wire.descents import DescentsRequest

    return DescentsRequest


def _read(document: Any) -> Descents:
    from relu_landscape_client import Descents

    return Descents.from_document(document)
