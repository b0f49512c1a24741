"""Figures for Prometheus, in a registry of the application's own."""

from __future__ import annotations

from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from relu_landscape.errors import Unavailable
from relu_landscape.jobs.interface import Service
from relu_landscape.wire.jobs import State

#: From a cached answer (a millisecond) to the longest wait a request may ask for (60 s).
LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


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
        self._jobs = Gauge(
            "relu_landscape_jobs", "jobs by state", ["state"], registry=self.registry
        )
        self._counts = Gauge(
            "relu_landscape_work",
            "other counts of the service, by name",
            ["name"],
            registry=self.registry,
        )
        self._store_up = Gauge(
            "relu_landscape_store_up", "1 if the store answered", registry=self.registry
        )

    async def exposition(self, service: Service) -> bytes:
        """The text format of Prometheus. A store that is down is a figure, not an error."""
        self._jobs.clear()
        self._counts.clear()
        try:
            counts = await service.counts()
        except Unavailable:
            self._store_up.set(0)
            return generate_latest(self.registry)
        self._store_up.set(1)
        for state in get_args(State):
            self._jobs.labels(state).set(counts.get(state, 0))
        for name, count in counts.items():
            if name not in get_args(State):
                self._counts.labels(name).set(count)
        return generate_latest(self.registry)
