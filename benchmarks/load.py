"""What the service bears: latencies while all cores compute, cancels, ends, streams, ten keys.

    python -m benchmarks.load rate cancel stop streams restore
    python -m benchmarks.load mixed --minutes 60                 (from the repository root)

Each part starts a service of its own with an embedded store and one worker per core, prints one
line per figure, and keeps all in ``benchmarks/runs``. Times are counted by the program that asks,
which shares the cores with what it measures: beside latencies stand those of an empty route of
FastAPI under the same server, asked at the same rate in turn.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable

import httpx2 as httpx

from benchmarks._load import (
    BUSY,
    Paced,
    Served,
    empty_route,
    environment,
    quantile,
    scratch,
    service,
)
from benchmarks._mixed import mixed
from benchmarks._record import Record

#: A second of work of one core.
SMALL = {"student_width": 4, "teacher_width": 4, "starts": 50, "input_dimension": 10}


def say(record: Record, figure: str, value: float, unit: str, bound: str = "") -> None:
    """Print and keep one figure, with what it should stay within."""
    print(f"| {figure} | {value:.3g} {unit} | {bound} | {os.getloadavg()[0]:.1f} |", flush=True)
    record.add(figure, unit, value)


def submit(http: httpx.Client, **request: object) -> str:
    """Ask for a landscape; its id."""
    answer = http.post("/v1/landscapes", json=request)
    answer.raise_for_status()
    found: str = answer.json()["id"]
    return found


def until(http: httpx.Client, id: str, *states: str) -> None:  # noqa: A002
    """Until the job is in one of these states."""
    while http.get(f"/v1/landscapes/{id}").json().get("state", "finished") not in states:
        time.sleep(0.01)


def computing(http: httpx.Client, least: float) -> None:
    """Until so many chunks are with the workers."""
    while figure(http, "chunks_in_flight") < least:
        time.sleep(0.02)


def figure(http: httpx.Client, name: str) -> float:
    """One of the figures of ``/metrics``."""
    lines = http.get("/metrics").text.splitlines()
    return next(float(x.split()[1]) for x in lines if x.startswith(f"relu_landscape_{name} "))


def rate(options: argparse.Namespace, record: Record) -> None:
    """Liveness and a finished result at 200 requests a second, while every worker computes."""
    with scratch() as folder, service(folder) as served, empty_route(options.port) as empty:
        with httpx.Client(base_url=served.url, timeout=120) as http:
            small = submit(http, **SMALL)
            until(http, small, "finished")
            submit(http, **BUSY)
            computing(http, 2)
        bounds = {"liveness": "50 ms", "cached result": "20 ms", "empty route": ""}
        paths = ["/livez", f"/v1/landscapes/{small}"]
        urls = dict(zip(bounds, [*(served.url + path for path in paths), empty], strict=True))
        found = {name: Paced(url, options.rate) for name, url in urls.items()}
        for _ in range(options.rounds):
            for each in found.values():
                asyncio.run(each.run(options.seconds / options.rounds))
        for name, each in found.items():
            for share in (0.5, 0.99):
                title = f"{name}, p{100 * share:.0f} at {options.rate:g}/s, all cores computing"
                bound = bounds[name] if share == 0.99 else ""
                say(record, title, 1000 * quantile(each.seconds, share), "ms", bound)


def cancel(options: argparse.Namespace, record: Record) -> None:
    """From DELETE of a job that has all workers until the service says that they are free of it."""
    taken: list[float] = []
    with (
        scratch() as folder,
        service(folder) as served,
        httpx.Client(base_url=served.url, timeout=120) as http,
    ):
        for number in range(options.times):
            job = submit(http, **BUSY, seed=number)
            computing(http, 2)
            time.sleep(number % 7 / 5)  # anywhere within a chunk
            began = time.perf_counter()
            http.delete(f"/v1/landscapes/{job}").raise_for_status()
            until(http, job, "cancelled")
            while figure(http, "chunks_in_flight") > 0:
                time.sleep(0.01)
            taken.append(time.perf_counter() - began)
    say(record, f"cancel to free cores, median of {len(taken)}", quantile(taken, 0.5), "s")
    say(record, f"cancel to free cores, p99 of {len(taken)}", quantile(taken, 0.99), "s", "2 s")


async def follow(
    http: httpx.AsyncClient, job: str, heard: Callable[[str], None]
) -> AsyncIterator[None]:
    """One event stream; ``heard`` is told the name of each event."""
    async with http.stream("GET", f"/v1/landscapes/{job}/events", timeout=None) as answer:
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if line.startswith("event:"):
                heard(line.partition(":")[2].strip())
                yield


class Listeners:
    """Many event streams, and how many have heard anything of each name."""

    def __init__(self, served: Served, jobs: list[str], count: int) -> None:
        self._served = served
        self._jobs = jobs
        self._count = count
        self.heard: dict[str, int] = {}
        self.broken = 0

    async def run(self, act: Callable[[Listeners], AsyncIterator[None]]) -> None:
        """Open all, and leave them open while ``act`` goes on."""
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        async with httpx.AsyncClient(base_url=self._served.url, limits=limits, timeout=120) as http:
            tasks = [
                asyncio.create_task(self._one(http, self._jobs[number % len(self._jobs)]))
                for number in range(self._count)
            ]
            async for _ in act(self):
                await asyncio.sleep(0.02)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(self, http: httpx.AsyncClient, job: str) -> None:
        names: set[str] = set()

        def hear(name: str) -> None:
            if name not in names:
                names.add(name)
                self.heard[name] = self.heard.get(name, 0) + 1

        while True:  # as a reader does who was refused or cut off
            try:
                async for _ in follow(http, job, hear):
                    pass
            except httpx.HTTPError:
                self.broken += 1
            await asyncio.sleep(1.0)


def stop(options: argparse.Namespace, record: Record) -> None:
    """SIGTERM with ten jobs and 200 open event streams."""
    taken: list[float] = []
    for _ in range(options.rounds):
        with scratch() as folder, service(folder, jobs_at_once=10) as served:
            with httpx.Client(base_url=served.url, timeout=120) as http:
                jobs = [submit(http, **BUSY, seed=number) for number in range(10)]
                for job in jobs:
                    until(http, job, "running")
                computing(http, 2)

            async def act(each: Listeners, served: Served = served) -> AsyncIterator[None]:
                while each.heard.get("state", 0) < 200:
                    yield
                taken.append(await asyncio.to_thread(served.stop))

            asyncio.run(Listeners(served, jobs, 200).run(act))
    say(record, f"SIGTERM with 200 streams and 10 jobs, of {len(taken)} times the longest",
        max(taken), "s", "5 s")  # fmt: skip


def streams(options: argparse.Namespace, record: Record) -> None:
    """A thousand event streams of ten jobs that run, and what others wait meanwhile."""
    with scratch() as folder, service(folder, jobs_at_once=10) as served:
        with httpx.Client(base_url=served.url, timeout=120) as http:
            jobs = [submit(http, **BUSY, seed=number) for number in range(10)]
            for job in jobs:
                until(http, job, "running")
        live = Paced(f"{served.url}/livez", 20)
        began = time.perf_counter()

        async def act(each: Listeners) -> AsyncIterator[None]:
            title = f"{options.streams} streams"
            for name in ("state", "progress"):
                while each.heard.get(name, 0) < options.streams:
                    yield
                taken = time.perf_counter() - began
                say(record, f"{title}: until each has heard of {name}", taken, "s")
            say(record, f"{title}: asked again to be let in", each.broken, "times")
            let_in = each.broken
            await live.run(20.0)
            say(record, f"{title}: broken in 20 s", each.broken - let_in, "streams", "0")

        asyncio.run(Listeners(served, jobs, options.streams).run(act))
        say(record, f"{options.streams} streams: liveness meanwhile, p99",
            1000 * quantile(live.seconds, 0.99), "ms")  # fmt: skip


def restore(options: argparse.Namespace, record: Record) -> None:
    """A backup of a running service; the store is lost; what comes back is the same bytes."""
    with scratch() as folder:
        archive = folder / "backup.tar"
        with (
            service(folder / "data") as served,
            httpx.Client(base_url=served.url, timeout=300) as http,
        ):
            jobs = [submit(http, **SMALL, seed=number) for number in range(options.results)]
            for job in jobs:
                until(http, job, "finished")
            before = digests(http, jobs)
            submit(http, **BUSY)
            command(folder / "data", "backup", str(archive))
        shutil.rmtree(folder / "data")
        with service(folder / "data") as served:
            began = time.perf_counter()
            command(folder / "data", "restore", str(archive))
            taken = time.perf_counter() - began
            with httpx.Client(base_url=served.url, timeout=300) as http:
                after = digests(http, jobs)
    same = sum(before[job] == after.get(job) for job in jobs)
    say(record, f"restored of {len(jobs)} with the same SHA-256", same, "results", f"{len(jobs)}")
    say(record, f"restoring {len(jobs)} results into a running service", taken, "s")


def digests(http: httpx.Client, jobs: list[str]) -> dict[str, str]:
    """SHA-256 of each result's bytes, those that are answered 200 and name their own digest."""
    found = {}
    for job in jobs:
        answer = http.get(f"/v1/landscapes/{job}")
        if answer.status_code == 200 and json.loads(answer.content).get("digest"):
            found[job] = hashlib.sha256(answer.content).hexdigest()
    return found


