"""For operators: probes, figures, versions, the description of the interface."""

from __future__ import annotations

from functools import cache
from typing import Any

import orjson
from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from relu_landscape.analyses import Registry
from relu_landscape.errors import Unavailable
from relu_landscape.schema import published
from relu_landscape.wire.jobs import Readiness
from relu_landscape.wire.service import Alive, ApiInfo, ApiLimits, ServiceInfo
from relu_landscape_api.answering.answers import alive, json_response, static_response
from relu_landscape_api.answering.problems import Row, problem_response
from relu_landscape_api.dependencies import Draining, Figures, Known, Service, ServiceSettings
from relu_landscape_api.openapi import Responses, answer_docs, plain_docs, problem_docs
from relu_landscape_api.reading.negotiation import JSON_TYPE
from relu_landscape_api.settings import ApiSettings

router = APIRouter(tags=["operations"])

_NOT_READY = Row(503, "not-ready", "Not ready")
_FIGURES: Responses = {
    200: {
        "description": "text exposition format",
        "content": {CONTENT_TYPE_LATEST.partition(";")[0]: {"schema": {"type": "string"}}},
    }
}
_SCHEMA: Responses = {
    200: {
        "description": "a JSON schema document",
        "content": {JSON_TYPE: {"schema": {"type": "object"}}},
    },
    304: {"description": "the document under the entity tag of If-None-Match is still right"},
}


@router.get(
    "/livez",
    summary="Does the process answer?",
    operation_id="livez",
    responses=answer_docs(200, "it does", Alive),
)
async def livez() -> Response:
    """200 as long as the process can answer at all; says nothing about store or pool."""
    return alive()


@router.get(
    "/readyz",
    summary="Can it take requests?",
    operation_id="readyz",
    responses=answer_docs(200, "it can", Readiness) | plain_docs(500, 503),
)
async def readyz(request: Request, service: Service, drain: Draining) -> Response:
    """200 if store and pool answer, 503 if not or if the process is stopping."""
    if drain.has_begun:
        return problem_response(request.scope, _NOT_READY, "The service is stopping.")
    try:
        readiness = await service.readiness()
        exposed = request.app.state.warnings  # while there is no key
        if exposed and await service.keys.exist():
            exposed = []
    except Unavailable as error:
        return problem_response(request.scope, _NOT_READY, str(error))
    warnings = [*exposed, *readiness.warnings]
    readiness = readiness.model_copy(update={"warnings": warnings})
    if readiness.ready:
        return json_response(readiness)
    faults = {name: text for name, text in readiness.checks.items() if text != "ok"}
    return problem_response(
        request.scope,
        _NOT_READY,
        " ".join(f"{name}: {text}" for name, text in faults.items()),
        extra={"checks": readiness.checks, "warnings": readiness.warnings},
    )


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    operation_id="metrics",
    responses=_FIGURES | plain_docs(500),
)
async def metrics(service: Service, figures: Figures) -> Response:
    """Requests by route and status, their latency, jobs by state, open streams."""
    body = await figures.exposition(service)
    return Response(body, headers={"Content-Type": CONTENT_TYPE_LATEST})


@router.get(
    "/v1/service-info",
    summary="Versions, backend, limits",
    operation_id="service_info",
    responses=answer_docs(200, "what computes here", ApiInfo) | problem_docs(),
)
async def service_info(service: Service, settings: ServiceSettings) -> Response:
    """What computes here, why that, and what may be asked."""
    return json_response(_with_http(service.info(), settings))


def _with_http(info: ServiceInfo, settings: ApiSettings) -> ApiInfo:
    """What the service says of itself and the limits that this side adds."""
    limits = ApiLimits(
        **info.limits.model_dump(),
        body_limit_bytes=settings.body_limit_bytes,
        rate_limit=settings.rate_limit,
    )
    return ApiInfo(**(dict(info) | {"limits": limits}))


@router.get(
    "/v1/schema.json",
    summary="Every JSON shape",
    operation_id="schema",
    responses=_SCHEMA | problem_docs(),
)
async def schema(request: Request, registry: Known, settings: ServiceSettings) -> Response:
    """Requests, results, states and events of every kind as JSON schema, with phases and the
    defaults that hold here.
    """
    return static_response(
        request, _published(registry, settings.largest_width, settings.largest_starts)
    )


@router.get("/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> Response:
    """This interface in OpenAPI."""
    return static_response(request, orjson.dumps(request.app.openapi()))


@cache
def _published(registry: Registry, largest_width: int, largest_starts: int) -> bytes:
    document: Any = published(registry)
    for analysis in registry.analyses:
        defaults = document["analyses"][analysis.kind]["defaults"]
        maxima = analysis.request.maxima(largest_width=largest_width, largest_starts=largest_starts)
        for name in defaults.keys() & maxima.keys():
            defaults[name] = min(defaults[name], maxima[name])
    return orjson.dumps(document)
