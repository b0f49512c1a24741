"""``relu-landscape estimate``: what a landscape will take, before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from relu_landscape_cli import asking
from relu_landscape_cli.exits import reporting
from relu_landscape_cli.families import call
from relu_landscape_cli.remote import ApiKey, AsJson


def estimate(
    student_width: asking.StudentWidth,
    teacher_width: asking.TeacherWidth,
    starts: asking.Starts = None,
    input_dimension: asking.InputDimension = None,
    structured: asking.Structured = None,
    structure: asking.Structures = None,
    saddles: asking.Saddles = None,
    widen: asking.Widen = None,
    learning_rates: asking.LearningRates = None,
    certify: asking.Proofs = None,
    server: Annotated[
        str | None,
        typer.Option(
            envvar="RELU_LANDSCAPE_SERVER",
            metavar="URL",
            help="Ask this server.",
            show_default="none: judged here",
        ),
    ] = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Say what a landscape will take: processor seconds, bytes in the store, memory.

    Nothing is computed. The seconds are those of one core with the native kernel.
    """
    from relu_landscape_cli import tables

    given = asking.options(
        starts=starts,
        input_dimension=input_dimension,
        structured=structured,
        structures=structure,
        saddles=saddles,
        widen=widen,
        learning_rates=learning_rates,
        certify=certify,
    )
    arguments = {"student_width": student_width, "teacher_width": teacher_width, **given}
    with reporting(as_json=as_json):
        document = call("estimate", arguments, server, api_key)
        if as_json:
            tables.print_json(document)
        else:
            tables.show(*_told(document))


def _told(document: Mapping[str, Any]) -> list[Any]:
    from relu_landscape_cli import tables

    phases = [(name, tables.number(each, 3)) for name, each in document["seconds"].items()]
    phases.append(("processor seconds in all", tables.number(document["core_seconds"], 3)))
    phases.append(("MB in the store", tables.number(document["stored_bytes"] / 1e6, 3)))
    phases.append(("MB of a worker at most", tables.number(document["worker_bytes"] / 1e6, 3)))
    if document["is_extrapolated"]:
        words = "Nothing like it was measured: these are orders of magnitude."
    else:
        words = f"Nine of ten are within a factor of {document['factor']:g} of the seconds."
    return [tables.fact_table("", phases), words]
