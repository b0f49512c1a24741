"""For operators: probes, figures, versions, the description of the interface."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from relu_landscape.errors import Unavailable
from relu_landscape_api.answering.answers import Responses, plain_docs, problem_docs
from relu_landscape_api.answering.problems import Row, problem_response
from relu_landscape_api.dependencies import Draining, Figures, Service

router = APIRouter(tags=["operations"])

_NOT_READY = Row(503, "not-ready", "Not ready")


class Alive(BaseModel):
    """The process answers."""

    model_config = ConfigDict(extra="forbid")

    alive: bool


class Ready(BaseModel):
    """The service can take requests."""

    model_config = ConfigDict(extra="forbid")

    ready: bool
    checks: dict[str, str] = Field(description="ok, or a sentence, per thing that is needed")
    warnings: list[str] = Field(description="what an operator should know")


_FIGURES: Responses = {
    200: {
        "description": "text exposition format",
        "content": {CONTENT_TYPE_LATEST.partition(";")[0]: {"schema": {"type": "string"}}},
    }
}


@router.get("/livez", summary="Does the process answer?", response_model=Alive)
async def livez() -> Response:
    """200 as long as the process can answer at all; says nothing about store or pool."""
    return _json({"alive": True})


@router.get(
    "/readyz", summary="Can it take requests?", response_model=Ready, responses=plain_docs(500, 503)
)
async def readyz(request: Request, service: Service, drain: Draining) -> Response:
    """200 if store and pool answer, 503 if not or if the process is stopping."""
    if drain.has_begun:
        return problem_response(request.scope, _NOT_READY, "The service is stopping.")
    try:
        readiness = await service.readiness()
    except Unavailable as error:
        return problem_response(request.scope, _NOT_READY, str(error))
    if readiness.ready:
        return _json(readiness.model_dump())
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
    responses=_FIGURES | plain_docs(500),
)
async def metrics(service: Service, figures: Figures) -> Response:
    """Requests by route and status, their latency, jobs by state, open streams."""
    body = await figures.exposition(service)
    return Response(body, headers={"Content-Type": CONTENT_TYPE_LATEST})


@router.get(
    "/v1/service-info",
    summary="Versions, backend, limits",
    response_model=dict[str, Any],
    responses=problem_docs(),
)
async def service_info(service: Service) -> Response:
    """What computes here, why that, and what may be asked."""
    return _json(service.info())


@router.get("/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> Response:
    """This interface in OpenAPI."""
    return _json(request.app.openapi(), cache="no-cache")


def _json(value: Any, *, cache: str = "no-store") -> Response:
    return Response(
        orjson.dumps(value), media_type="application/json", headers={"Cache-Control": cache}
    )
