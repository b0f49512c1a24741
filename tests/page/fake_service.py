"""A service of the same HTTP contract as the real one, in process, whose jobs a test steers.

It serves the page's own files with the headers of the real service, and recorded answers. A
job goes on only when the test says so, so nothing here waits or depends on speed.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from relu_landscape_api.routers.pages import EXPLORER, PAGE_POLICY

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
TERMINAL = {"finished", "failed", "cancelled"}


@dataclass
class Job:
    """A job under the test's hand; ``events`` are sent to every listener as they are added."""

    id: str
    request: dict[str, Any]
    result: dict[str, Any]
    state: str = "queued"
    error: str | None = None
    progress: dict[str, Any] = field(default_factory=dict)
    findings: list[dict[str, Any]] = field(default_factory=list)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def status(self) -> dict[str, Any]:
        moment = "2026-01-01T00:00:00Z"
        return {
            "id": self.id,
            "state": self.state,
            "request": self.request,
            "created_at": moment,
            "started_at": moment,
            "finished_at": moment if self.state in TERMINAL else None,
            "progress": self.progress
            or {"phase": None, "tasks_done": 0, "tasks": 0, "starts_done": 0, "starts": 0,
                "fraction": 0.0, "seconds_left": None},
            "findings": self.findings,
            "error": self.error,
            "attempts": 1,
        }  # fmt: skip

    def say(self, name: str, data: dict[str, Any]) -> None:
        """Change the job and tell every listener."""
        with self.changed:
            if name == "state":
                self.state = data["state"]
                self.error = data.get("error")
            elif name == "progress":
                self.progress = data
            else:
                self.findings = data["findings"]
            self.events.append((name, data))
            self.changed.notify_all()

    def advance(self, done: int, chunks: int, points: int) -> None:
        """Report so many chunks and the first so many minima as found."""
        starts = int(self.request["starts"])
        self.say(
            "progress",
            {"phase": "sample", "tasks_done": done, "tasks": chunks,
             "starts_done": starts * done // chunks, "starts": starts,
             "fraction": done / chunks, "seconds_left": float(chunks - done)},
        )  # fmt: skip
        minima = [p for p in self.result["fixed_points"] if p["attraction"]]
        found = [
            {"key": p["key"], "kind": p["kind"], "loss": p["loss"],
             "hits": max(1, p["attraction"]["hits"] * done // chunks)}
            for p in minima[:points]
        ]  # fmt: skip
        self.say("findings", {"findings": found})

    def finish(self) -> None:
        self.say("state", {"state": "finished", "error": None})


class FakeService:
    """What the handler answers from."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.results: dict[tuple[int, int], dict[str, Any]] = {}
        self.continuations: dict[str, dict[str, Any]] = {}
        self.posted: list[dict[str, Any]] = []
        self.closing = threading.Event()
        self.broken = False
        self.refuse_events = False
        self.key: str | None = None
        self.submitted = threading.Condition()

    def know(self, result: dict[str, Any], *, finished: bool = False) -> None:
        """Have an answer ready for the widths of ``result``; ``finished``: known from before."""
        request = result["request"]
        self.results[request["student_width"], request["teacher_width"]] = result
        if finished:
            self.jobs[result["id"]] = Job(result["id"], request, result, state="finished")

    def submit(self, request: dict[str, Any]) -> Job:
        widths = request["student_width"], request["teacher_width"]
        result = {**self.results[widths]}
        result["request"] = {**result["request"], **request}
        job = self.jobs.get(result["id"])
        if job is None or job.state in {"failed", "cancelled"}:
            job = Job(result["id"], result["request"], result)
            with self.submitted:
                self.jobs[job.id] = job
                self.submitted.notify_all()
        self.posted.append(request)
        return job

    def wait_for_job(self, timeout_seconds: float = 20.0) -> Job:
        """The next job that is not over, as soon as the page has posted it."""

        def running() -> list[Job]:
            return [job for job in self.jobs.values() if job.state not in TERMINAL]

        with self.submitted:
            if not self.submitted.wait_for(running, timeout_seconds):
                raise AssertionError("the page has posted no request")
        return running()[0]


class Handler(BaseHTTPRequestHandler):
    """One request of the page."""

    service: FakeService
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """The tests' output stays theirs."""

    def _send(self, status: int, body: bytes, kind: str, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def _json(self, status: int, value: object) -> None:
        self._send(status, json.dumps(value).encode(), "application/json")

    def _problem(self, status: int, detail: str) -> None:
        body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status,
                "detail": detail, "instance": self.path, "request_id": "r1"}  # fmt: skip
        self._send(status, json.dumps(body).encode(), "application/problem+json")

    def _file(self, name: str) -> None:
        path = (EXPLORER / name).resolve()
        if not path.is_file() or EXPLORER.resolve() not in path.parents:
            self._problem(404, "No such file.")
            return
        headers = {"Cache_Control": "no-cache"}
        if path.suffix == ".html":
            headers["Content_Security_Policy"] = PAGE_POLICY
        kind = TYPES.get(path.suffix, "application/octet-stream")
        self._send(200, path.read_bytes(), kind, **headers)

    def _is_barred(self) -> bool:
        key = self.service.key
        if key is None or self.headers.get("Authorization") == f"Bearer {key}":
            return False
        self._problem(401, "Send the key of this service.")
        return True

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        pages = {"/": "index.html", "/docs": "docs.html", "/favicon.ico": "icon.svg"}
        if url.path in pages:
            self._file(pages[url.path])
        elif url.path.startswith("/explorer/"):
            self._file(url.path.removeprefix("/explorer/"))
        elif url.path == "/openapi.json":
            self._json(200, OPENAPI)
        elif self.service.broken:
            self._problem(503, "The store does not answer.")
        elif self._is_barred():
            return
        elif url.path == "/v1/service-info":
            self._json(200, {"limits": {"largest_width": 64, "largest_starts": 1_000_000}})
        elif url.path == "/v1/landscapes":
            items = [job.status() for job in self.service.jobs.values()]
            self._json(200, {"items": items, "next_cursor": None})
        elif url.path == "/v1/families/continuation":
            self._continuation(parse_qs(url.query))
        else:
            self._landscape(url.path.removeprefix("/v1/landscapes/").split("/"))

    def _continuation(self, query: dict[str, list[str]]) -> None:
        answer = self.service.continuations.get(query["structure"][0])
        if answer is None:
            self._problem(422, f"structure = {query['structure'][0]!r} is not accepted.")
        else:
            self._json(200, answer)

    def _landscape(self, parts: list[str]) -> None:
        job = self.service.jobs.get(parts[0])
        if job is None:
            self._problem(404, "No landscape under this name.")
        elif parts[1:] == ["events"]:
            self._events(job)
        elif parts[1:2] == ["fixed-points"]:
            self._send(200, b"PK\x05\x06" + bytes(18), "application/x-npz")
        elif job.state == "finished":
            self._json(200, job.result)
        else:
            self._json(200, job.status())

    def _events(self, job: Job) -> None:
        if self.service.refuse_events:
            self._problem(429, "Too many streams.")
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        at = int(self.headers.get("Last-Event-ID") or 0)

        def is_time(seen: int) -> bool:
            return len(job.events) > seen or self.service.closing.is_set()

        while not self.service.closing.is_set():
            with job.changed:
                job.changed.wait_for(partial(is_time, at))
                fresh = job.events[at:]
            for name, data in fresh:
                at += 1
                text = f"id: {at}\nevent: {name}\ndata: {json.dumps(data)}\n\n"
                self.wfile.write(text.encode())
                self.wfile.flush()
                if name == "state" and data["state"] in TERMINAL:
                    return

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.service.broken:
            self._problem(503, "The store does not answer.")
            return
        if self._is_barred():
            return
        job = self.service.submit(json.loads(body))
        if job.state == "finished":
            self._json(200, job.result)
        else:
            self._json(202, job.status())

    def do_DELETE(self) -> None:
        job = self.service.jobs[urlsplit(self.path).path.rsplit("/", 1)[-1]]
        job.say("state", {"state": "cancelling", "error": None})
        self._json(202, job.status())


OPENAPI = {
    "openapi": "3.1.0",
    "info": {"title": "relu-landscape", "version": "0"},
    "paths": {
        "/livez": {"get": {"summary": "Alive?", "responses": {"200": {"description": "ok"}}}}
    },
}


@contextmanager
def serving(service: FakeService, port: int = 0) -> Iterator[str]:
    """Serve on a free port of 127.0.0.1; yields the page's address."""
    handler = type("BoundHandler", (Handler,), {"service": service})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        service.closing.set()
        for job in list(service.jobs.values()):
            with job.changed:
                job.changed.notify_all()
        server.shutdown()
        thread.join()
        server.server_close()


def recorded(name: str) -> dict[str, Any]:
    """An answer that a real service gave, kept beside the tests."""
    path = Path(__file__).parent / "recorded" / f"{name}.json"
    answer: dict[str, Any] = json.loads(path.read_text())
    return answer
