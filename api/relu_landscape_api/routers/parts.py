"""One part of a result in full."""

from __future__ import annotations

from typing import Annotated

import orjson
from fastapi import APIRouter, Path, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from relu_landscape.analyses import Analysis
from relu_landscape_api.answering.npz import to_npz
from relu_landscape_api.dependencies import JobId, Service, job_of
from relu_landscape_api.openapi import answer_docs, problem_docs
from relu_landscape_api.reading.negotiation import JSON_TYPE, NPZ_TYPE, preferred_type


def add_parts(router: APIRouter, analysis: Analysis, *, operation_id: str) -> None:
    """The route of this kind's parts, if it has any."""
    parts = analysis.parts
    if parts is None:
        return
    description = (
        f"the {parts.noun} and its details; as NPZ, its arrays by name and the rest as JSON text "
        "under `document`"
    )
    docs = answer_docs(200, description, parts.full)
    docs[200]["content"][NPZ_TYPE] = {"schema": {"type": "string", "format": "binary"}}

    async def read(
        id: JobId,  # noqa: A002 - the name in the path
        key: Annotated[str, Path(description="key of the part in the result")],
        request: Request,
        service: Service,
    ) -> Response:
        """JSON, or a NumPy archive with `Accept: application/x-npz`."""
        chosen = preferred_type(request.headers.get("accept"), (JSON_TYPE, NPZ_TYPE))
        if chosen is None:
            raise HTTPException(406, f"This can be answered as {JSON_TYPE} or as {NPZ_TYPE}.")
        await job_of(analysis, service, id)
        part = await service.part(id, key)
        headers = {"Vary": "Accept", "Cache-Control": "no-cache"}
        if chosen == JSON_TYPE:
            return Response(orjson.dumps(part), media_type=JSON_TYPE, headers=headers)
        name = f"{id[:12]}-{parts.noun.replace(' ', '-')}.npz"
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return Response(to_npz(part), media_type=NPZ_TYPE, headers=headers)

    router.add_api_route(
        f"/v1/{analysis.plural}/{{id}}/{parts.path}/{{key}}",
        read,
        methods=["GET"],
        operation_id=operation_id,
        summary=f"One {parts.noun} in full",
        responses=docs | problem_docs(404, 406, 409),
    )
