"""``relu-landscape leaks``: a point of a structure as the slope below zero changes."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from relu_landscape_cli.exits import reporting
from relu_landscape_cli.families import call
from relu_landscape_cli.remote import ApiKey, AsJson


def leaks(
    structure: Annotated[str, typer.Argument(help="A structure, such as 1+5.")],
    teacher_width: Annotated[int, typer.Argument(min=1, help="Width of the teacher.")],
    from_leak: Annotated[
        float, typer.Option("--from", help="Slope below zero where the point is taken.")
    ] = 0.0,
    to_leak: Annotated[
        float, typer.Option("--to", help="Slope below zero to which it is followed.")
    ] = 0.5,
    student_width: Annotated[
        int | None, typer.Option(min=1, help="Width of the student; left out: the teacher's.")
    ] = None,
    points: Annotated[int, typer.Option(min=2, help="How many leaks to report.")] = 50,
    branch: Annotated[
        int | None, typer.Option(min=1, help="Which of several points at --from, by loss.")
    ] = None,
    around_folds: Annotated[
        bool, typer.Option(help="Go on where the branch folds back; otherwise it ends there.")
    ] = False,
    server: Annotated[
        str | None,
        typer.Option(envvar="RELU_LANDSCAPE_SERVER", metavar="URL", help="Left out: here."),
    ] = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Follow a point of a structure along the leak, and say where it appears or vanishes."""
    from relu_landscape_cli import tables

    arguments: dict[str, Any] = {
        "structure": structure,
        "student_width": teacher_width if student_width is None else student_width,
        "teacher_width": teacher_width,
        "from_leak": from_leak,
        "to_leak": to_leak,
        "points": points,
        "branch": branch,
        "around_folds": around_folds,
    }
    with reporting(as_json=as_json):
        document = call("leaks", arguments, server, api_key)
        if as_json:
            tables.print_json(document)
        else:
            tables.show(*tables.continuation_tables(document))
