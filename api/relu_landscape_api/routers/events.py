"""Progress as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Header, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from relu_landscape.analyses import Analysis
from relu_landscape.errors import LandscapeError
from relu_landscape.jobs.words import EVENT_ID
from relu_landscape.wire.jobs import Event, Progress, StateEvent
from relu_landscape.wire.problem import StreamProblem
from relu_landscape_api.answering.problems import row_for
from relu_landscape_api.dependencies import Draining, Figures, JobId, Service, job_of
from relu_landscape_api.openapi import Responses, problem_docs, shape

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
        events: AsyncIterator[Event] = Depends(opened),  # noqa: B008 - of this kind
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


async def _following(events: AsyncIterator[Event]) -> Event | None:
    return await anext(events, None)


def _encoded(event: Event) -> ServerSentEvent:
    data = orjson.dumps(event.data).decode()
    return ServerSentEvent(id=event.id, event=event.name, raw_data=data)


def _problem(error: LandscapeError) -> ServerSentEvent:
    row = row_for(error)
    problem = StreamProblem(title=row.title, status=row.status, detail=str(error))
    return ServerSentEvent(event="problem", raw_data=problem.model_dump_json())
