"""Jobs of every kind together, and what is done to any of them."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from relu_landscape.analyses import Registry
from relu_landscape.errors import NotFound
from relu_landscape_api.answering.answers import json_response, page_response
from relu_landscape_api.auditing import remember
from relu_landscape_api.dependencies import JobId, Service
from relu_landscape_api.openapi import Responses, answer_docs, problem_docs, query_docs
from relu_landscape_api.reading.fields import query_model, query_pairs, schema_of
from relu_landscape_api.reading.queries import ListQuery

PATH = "/v1/jobs"

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
        responses=answer_docs(200, "one page", registry.page) | problem_docs(422),
        openapi_extra={"parameters": query_docs(schema_of(ListQuery))},
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


async def _listing(request: Request, service: Service) -> Response:
    """Jobs in every state, newest first; the header Link names the next page.

    The member `kind` says of which kind a job is.
    """
    query = query_model(query_pairs(request), ListQuery, schema_of(ListQuery))
    return await page_response(service, query, kind=None, path=PATH)


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
    return json_response(status)


async def _unpin(
    id: JobId,  # noqa: A002 - the name in the path
    request: Request,
    service: Service,
) -> Response:
    """The time after which it is forgotten, where there is one, begins anew."""
    status = await service.unpin(id)
    await remember(request, service, "unpinned", status.id, status.kind)
    return json_response(status)


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
