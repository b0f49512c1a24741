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
    strict: Annotated[
        bool, typer.Option("--strict", help="In ball arithmetic throughout, also the fast ones.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Re-check every certificate in a file and say which hold.

    Each certificate comes with the numbers of its point that it covers, all of them compared with
    it, and with those that it does not cover, such as hits and names.

    Exit code 0: there are certificates, and all that claim something hold. 1: one does not, or
    there is none. A point that was not certified carries a certificate that claims nothing.
    """
    from relu_landscape_cli import tables

    with reporting(as_json=as_json):
        from relu_landscape.jobs.local import verify_locally

        verdicts = verify_locally(_read(file), strict=strict)
        if as_json:
            tables.print_json(verdicts)
        elif verdicts:
            tables.show(tables.verdict_table(verdicts))
        else:
            typer.echo(f"{file}: there is no certificate in it", err=True)
        claims = [each["holds"] for each in verdicts if each["holds"] is not None]
        if not claims or not all(claims):
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
