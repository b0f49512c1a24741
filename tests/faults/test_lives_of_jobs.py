"""Jobs that are submitted, cancelled, computed, given back, lost and deleted in any order.

Hypothesis chooses what happens; a dictionary says what the store must answer. Two processes claim
jobs and remember every claim they ever had: an old one must write nothing, whenever it tries.
"""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from relu_landscape.errors import LeaseLost, NotFound
from relu_landscape.jobs.listing import EVERYTHING
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.claims import Claim, ClaimingStore
from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.keeping import KeepingStore
from relu_landscape.jobs.store.lists import ListingStore
from relu_landscape.jobs.store.scripts import LARGEST_BARREN_ATTEMPTS
from relu_landscape.settings import Settings
from tests.service.jobs.helpers import KIND, QUEUES, REQUEST
from tests.service.jobs.toy_engine import TOY

Answer = TypeVar("Answer")

JOBS = st.sampled_from(["a", "b", "c"])
PEOPLE = st.sampled_from(["ada", "bob", "anyone"])
PROCESSES = st.sampled_from([0, 1])
HELD = ("running", "cancelling")


@dataclass
class Known:
    """What must be true of a job."""

    state: str
    holders: set[str]
    sequence: int
    #: Who is charged for it; None where several may be.
    payer: str | None
    attempts: int = 0
    is_resubmitted: bool = False
    deaths: int = 0
    claim: Claim | None = None
    result: bytes | None = None

    def requeue(self) -> None:
        self.state, self.claim = "queued", None

    def end(self, state: str) -> None:
        self.state, self.claim, self.holders = state, None, set()
        self.is_resubmitted, self.deaths = False, 0

    def begin_again(self) -> None:
        self.requeue()
        self.is_resubmitted, self.deaths, self.attempts = False, 0, 0

    def let_go(self, who: str) -> None:
        """Whoever wants it still is charged from now on."""
        self.holders.discard(who)
        if self.holders and self.payer in (who, None):
            self.payer = next(iter(self.holders)) if len(self.holders) == 1 else None

    def be_cancelled(self) -> None:
        """Unless somebody asked for it again meanwhile."""
        if self.is_resubmitted:
            self.begin_again()
        else:
            self.end("cancelled")


