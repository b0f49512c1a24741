"""Progress as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Header, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.exceptions import HTTPException

from relu_landscape.errors import LandscapeError
from relu_landscape.wire.jobs import Event
from relu_landscape_api.answering.answers import Responses, problem_docs
from relu_landscape_api.answering.problems import row_for
from relu_landscape_api.dependencies import Draining, Figures, LandscapeId, Service

router = APIRouter(tags=["landscapes"])

_NOTHING_MORE: Responses = {
    204: {"description": "the job is over and the reader has seen everything"}
}
#: How long a browser waits before it connects again after a restart of the service.
_RECONNECT_MILLISECONDS = 2000


async def _events(
    id: LandscapeId,  # noqa: A002 - the name in the path
    service: Service,
    last_event_id: Annotated[
        str | None,
        Header(
            pattern=r"^([0-9]{1,20}-[0-9]{1,20})?$",
            description="id of the last event that arrived; the stream resumes after it",
        ),
    ] = None,
) -> AsyncIterator[Event]:
    """The events still to come. Runs before the answer begins, so errors have their own status.

    204 where the job is over and the reader has seen all: a browser's EventSource connects again
    after every end, and stops only at 204.
    """
    status = await service.status(id)
    events = service.events(id, last_event_id or None)
    if not status.is_over:
        return events
    rest = [event async for event in events]
    if not rest:
        raise HTTPException(204)
    return _replayed(rest)


async def _replayed(events: list[Event]) -> AsyncIterator[Event]:
    for event in events:
        yield event


@router.get(
    "/v1/landscapes/{id}/events",
    summary="Follow a job",
    response_class=EventSourceResponse,
    responses=_NOTHING_MORE | problem_docs(404, 422),
)
async def follow(
    request: Request,
    drain: Draining,
    figures: Figures,
    events: Annotated[AsyncIterator[Event], Depends(_events)],
) -> AsyncIterator[ServerSentEvent]:
    """Events named `state`, `progress` and `findings`; each says everything anew.

    Every event has an id; `Last-Event-ID` resumes after it. The stream ends after the state
    `finished`, `failed` or `cancelled`; a comment every 15 s keeps proxies from closing it. An
    event `problem` says that the stream broke and that connecting again may help.
    """
    if getattr(request.state, "is_head", False):
        return
    with figures.streams.track_inprogress():
        yield ServerSentEvent(comment="connected", retry=_RECONNECT_MILLISECONDS)
        try:
            while (event := await drain.race(_following(events))) is not None:
                yield _encoded(event)
        except LandscapeError as error:
            yield _problem(error)
        finally:
            if isinstance(events, AsyncGenerator):
                await events.aclose()  # a reader who left must not keep a store connection


async def _following(events: AsyncIterator[Event]) -> Event | None:
    return await anext(events, None)


def _encoded(event: Event) -> ServerSentEvent:
    data = orjson.dumps(event.data).decode()
    return ServerSentEvent(id=event.id, event=event.name, raw_data=data)


def _problem(error: LandscapeError) -> ServerSentEvent:
    row = row_for(error)
    body = {"title": row.title, "status": row.status, "detail": str(error)}
    return ServerSentEvent(event="problem", raw_data=orjson.dumps(body).decode())
