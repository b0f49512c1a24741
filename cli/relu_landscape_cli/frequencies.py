"""``relu-landscape frequencies``: which minima SGD reaches, from a server or computed here."""

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

    from relu_landscape.wire.frequencies import FrequenciesRequest
    from relu_landscape_client import Frequencies


def frequencies(
    student_width: asking.StudentWidth,
    teacher_width: asking.TeacherWidth,
    learning_rate: Annotated[
        list[float] | None, typer.Option(help="Of SGD; may be repeated.", show_default=False)
    ] = None,
    relative_learning_rate: Annotated[
        list[float] | None,
        typer.Option(
            help="In multiples of the largest stable one of the global minimum (equal widths); "
            "may be repeated.",
            show_default=False,
        ),
    ] = None,
    until: Annotated[
        float | None, typer.Option(help="Time at which SGD ends.", show_default="100")
    ] = None,
    checks: Annotated[
        int | None, typer.Option(help="Times at which runs are looked at.", show_default="8")
    ] = None,
    first_check: Annotated[
        float | None, typer.Option(help="The first of them.", show_default="1")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Inputs of a step.", show_default="1")
    ] = None,
    label_noise: Annotated[
        float | None, typer.Option(help="Standard deviation of the labels' noise.",
                                   show_default="0"),
    ] = None,
    starts: Annotated[
        int | None, typer.Option(help="Random starts of both.", show_default="200")
    ] = None,
    seed: asking.Seed = None,
    input_dimension: asking.InputDimension = None,
    init_scale: asking.InitScale = None,
    flow_tolerance: asking.FlowTolerance = None,
    leak: asking.Leak = None,
    structured: asking.Structured = None,
    server: ServerIfAny = None,
    api_key: ApiKey = None,
    workers: Workers = None,
    timeout: Timeout = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Also write .json.")] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Say which minima one-pass SGD reaches, and how often, beside gradient flow.

    With --server through that server, otherwise here; id, digest and every number are the same.
    """
    asked = asking.options(
        student_width=student_width, teacher_width=teacher_width,
        learning_rates=learning_rate or None,
        relative_learning_rates=relative_learning_rate or None,
        until=until, checks=checks, first_check=first_check, batch_size=batch_size,
        label_noise=label_noise, starts=starts, seed=seed, input_dimension=input_dimension,
        init_scale=init_scale, flow_tolerance=flow_tolerance, leak=leak, structured=structured,
    )  # fmt: skip
    way = Way(server, api_key, workers, timeout, output, quiet, as_json)
    answer(
        way, asked, ask=lambda client: client.frequencies, request=_request, read=_read,
        tables=_tables,
    )  # fmt: skip


def _request() -> type[FrequenciesRequest]:
    from relu_landscape.wire.frequencies import FrequenciesRequest

    return FrequenciesRequest


def _read(document: Any) -> Frequencies:
    from relu_landscape_client import Frequencies

    return Frequencies.from_document(document)


def _tables(found: Frequencies) -> list[RenderableType]:
    from relu_landscape_cli import shares

    return list(shares.tables_of(found))
