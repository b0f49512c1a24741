"""Every error as problem+json (RFC 9457), through one table from exception to status."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Scope

from relu_landscape import errors
from relu_landscape.wire.problem import FieldProblem
from relu_landscape_api.reading.echo import plain, shown
from relu_landscape_api.reading.sizes import MOST_FAULTS

MEDIA_TYPE = "application/problem+json"
#: What an unforeseen error says to the outside; the traceback goes to the log.
UNKNOWN_TEXT = (
    "The service met an error that it did not expect. The log holds the details under this "
    "request_id; asking again may help."
)
#: Characters of a field's name that an answer repeats; an unknown one may have any number.
_LONGEST_FIELD = 100
#: Seconds after which a store or pool that did not answer is worth asking again: both are
#: restarted or reconnected within a few.
RETRY_UNAVAILABLE_SECONDS = 5
#: nginx's status for a caller who hung up; nobody receives it, the log and the metrics count it.
CLIENT_CLOSED_REQUEST = 499

_log = logging.getLogger("relu_landscape.api")


class Row(NamedTuple):
    """How one exception answers."""

    status: int
    slug: str
    title: str


#: One row for each exception of ``relu_landscape.errors``; the nearest base class decides.
STATUSES: dict[type[Exception], Row] = {
    errors.LandscapeError: Row(500, "internal", "Internal error"),
    errors.InputError: Row(422, "invalid-request", "The request is not valid"),
    errors.RequestError: Row(422, "invalid-request", "The request is not valid"),
    errors.TeacherError: Row(422, "invalid-teacher", "The teacher cannot be used"),
    errors.TooCostly: Row(422, "too-costly", "More than this service allows"),
    errors.NumericalError: Row(422, "no-trustworthy-answer", "No answer that can be vouched for"),
    errors.Cancelled: Row(409, "cancelled", "The job was cancelled"),
    errors.NotFound: Row(404, "not-found", "Not found"),
    errors.WrongState: Row(409, "wrong-state", "The job is in no state for this"),
    errors.JobFailed: Row(409, "job-failed", "The job failed"),
    errors.Busy: Row(503, "busy", "Too much work is waiting"),
    errors.Unavailable: Row(503, "unavailable", "Service unavailable"),
    errors.StoreUnavailable: Row(503, "store-unavailable", "The store does not answer"),
    errors.PoolUnavailable: Row(503, "pool-unavailable", "The compute pool does not answer"),
    errors.LeaseLost: Row(503, "unavailable", "Service unavailable"),
    errors.DeviceLost: Row(503, "unavailable", "Service unavailable"),
    errors.ConfigurationError: Row(500, "internal", "Internal error"),
}


def fault(field: str, value: object, bounds: str) -> FieldProblem:
    """A fault in the words of ``RequestError``."""
    echo = shown(value)
    return FieldProblem(
        field=plain(field),
        value=echo,
        message=f"{plain(field)} = {echo!r} is not accepted: {bounds}.",
    )


def row_for(error: Exception) -> Row:
    """The row of the nearest class in the error's line of descent."""
    for kind in type(error).__mro__:
        if kind in STATUSES:
            return STATUSES[kind]
    return STATUSES[errors.LandscapeError]


def problem_response(
    scope: Scope,
    row: Row,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    faults: Sequence[FieldProblem] = (),
    extra: Mapping[str, Any] | None = None,
) -> Response:
    """The answer for ``row``; ``extra`` adds members of its own."""
    body: dict[str, Any] = {
        "type": f"urn:relu-landscape:problem:{row.slug}",
        "title": row.title,
        "status": row.status,
        "detail": plain(detail),
        "instance": quote(scope["path"], safe="/:@!$&'()*+,;=~-._", errors="replace"),
        "request_id": scope.get("state", {}).get("request_id", ""),
        **(extra or {}),
    }
    if faults:
        body["errors"] = [item.model_dump() for item in faults]
    return Response(
        orjson.dumps(body),
        status_code=row.status,
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def status_row(status: int) -> Row:
    """A row for a bare HTTP status, in the words of the standard."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Error"
    return Row(status, phrase.lower().replace(" ", "-"), phrase)


def landscape_error_response(scope: Scope, error: errors.LandscapeError) -> Response:
    """The answer for one of our own exceptions; 500s keep their text for the log."""
    row = row_for(error)
    if row.status == 500:
        return unknown_error_response(scope, error)
    headers = {}
    if isinstance(error, errors.Busy):
        headers["Retry-After"] = str(max(1, error.retry_after_seconds))
    elif row.status == 503:
        headers["Retry-After"] = str(RETRY_UNAVAILABLE_SECONDS)
    faults: Sequence[FieldProblem] = ()
    if isinstance(error, errors.RequestError):
        faults = (fault(error.field, error.value, error.bounds),)
    extra = {"type": error.standard_type} if error.standard_type else None
    return problem_response(scope, row, str(error), headers=headers, faults=faults, extra=extra)


def unknown_error_response(scope: Scope, error: Exception) -> Response:
    """Log the traceback under the request id and answer with a fixed text."""
    request_id = scope.get("state", {}).get("request_id", "")
    _log.error(
        "unexpected %s", type(error).__name__, exc_info=error, extra={"request_id": request_id}
    )
    return problem_response(scope, STATUSES[errors.LandscapeError], UNKNOWN_TEXT)


async def _on_landscape_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.LandscapeError)  # noqa: S101 - how it is registered
    return landscape_error_response(request.scope, error)


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - how it is registered
    if error.status_code < 400:
        return Response(status_code=error.status_code, headers=error.headers)
    row = status_row(error.status_code)
    detail = str(error.detail)
    if detail == row.title:
        detail = _SENTENCES.get(error.status_code, detail)
    return problem_response(request.scope, row, detail, headers=error.headers)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - how it is registered
    faults = [
        fault(field_path(item["loc"][1:]), item.get("input"), item["msg"])
        for item in error.errors()[:MOST_FAULTS]
    ]
    detail = " ".join(item.message for item in faults)
    if len(error.errors()) > len(faults):
        detail += " There are more faults of this kind."
    return problem_response(request.scope, STATUSES[errors.RequestError], detail, faults=faults)


def field_path(location: Sequence[int | str]) -> str:
    """``("teacher_gram", 0, 1)`` as ``teacher_gram[0][1]``; nothing as ``body``."""
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    return path.removeprefix(".")[:_LONGEST_FIELD] or "body"


async def _on_disconnect(_request: Request, _error: Exception) -> Response:
    return Response(status_code=CLIENT_CLOSED_REQUEST)


#: Starlette's own errors carry only the standard's phrase; these say what to do.
_SENTENCES = {
    404: "Nothing is served under this path; GET / lists what is.",
    405: "This path does not answer to this method; the header Allow lists those it answers to.",
}


def install(app: FastAPI) -> None:
    """Route every exception of the application through this module."""
    app.add_exception_handler(errors.LandscapeError, _on_landscape_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
