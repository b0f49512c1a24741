"""The shapes of answers about jobs of any kind."""

from __future__ import annotations

import hashlib
from time import perf_counter

from fastapi import Request
from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from relu_landscape.analyses import Analysis
from relu_landscape.errors import Cancelled, JobFailed
from relu_landscape.jobs.interface import Service
from relu_landscape.jobs.words import ANYONE
from relu_landscape.wire.jobs import AnyStatus
from relu_landscape.wire.service import Alive
from relu_landscape_api.answering.at_hand import Encoded, ResultsAtHand, encoded
from relu_landscape_api.drain import Drain
from relu_landscape_api.reading.negotiation import (
    JSON_TYPE,
    accepts_gzip,
    header,
    matches_etag,
    retry_after,
)

#: A finished result never changes: its id names request, algorithm and backend.
_IMMUTABLE = "max-age=31536000, immutable"


def json_response(model: BaseModel, *, cache: str = "no-store") -> Response:
    """A model as JSON."""
    return Response(model.model_dump_json(), media_type=JSON_TYPE, headers={"Cache-Control": cache})


def seen_response(request: Request, status: AnyStatus) -> Response:
    """The state of a job with what whoever asks has said of it."""
    return json_response(seen_by(request.scope, status))


def seen_by(scope: Scope, status: AnyStatus) -> AnyStatus:
    """A job as whoever asks sees it."""
    asker = scope["state"]["identity"]
    return status.seen_by(asker.name, sees_all=asker.scope == "admin" and not asker.is_anybody)


def noticed(response: Response, notice: str | None) -> Response:
    """The response with a sentence for a person in the header Notice, where there is one.

    A result's own bytes say nothing of how it was asked: they are the same for whoever asks.
    """
    if notice is not None:
        response.headers["Notice"] = notice
    return response


def static_response(request: Request, body: bytes) -> Response:
    """JSON that is the same until the service is updated, or 304 if the caller has it already."""
    etag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'  # weak: it may be sent compressed
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if matches_etag(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=JSON_TYPE, headers=headers)


def alive() -> Response:
    """That the process can answer at all."""
    return json_response(Alive(alive=True))


def job_path(analysis: Analysis, id: str) -> str:  # noqa: A002 - the name in the path
    """Where the result of a job is, or will be."""
    return f"/v1/{analysis.plural}/{id}"


async def wait_for(
    request: Request, service: Service, status: AnyStatus, seconds: float | None, drain: Drain
) -> AnyStatus:
    """The job's status once it is over, the time is, or the process begins to stop."""
    if status.is_over or not seconds:
        return status
    began = perf_counter()
    later = await drain.race(service.wait(status.id, seconds))
    request.state.timings["wait"] = perf_counter() - began
    return status if later is None else later


class Answers:
    """What is answered about the jobs of one kind."""

    def __init__(self, analysis: Analysis, at_hand: ResultsAtHand) -> None:
        self._analysis = analysis
        self._at_hand = at_hand

    def known(self, scope: Scope, id: str) -> Response | None:  # noqa: A002 - as in the contract
        """The result, or 304, if this process has it at hand."""
        result = self._at_hand.find(self._analysis.kind, id)
        return None if result is None else self._result(scope, id, result)

    async def finished(self, scope: Scope, service: Service, id: str) -> Response:  # noqa: A002
        """The result, or 304 if the caller has it already."""
        known = self.known(scope, id)
        if known is not None:
            return known
        drops = self._at_hand.drops
        result = await encoded(self._analysis.kind, await service.result(id))
        self._at_hand.keep(id, result, drops)
        return self._result(scope, id, result)

    def _result(self, scope: Scope, id: str, result: Encoded) -> Response:  # noqa: A002
        etag = f'W/"{id}"'  # weak: seconds and versions in the provenance may differ
        path = job_path(self._analysis, id)
        headers = {"ETag": etag, "Cache-Control": "no-cache"}
        if scope["path"] == path:
            # What took a key is not for a cache that others share.
            audience = "public" if scope["state"]["asker"] == ANYONE else "private"
            headers["Cache-Control"] = f"{audience}, {_IMMUTABLE}"
        else:
            headers["Content-Location"] = path
        if scope["method"] == "GET" and matches_etag(header(scope, b"if-none-match"), etag):
            return Response(status_code=304, headers=headers)
        if result.zipped is None:
            return Response(result.plain, media_type=JSON_TYPE, headers=headers)
        if not accepts_gzip(",".join(Headers(scope=scope).getlist("accept-encoding"))):
            if "is_compressed_later" not in scope["state"]:  # that layer would say it again
                headers["Vary"] = "Accept-Encoding"
            return Response(result.plain, media_type=JSON_TYPE, headers=headers)
        headers |= {"Vary": "Accept-Encoding", "Content-Encoding": "gzip"}
        return Response(result.zipped, media_type=JSON_TYPE, headers=headers)

    def status(self, scope: Scope, status: AnyStatus, *, status_code: int) -> Response:
        """The state of a job, with the time to ask again while it runs."""
        response = json_response(seen_by(scope, status))
        response.status_code = status_code
        if not status.is_over:
            response.headers["Retry-After"] = retry_after(status.progress.seconds_left)
        if status_code == 202:
            response.headers["Location"] = job_path(self._analysis, status.id)
        return response

    async def submitted(self, request: Request, service: Service, status: AnyStatus) -> Response:
        """What a caller who asked for a result gets: the result, or 202 and where it will be.

        Raises ``JobFailed`` or ``Cancelled`` where there will be none.
        """
        job = f"The {self._analysis.noun} {status.id}"
        if status.state == "finished":
            return await self.finished(request.scope, service, status.id)
        if status.state == "failed":
            raise JobFailed(f"{job} failed: {status.error}")
        if status.state == "cancelled":
            raise Cancelled(f"{job} was cancelled; ask for it again to start it again.")
        return self.status(request.scope, status, status_code=202)
