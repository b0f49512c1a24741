"""The same request gives the same bytes: any workers, any chunks, any crash."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from relu_landscape.jobs.local import solve_locally
from relu_landscape.wire.requests import LandscapeRequest
from tests.processes import workers_of
from tests.service.engine.usual import CHOICE

pytestmark = pytest.mark.acceptance

#: Sampling, classification, a structured search, saddles and certificates: every kind of chunk.
REQUEST = {
    "student_width": 6,
    "teacher_width": 6,
    "starts": 400,
    "saddles": True,
    "certify": "fast",
    "structures": ["1+5", "3+3"],
}
DEADLINE_SECONDS = 300.0


def canonical_bytes(landscape: dict[str, Any]) -> bytes:
    """All but the provenance and what is derived from these bytes."""
    kept = {k: v for k, v in landscape.items() if k not in ("provenance", "digest")}
    return orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)


@pytest.fixture(scope="module")
def expected() -> bytes:
    request = LandscapeRequest.model_validate(REQUEST)
    return canonical_bytes(solve_locally(request, workers=1, kernel=CHOICE).result)


@pytest.mark.parametrize(("workers", "chunk"), [(1, 7), (2, 100), (4, None), (2, 1)])
def test_workers_and_chunks(workers: int, chunk: int | None, expected: bytes) -> None:
    request = LandscapeRequest.model_validate(REQUEST)
    found = solve_locally(request, workers=workers, kernel=CHOICE, chunk_starts=chunk)
    assert canonical_bytes(found.result) == expected


@contextmanager
def service(folder: Path, **settings: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A real server process on a free port; its address."""
    chosen = {f"RELU_LANDSCAPE_{name.upper()}": value for name, value in settings.items()}
    process = subprocess.Popen(
        [sys.executable, "-m", "relu_landscape_api"],
        env={
            **os.environ,
            **chosen,
            "RELU_LANDSCAPE_PORT": "0",
            "RELU_LANDSCAPE_DATA_DIR": str(folder),
            "RELU_LANDSCAPE_LEASE_SECONDS": "1",
            "RELU_LANDSCAPE_KERNEL": CHOICE,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        line = next(text for text in process.stdout if "is ready" in text)
        yield process, line.rsplit(" ", 1)[1].strip()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        process.stdout.close()


def ask(url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return dict(json.load(answer))


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


def test_kill_the_service_and_a_worker_in_the_middle(tmp_path: Path, expected: bytes) -> None:
    """``kill -9`` of the API process, then of a worker of its successor."""
    with service(tmp_path, workers="2", chunk_starts="20") as (process, url):
        job = ask(f"{url}/v1/landscapes", REQUEST)["id"]
        until(lambda: _chunks(url, job) >= 3)
        process.kill()
        process.wait(60)
    with service(tmp_path, workers="2", chunk_starts="20") as (process, url):
        until(lambda: _chunks(url, job) >= 5)
        workers_of(process.pid)[0].kill()
        until(lambda: "digest" in ask(f"{url}/v1/landscapes/{job}"))
        found = ask(f"{url}/v1/landscapes/{job}")
    assert canonical_bytes(found) == expected
    kept = {k: v for k, v in found.items() if k not in ("provenance", "digest")}
    sorted_bytes = orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)
    assert found["digest"] == hashlib.sha256(sorted_bytes).hexdigest()


def _chunks(url: str, job: str) -> int:
    """Chunks done of the job, or a large number once it is finished."""
    answer = ask(f"{url}/v1/landscapes/{job}")
    if "digest" in answer:
        return 10**9
    progress = answer["progress"]
    return int(progress["tasks_done"]) if progress else 0
