"""``relu-landscape families``: one symmetric family at a width, or along real width."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from relu_landscape_cli.exits import reporting
from relu_landscape_cli.remote import ApiKey, AsJson, connect


def families(
    structure: Annotated[
        str,
        typer.Argument(
            metavar="STRUCTURE",
            help="A structure, such as 1+6, or a name, such as one-anti-aligned.",
        ),
    ],
    teacher_width: Annotated[
        float, typer.Argument(metavar="WIDTH", help="Width of the teacher; real with --to.")
    ],
    student_width: Annotated[
        float | None, typer.Option(help="Width of the student.", show_default="the teacher's")
    ] = None,
    to: Annotated[
        float | None,
        typer.Option(help="Follow the family along real width up to this one.", show_default=False),
    ] = None,
    points: Annotated[int, typer.Option(min=2, help="How many widths to sample, with --to.")] = 50,
    branch: Annotated[
        int | None,
        typer.Option(min=1, help="Which of several branches, by loss.", show_default="the lowest"),
    ] = None,
    around_folds: Annotated[
        bool,
        typer.Option(help="Go on where the family folds back, with --to; otherwise it ends there."),
    ] = False,
    leak: Annotated[
        float, typer.Option(help="Slope below zero of the units, -0.9 to 0.9; 0: ReLU.")
    ] = 0.0,
    certify: Annotated[
        bool, typer.Option(help="Prove the point, without --to; --json shows the proof.")
    ] = False,
    server: Annotated[
        str | None,
        typer.Option(
            envvar="RELU_LANDSCAPE_SERVER",
            metavar="URL",
            help="Ask this server.",
            show_default="none: computed here",
        ),
    ] = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Describe a symmetric family: loss, spectrum and stability.

    At any width up to 10^9; with --to along real width.
    """
    from relu_landscape_cli import tables

    arguments: dict[str, Any] = {"structure": structure, "branch": branch, "leak": leak}
    if to is None:
        name = "family"
        arguments |= {
            "student_width": _whole(teacher_width if student_width is None else student_width),
            "teacher_width": _whole(teacher_width),
            "certify": certify,
        }
    else:
        name = "continuation"
        arguments |= {
            "from_width": teacher_width,
            "to_width": to,
            "points": points,
            "around_folds": around_folds,
        }
    with reporting(as_json=as_json):
        document = call(name, arguments, server, api_key)
        if as_json:
            tables.print_json(document)
        elif name == "family":
            tables.show(*tables.family_tables(document))
        else:
            tables.show(*tables.continuation_tables(document))


def _whole(width: float) -> float | int:
    """An integer where the width is one, so that it travels and is echoed as one."""
    return int(width) if width.is_integer() else width


def call(
    name: str, arguments: dict[str, Any], server: str | None, api_key: str | None
) -> dict[str, Any]:
    """The answer to a short call: by the server, or here where there is none."""
    if server is None:
        from relu_landscape.analyses import ANALYSES
        from relu_landscape.jobs.local import call_locally
        from relu_landscape_cli.questions import validated

        return call_locally(name, validated(ANALYSES.call(name).query, arguments))
    with connect(server, api_key) as client:
        return dict(getattr(client, name)(**arguments).document)
