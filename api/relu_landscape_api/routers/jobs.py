"""Jobs of every kind together."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from relu_landscape.analyses import Registry
from relu_landscape_api.answering.answers import page_response
from relu_landscape_api.dependencies import Service
from relu_landscape_api.openapi import answer_docs, problem_docs, query_docs
from relu_landscape_api.reading.fields import query_model, query_pairs, schema_of
from relu_landscape_api.reading.queries import ListQuery

PATH = "/v1/jobs"


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
    return router


async def _listing(request: Request, service: Service) -> Response:
    """Jobs in every state, newest first; the header Link names the next page.

    The member `kind` says of which kind a job is.
    """
    query = query_model(query_pairs(request), ListQuery, schema_of(ListQuery))
    return await page_response(service, query, kind=None, path=PATH)
