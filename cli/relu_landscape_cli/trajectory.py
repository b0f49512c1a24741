"""``relu-landscape trajectory``: gradient flow or one-pass SGD, from a server or computed here."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relu_landscape_cli import asking
from relu_landscape_cli.computing import Quiet, ServerIfAny, Timeout, Workers, computed
from relu_landscape_cli.exits import reporting
from relu_landscape_cli.remote import ApiKey, AsJson, connect
from relu_landscape_cli.saving import check

if TYPE_CHECKING:
    from relu_landscape_client import Trajectory


class Method(StrEnum):
    """What is followed."""

    FLOW = "flow"
    ODE = "ode"
    SGD = "sgd"


def trajectory(
    student_width: Annotated[int, typer.Argument(help="ReLU units of the student.")],
    teacher_width: Annotated[int, typer.Argument(help="ReLU units of the teacher.")],
    method: Annotated[
        Method | None,
        typer.Option(help="Gradient flow, SGD's equations for d to infinity, or SGD itself."),
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="With ode and sgd.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Inputs of a step (ode, sgd).")] = None,
    label_noise: Annotated[
        float | None, typer.Option(help="Standard deviation of the labels' noise (ode, sgd).")
    ] = None,
    input_dimension: Annotated[
        int | None, typer.Option(help="Dimension of the Gaussian inputs.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of starts and of SGD.")] = None,
    start: Annotated[int | None, typer.Option(help="Number of the random start.")] = None,
    init_scale: Annotated[float | None, typer.Option(help="Norm of a student at start.")] = None,
    until: Annotated[float | None, typer.Option(help="Time at which it ends.")] = None,
    points: Annotated[int | None, typer.Option(help="Times that are recorded.")] = None,
    first_time: Annotated[
        float | None, typer.Option(help="Record at logarithmic times, the first of them here.")
    ] = None,
    runs: Annotated[int | None, typer.Option(help="Independent runs (sgd).")] = None,
    own_starts: Annotated[
        bool | None, typer.Option("--own-starts", help="Each run from a start of its own (sgd).")
    ] = None,
    attractors: Annotated[
        bool | None, typer.Option("--attractors/--no-attractors", help="Say where ends lead?")
    ] = None,
    flow_tolerance: Annotated[
        float | None, typer.Option(help="Local error of the integrator (flow, ode, ends).")
    ] = None,
    server: ServerIfAny = None,
    api_key: ApiKey = None,
    workers: Workers = None,
    timeout: Timeout = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Also write .json.")] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Follow gradient flow or one-pass SGD, and say where it leads.

    With --server through that server, otherwise here; id, digest and every number are the same.
    What is left out takes the service's default.
    """
    given = asking.options(
        method=method, learning_rate=learning_rate, batch_size=batch_size,
        label_noise=label_noise, input_dimension=input_dimension, seed=seed, start=start,
        init_scale=init_scale, until=until, points=points, first_time=first_time,
        spacing=None if first_time is None else "logarithmic", runs=runs, own_starts=own_starts,
        attractors=attractors, flow_tolerance=flow_tolerance,
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


def _show(found: Trajectory, *, as_json: bool) -> None:
    from relu_landscape_cli import tables

    if as_json:
        tables.print_json(found.document)
    else:
        tables.console().print(*tables.trajectory_tables(found))


def _ask(
    server: str, api_key: str | None, student_width: int, teacher_width: int,
    given: dict[str, Any], timeout: float | None, is_quiet: bool,
) -> Trajectory:  # fmt: skip
    from relu_landscape_cli import tables

    with connect(server, api_key) as client, tables.bar(is_quiet=is_quiet) as watch:
        return client.trajectory(
            student_width, teacher_width, progress=watch or False, timeout_seconds=timeout, **given
        )


def _compute(asked: dict[str, Any], workers: int | None, is_quiet: bool) -> Trajectory:
    from relu_landscape.wire.trajectories import TrajectoryRequest
    from relu_landscape_cli.questions import validated
    from relu_landscape_client import Trajectory

    request = validated(TrajectoryRequest, asked)
    found = computed(request, is_quiet=is_quiet, asked=asked, workers=workers)
    return Trajectory.from_document(found)
