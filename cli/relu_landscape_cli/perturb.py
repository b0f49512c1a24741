"""``relu-landscape perturb``: how large a kick a fixed point withstands, by a server or here."""

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

    from relu_landscape.wire.perturbations import PerturbationsRequest
    from relu_landscape_client import Perturbations


def perturb(
    student_width: asking.StudentWidth,
    teacher_width: asking.TeacherWidth,
    structure: Annotated[
        str, typer.Argument(help="Of the fixed point: such as 1+7, or one-anti-aligned.")
    ],
    branch: Annotated[
        int | None, typer.Option(help="Which of several, by loss.", show_default=False)
    ] = None,
    size: Annotated[
        list[float] | None,
        typer.Option(
            help="Sigma of the kicks; may be repeated, ascending.", show_default="0.01 to 10"
        ),
    ] = None,
    kicks: Annotated[int | None, typer.Option(help="At each size.", show_default="200")] = None,
    seed: asking.Seed = None,
    input_dimension: asking.InputDimension = None,
    flow_tolerance: asking.FlowTolerance = None,
    leak: asking.Leak = None,
    certify: Annotated[
        asking.Certify | None,
        typer.Option(help="Prove which kicks must return.", show_default="none"),
    ] = None,
    server: ServerIfAny = None,
    api_key: ApiKey = None,
    workers: Workers = None,
    timeout: Timeout = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Also write .json.")] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Kick a fixed point, and say how often gradient flow returns to it, by the size of the kick.

    With --server through that server, otherwise here; id, digest and every number are the same.
    """
    asked = {
        "student_width": student_width, "teacher_width": teacher_width,
        **asking.options(
            structure=structure, branch=branch, sizes=size or None, kicks=kicks, seed=seed,
            input_dimension=input_dimension, flow_tolerance=flow_tolerance, leak=leak,
            certify=certify,
        ),
    }  # fmt: skip
    way = Way(server, api_key, workers, timeout, output, quiet, as_json)
    answer(
        way, asked, ask=lambda client: client.perturbations, request=_request, read=_read,
        tables=_tables,
    )  # fmt: skip


def _tables(found: Perturbations) -> list[RenderableType]:
    """A row per size: the share that returns, what is proved, and where the others go."""
    from rich.table import Table

    from relu_landscape_cli.tables import number

    start = found.fixed_points[found.start]
    table = Table(
        title=f"kicks of {found.start}, {start.structure.name}, loss {number(start.loss, 8)}",
        title_justify="left",
    )
    is_proved = found.proved_radius == found.proved_radius
    table.add_column("size", justify="right")
    for heading in ("length", "return", "proved", "elsewhere"):
        if heading != "proved" or is_proved:
            table.add_column(heading, justify="left" if heading == "elsewhere" else "right")
    for one in found.sizes:
        share, (low, high) = one.returned.probability, one.returned.interval_95
        others = ", ".join(
            f"{each.end.partition(':')[0]} {each.attraction.hits}"
            for each in one.reached
            if each.end != found.start and each.attraction.hits
        )
        proved = [str(one.proved)] if is_proved else []
        table.add_row(
            number(one.size, 6), number(one.length, 4), f"{share:.4f} ({low:.4f} to {high:.4f})",
            *proved, others,
        )  # fmt: skip
    radius = [f"proved to return: within {number(found.proved_radius, 4)}"] if is_proved else []
    return [repr(found), table, *radius, f"id {found.id}"]


def _request() -> type[PerturbationsRequest]:
    from relu_landscape.wire.perturbations import PerturbationsRequest

    return PerturbationsRequest


def _read(document: Any) -> Perturbations:
    from relu_landscape_client import Perturbations

    return Perturbations.from_document(document)
