"""``relu-landscape verify``: re-check certificates from their JSON alone, without the solver."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from relu_landscape_cli.exits import Exit, reporting
from relu_landscape_cli.remote import AsJson


def verify(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.json", help="A landscape or certificate; - for stdin.")
    ],
    as_json: AsJson = False,
) -> None:
    """Re-check every certificate in a file and say which hold.

    Exit code 0: there are certificates and all hold. 1: one does not, or there is none.
    """
    from relu_landscape_cli import tables

    with reporting(as_json=as_json):
        from relu_landscape.jobs.local import verify_locally

        verdicts = verify_locally(_read(file))
        if as_json:
            tables.print_json(verdicts)
        elif verdicts:
            tables.console().print(tables.verdict_table(verdicts))
        else:
            typer.echo(f"{file}: there is no certificate in it", err=True)
        if not verdicts or not all(each["holds"] for each in verdicts):
            raise typer.Exit(int(Exit.NO))


def _read(file: Path) -> dict[str, Any]:
    from relu_landscape.errors import InputError

    text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise InputError(f"{file} holds a {type(document).__name__}, not a JSON object")
    return document