def command(data: object, *words: str) -> None:
    """A command on the store of that folder."""
    subprocess.run(
        [sys.executable, "-m", "relu_landscape_cli.main", *words, "--data-dir", str(data)],
        check=True, stdout=subprocess.DEVNULL, env=environment(folder=data),  # type: ignore[arg-type]
    )  # fmt: skip


def ten_keys(options: argparse.Namespace, record: Record) -> None:
    """Ten keys that ask for everything at once, one of them for more than the others."""
    for title, value, unit, bound in mixed(options.minutes, options.greed):
        say(record, title, value, unit, bound)


PARTS = {
    "rate": rate, "cancel": cancel, "stop": stop, "streams": streams, "restore": restore,
    "mixed": ten_keys,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=list(PARTS))
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each question (rate)")
    parser.add_argument("--rounds", type=int, default=5, help="of rate, and of stop")
    parser.add_argument("--times", type=int, default=100, help="jobs to cancel")
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--results", type=int, default=50, help="to back up")
    parser.add_argument("--minutes", type=float, default=60.0, help="of mixed")
    parser.add_argument("--greed", type=int, default=10, help="jobs that the first key keeps")
    parser.add_argument("--port", type=int, default=8791, help="of the empty route")
    options = parser.parse_args()
    record = Record("load", options=vars(options))
    print("| figure | value | should be | load average |\n|---|---|---|---|")
    for name in options.parts:
        PARTS[name](options, record)
    record.write()


if __name__ == "__main__":
    main()
