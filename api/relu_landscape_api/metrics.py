"""Figures for Prometheus, in a registry of the application's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from relu_landscape.errors import Unavailable
from relu_landscape.jobs.interface import Service
from relu_landscape.wire.jobs import State

#: From a cached answer (a millisecond) to the longest wait a request may ask for (60 s).
LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

PREFIX = "relu_landscape_"
#: What the service says of itself when it is asked (``Service.figures``), as it is now.
GAUGES = {
    "chunks_waiting": "chunks of this process's jobs that wait for a worker",
    "chunks_in_flight": "chunks of this process's jobs that are with the workers",
    "worker_threads": "worker threads that are there now",
    "workers_wanted": "worker threads that should be there; 0 where others start them",
    "queue_oldest_seconds": "how long the job that waits first has waited, whole store; 0: none",
    "store_memory_bytes": "memory that the store uses",
    "store_memory_limit_bytes": "memory that the store may use; 0: any",
    "store_seconds": "how long the store took to say all this",
}
#: The same, since the process began.
COUNTERS = {
    "chunks_computed": "chunks of this process's jobs that workers computed to their end",
    "chunk_compute_seconds": "seconds that workers computed them",
}


class Metrics:
    """Counts what the HTTP side sees, and asks the service for the rest when scraped."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "relu_landscape_http_requests",
            "requests answered, by method, route template and status",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.latency = Histogram(
            "relu_landscape_http_request_seconds",
            "seconds until the answer began, by method and route template",
            ["method", "route"],
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.streams = Gauge(
            "relu_landscape_event_streams_open",
            "event streams open now",
            registry=self.registry,
        )
        self.results_at_hand = Counter(
            "relu_landscape_results_at_hand",
            "answers with a finished result that this process had at hand, without the store",
            registry=self.registry,
        )
        self._store_up = Gauge(
            "relu_landscape_store_up", "1 if the store answered", registry=self.registry
        )
        self._series: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._said = _Said()
        self.registry.register(self._said)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request, of a route template, whose answer began after so many seconds."""
        series = self._series.get((method, route, status))
        if series is None:
            series = (
                self.requests.labels(method, route, str(status)),
                self.latency.labels(method, route),
            )
            self._series[method, route, status] = series
        series[0].inc()
        series[1].observe(seconds)

    async def exposition(self, service: Service) -> bytes:
        """The text format of Prometheus. A store that is down is a figure, not an error."""
        try:
            self._said.figures = await service.figures()
        except Unavailable:
            self._said.figures = {}
            self._store_up.set(0)
        else:
            self._store_up.set(1)
        return generate_latest(self.registry)


class _Said(Collector):
    """What the service said last; what it did not say is not there."""

    def __init__(self) -> None:
        self.figures: Mapping[str, float] = {}

    def collect(self) -> Iterator[Metric]:
        jobs = GaugeMetricFamily(f"{PREFIX}jobs", "jobs by state", labels=["state"])
        for state in get_args(State):
            if state in self.figures:
                jobs.add_metric([state], self.figures[state])
        yield jobs
        for name, words in GAUGES.items():
            if name in self.figures:
                yield GaugeMetricFamily(PREFIX + name, words, self.figures[name])
        for name, words in COUNTERS.items():
            if name in self.figures:
                yield CounterMetricFamily(PREFIX + name, words, self.figures[name])