class Jobs(RuleBasedStateMachine):
    """The store, and the dictionary."""

    target: Target

    def __init__(self) -> None:
        super().__init__()
        self.settings = Settings.load(redis_prefix=f"test-{uuid.uuid4().hex}")
        self.runner = asyncio.Runner()
        self.asking = AskingStore(self.target, self.settings, TOY, "cpu")
        self.keeping = KeepingStore(self.target, self.settings)
        self.processes = [self.process() for _ in range(2)]
        self.lists = ListingStore(self.target, self.settings, TOY)
        self.known: dict[str, Known] = {}
        self.sequence = 0
        self.old: list[Claim] = []

    def process(self) -> ClaimingStore:
        return ClaimingStore(self.target, self.settings, patience=10.0, stop=threading.Event())

    def ask(self, question: Awaitable[Answer]) -> Answer:
        async def answer() -> Answer:
            return await question

        return self.runner.run(answer())

    def teardown(self) -> None:
        self.ask(self.asking.close())
        self.ask(self.keeping.close())
        self.ask(self.lists.close())
        self.runner.close()
        for each in self.processes:
            each.close()

    @rule(job=JOBS, who=PEOPLE)
    def submit(self, job: str, who: str) -> None:
        known = self.known.get(job)
        if known is None:
            self.sequence += 1
            self.known[job] = known = Known("queued", {who}, self.sequence, who)
        elif known.state in ("cancelled", "failed"):
            known.begin_again()
            known.holders.add(who)
            known.payer = who
        elif known.state != "finished":
            if known.state == "cancelling":
                known.is_resubmitted, known.payer = True, who
            known.holders.add(who)
        assert self.ask(self.asking.submit(job, KIND, REQUEST, who)) == known.state

    @rule(job=JOBS, who=PEOPLE)
    def cancel(self, job: str, who: str) -> None:
        known = self.known.get(job)
        if known is None:
            with pytest.raises(NotFound):
                self.ask(self.asking.cancel(job, who))
            return
        if known.state in ("queued", *HELD):
            known.let_go(who)
            if not known.holders:
                known.is_resubmitted = False
                if known.state == "queued":
                    known.end("cancelled")
                else:
                    known.state = "cancelling"
        assert self.ask(self.asking.cancel(job, who)) == known.state

    @rule(process=PROCESSES)
    def claim(self, process: int) -> None:
        waiting = [job for job, known in self.known.items() if known.state == "queued"]
        claim = self.processes[process].claim(QUEUES)
        if not waiting:
            assert claim is None
            return
        assert claim is not None
        known = self.known[claim.job]
        if all(each.payer for each in self.known.values()):
            assert claim.payer == known.payer
            assert claim.job == min(waiting, key=self.turn)
        known.state, known.claim = "running", claim
        known.attempts += 1
        assert claim.attempts == known.attempts
        self.old.append(claim)

    def turn(self, job: str) -> tuple[int, int]:
        """Whoever has the fewest jobs that compute, and then what has waited longest."""
        known = self.known[job]
        computing = [other.payer for other in self.known.values() if other.state in HELD]
        return computing.count(known.payer), known.sequence

    def held(self, number: int) -> tuple[Claim, Known | None]:
        """One of the claims there ever were, and its job if it is the one that counts."""
        claim = self.old[number % len(self.old)]
        known = self.known.get(claim.job)
        return claim, known if known is not None and known.claim is claim else None

    @precondition(lambda self: self.old)
    @rule(number=st.integers(0, 99), process=PROCESSES)
    def checkpoint(self, number: int, process: int) -> None:
        claim, known = self.held(number)
        store = self.processes[process]
        if known is None:
            with pytest.raises(LeaseLost):
                store.checkpoint(claim, "c", b"1")
            return
        known.deaths = 0
        wanted = "cancel" if known.state == "cancelling" else "held"
        assert store.checkpoint(claim, "c", b"1") == wanted

    @precondition(lambda self: self.old)
    @rule(number=st.integers(0, 99), process=PROCESSES)
    def finish(self, number: int, process: int) -> None:
        claim, known = self.held(number)
        result = f'{{"by":"{claim.token}"}}'.encode()
        if known is None:
            with pytest.raises(LeaseLost):
                self.processes[process].finish(claim, result, {})
            return
        self.processes[process].finish(claim, result, {})
        known.end("finished")
        known.result = result

    @precondition(lambda self: self.old)
    @rule(number=st.integers(0, 99), outcome=st.sampled_from(["failed", "cancelled", "returned"]))
    def stop(self, number: int, outcome: str) -> None:
        claim, known = self.held(number)
        if known is None:
            with pytest.raises(LeaseLost):
                self.processes[0].stop(claim, outcome)  # type: ignore[arg-type]
            return
        self.processes[0].stop(claim, outcome)  # type: ignore[arg-type]
        if outcome == "failed":
            known.end("failed")
        elif outcome == "cancelled" or known.state == "cancelling":
            known.be_cancelled()
        else:
            known.requeue()
            known.deaths = 0

    @rule()
    def kill(self) -> None:
        """Both processes vanish; one that comes after them takes what they held."""
        held = {job for job, known in self.known.items() if known.state in HELD}
        for each in self.processes:
            each.close()
        self.processes = [self.process() for _ in range(2)]
        watcher = self.processes[0]
        assert set(watcher.reclaim(watcher.look())) == held
        for job in held:
            known = self.known[job]
            known.deaths += known.state == "running"
            if known.state == "cancelling":
                known.be_cancelled()
            elif known.deaths >= LARGEST_BARREN_ATTEMPTS:
                known.end("failed")
            else:
                known.requeue()

    @rule(job=JOBS)
    def evict(self, job: str) -> None:
        known = self.known.get(job)
        if known is not None and known.state in ("finished", "failed", "cancelled"):
            self.ask(self.keeping.delete(job))
            del self.known[job]

    @invariant()
    def the_store_says_what_the_dictionary_says(self) -> None:
        listed = {each.id: each for each in self.ask(self.lists.page(EVERYTHING, None, 10)).items}
        assert set(listed) == set(self.known)
        for job, known in self.known.items():
            status = listed[job]
            assert (status.state, status.holders) == (known.state, len(known.holders))
            assert status.attempts == known.attempts
            if known.state == "finished":
                assert self.ask(self.asking.result(job)) == known.result


def test_whatever_happens_in_whatever_order(target: Target) -> None:
    machine = type("Jobs", (Jobs,), {"target": target})
    run_state_machine_as_test(
        machine,
        settings=hypothesis_settings(
            max_examples=40, stateful_step_count=40, deadline=None, derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
