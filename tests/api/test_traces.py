"""Traces: one from a request to the chunks that workers compute for it, across processes.

What a worker sends is received here as any collector would: over HTTP, by the standard's protocol.
"""

from __future__ import annotations

import gzip
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytest.importorskip("opentelemetry.sdk", reason="OpenTelemetry's SDK is not installed")
pytest.importorskip("opentelemetry.exporter.otlp", reason="its exporter is not installed")

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from relu_landscape.jobs import tracing
from tests.api.conftest import MakeClient
from tests.service.jobs.helpers import until

ROOT = Path(__file__).parents[2]
#: As a caller sends it: who began the trace, and its span.
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{CALLER}-01"
SECRET = "a-key-that-nobody-may-see"


class Seen(NamedTuple):
    """A span as a collector has it."""

    name: str
    trace: str
    span: str
    parent: str
    service: str
    attributes: dict[str, str]


class Collector:
    """Receives spans over HTTP (OTLP), and keeps them."""

    def __init__(self) -> None:
        self.spans: list[Seen] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.spans += spans_in(body)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def named(self, name: str) -> list[Seen]:
        return [each for each in self.spans if each.name == name]


def spans_in(body: bytes) -> list[Seen]:
    found = []
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        said = {each.key: each.value.string_value for each in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                attributes = {
                    each.key: each.value.string_value or str(each.value.int_value)
                    for each in span.attributes
                }
                ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
                found.append(Seen(span.name, *ids, said["service.name"], attributes))
    return found


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    """Traces of this process alone, in memory."""
    found = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(found))
    tracing.use(provider)
    yield found
    tracing.use(None)


@pytest.fixture
def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if this process had never asked whether traces are wanted."""
    for name in [each for each in os.environ if each.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(tracing, "_here", tracing._Tracing())


#: The service with a real store and one worker, asked once; then it ends by itself.
PROGRAM = """
import sys
from starlette.testclient import TestClient
from relu_landscape_api.app import create_app
from relu_landscape_api.settings import ApiSettings
from tests.service.jobs.toy_engine import TOY
if __name__ == "__main__":
    settings = ApiSettings(data_dir=sys.argv[1], redis_url=None, workers=1, api_key=sys.argv[2])
    with TestClient(create_app(settings, registry=TOY), "http://localhost") as client:
        headers = {"Authorization": "Bearer " + sys.argv[2], "Prefer": "wait=60"}
        if sys.argv[3]:
            headers["traceparent"] = sys.argv[3]
        answer = client.post("/v1/landscapes", headers=headers, json={
            "student_width": 2, "teacher_width": 2, "starts": 30,
            "teacher_gram": [[1.0, 0.123456789], [0.123456789, 1.0]],
        })
        print(answer.status_code, answer.headers.get("traceresponse"))
        input()  # the worker sends what it has meanwhile
