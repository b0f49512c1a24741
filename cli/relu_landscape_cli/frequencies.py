"""``relu-landscape frequencies``: which minima SGD reaches, from a server or computed here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relu_landscape_cli import asking
from relu_landscape_cli.computing import Quiet, ServerIfAny, Timeout, Workers, computed
from relu_landscape_cli.exits import reporting
from relu_landscape_cli.remote import ApiKey, AsJson, connect
from relu_landscape_cli.saving import check

if TYPE_CHECKING:
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
    given = asking.options(
        learning_rates=learning_rate or None,
        relative_learning_rates=relative_learning_rate or None,
        until=until, checks=checks, first_check=first_check, batch_size=batch_size,
        label_noise=label_noise, starts=starts, seed=seed, input_dimension=input_dimension,
        init_scale=init_scale, flow_tolerance=flow_tolerance, structured=structured,
    )  # fmt: skip
    with reporting(as_json=as_json):
        if output is not None:
            check(output, [".json"])
        if server is not None:
            found = _ask(server, api_key, student_width, teacher_width, given, timeout, quiet)
        else:
            asked = {"student_width": student_width, "teacher_width": teacher_width, **given}
            found = _compute(asked, workers, quiet)
        if output is not None:
            found.to_json(output)
        _show(found, as_json=as_json)


def _show(found: Frequencies, *, as_json: bool) -> None:
    from relu_landscape_cli import shares, tables

    if as_json:
        tables.print_json(found.document)
    else:
        tables.show(*shares.tables_of(found))


def _ask(
    server: str, api_key: str | None, student_width: int, teacher_width: int,
    given: dict[str, Any], timeout: float | None, is_quiet: bool,
) -> Frequencies:  # fmt: skip
    from relu_landscape_cli import tables

    with connect(server, api_key) as client, tables.bar(is_quiet=is_quiet) as watch:
        return client.frequencies(
            student_width, teacher_width, progress=watch or False, timeout_seconds=timeout, **given
        )


def _compute(asked: dict[str, Any], workers: int | None, is_quiet: bool) -> Frequencies:
    from relu_landscape.wire.frequencies import FrequenciesRequest
    from relu_landscape_cli.questions import validated
    from relu_landscape_client import Frequencies

    request = validated(FrequenciesRequest, asked)
    found = computed(request, is_quiet=is_quiet, asked=asked, workers=workers)
    return Frequencies.from_document(found)
