"""Progress as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Header, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from relu_landscape.analyses import Analysis
from relu_landscape.errors import LandscapeError
from relu_landscape.jobs import interface
from relu_landscape.jobs.words import EVENT_ID
from relu_landscape.wire.jobs import Event, Progress, StateEvent, WaitingEvent
from relu_landscape.wire.problem import StreamProblem
from relu_landscape_api.answering.problems import row_for
from relu_landscape_api.dependencies import Draining, Figures, JobId, Service, job_of
from relu_landscape_api.drain import Drain
from relu_landscape_api.openapi import Responses, problem_docs, shape

#: While a job waits its place is looked up, first after so long, then twice as long each time.
_FIRST_LOOK_SECONDS, _LAST_LOOK_SECONDS = 1.0, 15.0
#: How long a browser waits before it connects again after a restart of the service.
_RECONNECT_MILLISECONDS = 2000

LastEventId = Annotated[
    str | None,
    Header(
        pattern=f"^({EVENT_ID})?$",
        description="id of the last event that arrived; the stream resumes after it",
    ),
]


def add_events(router: APIRouter, analysis: Analysis, *, operation_id: str) -> None:
    """The route of this kind's event streams."""

    async def opened(
        id: JobId,  # noqa: A002 - the name in the path
        service: Service,
        last_event_id: LastEventId = None,
    ) -> AsyncIterator[Event]:
        """The events still to come. Runs before the answer begins, so errors have their own status.

        204 where the job is over and the reader has seen all: a browser's EventSource connects
        again after every end, and stops only at 204.
        """
        status = await job_of(analysis, service, id)
        events = service.events(id, last_event_id or None)
        if not status.is_over:
            return events
        rest = [event async for event in events]
        if not rest:
            raise HTTPException(204)
        return _replayed(rest)

    async def follow(
        request: Request,
        drain: Draining,
        figures: Figures,
        service: Service,
        id: JobId,  # noqa: A002 - the name in the path
        events: AsyncIterator[Event] = Depends(opened),  # noqa: B008 - of this kind
    ) -> AsyncIterator[ServerSentEvent]:
        """Events named `state`, `progress` and `findings`; each says everything anew.

        Every such event has an id; `Last-Event-ID` resumes after it. The stream ends after the
        state `finished`, `failed` or `cancelled`; a comment every 15 s keeps proxies from closing
        it. While the job waits, events `waiting` without an id say how many stand before it, when
        that has changed. An event `problem` says that the stream broke and that connecting again
        may help.
        """
        if getattr(request.state, "is_head", False):
            return
        with figures.streams.track_inprogress():
            yield ServerSentEvent(comment="connected", retry=_RECONNECT_MILLISECONDS)
            try:
                async with aclosing(_with_place(events, drain, service, id)) as told:
                    async for each in told:
                        yield each
            except LandscapeError as error:
                yield _problem(error)
            finally:
                if isinstance(events, AsyncGenerator):
                    await events.aclose()  # a reader who left must not keep a store connection

    router.add_api_route(
        f"/v1/{analysis.plural}/{{id}}/events",
        follow,
        methods=["GET"],
        operation_id=operation_id,
        summary="Follow a job",
        response_class=EventSourceResponse,
        responses=_stream_docs(analysis) | problem_docs(404, 422),
    )


def _stream_docs(analysis: Analysis) -> Responses:
    """The stream, and each of its events with the shape of its data."""
    events: dict[str, type[BaseModel]] = {
        "state": StateEvent,
        "progress": Progress,
        "findings": analysis.findings,
        "waiting": WaitingEvent,
        "problem": StreamProblem,
    }
    return {
        200: {
            "description": "server-sent events: " + ", ".join(events),
            "content": {
                "text/event-stream": {
                    "itemSchema": {
                        "oneOf": [_event(name, model) for name, model in events.items()]
                    },
                }
            },
        },
        204: {"description": "the job is over and the reader has seen everything"},
    }


def _event(name: str, model: type[BaseModel]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["event", "data"],
        "properties": {
            "id": {"type": "string"},
            "event": {"const": name},
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": shape(model),
            },
        },
    }


async def _replayed(events: list[Event]) -> AsyncIterator[Event]:
    for event in events:
        yield event


async def _with_place(
    events: AsyncIterator[Event],
    drain: Drain,
    service: interface.Service,
    id: str,  # noqa: A002 - the name in the path
) -> AsyncGenerator[ServerSentEvent]:
    """The events, and between them where in the line the job stands, while it waits."""
    place, pause, waits = None, _FIRST_LOOK_SECONDS, True
    while True:
        coming = asyncio.ensure_future(drain.race(_following(events)))
        try:
            while waits and not (await asyncio.wait({coming}, timeout=pause))[0]:
                pause = min(2.0 * pause, _LAST_LOOK_SECONDS)
                before, waits = await _place(service, id)
                if before not in (None, place):
                    place = before
                    yield _waiting(place)
            event = await coming
        finally:
            if not coming.done():  # it must have ended before the caller closes the events
                coming.cancel()
                await asyncio.wait({coming})
        if event is None:
            return
        yield _encoded(event)
        if event.name == "state":
            waits = event.data.get("state") == "queued"


async def _place(service: interface.Service, id: str) -> tuple[int | None, bool]:  # noqa: A002
    """How many stand before it, and whether it waits; a store that is silent says neither, and
    leaves it to the events to say that they broke."""
    try:
        status = await service.status(id)
    except LandscapeError:
        return None, True
    return status.waiting_before, status.state == "queued"


async def _following(events: AsyncIterator[Event]) -> Event | None:
    return await anext(events, None)


def _encoded(event: Event) -> ServerSentEvent:
    data = orjson.dumps(event.data).decode()
    return ServerSentEvent(id=event.id, event=event.name, raw_data=data)


def _waiting(before: int) -> ServerSentEvent:
    data = WaitingEvent(waiting_before=before).model_dump_json()
    return ServerSentEvent(event="waiting", raw_data=data)


def _problem(error: LandscapeError) -> ServerSentEvent:
    row = row_for(error)
    problem = StreamProblem(title=row.title, status=row.status, detail=str(error))
    return ServerSentEvent(event="problem", raw_data=problem.model_dump_json())
