"""The shapes of answers about landscapes, and the documentation of their errors."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from fastapi import Request
from starlette.responses import Response

from relu_landscape.errors import Cancelled, JobFailed
from relu_landscape.jobs.service import LandscapeService
from relu_landscape.settings import Settings
from relu_landscape.wire.jobs import JobStatus
from relu_landscape_api.answering.problems import MEDIA_TYPE
from relu_landscape_api.layers.drain import Drain
from relu_landscape_api.reading.negotiation import matches_etag, retry_after

#: What FastAPI takes as ``responses`` of a route.
Responses = dict[int | str, dict[str, Any]]

#: A finished landscape never changes: its id names request, algorithm and backend.
_IMMUTABLE = "max-age=31536000, immutable"

_DESCRIPTIONS = {
    400: "not JSON",
    401: "the service has a key and the request does not present it",
    404: "no such landscape or fixed point",
    405: "another method",
    406: "none of the media types in Accept can be made",
    409: "the job failed or was cancelled, so there is no landscape",
    413: "the body is too large",
    415: "the body is not declared as JSON in UTF-8",
    422: "a field is missing, unknown or out of its bounds; `errors` names each",
    429: "too many requests from this address",
    500: "unexpected error; the log has the details under the request id",
    503: "too much work is waiting, or the store or pool does not answer",
}


def problem_docs(*statuses: int) -> Responses:
    """OpenAPI responses for these errors and for those that every call under /v1 has."""
    return plain_docs(*statuses, 401, 429, 500, 503)


def plain_docs(*statuses: int) -> Responses:
    """OpenAPI responses for these errors alone, as outside /v1."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": _DESCRIPTIONS[status],
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in sorted(set(statuses))
    }


def landscape_path(id: str) -> str:  # noqa: A002 - the name in the path
    """Where a landscape lives."""
    return f"/v1/landscapes/{id}"


async def wait_for(
    request: Request,
    service: LandscapeService,
    status: JobStatus,
    seconds: float | None,
    drain: Drain,
) -> JobStatus:
    """The job's status once it is over, the time is, or the process begins to stop."""
    if status.is_over or not seconds:
        return status
    began = perf_counter()
    later = await drain.race(service.wait(status.id, seconds))
    request.state.timings["wait"] = perf_counter() - began
    return status if later is None else later


async def finished_response(
    request: Request, service: LandscapeService, settings: Settings, status: JobStatus
) -> Response:
    """The landscape, or 304 if the caller has it already."""
    etag = f'W/"{status.id}"'  # weak: seconds and versions in the provenance may differ
    scope = "public" if settings.api_key is None else "private"
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if request.url.path == landscape_path(status.id):
        headers["Cache-Control"] = f"{scope}, {_IMMUTABLE}"
    else:
        headers["Content-Location"] = landscape_path(status.id)
    is_read = request.method == "GET"
    if is_read and matches_etag(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    body = await service.result(status.id)
    return Response(body, media_type="application/json", headers=headers)


def status_response(status: JobStatus, *, status_code: int) -> Response:
    """The state of a job, with the time to ask again while it runs."""
    headers = {"Cache-Control": "no-store"}
    if not status.is_over:
        headers["Retry-After"] = retry_after(status.progress.seconds_left)
    if status_code == 202:
        headers["Location"] = landscape_path(status.id)
    return Response(
        status.model_dump_json(),
        status_code=status_code,
        media_type="application/json",
        headers=headers,
    )


async def submitted_response(
    request: Request, service: LandscapeService, settings: Settings, status: JobStatus
) -> Response:
    """What a caller who asked for a landscape gets: the landscape, or 202 and where it will be.

    Raises ``JobFailed`` or ``Cancelled`` where there will be none.
    """
    if status.state == "finished":
        return await finished_response(request, service, settings, status)
    if status.state == "failed":
        raise JobFailed(f"Landscape {status.id} failed: {status.error}")
    if status.state == "cancelled":
        raise Cancelled(f"Landscape {status.id} was cancelled; ask for it again to start it again.")
    return status_response(status, status_code=202)
