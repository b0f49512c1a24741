"""Exit codes, and how errors become them.

0    done
1    the answer is no: a certificate does not hold, the doctor found a problem, or the
     computation failed
2    the command or the settings cannot be used
3    the server, its store or its pool does not answer, or is busy
4    there is nothing under this name
5    the computation was cancelled, or the time given is over
130  interrupted (Ctrl+C)
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import typer

from relu_landscape import errors as service
from relu_landscape_client import errors as client


class Exit(IntEnum):
    """What a script can rely on."""

    DONE = 0
    NO = 1
    WRONG = 2
    UNAVAILABLE = 3
    NOTHING = 4
    OVER = 5
    INTERRUPTED = 130


#: The first row that fits decides, so the special stand before the general.
_ROWS: tuple[tuple[type[BaseException], Exit], ...] = (
    (client.RequestRefused, Exit.WRONG),
    (client.NotAuthorised, Exit.WRONG),
    (client.AddressError, Exit.WRONG),
    (client.FileError, Exit.WRONG),
    (client.MissingExtra, Exit.WRONG),
    (client.NotFound, Exit.NOTHING),
    (client.ConnectionFailed, Exit.UNAVAILABLE),
    (client.Busy, Exit.UNAVAILABLE),
    (client.ServerError, Exit.UNAVAILABLE),
    (client.TimedOut, Exit.OVER),
    (client.LandscapeCancelled, Exit.OVER),
    (client.ClientError, Exit.NO),
    (service.InputError, Exit.WRONG),
    (service.ConfigurationError, Exit.WRONG),
    (service.NotFound, Exit.NOTHING),
    (service.Busy, Exit.UNAVAILABLE),
    (service.Unavailable, Exit.UNAVAILABLE),
    (service.Cancelled, Exit.OVER),
    (service.LandscapeError, Exit.NO),
    (KeyError, Exit.NOTHING),
    (OSError, Exit.WRONG),
    (KeyboardInterrupt, Exit.INTERRUPTED),
)


def code_of(error: BaseException) -> Exit | None:
    """The exit code for an error, or None where it is a fault of ours."""
    for kind, code in _ROWS:
        if isinstance(error, kind):
            return code
    return None


#: Set once an interrupt has been said: it may come before ``reporting`` is reached, too.
_interrupt_said = threading.Event()


def say_interrupt_unless_said(code: object) -> None:
    """The last word of the process that ends with ``code``."""
    if code == Exit.INTERRUPTED and not _interrupt_said.is_set():
        typer.echo("relu-landscape: interrupted", err=True)


@contextmanager
def reporting(*, as_json: bool) -> Iterator[None]:
    """Say expected errors in one sentence on standard error (one JSON object with ``--json``).

    Faults of ours pass through, with their traceback.
    """
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        code = code_of(error)
        if code is None or isinstance(error, typer.Exit):
            raise
        sentence = "interrupted" if code is Exit.INTERRUPTED else _sentence(error)
        if code is Exit.INTERRUPTED:
            _interrupt_said.set()
        if as_json:
            document = {"error": sentence, "type": type(error).__name__, "exit_code": int(code)}
            typer.echo(json.dumps(document, ensure_ascii=False), err=True)
        else:
            typer.echo(f"relu-landscape: {sentence}", err=True)
        raise typer.Exit(int(code)) from error


def _sentence(error: BaseException) -> str:
    if isinstance(error, KeyError):
        return str(error.args[0])  # str() of a KeyError would put quotation marks around it
    if isinstance(error, client.ServerAbsent):
        reason = re.sub(r"^\[Errno -?\d+\] ", "", error.reason)
        return (
            f"the server at {error.address} cannot be reached ({reason}); start one there with "
            "'relu-landscape serve', or name another with --server URL"
        )
    return str(error) or type(error).__name__
