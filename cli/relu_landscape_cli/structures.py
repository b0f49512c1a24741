"""``relu-landscape structures``: which structures can be asked for."""

from __future__ import annotations

from typing import Annotated

import typer

from relu_landscape_cli import asking
from relu_landscape_cli.exits import reporting
from relu_landscape_cli.families import call
from relu_landscape_cli.fitting import Column, Fitted
from relu_landscape_cli.remote import ApiKey, AsJson


def structures(
    student_width: asking.StudentWidth,
    teacher_width: asking.TeacherWidth,
    server: Annotated[
        str | None,
        typer.Option(
            envvar="RELU_LANDSCAPE_SERVER",
            metavar="URL",
            help="Ask this server.",
            show_default="none: answered here",
        ),
    ] = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """List the structures that a landscape of these widths searches where none are named."""
    from relu_landscape_cli import tables

    arguments = {"student_width": student_width, "teacher_width": teacher_width}
    with reporting(as_json=as_json):
        document = call("structures", arguments, server, api_key)
        if as_json:
            tables.print_json(document)
            return
        items = document["items"]
        columns = [
            Column("structure", [each["name"] for each in items]),
            Column("unknowns", [str(each["unknowns"]) for each in items], dropped=3,
                   is_number=True),
            Column("families", [", ".join(each["families"]) for each in items], dropped=2),
            Column("in words", [each["words"] for each in items], dropped=1),
        ]  # fmt: skip
        tables.show(Fitted(columns), document["grammar"])
