"""Write the dashboard for Grafana, docs/deploy/dashboard.json, from the table below.

    python tools/make_dashboard.py

In Grafana: Dashboards, New, Import. It asks for the data source that scrapes ``/metrics``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "deploy" / "dashboard.json"

#: Title, unit, and expressions with their legends; two panels in a row.
PANELS: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    ("Jobs", "short", (('relu_landscape_jobs{state=~"queued|running|cancelling"}', "{{state}}"),)),
    ("Longest wait in the queue", "s", (("max(relu_landscape_queue_oldest_seconds)", "oldest"),)),
    (
        "Jobs that ended, by hour", "short",
        (('delta(relu_landscape_jobs{state=~"finished|failed|cancelled"}[1h])', "{{state}}"),),
    ),
    (
        "Workers", "short",
        (("relu_landscape_worker_threads", "there {{instance}}"),
         ("relu_landscape_workers_wanted", "wanted {{instance}}")),
    ),
    (
        "Share of the workers' time that computes", "percentunit",
        (("rate(relu_landscape_chunk_compute_seconds_total[5m]) / relu_landscape_worker_threads",
          "{{instance}}"),),
    ),
    (
        "Seconds of a chunk, mean", "s",
        (("rate(relu_landscape_chunk_compute_seconds_total[5m])"
          " / rate(relu_landscape_chunks_computed_total[5m])", "{{instance}}"),),
    ),
    (
        "Chunks", "short",
        (("relu_landscape_chunks_waiting", "waiting {{instance}}"),
         ("relu_landscape_chunks_in_flight", "with workers {{instance}}")),
    ),
    (
        "Store: memory", "bytes",
        (("relu_landscape_store_memory_bytes", "used"),
         ("relu_landscape_store_memory_limit_bytes > 0", "limit")),
    ),
    (
        "Store: answers and time", "s",
        (("relu_landscape_store_seconds", "seconds {{instance}}"),
         ("relu_landscape_store_up", "up {{instance}}")),
    ),
    (
        "Requests by status", "reqps",
        (("sum by (status) (rate(relu_landscape_http_requests_total[5m]))", "{{status}}"),),
    ),
    (
        "Seconds until an answer began", "s",
        tuple(
            (f"histogram_quantile({share}, sum by (le)"
             f" (rate(relu_landscape_http_request_seconds_bucket[5m])))", f"{share:.0%}")
            for share in (0.5, 0.9, 0.99)
        ),
    ),
    (
        "Results without the store, streams", "short",
        (("rate(relu_landscape_results_at_hand_total[5m])", "results/s {{instance}}"),
         ("relu_landscape_event_streams_open", "event streams {{instance}}")),
    ),
)  # fmt: skip
HEIGHT, WIDTH = 8, 12


def panel(number: int, title: str, unit: str, lines: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """One graph over time."""
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": title,
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "gridPos": {
            "h": HEIGHT,
            "w": WIDTH,
            "x": WIDTH * (number % 2),
            "y": HEIGHT * (number // 2),
        },
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + place), "expr": expression, "legendFormat": legend}
            for place, (expression, legend) in enumerate(lines)
        ],
    }


def dashboard() -> dict[str, Any]:
    """The whole of it."""
    return {
        "title": "relu-landscape",
        "uid": "relu-landscape",
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [{"name": "source", "type": "datasource", "query": "prometheus"}]},
        "panels": [panel(number, *each) for number, each in enumerate(PANELS)],
    }


def main() -> None:
    """Write it."""
    TARGET.write_text(json.dumps(dashboard(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
