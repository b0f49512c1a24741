"""Asking for landscapes, reading them, cancelling them, listing them."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat
from starlette.responses import Response

from relu_landscape.settings import Settings
from relu_landscape.wire.jobs import JobStatus, Page
from relu_landscape.wire.landscape import Landscape
from relu_landscape.wire.requests import LandscapeRequest
from relu_landscape_api.answering.answers import (
    Responses,
    finished_response,
    problem_docs,
    status_response,
    submitted_response,
    wait_for,
)
from relu_landscape_api.dependencies import Draining, LandscapeId, Service, ServiceSettings
from relu_landscape_api.reading.bodies import read_json
from relu_landscape_api.reading.fields import (
    invalid,
    query_model,
    schema_of,
    validated,
    with_long_names,
)
from relu_landscape_api.reading.negotiation import LONGEST_WAIT_SECONDS, preferred_wait

router = APIRouter(tags=["landscapes"])

_ACCEPTED: Responses = {
    202: {
        "model": JobStatus,
        "description": "not known yet: the job's state; Location says where the answer will be, "
        "Retry-After when to look",
        "headers": {
            "Location": {"schema": {"type": "string"}, "required": True},
            "Retry-After": {"schema": {"type": "string"}, "required": True},
        },
    },
}
_STOPPING: Responses = {202: _ACCEPTED[202] | {"description": "the job is stopping"}}
_KNOWN: Responses = {200: {"model": Landscape, "description": "the landscape"}}
_NOT_MODIFIED: Responses = {
    304: {"description": "the landscape under the entity tag of If-None-Match is still right"}
}


class WaitQuery(BaseModel):
    """How long a request with a query string may wait."""

    model_config = ConfigDict(extra="forbid")

    wait: FiniteFloat = Field(
        LONGEST_WAIT_SECONDS,
        ge=0,
        le=LONGEST_WAIT_SECONDS,
        description="seconds to wait for the landscape before answering 202",
    )


class ListQuery(BaseModel):
    """Which page of the list of landscapes."""

    model_config = ConfigDict(extra="forbid")

    cursor: Annotated[str, Field(min_length=1, max_length=512)] | None = Field(
        None, description="next_cursor of the page before; left out: the newest"
    )
    limit: int = Field(50, ge=1, le=200, strict=True, description="landscapes per page")


def request_limits(settings: Settings) -> dict[str, float]:
    """The service's own bounds on a request, by field."""
    return {
        "student_width": settings.largest_width,
        "teacher_width": settings.largest_width,
        "starts": settings.largest_starts,
    }


def _checked(asked: LandscapeRequest, settings: Settings) -> LandscapeRequest:
    asked.check_limits(largest_width=settings.largest_width, largest_starts=settings.largest_starts)
    return asked


@router.post(
    "/v1/landscapes",
    summary="Ask for a landscape",
    responses=_KNOWN | _ACCEPTED | problem_docs(400, 409, 413, 415, 422),
)
async def submit(
    request: Request, service: Service, settings: ServiceSettings, drain: Draining
) -> Response:
    """The landscape if it is known (200), else the job that computes it (202).

    The same request always has the same id, and however many ask for it at once, it is computed
    once. `Prefer: wait=N` waits up to N seconds (60 at the most) for the landscape.
    """
    body = await read_json(request, limit_bytes=settings.body_limit_bytes)
    if not isinstance(body, dict):
        raise invalid("body", body, "it must be a JSON object", place="body")
    values = with_long_names(body.items(), LandscapeRequest, place="body")
    schema = schema_of(LandscapeRequest, request_limits(settings))
    asked = _checked(validated(LandscapeRequest, values, schema, place="body"), settings)
    status = await service.submit(asked)
    seconds = preferred_wait(request.headers)
    status = await wait_for(request, service, status, seconds, drain)
    return _applied(await submitted_response(request, service, settings, status), seconds)


@router.get(
    "/v1/landscape",
    summary="Ask for a landscape from a query string",
    responses=_KNOWN | _ACCEPTED | _NOT_MODIFIED | problem_docs(409, 422),
)
async def ask(
    request: Request, service: Service, settings: ServiceSettings, drain: Draining
) -> Response:
    """As the POST, for curl and browsers; waits up to 60 s unless `wait` says otherwise.

    Matrices are written as JSON; lists of structures as JSON or with commas. Remember that a plus
    sign in a query string is written `%2B`.
    """
    pairs = request.query_params.multi_items()
    own = [pair for pair in pairs if pair[0] in WaitQuery.model_fields]
    others = [pair for pair in pairs if pair not in own]
    seconds = query_model(own, WaitQuery, schema_of(WaitQuery)).wait
    schema = schema_of(LandscapeRequest, request_limits(settings))
    asked = _checked(query_model(others, LandscapeRequest, schema), settings)
    status = await service.submit(asked)
    status = await wait_for(request, service, status, seconds, drain)
    return await submitted_response(request, service, settings, status)


@router.get(
    "/v1/landscapes",
    summary="List landscapes, newest first",
    response_model=Page,
    responses=problem_docs(422),
)
async def listing(request: Request, service: Service) -> Response:
    """Jobs in every state, newest first; the header Link names the next page."""
    query = query_model(request.query_params.multi_items(), ListQuery, schema_of(ListQuery))
    page = await service.list(cursor=query.cursor, limit=query.limit)
    headers = {"Cache-Control": "no-store"}
    if page.next_cursor is not None:
        following = urlencode({"cursor": page.next_cursor, "limit": query.limit})
        headers["Link"] = f'</v1/landscapes?{following}>; rel="next"'
    return Response(page.model_dump_json(), media_type="application/json", headers=headers)


@router.get(
    "/v1/landscapes/{id}",
    summary="A landscape, or the state of its job",
    response_model=Landscape | JobStatus,
    responses=_NOT_MODIFIED | problem_docs(404),
)
async def read(
    id: LandscapeId,  # noqa: A002 - the name in the path
    request: Request,
    service: Service,
    settings: ServiceSettings,
    drain: Draining,
) -> Response:
    """The landscape once finished; until then, and if it failed, the state of its job.

    A landscape has `fixed_points`, a job has `state`. `Prefer: wait=N` waits for the job to end.
    """
    seconds = preferred_wait(request.headers)
    status = await wait_for(request, service, await service.status(id), seconds, drain)
    if status.state == "finished":
        return _applied(await finished_response(request, service, settings, status), seconds)
    return _applied(status_response(status, status_code=200), seconds)


@router.delete(
    "/v1/landscapes/{id}",
    summary="Cancel",
    response_model=JobStatus,
    responses=_STOPPING | problem_docs(404),
)
async def cancel(id: LandscapeId, service: Service) -> Response:  # noqa: A002
    """Stop the job: 202 with the state `cancelling` until its cores are free, 200 once it is over.

    A finished landscape stays what it is.
    """
    status = await service.cancel(id)
    return status_response(status, status_code=200 if status.is_over else 202)


def _applied(response: Response, seconds: float | None) -> Response:
    if seconds is not None:
        response.headers["Preference-Applied"] = f"wait={seconds:.0f}"
    return response