"""


def test_one_trace_from_the_request_to_the_chunks_in_a_worker(
    collector: Collector, tmp_path: Path
) -> None:
    environment = {
        **os.environ,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path), SECRET, PARENT],
        cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        status, response = process.stdout.readline().split()
        assert status == "200"
        until(lambda: len(collector.named("chunk")) >= 4, "the chunks' spans arrive")
        until(lambda: bool(collector.named("POST /v1/landscapes")), "and the request's")
    finally:
        process.communicate("\n", timeout=60)
    (request,) = collector.named("POST /v1/landscapes")
    assert (request.trace, request.parent) == (TRACE, CALLER), "part of the caller's trace"
    assert response == f"00-{TRACE}-{request.span}-01"
    (submit,), (attempt,) = collector.named("submit"), collector.named("attempt")
    assert submit.parent == request.span
    assert attempt.attributes["relu_landscape.job"] == submit.attributes["relu_landscape.job"]
    assert attempt.attributes["relu_landscape.outcome"] == "finished"
    (stored,) = collector.named("store submit")
    # What is carried with the job is the span in which it was stored.
    assert stored.parent == submit.span
    assert attempt.parent == submit.span
    chunks = collector.named("chunk")
    assert {each.parent for each in chunks} == {attempt.span}
    assert {each.attributes["relu_landscape.kind"] for each in chunks} == {"sample", "classify"}
    assert {each.attributes["relu_landscape.outcome"] for each in chunks} == {"answer"}
    assert {each.trace for each in collector.spans} == {TRACE}
    assert {each.service for each in collector.spans} == {"relu-landscape"}
    kept = collector.named("store checkpoint")
    assert {each.parent for each in kept} == {attempt.span}
    assert len(kept) == len(chunks)
    everything = json.dumps(collector.spans)
    assert SECRET not in everything
    assert "0.123456789" not in everything
    assert "gram" not in everything


def by_name(exporter: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in exporter.get_finished_spans() if span.name == name]


def test_a_request_has_a_span_by_its_route_and_never_its_address(
    make_client: MakeClient, exporter: InMemorySpanExporter
) -> None:
    client = make_client()
    answer = client.get("/v1/landscape?student_width=2&teacher_width=2&starts=7")
    (span,) = by_name(exporter, "GET /v1/landscape")
    assert span.context is not None
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET", "http.route": "/v1/landscape",
        "http.response.status_code": answer.status_code,
    }  # fmt: skip
    assert span.parent is None
    trace, own = f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"
    assert answer.headers["traceresponse"].rpartition("-")[0] == f"00-{trace}-{own}"
    client.request("INVENTED", "/nowhere/secret")
    (unmatched,) = by_name(exporter, "_OTHER unmatched")
    assert "secret" not in json.dumps(dict(unmatched.attributes or {}))


@pytest.mark.parametrize("given", ["", "nonsense", "00-0-0-01", f"ff-{TRACE}-{CALLER}-01"])
def test_a_traceparent_that_is_none_begins_a_trace(
    make_client: MakeClient, exporter: InMemorySpanExporter, given: str
) -> None:
    make_client().get("/livez", headers={"traceparent": given})
    (span,) = exporter.get_finished_spans()
    assert span.parent is None


def test_what_the_caller_does_not_record_is_not_recorded(
    make_client: MakeClient, exporter: InMemorySpanExporter
) -> None:
    answer = make_client().get("/livez", headers={"traceparent": f"00-{TRACE}-{CALLER}-00"})
    assert exporter.get_finished_spans() == ()
    assert answer.headers["traceresponse"].startswith(f"00-{TRACE}-")
    assert answer.headers["traceresponse"].endswith("-00")


def test_an_error_says_its_class_and_not_its_words(exporter: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="private"), tracing.span("step"):
        raise ValueError("private")
    (span,) = exporter.get_finished_spans()
    assert span.status.description == "ValueError"
    assert span.events == ()
    assert not span.status.is_ok


def test_small_steps_are_kept_within_a_trace_alone(exporter: InMemorySpanExporter) -> None:
    """Who polls the store all day would fill somebody's disk with roots."""
    with tracing.part("store look"):
        pass
    assert exporter.get_finished_spans() == ()
    with tracing.span("step"), tracing.part("store look"):
        pass
    assert [span.name for span in exporter.get_finished_spans()] == ["store look", "step"]


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, []),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, ["otlp"]),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318"}, ["otlp"]),
        ({"OTEL_TRACES_EXPORTER": "console,otlp"}, ["console", "otlp"]),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, []),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "True"}, []),
        ({"OTEL_SERVICE_NAME": "mine"}, []),
    ],
)
def test_the_standards_variables_turn_them_on(
    environment: dict[str, str], expected: list[str]
) -> None:
    assert tracing.wanted(environment) == expected


@pytest.mark.usefixtures("untouched")
def test_without_the_extra_there_is_a_warning_and_a_service(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with caplog.at_level(logging.WARNING):
        answer = make_client().get("/livez", headers={"traceparent": PARENT})
    assert answer.status_code == 200
    assert "traceresponse" not in answer.headers
    (said,) = [each.message for each in caplog.records if "OTEL_" in each.message]
    assert "Install relu-landscape[otel]" in said


@pytest.mark.usefixtures("untouched")
def test_an_exporter_that_is_not_there_is_named(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "pigeon")
    with caplog.at_level(logging.WARNING):
        assert make_client().get("/livez").status_code == 200
    (said,) = [each.message for each in caplog.records if "OTEL_" in each.message]
    assert "'pigeon'" in said
    assert "otlp_proto_http" in said


def test_nothing_is_imported_or_carried_where_they_are_off(tmp_path: Path) -> None:
    """In a process of its own, since this one has the SDK."""
    program = """
import sys
from relu_landscape.jobs import tracing
from relu_landscape.jobs.pool import worker
from relu_landscape_api.app import create_app
from relu_landscape_api.settings import ApiSettings
create_app(ApiSettings(data_dir=sys.argv[1], redis_url=None))
with tracing.span("step"), tracing.part("store look"):
    assert tracing.carried() == ""
print(sorted(name for name in sys.modules if name.startswith("opentelemetry.sdk")))
"""
    environment = {name: at for name, at in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert done.stdout == "[]\n"
