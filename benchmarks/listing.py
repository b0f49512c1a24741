"""Lists of a store with many finished jobs, beside a route of FastAPI that does nothing.

    python -m benchmarks.listing [--jobs 100000] > table.md  (from the repository root)

A store is filled with finished jobs of several widths, seeds, askers and tags (their results are a
few bytes: no list reads one). A service begins on it, and one connection asks it for pages, one
question after the other; beside it an application of one empty route under plain uvicorn answers as
often. Each question is asked in short rounds that take turns.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson

from benchmarks._record import Record
from benchmarks.serving import EMPTY, get, measure, process, table
from relu_landscape.jobs.store.embedded import EmbeddedServer
from relu_landscape.jobs.store.packing import pack
from relu_landscape.jobs.store.scripts import needs, source
from relu_landscape.settings import Settings
from relu_landscape.wire.requests import LandscapeRequest

#: Commands on their way to the store at once.
BATCH = 500
PEOPLE = ("ada", "bob", "eve", "kim", "anyone")


def job_of(number: int) -> tuple[str, dict[str, str]]:
    """Id and fields of one finished job; the numbers decide everything."""
    request = LandscapeRequest(
        student_width=2 + number % 23, teacher_width=2 + number % 19, seed=number % 5000
    )
    began = 1.7e9 + 60.0 * number
    fields = {
        "kind": "landscape",
        "needs": needs("cpu"),
        "request": orjson.dumps(request.canonical()).decode(),
        "created": repr(began),
        "started": repr(began + 1.0),
        "finished": repr(began + 1.0 + number * 7919 % 3600),
        "attempts": "1",
        "asked": PEOPLE[number % len(PEOPLE)],
    }
    if number % 50 == 0:
        fields["labels"] = json.dumps({"anyone": {"tags": [f"fig-{number % 7}"], "note": "kept"}})
    return hashlib.sha256(str(number).encode()).hexdigest(), fields


def fill(settings: Settings, count: int) -> None:
    """Put so many finished jobs into the store of these settings."""
    server = EmbeddedServer(settings)
    server.open()
    try:
        client: Any = server.target.connect(60.0)
        script = client.script_load(source("restore"))
        for first in range(0, count, BATCH):
            with client.pipeline(transaction=False) as pipeline:
                for number in range(first, min(first + BATCH, count)):
                    job, fields = job_of(number)
                    pairs = [one for pair in fields.items() for one in pair]
                    begin = (settings.redis_prefix, settings.events_kept, 0)
                    pipeline.evalsha(script, 0, *begin, job, 0, pack(b"{}"), 0, 0, *pairs)
                pipeline.execute()
        client.close()
    finally:
        server.close()


def questions(ours: str, count: int) -> dict[str, tuple[str, str]]:
    """What is asked, by what it is called in the table."""
    some = job_of(count // 3)[0][:10]
    asked = {
        "the newest 50": "limit=50",
        "50 from the middle": f"limit=50&cursor={count // 2}",
        "the newest 200, five members of each": "limit=200&fields=id,state,created_at,tags,error",
        "of two widths": "limit=50&student_width=7&teacher_width=9",
        "of one seed": "limit=50&seed=4321",
        "failed ones: there are none": "limit=50&state=failed",
        "of one asker": "limit=50&mine=true",
        "with a tag": "limit=50&tag=fig-3",
        "with a text": "limit=50&text=kept",
        "with a text that none has": "limit=50&text=nowhere",
        "by the first digits of an id": f"limit=50&id={some}",
        "of one month": "limit=50&since=2023-12-01&until=2024-01-01",
        "slowest first": "limit=50&sort=-seconds",
        "widest first, of one asker": "limit=50&sort=-student_width&mine=true",
    }
    return {name: (f"{ours}/v1/landscapes?{query}", "") for name, query in asked.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=1.0, help="of one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--port", type=int, default=8775, help="this one and the next are taken")
    options = parser.parse_args()
    options.connections = 1
    record = Record("listing", options=vars(options))
    ours = f"http://127.0.0.1:{options.port}"
    empty = f"http://127.0.0.1:{options.port + 1}"
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        fill(Settings.load(data_dir=Path(folder)), options.jobs)
        environment = {
            "RELU_LANDSCAPE_DATA_DIR": folder,
            "RELU_LANDSCAPE_LOG_LEVEL": "warning",
            "RELU_LANDSCAPE_PORT": str(options.port),
        }
        serve = [sys.executable, "-m", "relu_landscape_api"]
        stack.enter_context(process(serve, environment, f"{ours}/livez"))
        began = time.perf_counter()
        page = json.loads(get(f"{ours}/v1/landscapes?limit=1"))
        first = time.perf_counter() - began
        assert page["items"][0]["id"] == job_of(options.jobs - 1)[0]
        command = [sys.executable, "-c", EMPTY, str(options.port + 1)]
        stack.enter_context(process(command, {}, f"{empty}/"))
        load = os.getloadavg()[0]
        found = measure(
            {"empty route": (f"{empty}/", ""), **questions(ours, options.jobs)}, options
        )
        print(
            f"{options.jobs} jobs, one connection. The first list after the start came after "
            f"{first:.1f} s. Load average: {load:.1f} before, {os.getloadavg()[0]:.1f} after."
        )
        table("pages", found, record)
        record.add("first list", "s", first)
    record.write()


if __name__ == "__main__":
    main()
