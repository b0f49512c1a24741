"""The conversations with the server, each written once, for both clients.

Submit, follow the events, fetch the result. A stream that breaks is resumed behind the last event
seen (``Last-Event-ID``); one that keeps breaking, or is not to be had, gives way to asking again
and again. What decides is always the status that the server tells, never the stream.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, TypeVar
from urllib.parse import quote

from relu_landscape_client import _decode
from relu_landscape_client._cache import Cache
from relu_landscape_client._steps import (
    Answer,
    Call,
    Conversation,
    Event,
    Listen,
    NextEvent,
    Now,
    Pause,
)
from relu_landscape_client.errors import (
    ClientError,
    LandscapeCancelled,
    LandscapeFailed,
    NotFound,
    ProtocolError,
    TimedOut,
)
from relu_landscape_client.status import LANDSCAPE, Status

Watcher = Callable[[Status], None]
Document = dict[str, Any]
#: A request: JSON, or a NumPy archive.
Request = Mapping[str, Any] | bytes
T = TypeVar("T")

LANDSCAPES = "v1/landscapes"
TRAJECTORIES = "v1/trajectories"
POINTS = "v1/points"
FREQUENCIES = "v1/frequencies"
PERTURBATIONS = "v1/perturbations"
DESCENTS = "v1/descents"
SWEEPS = "v1/sweeps"
#: What one of them is called.
NOUNS = {
    LANDSCAPES: "landscape", TRAJECTORIES: "trajectory", POINTS: "location",
    FREQUENCIES: "set of frequencies", PERTURBATIONS: "set of perturbations",
    DESCENTS: "set of descents", SWEEPS: "sweep",
}  # fmt: skip
JOBS = "v1/jobs"
#: So many streams in a row that break without a single event are enough to stop trying.
STREAM_FAILURES = 3
#: Asking again: from a tenth of a second, for landscapes that take a second, to every two seconds,
#: which a person does not notice and a server does not feel.
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0


def _silent(_: Status) -> None: ...


def _path(kind: str, job_id: str, *more: str) -> str:
    return "/".join([kind, *(quote(part, safe="") for part in (job_id, *more))])


def document(path: str, **params: Any) -> Conversation[Document]:
    """One ``GET`` of a JSON object."""
    answer: Answer = yield Call("GET", path, params=params)
    return answer.document()


def submit(
    request: Request, kind: str = LANDSCAPES
) -> Conversation[tuple[Status, Document | None]]:
    """Hand in a request; the status, and the result where the server knows it already."""
    if isinstance(request, bytes):
        answer: Answer = yield Call("POST", kind, archive=request)
    else:
        answer = yield Call("POST", kind, json=request)
    return _status_and_result(answer.document())


def _status_and_result(found: Document) -> tuple[Status, Document | None]:
    return Status.from_document(found), found if "digest" in found else None


def status(job_id: str, kind: str = LANDSCAPES) -> Conversation[tuple[Status, Document | None]]:
    """Where a job stands, with its result once it is finished."""
    answer: Answer = yield Call("GET", _path(kind, job_id))
    return _status_and_result(answer.document())


def place_of(kind: str) -> Conversation[str]:
    """Where jobs of this kind are found: the server's schema says it, of kinds to come as well."""
    if kind == LANDSCAPE:
        return LANDSCAPES
    schema: Document = yield from document("v1/schema.json")
    analyses: Document = _decode.required(schema, "analyses")
    return f"v1/{_decode.required(_decode.required(analyses, kind), 'plural')}"


def cancel(which: str | Status) -> Conversation[Status]:
    """Cancel a job; the status says ``cancelling`` until its cores are free.

    An id alone is a landscape's; a ``Status`` says of which kind its job is.
    """
    if isinstance(which, str):
        job_id, place = which, LANDSCAPES
    else:
        job_id = which.id
        place = yield from place_of(which.kind)
    answer: Answer = yield Call("DELETE", _path(place, job_id))
    if not answer.body.strip():
        now, _ = yield from status(job_id, place)
        return now
    return Status.from_document(answer.document())


def listing(path: str, limit: int | None, **chosen: Any) -> Conversation[list[Status]]:
    """The jobs that the server chooses by these parameters, through as many pages as it takes."""
    found: list[Status] = []
    cursor: str | None = None
    while limit is None or len(found) < limit:
        # Pages as large as every server gives them, or as few as are wanted.
        size = 100 if limit is None else min(100, limit - len(found))
        page: Document = yield from document(path, limit=size, cursor=cursor, **chosen)
        items = _decode.each(_decode.required(page, "items"), Status.from_document)
        found.extend(items)
        cursor = page.get("next_cursor")
        if cursor is None or not items:
            break
    return found


def fixed_point(landscape_id: str, key: str) -> Conversation[Document]:
    """One fixed point in full."""
    found: Document = yield from document(_path(LANDSCAPES, landscape_id, "fixed-points", key))
    return found


