"""``relu-landscape solve``: a landscape, from a server or computed here."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relu_landscape_cli.exits import reporting
from relu_landscape_cli.remote import ApiKey, AsJson, connect
from relu_landscape_cli.saving import check, save

if TYPE_CHECKING:
    from relu_landscape_client import Landscape


class Certify(StrEnum):
    """Proofs to ask for."""

    NONE = "none"
    FAST = "fast"
    STRICT = "strict"


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
    student_width: Annotated[int, typer.Argument(help="ReLU units of the student.")],
    teacher_width: Annotated[int, typer.Argument(help="ReLU units of the teacher.")],
    starts: Annotated[
        int | None, typer.Option(help="Random starts; 0: the structured search alone.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Start n depends on (seed, n) alone.")] = None,
    input_dimension: Annotated[
        int | None, typer.Option(help="Dimension of the Gaussian inputs.")
    ] = None,
    init_scale: Annotated[float | None, typer.Option(help="Norm of a student at start.")] = None,
    flow_tolerance: Annotated[
        float | None, typer.Option(help="Local error of the gradient-flow integrator.")
    ] = None,
    structured: Annotated[
        bool | None, typer.Option("--structured/--sampled", help="Search symmetric families too?")
    ] = None,
    structure: Annotated[
        list[str] | None, typer.Option(help="Structure to search, such as 1+6; repeatable.")
    ] = None,
    saddles: Annotated[
        bool | None, typer.Option("--saddles", help="Also saddles and what they join.")
    ] = None,
    certify: Annotated[Certify | None, typer.Option(help="Computer-assisted proofs.")] = None,
    server: Annotated[
        str | None,
        typer.Option(
            envvar="RELU_LANDSCAPE_SERVER", metavar="URL",
            help="Ask this server; left out: compute here, without any.",
        ),
    ] = None,
    api_key: ApiKey = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes, without a server; one per core.")
    ] = None,
    backend: Annotated[Backend, typer.Option(help="Arrays, without a server.")] = Backend.AUTO,
    kernel: Annotated[
        Kernel,
        typer.Option(
            envvar="RELU_LANDSCAPE_KERNEL", help="What follows the starts, without a server."
        ),
    ] = Kernel.AUTO,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Seconds to wait for a server's answer.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also write .json, .npz or .csv.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")] = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Find the fixed points of a landscape.

    With --server through that server, otherwise here; id, digest and every number are the same.
    What is left out takes the service's default.
    """
    options = {
        "starts": starts, "seed": seed, "input_dimension": input_dimension,
        "init_scale": init_scale, "flow_tolerance": flow_tolerance, "structured": structured,
        "structures": structure, "saddles": saddles, "certify": certify and certify.value,
    }  # fmt: skip
    given = {name: value for name, value in options.items() if value is not None}
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
        tables.show(tables.landscape_table(landscape))


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
    from relu_landscape.jobs.local import solve_locally
    from relu_landscape.wire.requests import LandscapeRequest
    from relu_landscape_cli import tables
    from relu_landscape_cli.questions import validated
    from relu_landscape_client import Landscape, Status

    request = validated(LandscapeRequest, asked)
    with tables.bar(is_quiet=is_quiet) as watch:
        status = Status("", request.kind, "running", asked)

        def tell(kind: str, data: Any) -> None:
            nonlocal status
            status = status.after(kind, data)
            if watch is not None:
                watch(status)

        solution = solve_locally(
            request, workers=workers, backend=backend, kernel=kernel, watch=tell
        )
    return Landscape.from_document(solution.result)
