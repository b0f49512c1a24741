"""One campaign: jobs go in, processes are killed, and every job is accounted for."""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx2 as httpx
import orjson

from relu_landscape.errors import LandscapeError, NotFound
from relu_landscape.jobs.listing import EVERYTHING
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.lists import ListingStore
from relu_landscape.settings import Settings
from relu_landscape.wire.jobs import TERMINAL
from relu_landscape.wire.requests import LandscapeRequest
from tests.campaign.judge import Found, Verdict, judge
from tests.campaign.laboratory import Laboratory
from tests.service.jobs.helpers import expected_digest
from tests.service.jobs.toy_engine import TOY

#: Seconds between two rounds of kills: mostly short, now and then long enough to recover wholly.
SHORT_SECONDS = (0.4, 1.6)
LONG_SECONDS = (3.0, 9.0)
LONG_SHARE = 0.1
#: Processes killed in one round.
VICTIMS = (1, 2, 2, 3)
#: Jobs that are under way at any time.
UNDER_WAY = 6
#: Chunks of a job, and what one takes.
STARTS = (10, 120)
CHUNK_SECONDS = (0.02, 0.15)
#: For the last jobs to end, undisturbed, after the last kill.
END_SECONDS = 300.0
START_SECONDS = 120.0


@dataclass
class Campaign:
    """What happens to one laboratory."""

    laboratory: Laboratory
    kills: int
    chance: random.Random
    accepted: dict[str, LandscapeRequest] = field(default_factory=dict)
    killed: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._done = threading.Event()
        self._seeds = iter(range(1, 1_000_000))
        self._jobs = random.Random(self.chance.random())

    def run(self) -> Verdict:
        self.laboratory.start()
        try:
            submitting = threading.Thread(target=self._submit, daemon=True)
            submitting.start()
            self._await_first_job()
            self._kill()
            self._done.set()
            submitting.join()
            found = asyncio.run(self._found())
            expected = {job: expected_digest(asked) for job, asked in self.accepted.items()}
            return judge(expected, found, self.laboratory.logs())
        finally:
            self._done.set()
            self.laboratory.stop()

    def _await_first_job(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.accepted:
            assert time.monotonic() < deadline, "no job was ever accepted"
            time.sleep(0.1)

    def _kill(self) -> None:
        while (left := self.kills - sum(self.killed.values())) > 0:
            is_long = self.chance.random() < LONG_SHARE
            # The moments are the point, so this is a sleep and not a wait for anything.
            time.sleep(self.chance.uniform(*(LONG_SECONDS if is_long else SHORT_SECONDS)))
            for kind in self._next_kinds(min(left, self.chance.choice(VICTIMS))):
                if self.laboratory.kill(kind):
                    self.killed[kind] += 1
            if sum(self.killed.values()) // 20 > (self.kills - left) // 20:
                told = f"{dict(self.killed)}, {len(self.accepted)} jobs accepted"
                print(f"{self.laboratory.setup}: {told}", file=sys.stderr, flush=True)

    def _next_kinds(self, number: int) -> list[str]:
        """At random, those first of which fewer were killed: each kind has its share."""
        kinds = list(self.laboratory.kinds)
        self.chance.shuffle(kinds)
        kinds.sort(key=lambda kind: self.killed[kind] // 3)
        return kinds[:number]

    def _submit(self) -> None:
        """Keep some jobs under way; what got no answer is asked again, as a client does."""
        open_jobs: list[str] = []
        with httpx.Client(timeout=10.0) as http:
            while not self._done.is_set():
                open_jobs = [job for job in open_jobs if not self._is_over(http, job)]
                while len(open_jobs) < UNDER_WAY and not self._done.is_set():
                    job = self._post(http, self._request())
                    if job is not None:
                        open_jobs.append(job)
                self._done.wait(0.3)

    def _request(self) -> LandscapeRequest:
        return LandscapeRequest(
            student_width=2,
            teacher_width=2,
            starts=self._jobs.randint(*STARTS),
            seed=next(self._seeds),
            init_scale=round(self._jobs.uniform(*CHUNK_SECONDS), 3),
        )

    def _post(self, http: httpx.Client, asked: LandscapeRequest) -> str | None:
        while not self._done.is_set():
            answer = self._ask(http, "POST", "/v1/landscapes", asked.canonical())
            if answer is not None and answer.status_code in (200, 202):
                # Either the finished landscape or the job; both carry the id of the request.
                job = asked.content_id("cpu")
                assert orjson.loads(answer.content)["id"] == job
                self.accepted[job] = asked
                return job
            self._done.wait(0.2)
        return None

    def _is_over(self, http: httpx.Client, job: str) -> bool:
        answer = self._ask(http, "GET", f"/v1/landscapes/{job}", None)
        # A result has no state; a job that is not over is answered with one, and 200 as well.
        if answer is None:
            return False
        return orjson.loads(answer.content).get("state", "finished") in TERMINAL

    def _ask(
        self, http: httpx.Client, method: str, path: str, body: object
    ) -> httpx.Response | None:
        url = self._jobs.choice(self.laboratory.urls) + path
        try:
            answer = http.request(method, url, json=body)
        except httpx.HTTPError as error:
            self.refusals[type(error).__name__] += 1
            return None
        if answer.status_code >= 500:
            self.refusals[str(answer.status_code)] += 1
            return None
        return answer

    async def _found(self) -> dict[str, Found]:
        settings = Settings.load(request_patience_seconds=60.0)
        asking = AskingStore(self.laboratory.target, settings, TOY, "cpu")
        lists = ListingStore(self.laboratory.target, settings, TOY)
        deadline = time.monotonic() + END_SECONDS
        while time.monotonic() < deadline:
            counts = await asking.figures()
            if not counts["queued"] + counts["running"] + counts["cancelling"]:
                break
            await asyncio.sleep(0.5)
        listed: Counter[str] = Counter()
        cursor = None
        while True:
            page = await lists.page(EVERYTHING, cursor, 100)
            listed.update(status.id for status in page.items)
            cursor = page.next_cursor
            if cursor is None:
                break
        found = {job: await self._look(asking, job, listed[job]) for job in self.accepted}
        await asking.close()
        await lists.close()
        return found

    async def _look(self, asking: AskingStore, job: str, times_listed: int) -> Found:
        try:
            status = await asking.status(job)
        except NotFound:
            return Found(None)
        states: list[str] = []
        if status.is_over:
            try:
                events = [event async for event in asking.follow(job, None)]
                states = [str(each.data["state"]) for each in events if each.name == "state"]
            except LandscapeError as error:
                states = [str(error)]
        return Found(status.state, await asking.result(job), states, times_listed)


def run_all(kills: int, seed: int, setups: Sequence[str]) -> bool:
    """Kill ``kills`` processes in all, shared among the set-ups; print what came of it."""
    is_good = True
    for number, setup in enumerate(setups):
        share = kills // len(setups) + (number < kills % len(setups))
        began = time.monotonic()
        chance = random.Random(f"{seed} {setup}")
        with tempfile.TemporaryDirectory(prefix="rl-", ignore_cleanup_errors=True) as name:
            campaign = Campaign(Laboratory(setup, Path(name), chance), share, chance)
            verdict = campaign.run()
        print(report(setup, campaign, verdict, time.monotonic() - began), flush=True)
        is_good = is_good and verdict.is_good
    print(f"seed {seed}, {kills} kills: {'good' if is_good else 'BAD'}")
    return is_good


def report(setup: str, campaign: Campaign, verdict: Verdict, seconds: float) -> str:
    """The table of one set-up."""
    kills = ", ".join(f"{kind} {count}" for kind, count in sorted(campaign.killed.items()))
    faults = "\n".join(f"| {name} | {count} |" for name, count in verdict.rows.items())
    details = [
        f"{name}: {each.strip()}"
        for name in ("lost", "stuck", "doubled", "wrong", "wrongly_failed", "wrong_deaths")
        for each in getattr(verdict, name)[:5]
    ]
    refusals = ", ".join(f"{what} {count}" for what, count in campaign.refusals.most_common())
    return "\n".join(
        [
            f"{setup}: {sum(campaign.killed.values())} kills ({kills}) in {seconds:.0f} s",
            f"requests that had to be asked again: {refusals or 'none'}",
            "| jobs | " + str(verdict.jobs) + " |",
            "|---|---|",
            faults,
            *details,
        ]
    )