def run(trajectory_id: str, key: str) -> Conversation[Document]:
    """One run of a trajectory in full."""
    found: Document = yield from document(_path(TRAJECTORIES, trajectory_id, "runs", key))
    return found


def follow(
    job_id: str,
    watcher: Watcher | None = None,
    timeout_seconds: float | None = None,
    kind: str = LANDSCAPES,
) -> Conversation[Document]:
    """Wait until a job is finished; its result."""
    watcher = watcher or _silent
    start: float = yield Now()
    until = math.inf if timeout_seconds is None else start + timeout_seconds
    failures = 0
    pause = FIRST_PAUSE_SECONDS
    last_event_id: str | None = None
    while True:
        now, result = yield from status(job_id, kind)
        watcher(now)
        if result is not None:
            return result
        _raise_if_over(now, NOUNS[kind])
        if failures < STREAM_FAILURES:
            before = last_event_id
            last_event_id = yield from _listen(now, last_event_id, until, watcher, kind)
            failures = 0 if last_event_id != before else failures + 1
        clock: float = yield Now()
        if clock >= until:
            raise TimedOut(
                f"{NOUNS[kind]} {job_id[:12]} is not finished after {timeout_seconds:g} s; the "
                f"server goes on: ask again, or fetch {job_id} later"
            )
        if failures:
            yield Pause(min(pause, until - clock))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        else:
            pause = FIRST_PAUSE_SECONDS


def _listen(
    now: Status, last_event_id: str | None, until: float, watcher: Watcher, kind: str
) -> Conversation[str | None]:
    """Pass the events of one stream on; the id of the last one, when it ended or broke."""
    is_open: bool = yield Listen(_path(kind, now.id, "events"), last_event_id, until)
    while is_open:
        event: Event | None = yield NextEvent()
        if event is None:
            break
        last_event_id = event.id or last_event_id
        now = now.after(event.name, event.data)
        if now.is_final:
            # The status that is fetched next tells the rest, and tells it for certain.
            break
        watcher(now)
    return last_event_id


def _raise_if_over(now: Status, noun: str) -> None:
    if now.state == "failed":
        raise LandscapeFailed(now.id, now.error or "the server gives no reason", noun)
    if now.state == "cancelled":
        raise LandscapeCancelled(now.id, noun)
    if now.state == "finished":
        raise ProtocolError(f"{noun} {now.id[:12]} is finished, yet its result did not come")


def result(
    landscape_id: str, cache: Cache, watcher: Watcher | None, timeout_seconds: float | None
) -> Conversation[Document]:
    """The result under an id: from the cache, or waited for."""
    found = cache.load(landscape_id)
    if found is None:
        found = yield from follow(landscape_id, watcher, timeout_seconds)
        cache.save(landscape_id, found)
    return found


def identity() -> Conversation[str | None]:
    """What, besides the request, decides a result: algorithm version and backend class.

    None where this server does not tell; then nothing can be said without asking it.
    """
    try:
        info: Document = yield from document("v1/service-info")
    except NotFound:
        return None
    backend = info.get("backend")
    backend_class = backend.get("backend_class") if isinstance(backend, Mapping) else None
    algorithm = info.get("algorithm")
    if algorithm is None or backend_class is None:
        return None
    return f"{algorithm}/{backend_class}"


def whole(
    request: Request,
    cache: Cache,
    served_by: str | None,
    watcher: Watcher | None,
    timeout_seconds: float | None,
    kind: str = LANDSCAPES,
) -> Conversation[Document]:
    """From a request to its result: cache, submit, follow, fetch."""
    # Requests of different kinds may have the same fields.
    if isinstance(request, bytes):
        asked: Mapping[str, Any] = {"kind": NOUNS[kind], "sha256": sha256(request).hexdigest()}
    else:
        asked = request if kind == LANDSCAPES else {"kind": NOUNS[kind], "request": request}
    known = cache.id_of(asked, served_by)
    if known is not None:
        found = cache.load(known)
        if found is not None:
            return found
    now, found = yield from submit(request, kind)
    cache.remember(asked, served_by, now.id)
    if found is None:
        found = cache.load(now.id)
    if found is None:
        (watcher or _silent)(now)
        found = yield from follow(now.id, watcher, timeout_seconds, kind)
    cache.save(now.id, found)
    return found


def gather(
    ids: Sequence[str],
    cache: Cache,
    watcher: Watcher | None,
    timeout_seconds: float | None,
    return_errors: bool,
) -> Conversation[list[Document | ClientError]]:
    """The results under many ids, in their order; the server computes them side by side."""
    start: float = yield Now()
    gathered: list[Document | ClientError] = []
    for landscape_id in ids:
        left = timeout_seconds
        if timeout_seconds is not None:
            now: float = yield Now()
            left = max(0.0, start + timeout_seconds - now)
        try:
            gathered.append((yield from result(landscape_id, cache, watcher, left)))
        except ClientError as error:
            if not return_errors:
                raise
            gathered.append(error)
    return gathered
