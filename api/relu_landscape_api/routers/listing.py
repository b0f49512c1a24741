"""Pages of jobs: whole, or some members of each as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import orjson
from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from relu_landscape.analyses import Registry
from relu_landscape.errors import RequestError
from relu_landscape.jobs.identity import allows
from relu_landscape.jobs.interface import Service
from relu_landscape.jobs.listing import NUMBERS, Wanted
from relu_landscape.wire.jobs import AnyStatus, JobStatus, Page
from relu_landscape.wire.rows import RowsPage
from relu_landscape_api.answering.answers import json_response, seen_by
from relu_landscape_api.answering.rows import Row, rows_of, to_csv
from relu_landscape_api.layers.gate import identity_of, wrong_scope
from relu_landscape_api.openapi import Responses, answer_docs, problem_docs
from relu_landscape_api.reading.negotiation import CSV_TYPE, JSON_TYPE, preferred_type
from relu_landscape_api.reading.queries import JobsQuery, KindQuery

#: What a table of jobs has where nobody says what it should have.
COLUMNS = (
    "id", "kind", "state", "request.student_width", "request.teacher_width", "request.starts",
    "request.seed", "created_at", "started_at", "finished_at", "error", "tags", "note",
)  # fmt: skip


def listing_docs(page: type[Page[AnyStatus]]) -> Responses:
    """What a list of jobs may be answered with."""
    words = "one page; with `fields` each item has those members alone, under their dotted names"
    docs = answer_docs(200, words, page, RowsPage)
    docs[200]["content"][CSV_TYPE] = {"schema": {"type": "string"}}
    return docs | problem_docs(406, 422)


async def page_response(
    request: Request, service: Service, query: KindQuery, *, kind: str | None, path: str
) -> Response:
    """One page of jobs; the header Link names the next one.

    Without the matrices of their requests, which made a page of 200 jobs one of ten megabytes.
    """
    media_type = preferred_type(request.headers.get("accept"), (JSON_TYPE, CSV_TYPE))
    if media_type is None:
        raise HTTPException(406, f"This can be answered as {JSON_TYPE} or as {CSV_TYPE}.")
    asker = identity_of(request.scope)
    sees_all = allows(asker.scope, "admin") and not asker.is_anybody
    if query.asker not in (None, asker.name):
        if query.mine:
            raise RequestError("asker", query.asker, "left out where mine is true")
        if not allows(asker.scope, "admin"):
            return wrong_scope(request.scope, "admin")
    wanted = wanted_by(query, service.registry, viewer=asker.name, sees_all=sees_all)
    page = await service.list(kind=kind, cursor=query.cursor, limit=query.limit, wanted=wanted)
    items = [seen_by(request.scope, each.listed) for each in page.items]
    fields = None if query.fields is None else [name.strip() for name in query.fields.split(",")]
    if media_type == CSV_TYPE:
        table = to_csv(_rows(items, fields or COLUMNS))
        response = Response(table, media_type=f"{CSV_TYPE}; charset=utf-8")
        name = path.rpartition("/")[2]
        response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    elif fields is not None:
        body = {"items": _rows(items, fields), "next_cursor": page.next_cursor}
        response = Response(orjson.dumps(body), media_type=JSON_TYPE)
    else:
        response = json_response(page.model_copy(update={"items": items}))
    response.headers["Cache-Control"] = "no-cache"
    response.headers["Vary"] = "Accept"
    if page.next_cursor is not None:
        following = _following(request, page.next_cursor)
        response.headers["Link"] = f'<{path}?{following}>; rel="next"'
    return response


def wanted_by(query: KindQuery, registry: Registry, *, viewer: str, sees_all: bool) -> Wanted:
    """What the query asks for. Raises ``RequestError`` for a kind that there is not."""
    kinds = [each.kind for each in registry.analyses]
    return Wanted(
        kinds=_chosen("kind", query.kind, kinds) if isinstance(query, JobsQuery) else (),
        states=[] if query.state is None else query.state.split(","),
        numbers={name: value for name in NUMBERS if (value := getattr(query, name)) is not None},
        asker=viewer if query.mine else query.asker,
        tag=query.tag,
        viewer=None if sees_all else viewer,
        text=query.text,
        begins=query.id,
        since=_seconds("since", query.since),
        until=_seconds("until", query.until),
        sort=query.sort,
    )


def _chosen(field: str, given: str | None, known: Sequence[str]) -> list[str]:
    words = [] if given is None else [word.strip() for word in given.split(",")]
    for word in words:
        if word not in known:
            raise RequestError(field, word, f"one of {', '.join(known)}, or several with commas")
    return words


def _seconds(field: str, given: str | None) -> float | None:
    return None if given is None else KindQuery.moment(field, given).timestamp()


def _rows(items: Sequence[AnyStatus], fields: Sequence[str]) -> list[Row]:
    for name in fields:
        if name.partition(".")[0] not in JobStatus.model_fields:
            known = ", ".join(JobStatus.model_fields)
            raise RequestError("fields", name, f"one of {known}, a member of one with a dot")
    members = {name.partition(".")[0] for name in fields}
    found: list[Mapping[str, Any]] = [
        each.model_dump(mode="json", include=members) for each in items
    ]
    return [{name: row.get(name) for name in fields} for row in rows_of(found)]


def _following(request: Request, cursor: str) -> str:
    pairs = [pair for pair in request.query_params.multi_items() if pair[0] != "cursor"]
    return urlencode([("cursor", cursor), *pairs])
