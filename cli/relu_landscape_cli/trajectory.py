"""``relu-landscape trajectory``: gradient flow or one-pass SGD, from a server or computed here."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relu_landscape_cli import asking
from relu_landscape_cli.answering import Way, answer
from relu_landscape_cli.computing import Quiet, ServerIfAny, Timeout, Workers
from relu_landscape_cli.remote import ApiKey, AsJson

if TYPE_CHECKING:
    from rich.console import RenderableType

    from relu_landscape.wire.trajectories import TrajectoryRequest
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
    rule: Annotated[
        asking.Rule | None,
        typer.Option(help="How students move, as of descents.", show_default="gradient_flow"),
    ] = None,
    step: Annotated[
        float | None,
        typer.Option(
            help="Of flow by another rule, in units of time.", show_default="that of descents"
        ),
    ] = None,
    start_layer: asking.StartLayer = None,
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
    leak: Annotated[
        float | None, typer.Option(help="Slope below zero of students and teachers.")
    ] = None,
    student_layer: asking.Layer = None,
    teacher_layer: asking.Layer = None,
    server: ServerIfAny = None,
    api_key: ApiKey = None,
    workers: Workers = None,
    timeout: Timeout = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Also write .json.")] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Follow gradient flow, another rule or one-pass SGD, and say where it leads.

    With --server through that server, otherwise here; id, digest and every number are the same.
    What is left out takes the service's default.
    """
    asked = asking.options(
        student_width=student_width, teacher_width=teacher_width,
        method=method, rule=rule, step=step, start_layer=start_layer,
        learning_rate=learning_rate, batch_size=batch_size,
        label_noise=label_noise, input_dimension=input_dimension, seed=seed, start=start,
        init_scale=init_scale, until=until, points=points, first_time=first_time,
        spacing=None if first_time is None else "logarithmic", runs=runs, own_starts=own_starts,
        attractors=attractors, flow_tolerance=flow_tolerance, leak=leak,
        student_layer=student_layer, teacher_layer=teacher_layer,
    )  # fmt: skip
    way = Way(server, api_key, workers, timeout, output, quiet, as_json)
    answer(
        way, asked, ask=lambda client: client.trajectory, request=_request, read=_read,
        tables=_tables,
    )  # fmt: skip


def _request() -> type[TrajectoryRequest]:
    from relu_landscape.wire.trajectories import TrajectoryRequest

    return TrajectoryRequest


def _read(document: Any) -> Trajectory:
    from relu_landscape_client import Trajectory

    return Trajectory.from_document(document)


def _tables(found: Trajectory) -> list[RenderableType]:
    from relu_landscape_cli import tables

    return list(tables.trajectory_tables(found))
