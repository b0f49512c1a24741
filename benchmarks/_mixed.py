"""Ten keys at once: landscapes, lists, families, cached results, cancels; who got what."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx2 as httpx
import numpy as np

from benchmarks._load import Served, environment, quantile, scratch, service

KEYS = 10
#: Jobs that each key but the first keeps under way.
MODEST = 2
#: A landscape of about half a second of one core.
ASKED = {"student_width": 5, "teacher_width": 5, "starts": 100, "structured": False}
#: One in so many jobs is cancelled, and the service's memory is read so often.
CANCELLED_IN, SAMPLE_SECONDS = 20, 2.0
FAMILY = "/v1/families?structure=2%2B*&K=4&width=4"

Figure = tuple[str, float, str, str]


@dataclass
class Seen:
    """What came of all requests."""

    answers: Counter[int] = field(default_factory=Counter)
    #: What each answer of 500 and more said, how a request without an answer ended, and when.
    faults: list[str] = field(default_factory=list)
    finished: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    memory: list[tuple[float, int]] = field(default_factory=list)
    lost: int = 0


@dataclass
class Asker:
    """One key, which keeps some jobs under way and asks for other things beside them."""

    number: int
    http: httpx.AsyncClient
    seen: Seen
    until: float
    seeds: int = 0

    async def run(self, at_once: int) -> None:
        """Until the time is over."""
        chance = random.Random(self.number)
        await asyncio.gather(self._look(chance), *(self._work(chance) for _ in range(at_once)))

    async def _ask(self, method: str, path: str, body: object = None) -> httpx.Response | None:
        began = time.perf_counter()
        try:
            answer = await self.http.request(method, path, json=body)
        except httpx.HTTPError as error:
            self.seen.lost += 1
            self._note(f"{method} {path}: after {time.perf_counter() - began:.1f} s {error!r}")
            return None
        self.seen.answers[answer.status_code] += 1
        if answer.status_code >= 500:
            self._note(f"{method} {path}: {answer.status_code} {answer.text}")
        self.seen.seconds.append(time.perf_counter() - began)
        return answer

    def _note(self, told: str) -> None:
        self.seen.faults.append(f"{self.until - time.monotonic():.1f} s before the end: {told}")

    async def _work(self, chance: random.Random) -> None:
        while time.monotonic() < self.until:
            self.seeds += 1
            body = {**ASKED, "seed": self.number * 1_000_000 + self.seeds}
            answer = await self._ask("POST", "/v1/landscapes", body)
            if answer is None or answer.status_code not in (200, 202):
                await asyncio.sleep(1.0)
                continue
            path = f"/v1/landscapes/{answer.json()['id']}"
            if chance.randrange(CANCELLED_IN) == 0:
                await self._ask("DELETE", path)
                continue
            while time.monotonic() < self.until:
                answer = await self._ask("GET", path)
                state = None if answer is None else answer.json().get("state", "finished")
                if state == "finished":
                    self.seen.finished[self.number] += 1
                    break
                await asyncio.sleep(0.2)

    async def _look(self, chance: random.Random) -> None:
        paths = ("/v1/jobs?limit=20", FAMILY, "/v1/me", "/livez", "/v1/landscape?K=2&width=2")
        while time.monotonic() < self.until:
            await self._ask("GET", chance.choice(paths))
            await asyncio.sleep(chance.uniform(0.2, 0.6))


def keys(folder: Path) -> list[str]:
    """Ten new keys of the service whose store is in that folder."""
    made = []
    for number in range(KEYS):
        told = subprocess.run(
            [
                sys.executable, "-m", "relu_landscape_cli.main", "keys", "create", f"key-{number}",
                "--data-dir", str(folder), "--json",
            ],
            check=True, capture_output=True, text=True, env=environment(folder),
        ).stdout  # fmt: skip
        made.append(json.loads(told)["key"])
    return made


async def load(served: Served, secrets: list[str], seconds: float, greed: int) -> Seen:
    """All of them for so long; the first keeps ``greed`` jobs under way."""
    seen, until = Seen(), time.monotonic() + seconds

    async def watch() -> None:
        while time.monotonic() < until:
            seen.memory.append((time.monotonic(), served.resident()))
            await asyncio.sleep(SAMPLE_SECONDS)

    clients = [
        httpx.AsyncClient(
            base_url=served.url, timeout=120, headers={"Authorization": f"Bearer {secret}"}
        )
        for secret in secrets
    ]
    askers = [Asker(number, http, seen, until) for number, http in enumerate(clients)]
    await asyncio.gather(watch(), *(each.run(MODEST if each.number else greed) for each in askers))
    for each in clients:
        await each.aclose()
    return seen


def mixed(minutes: float, greed: int) -> list[Figure]:
    """The figures of such a load."""
    # Little is kept at hand, so that what fills on purpose is full before the slope is taken.
    options = {"results_at_hand_bytes": 4_194_304, "results_bytes": 33_554_432}
    with scratch() as folder:
        with service(folder, **options):
            secrets = keys(folder)
        with service(folder, **options) as served:
            seen = asyncio.run(load(served, secrets, 60 * minutes, greed))
    finished = [seen.finished[number] for number in range(KEYS)]
    fair = sum(finished) / KEYS
    half = seen.memory[len(seen.memory) // 2 :]
    slope = np.polyfit([at for at, _ in half], [size for _, size in half], 1)[0]
    for told in seen.faults:
        print(told, file=sys.stderr, flush=True)
    fives = sum(count for code, count in seen.answers.items() if code >= 500)
    title = f"ten keys, {minutes:g} minutes"
    return [
        (f"{title}: requests", float(sum(seen.answers.values())), "answers", ""),
        (f"{title}: answered 5xx", float(fives), "answers", "0"),
        (f"{title}: not answered at all", float(seen.lost), "requests", "0"),
        (f"{title}: an answer, p99", 1000 * quantile(seen.seconds, 0.99), "ms", ""),
        (f"{title}: landscapes", float(sum(finished)), "finished", ""),
        (f"{title}: the key with {greed} jobs under way, of a fair share", finished[0] / fair, "",
         "0.9 to 1.1"),
        (f"{title}: the least of those with {MODEST}", min(finished[1:]) / fair, "", "0.9 to 1.1"),
        (f"{title}: the most of those with {MODEST}", max(finished[1:]) / fair, "", "0.9 to 1.1"),
        (f"{title}: memory of the API, its second half", slope * 3600 / 2**20, "MiB an hour",
         "about 0"),
    ]  # fmt: skip
