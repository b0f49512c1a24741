"""``relu-landscape learning-rates``: a minimum under one-pass SGD."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from relu_landscape_cli.exits import reporting
from relu_landscape_cli.families import call
from relu_landscape_cli.remote import ApiKey, AsJson


def learning_rates(
    structure: Annotated[str, typer.Argument(help="Such as 1+7, or one-anti-aligned.")],
    teacher_width: Annotated[int, typer.Argument(min=1, help="Width of the teacher.")],
    student_width: Annotated[
        int | None, typer.Option(min=1, help="Width of the student; left out: the teacher's.")
    ] = None,
    branch: Annotated[int | None, typer.Option(min=1, help="Which of several, by loss.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Inputs of a step.")] = 1,
    label_noise: Annotated[
        float, typer.Option(min=0.0, help="Standard deviation of the labels' noise.")
    ] = 0.0,
    points: Annotated[
        int, typer.Option(min=1, help="Learning rates, evenly up to the critical one.")
    ] = 9,
    leak: Annotated[
        float, typer.Option(help="Slope below zero of the activation, leaky ReLU: -0.9 to 0.9.")
    ] = 0.0,
    server: Annotated[
        str | None,
        typer.Option(envvar="RELU_LANDSCAPE_SERVER", metavar="URL", help="Left out: here."),
    ] = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Largest stable learning rate of a minimum under one-pass SGD, and the loss up to it."""
    from relu_landscape_cli import tables

    arguments: dict[str, Any] = {
        "structure": structure,
        "student_width": teacher_width if student_width is None else student_width,
        "teacher_width": teacher_width,
        "branch": branch,
        "batch_size": batch_size,
        "label_noise": label_noise,
        "points": points,
        "leak": leak,
    }
    with reporting(as_json=as_json):
        document = call("learning_rates", arguments, server, api_key)
        if as_json:
            tables.print_json(document)
        else:
            tables.console().print(*tables.learning_rates_tables(document))
