"""Whoever asks: what the service knows of them; for administrators, who did what."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import Response

from relu_landscape.jobs.words import ANYONE
from relu_landscape.wire.identity import AuditPage, Me
from relu_landscape_api.answering.answers import json_response
from relu_landscape_api.dependencies import Service
from relu_landscape_api.layers.gate import identity_of
from relu_landscape_api.openapi import answer_docs, problem_docs, query_docs
from relu_landscape_api.reading.fields import query_model, query_pairs, schema_of
from relu_landscape_api.reading.queries import ListQuery

router = APIRouter(tags=["identity"])

_AUDIT = "/v1/audit"


@router.get(
    "/v1/me",
    summary="Whose key is this?",
    operation_id="me",
    responses=answer_docs(200, "whoever asks", Me) | problem_docs(),
)
async def me(request: Request, service: Service) -> Response:
    """Name, scope and end of the key that came with the request, how often it may ask, and what its
    jobs may compute.

    Without a key, where none is needed, the name is `anonymous`.
    """
    identity = identity_of(request.scope)
    key = identity.key
    ends = None if key is None or key.expires_at is None else key.expires_at
    return json_response(
        Me(
            name="anonymous" if identity.name == ANYONE else identity.name,
            scope=identity.scope,
            expires_at=None if ends is None else ends.isoformat().replace("+00:00", "Z"),
            limits=await request.app.state.rates.quotas(identity, request.scope, service.keys),
        )
    )


@router.get(
    _AUDIT,
    summary="Who did what, newest first",
    operation_id="audit",
    responses=answer_docs(200, "one page", AuditPage) | problem_docs(422),
    openapi_extra={"parameters": query_docs(schema_of(ListQuery))},
)
async def audit(request: Request, service: Service) -> Response:
    """Who asked for which job, cancelled it, made or revoked a key; from where, and when.

    It takes a key with the scope `admin`. The header Link names the next page.
    """
    query = query_model(query_pairs(request), ListQuery, schema_of(ListQuery))
    page = await service.trail.page(query.cursor, query.limit)
    response = json_response(page)
    if page.next_cursor is not None:
        following = urlencode({"cursor": page.next_cursor, "limit": query.limit})
        response.headers["Link"] = f'<{_AUDIT}?{following}>; rel="next"'
    return response
