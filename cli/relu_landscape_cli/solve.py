"""``relu-landscape solve``: a landscape, from a server or computed here."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relu_landscape_cli import asking
from relu_landscape_cli.computing import computed
from relu_landscape_cli.exits import reporting
from relu_landscape_cli.remote import ApiKey, AsJson, connect
from relu_landscape_cli.saving import check, save

if TYPE_CHECKING:
    from relu_landscape_cli.fitting import Fitted
    from relu_landscape_client import Landscape


class Kernel(StrEnum):
    """What follows random starts, without a server."""

    AUTO = "auto"
    NATIVE = "native"
    NUMPY = "numpy"


class Backend(StrEnum):
    """Arrays to compute on, without a server."""

    AUTO = "auto"
    NUMPY = "numpy"
    CUPY = "cupy"


def solve(
    student_width: asking.StudentWidth,
    teacher_width: asking.TeacherWidth,
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
    server: Annotated[
        str | None,
        typer.Option(
            envvar="RELU_LANDSCAPE_SERVER", metavar="URL",
            help="Ask this server.", show_default="none: computed here",
        ),
    ] = None,
    api_key: ApiKey = None,
    workers: Annotated[
        int | None, typer.Option(
            min=1, help="Processes that compute, without a server.", show_default="one per core"
        ),
    ] = None,
    backend: Annotated[
        Backend, typer.Option(help="Arrays to compute with, without a server.")
    ] = Backend.AUTO,
    kernel: Annotated[
        Kernel,
        typer.Option(
            envvar="RELU_LANDSCAPE_KERNEL", help="What follows the random starts, without a server."
        ),
    ] = Kernel.AUTO,
    timeout: Annotated[
        float | None, typer.Option(
            min=0, help="Seconds to wait for a server's result.", show_default="no limit"
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(
            "--output", "-o", help="Also write the landscape to this .json, .npz or .csv file.",
            show_default=False,
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Draw no progress bars.")] = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Find the fixed points of a landscape.

    With --server through that server, otherwise here; id, digest and every number are the same.
    What is left out takes the service's default.
    """
    given = asking.options(
        starts=starts, seed=seed, input_dimension=input_dimension, init_scale=init_scale,
        flow_tolerance=flow_tolerance, precision=precision, leak=leak, structured=structured,
        structures=structure, saddles=saddles, widen=widen,
        learning_rates=learning_rates, certify=certify,
    )  # fmt: skip
    with reporting(as_json=as_json):
        if output is not None:
            check(output)
        if server is not None:
            landscape = _ask(server, api_key, student_width, teacher_width, given, timeout, quiet)
        else:
            asked = {"student_width": student_width, "teacher_width": teacher_width, **given}
            landscape = _compute(asked, workers, backend.value, kernel.value, quiet)
        show_landscape(landscape, output, as_json=as_json)


def show_landscape(landscape: Landscape, output: Path | None, *, as_json: bool) -> None:
    """Write and print a landscape."""
    from relu_landscape_cli import tables

    if output is not None:
        save(landscape, output)
    if as_json:
        tables.print_json(landscape.document)
    else:
        tables.show(*landscape_tables(landscape))


def landscape_tables(landscape: Landscape) -> list[Fitted]:
    """All tables of a landscape: its points, and what else was asked of them."""
    from relu_landscape_cli import rated, tables, widening

    return [
        tables.landscape_table(landscape),
        *widening.widening_tables(landscape),
        *rated.rates_tables(landscape),
    ]


def _ask(
    server: str, api_key: str | None, student_width: int, teacher_width: int,
    given: dict[str, Any], timeout: float | None, is_quiet: bool,
) -> Landscape:  # fmt: skip
    from relu_landscape_cli import tables

    with connect(server, api_key) as client, tables.bar(is_quiet=is_quiet) as watch:
        return client.landscape(
            student_width, teacher_width, progress=watch or False, timeout_seconds=timeout, **given
        )


def _compute(
    asked: dict[str, Any], workers: int | None, backend: Any, kernel: Any, is_quiet: bool
) -> Landscape:  # fmt: skip
    from relu_landscape.wire.requests import LandscapeRequest
    from relu_landscape_cli.questions import validated
    from relu_landscape_client import Landscape

    request = validated(LandscapeRequest, asked)
    found = computed(
        request, is_quiet=is_quiet, asked=asked, workers=workers, backend=backend, kernel=kernel
    )
    return Landscape.from_document(found)
