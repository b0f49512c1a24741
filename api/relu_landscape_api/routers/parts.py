"""The parts of a result: as a table, and one of them in full."""

from __future__ import annotations

from asyncio import to_thread
from typing import Annotated

import orjson
from fastapi import APIRouter, Path, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from relu_landscape.analyses import Analysis, Parts
from relu_landscape.wire.rows import Rows
from relu_landscape_api.answering import parquet
from relu_landscape_api.answering.npz import to_npz
from relu_landscape_api.answering.rows import Row, chosen, rows_of, to_csv
from relu_landscape_api.dependencies import JobId, Service, job_of
from relu_landscape_api.openapi import answer_docs, problem_docs, query_docs
from relu_landscape_api.reading.fields import query_model, query_pairs, schema_of
from relu_landscape_api.reading.negotiation import (
    CSV_TYPE,
    JSON_TYPE,
    NPZ_TYPE,
    PARQUET_TYPE,
    preferred_type,
)
from relu_landscape_api.reading.queries import RowsQuery


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

    _add_table(router, analysis, parts)
    router.add_api_route(
        f"/v1/{analysis.plural}/{{id}}/{parts.path}/{{key}}",
        read,
        methods=["GET"],
        operation_id=operation_id,
        summary=f"One {parts.noun} in full",
        responses=docs | problem_docs(404, 406, 409),
    )


def _add_table(router: APIRouter, analysis: Analysis, parts: Parts) -> None:
    """The route of all parts of one result, as rows of a table."""
    words = f"a row for each {parts.noun}, without its lists and matrices"
    docs = answer_docs(200, words, Rows)
    docs[200]["content"][CSV_TYPE] = {"schema": {"type": "string"}}
    docs[200]["content"][PARQUET_TYPE] = {"schema": {"type": "string", "format": "binary"}}

    async def table(
        id: JobId,  # noqa: A002 - the name in the path
        request: Request,
        service: Service,
    ) -> Response:
        """JSON, or CSV or Parquet with `Accept`; some rows and columns, in an order of your own.

        What is nested has a dotted name: `stability.index`.
        """
        offered = (JSON_TYPE, CSV_TYPE, *((PARQUET_TYPE,) if parquet.is_installed() else ()))
        chosen_type = preferred_type(request.headers.get("accept"), offered)
        if chosen_type is None:
            more = "" if PARQUET_TYPE in offered else f"; {parquet.MISSING}"
            raise HTTPException(406, f"This can be answered as {' or as '.join(offered)}{more}.")
        query = query_model(query_pairs(request), RowsQuery, schema_of(RowsQuery))
        await job_of(analysis, service, id)
        result = await service.result(id)
        # A wide landscape has some megabytes: others have their turn meanwhile.
        rows = await to_thread(_rows, result, parts.collection, query)
        headers = {"Vary": "Accept", "Cache-Control": "no-cache"}
        if chosen_type == JSON_TYPE:
            body = orjson.dumps({"items": rows})
            return Response(body, media_type=JSON_TYPE, headers=headers)
        name = f"{id[:12]}-{parts.path}"
        if chosen_type == PARQUET_TYPE:
            headers["Content-Disposition"] = f'attachment; filename="{name}.parquet"'
            written = await to_thread(parquet.to_parquet, rows)
            return Response(written, media_type=PARQUET_TYPE, headers=headers)
        headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
        return Response(to_csv(rows), media_type=f"{CSV_TYPE}; charset=utf-8", headers=headers)

    router.add_api_route(
        f"/v1/{analysis.plural}/{{id}}/{parts.path}",
        table,
        methods=["GET"],
        operation_id=f"list_{parts.path.replace('-', '_')}",
        summary=f"Every {parts.noun} as a table",
        responses=docs | problem_docs(404, 406, 409, 422),
        openapi_extra={"parameters": query_docs(schema_of(RowsQuery))},
    )


def _rows(result: bytes, collection: str, query: RowsQuery) -> list[Row]:
    rows = rows_of(orjson.loads(result)[collection])
    return chosen(rows, where=query.where, sort=query.sort, fields=query.fields)
