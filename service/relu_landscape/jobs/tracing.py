"""Traces (OpenTelemetry), where somebody wants them: one from the request to the chunks.

What is standard is left to the standard: ``OTEL_EXPORTER_OTLP_ENDPOINT`` or
``OTEL_TRACES_EXPORTER`` turns them on, and every other ``OTEL_*`` variable means what the SDK says.
Without these nothing is imported, nothing is carried with jobs and chunks, and a span is an ``if``.
Who continues a trace elsewhere (a job that another process claims, a chunk in a worker) carries it
as the one line that W3C calls ``traceparent``.

Attributes say what, how long and how it ended: never keys, requests, weights or people.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import entry_points
from typing import Any, Literal, TypeAlias

import relu_landscape

logger = logging.getLogger(__name__)

Value: TypeAlias = str | int | float | bool
Kind: TypeAlias = Literal["INTERNAL", "SERVER", "PRODUCER", "CONSUMER"]

_EXPORTER = "OTEL_TRACES_EXPORTER"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
#: Names that the SDK's packages give to their exporters.
_OTLP = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}
_NAMED = ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES")


class _Tracing:
    """What this process has: a tracer once one was wanted and could be made."""

    def __init__(self) -> None:
        self.tracer: Any = None
        self.was_begun = False


_here = _Tracing()


class Span:
    """A step that is timed; this one is not."""

    def say(self, **attributes: Value) -> None:
        """Add what is known by now; dots of names are written as two underscores."""

    def name(self, name: str) -> None:
        """Call it this from now on."""

    def fail(self, why: str) -> None:
        """Say that it came to grief, in a word or two."""


class _Recorded(Span):
    def __init__(self, span: Any) -> None:
        self._span = span

    def say(self, **attributes: Value) -> None:
        self._span.set_attributes(_dotted(attributes))

    def name(self, name: str) -> None:
        self._span.update_name(name)

    def fail(self, why: str) -> None:
        from opentelemetry.trace import Status, StatusCode

        self._span.set_status(Status(StatusCode.ERROR, why))


_UNTIMED = Span()


def wanted(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Names of the exporters that the standard's variables ask for; none: off."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return []
    named = environment.get(_EXPORTER, "").strip()
    if not named:
        named = "otlp" if any(environment.get(name) for name in _ENDPOINTS) else "none"
    return [each.strip() for each in named.split(",") if each.strip() not in ("", "none")]


def begin() -> bool:
    """Make this process's tracer, once, where one is wanted; whether there is one.

    Says in the log what is missing where it cannot be made. Never raises.
    """
    if not _here.was_begun:
        _here.was_begun = True
        names = wanted()
        if names:
            _here.tracer = _made(names)
    return _here.tracer is not None


def use(provider: Any) -> None:
    """Have this provider's tracer, or none with None: for whoever makes their own, and tests."""
    _here.was_begun = True
    version = relu_landscape.__version__
    _here.tracer = None if provider is None else provider.get_tracer("relu_landscape", version)


@contextmanager
def span(
    name: str, parent: str | None = None, kind: Kind = "INTERNAL", **attributes: Value
) -> Iterator[Span]:
    """Time what is done inside, as part of ``parent`` (a ``traceparent``), else of what is around.

    An exception that passes marks it as failed, by its class alone.
    """
    if _here.tracer is None:
        yield _UNTIMED
        return
    from opentelemetry.trace import SpanKind

    with _here.tracer.start_as_current_span(
        name,
        context=None if parent is None else _context(parent),
        kind=SpanKind[kind],
        attributes=_dotted(attributes),
        record_exception=False,  # its words may quote a request
        set_status_on_exception=False,
    ) as current:
        recorded = _Recorded(current)
        try:
            yield recorded
        except BaseException as error:
            recorded.fail(type(error).__name__)
            raise


@contextmanager
def part(name: str) -> Iterator[None]:
    """The same for a small step that is worth a line only within a trace."""
    if not carried():
        yield
        return
    with span(name):
        yield


def carried() -> str:
    """What is around here as ``traceparent``, for whoever goes on with it elsewhere; or nothing."""
    if _here.tracer is None:
        return ""
    carrier: dict[str, str] = {}
    _propagator().inject(carrier)
    return carrier.get("traceparent", "")


def _context(traceparent: str) -> Any:
    """Where this leads; a trace of its own, whatever is around, where it leads nowhere."""
    from opentelemetry.context import Context

    return _propagator().extract({"traceparent": traceparent}, context=Context())


def _propagator() -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator()


def _dotted(attributes: Mapping[str, Value]) -> dict[str, Value]:
    return {name.replace("__", "."): value for name, value in attributes.items()}


def _made(names: list[str]) -> Any:
    """A tracer that sends to these; None, and a warning, where it cannot."""
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        logger.warning(
            "OTEL_* variables ask for traces, and OpenTelemetry's SDK is not installed: there are "
            "none. Install relu-landscape[otel], or set OTEL_SDK_DISABLED=true."
        )
        return None
    is_named = any("service.name" in os.environ.get(name, "") for name in _NAMED[1:])
    is_named = is_named or bool(os.environ.get(_NAMED[0]))
    provider = TracerProvider(
        resource=Resource.create({} if is_named else {"service.name": "relu-landscape"})
    )
    for name in names:
        try:
            provider.add_span_processor(BatchSpanProcessor(_exporter(name)))
        except Exception as error:
            logger.warning(
                "No traces go to %r of %s: %s. Known here: %s.",
                name, _EXPORTER, error, ", ".join(_known()) or "none",
            )  # fmt: skip
            return None
    return provider.get_tracer("relu_landscape", relu_landscape.__version__)


def _exporter(name: str) -> Any:
    protocol = next((os.environ[each] for each in _PROTOCOLS if os.environ.get(each)), "")
    called = _OTLP.get(protocol, "otlp_proto_http") if name == "otlp" else name
    (found,) = entry_points(group="opentelemetry_traces_exporter", name=called) or (None,)
    if found is None:
        raise LookupError("no such exporter is installed")
    return found.load()()


def _known() -> list[str]:
    return sorted(each.name for each in entry_points(group="opentelemetry_traces_exporter"))
