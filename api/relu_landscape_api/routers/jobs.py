"""Jobs of every kind together, and what is done to any of them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from relu_landscape.analyses import Registry
from relu_landscape.errors import NotFound
from relu_landscape.wire.labels import LabelChange
from relu_landscape_api.answering.answers import seen_response
from relu_landscape_api.auditing import remember
from relu_landscape_api.dependencies import JobId, Service, ServiceSettings
from relu_landscape_api.layers.gate import identity_of
from relu_landscape_api.openapi import Responses, answer_docs, problem_docs, query_docs, shape
from relu_landscape_api.reading.bodies import read_body
from relu_landscape_api.reading.fields import (
    invalid,
    query_model,
    query_pairs,
    schema_of,
    validated,
)
from relu_landscape_api.reading.negotiation import JSON_TYPE
from relu_landscape_api.reading.queries import JobsQuery
from relu_landscape_api.routers.listing import listing_docs, page_response

PATH = "/v1/jobs"

_EXAMPLE = {"tags": ["paper", "fig/3"], "note": "the run of figure 3"}
_GONE: Responses = {204: {"description": "it is gone"}}


def jobs_router(registry: Registry) -> APIRouter:
    """The list over every kind of the registry."""
    router = APIRouter(tags=["jobs"])
    router.add_api_route(
        PATH,
        _listing,
        methods=["GET"],
        operation_id="list_jobs",
        summary="List the jobs of every kind, newest first",
        responses=listing_docs(registry.page),
        openapi_extra={"parameters": query_docs(schema_of(JobsQuery))},
    )
    router.add_api_route(
        f"{PATH}/{{id}}",
        _delete,
        methods=["DELETE"],
        operation_id="delete_job",
        summary="Delete a job that is over",
        status_code=204,
        responses=_GONE | problem_docs(404, 409),
    )
    _add_labels(router, registry)
    for method, call, name, summary in (
        ("PUT", _pin, "pin_job", "Keep a finished result"),
        ("DELETE", _unpin, "unpin_job", "Let a result be forgotten like any other"),
    ):
        router.add_api_route(
            f"{PATH}/{{id}}/pin",
            call,
            methods=[method],
            operation_id=name,
            summary=summary,
            responses=answer_docs(200, "the job", *(each.status for each in registry.analyses))
            | problem_docs(404, 409),
        )
    return router


def _add_labels(router: APIRouter, registry: Registry) -> None:
    """One job of any kind, and what people say of it."""
    states = answer_docs(200, "the job", *(each.status for each in registry.analyses))
    router.add_api_route(
        f"{PATH}/{{id}}",
        _read,
        methods=["GET"],
        operation_id="read_job",
        summary="The state of a job of any kind",
        responses=states | problem_docs(404),
    )
    router.add_api_route(
        f"{PATH}/{{id}}",
        _label,
        methods=["PATCH"],
        operation_id="label_job",
        summary="Tags and a note of one's own",
        responses=states | problem_docs(400, 404, 408, 413, 415, 422),
        openapi_extra={"requestBody": {
            "required": True,
            "content": {JSON_TYPE: {"schema": shape(LabelChange), "example": _EXAMPLE}},
        }},
    )  # fmt: skip


async def _read(
    id: JobId,  # noqa: A002 - the name in the path
    request: Request,
    service: Service,
) -> Response:
    """Also of one that is finished, whose result is elsewhere: with tags, note and pin."""
    return seen_response(request, await service.status(id))


async def _label(
    id: JobId,  # noqa: A002 - the name in the path
    request: Request,
    service: Service,
    settings: ServiceSettings,
) -> Response:
    """Whoever may submit may say something of any job, which they alone see, and keys with the
    scope `admin`. It is kept as long as the job, and comes back with it from archive and backup.

    Members that are left out stay as they are.
    """
    change, _ = await read_body(
        request,
        _change_in,
        limit_bytes=settings.body_limit_bytes,
        timeout_seconds=settings.body_seconds,
    )
    status = await service.label(id, identity_of(request.scope).name, change)
    await remember(request, service, "labelled", status.id, status.kind)
    return seen_response(request, status)


def _change_in(body: Any) -> tuple[LabelChange, None]:
    if not isinstance(body, dict):
        raise invalid("body", body, "it must be a JSON object", place="body")
    return validated(LabelChange, body, schema_of(LabelChange), place="body"), None


async def _listing(request: Request, service: Service) -> Response:
    """Jobs in every state, newest first; the header Link names the next page.

    The member `kind` says of which kind a job is. `Accept: text/csv` makes it a table.
    """
    query = query_model(query_pairs(request), JobsQuery, schema_of(JobsQuery))
    return await page_response(request, service, query, kind=None, path=PATH)


async def _pin(
    id: JobId,  # noqa: A002 - the name in the path
    request: Request,
    service: Service,
) -> Response:
    """It is not forgotten for its age nor to make room, until the pin is taken away.

    Once more is the same. 409 for a job that is not finished.
    """
    status = await service.pin(id)
    await remember(request, service, "pinned", status.id, status.kind)
    return seen_response(request, status)


async def _unpin(
    id: JobId,  # noqa: A002 - the name in the path
    request: Request,
    service: Service,
) -> Response:
    """The time after which it is forgotten, where there is one, begins anew."""
    status = await service.unpin(id)
    await remember(request, service, "unpinned", status.id, status.kind)
    return seen_response(request, status)


async def _delete(
    id: JobId,  # noqa: A002 - the name in the path
    request: Request,
    service: Service,
) -> Response:
    """The job with its result, parts and events, in the store and in the archive. For ever.

    It takes a key with the scope `admin`, where keys are needed. 409 for a job that is not over
    (cancel it first) or is pinned (unpin it first). Other processes may send a result that they
    have at hand, and whoever fetched it has it.
    """
    try:
        kind = (await service.status(id)).kind
    except NotFound:  # gone, unless the archive could not be asked to remove it
        kind = None
    await service.delete(id)
    request.app.state.at_hand.drop(id)
    await remember(request, service, "deleted", id, kind)
    return Response(status_code=204, headers={"Cache-Control": "no-store"})
