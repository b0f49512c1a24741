"""Short calls: questions in a query string that are answered at once."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from relu_landscape.analyses import Registry, ShortCall
from relu_landscape.errors import PoolUnavailable
from relu_landscape.wire.requests import AnalysisRequest
from relu_landscape.wire.widths import width_notice
from relu_landscape_api.answering.answers import json_response, noticed
from relu_landscape_api.dependencies import Draining, Service
from relu_landscape_api.openapi import answer_docs, problem_docs, query_docs
from relu_landscape_api.reading.fields import query_model, query_pairs, schema_of, schema_within
from relu_landscape_api.settings import ApiSettings

#: Most seconds of computing that an answer waits for; the setting ``call_seconds`` may say less.
_TIMEOUT_SECONDS = 60.0


def calls_router(registry: Registry, settings: ApiSettings) -> APIRouter:
    """Every short call under its path; tagged by the path's first step, for the documentation."""
    router = APIRouter()
    for call in registry.calls:
        _add(router, call, settings)
    return router


def _add(router: APIRouter, call: ShortCall, settings: ApiSettings) -> None:
    schema = schema_of(call.query)
    if issubclass(call.query, AnalysisRequest):  # bounded like the jobs that it is about
        schema = schema_within(call.query, settings)

    async def answer(request: Request, service: Service, drain: Draining) -> Response:
        pairs = query_pairs(request)
        query = query_model(pairs, call.query, schema)
        if isinstance(query, AnalysisRequest):
            service.identify(query)  # within the limits that the settings set
        found = await drain.race(service.call(call.name, query, _TIMEOUT_SECONDS))
        if found is None:
            raise PoolUnavailable("The service is stopping; ask again when it has started.")
        response = json_response(found, cache="no-cache")
        return noticed(response, width_notice([name for name, _ in pairs], query))

    router.add_api_route(
        call.path,
        answer,
        methods=["GET"],
        tags=[call.path.removeprefix("/v1/").partition("/")[0]],
        operation_id=call.name,
        summary=call.summary,
        description=call.description,
        responses=answer_docs(200, call.summary, call.result) | problem_docs(422),
        openapi_extra={"parameters": query_docs(schema)},
    )
