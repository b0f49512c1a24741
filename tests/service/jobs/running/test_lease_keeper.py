"""The thread that keeps leases: whom it renews, what it tells a job, and what it survives.

Whose job is taken from whom, and when, is told in ``test_leases``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest

from relu_landscape.errors import LeaseLost, StoreUnavailable
from relu_landscape.jobs.running.leases import RENEWALS_PER_TERM, LeaseKeeper, Watch
from relu_landscape.jobs.running.progress import StopSign
from relu_landscape.jobs.store.claims import Claim, ClaimingStore, Held

LEASE_SECONDS = 30.0
#: No test waits for this long unless it fails.
PATIENCE_SECONDS = 60.0


class Rounds:
    """In place of the keeper's ``Event``: a pause is over when the test says so."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self._allowed = threading.Semaphore(0)
        self._waiting = threading.Semaphore(0)
        self._closed = False

    def wait(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        self._waiting.release()
        assert self._allowed.acquire(timeout=PATIENCE_SECONDS)
        return self._closed

    def set(self) -> None:
        self._closed = True
        self._allowed.release()

    def arrive(self) -> None:
        """Until the keeper pauses."""
        assert self._waiting.acquire(timeout=PATIENCE_SECONDS)

    def allow(self) -> None:
        """The pause is over."""
        self._allowed.release()

    def turn(self) -> None:
        """One round, from pause to pause."""
        self.allow()
        self.arrive()


class Store:
    """Answers ``renew`` as a test says, by job; ``held`` where it says nothing.

    Another process holds the job ``other``, and renews it never.
    """

    def __init__(self) -> None:
        self.answers: dict[str, str | Exception] = {}
        self.other: Exception | None = None
        self.taken = 0
        self.over: set[str] = set()
        self.renewed: list[str] = []
        self.on_renewal: Any = None

    def renew(self, claim: Claim) -> str:
        self.renewed.append(claim.job)
        if self.on_renewal is not None:
            self.on_renewal(claim)
        answer = self.answers.get(claim.job, "held")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def is_over(self, job: str) -> bool:
        return job in self.over

    def look(self) -> list[Held]:
        if self.other is not None:
            raise self.other
        return [Held("other", "7", "0")]

    def reclaim(self, lapsed: list[Held]) -> list[str]:
        self.taken += 1
        return [each.job for each in lapsed]

    def round(self) -> list[str]:
        """Jobs that were renewed since the last question."""
        renewed, self.renewed = self.renewed, []
        return renewed


def claim(job: str) -> Claim:
    return Claim(job=job, kind="k", token=f"token of {job}", request={}, seconds=0.0, attempts=1)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def rounds() -> Rounds:
    return Rounds()


@pytest.fixture
def keeper(store: Store, rounds: Rounds, monkeypatch: pytest.MonkeyPatch) -> Iterator[LeaseKeeper]:
    opened = LeaseKeeper(cast(ClaimingStore, store), LEASE_SECONDS)
    monkeypatch.setattr(opened, "_stop", rounds)
    opened.start()
    rounds.arrive()
    yield opened
    opened.close()


def test_every_lease_is_renewed_three_times_a_term_until_it_is_dropped(
    keeper: LeaseKeeper, store: Store, rounds: Rounds
) -> None:
    """Two renewals may fail before a lease lapses; one that is given up is left alone."""
    signs = [StopSign(), StopSign()]
    for job, sign in zip("ab", signs, strict=True):
        keeper.hold(claim(job), sign)
    rounds.turn()
    assert store.round() == ["a", "b"]
    keeper.drop(claim("a"))
    keeper.drop(claim("unheard of"))
    rounds.turn()
    assert store.round() == ["b"]
    assert [sign.reason for sign in signs] == [None, None]
    assert set(rounds.pauses) == {LEASE_SECONDS / 3}


def test_a_keeper_looks_for_the_dead_before_its_first_pause(
    store: Store, rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a crash of everybody the terms of their jobs run from the start of the first one."""
    opened = LeaseKeeper(cast(ClaimingStore, store), LEASE_SECONDS)
    monkeypatch.setattr(opened, "_stop", rounds)
    monkeypatch.setattr(opened._watch, "lapsed", lambda look: look())
    opened.start()
    rounds.arrive()
    assert store.taken == 1
    opened.close()


def test_a_job_is_told_that_it_was_cancelled_or_lost_and_the_others_are_not(
    keeper: LeaseKeeper, store: Store, rounds: Rounds, caplog: pytest.LogCaptureFixture
) -> None:
    signs = {job: StopSign() for job in ("cancelled", "lost", "held")}
    for job, sign in signs.items():
        keeper.hold(claim(job), sign)
    store.answers = {"cancelled": "cancel", "lost": LeaseLost("another process")}
    rounds.turn()
    found = {job: sign.reason for job, sign in signs.items()}
    assert found == {"cancelled": "cancel", "lost": "lost", "held": None}
    assert caplog.messages == ["lost the lease of lost"]


def test_a_job_that_has_just_ended_is_not_called_lost(
    keeper: LeaseKeeper, store: Store, rounds: Rounds, caplog: pytest.LogCaptureFixture
) -> None:
    """The store knows its end a moment before its thread has given the lease up."""
    sign = StopSign()
    keeper.hold(claim("a"), sign)
    store.answers, store.over = {"a": LeaseLost("it is over")}, {"a"}
    rounds.turn()
    assert sign.reason == "lost"
    assert caplog.messages == []


def test_a_job_that_ended_while_its_lease_was_renewed_was_not_lost(
    keeper: LeaseKeeper, store: Store, rounds: Rounds, caplog: pytest.LogCaptureFixture
) -> None:
    """It finished between the copy of the list and the renewal: the refusal means nothing."""
    sign = StopSign()
    keeper.hold(claim("a"), sign)
    store.on_renewal = keeper.drop
    store.answers = {"a": LeaseLost("it is over")}
    rounds.turn()
    assert store.round() == ["a"]
    assert sign.reason is None
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("error", "tried"), [(StoreUnavailable("away"), ["a"]), (RuntimeError("a bug"), ["a", "b"])]
)
def test_no_failure_of_a_renewal_ends_the_keeping(
    keeper: LeaseKeeper, store: Store, rounds: Rounds, error: Exception, tried: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """Nobody knows yet whether the lease is lost: the job goes on, and the next round tries.

    A store that is away would not answer for the others either: they wait for that round too.
    """
    signs = [StopSign(), StopSign()]
    for job, sign in zip("ab", signs, strict=True):
        keeper.hold(claim(job), sign)
    store.answers = {"a": error}
    for _ in range(2):
        rounds.turn()
        assert store.round() == tried
    assert [sign.reason for sign in signs] == [None, None]
    assert len(caplog.records) == 2
    assert all("lease" in message for message in caplog.messages)
    store.answers = {}
    rounds.turn()
    assert store.round() == ["a", "b"]


@pytest.mark.parametrize("error", [StoreUnavailable("away"), RuntimeError("a bug")])
def test_no_failure_of_a_look_ends_the_keeping(
    keeper: LeaseKeeper, store: Store, rounds: Rounds, error: Exception,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """Whatever becomes of others' leases, one's own are renewed."""
    sign = StopSign()
    keeper.hold(claim("a"), sign)
    store.other = error
    for _ in range(2):
        rounds.turn()
        assert store.round() == ["a"]
    assert sign.reason is None
    assert len(caplog.records) == 2


def test_a_refused_renewal_gives_others_a_whole_term_again(store: Store) -> None:
    """Theirs were refused as well, and a round without a look is too short a gap to show it."""
    now = 0.0
    keeper = LeaseKeeper(cast(ClaimingStore, store), LEASE_SECONDS)
    keeper._watch = Watch(LEASE_SECONDS, lambda: now)
    keeper.hold(claim("a"), StopSign())

    def turn(rounds: int) -> int:
        nonlocal now
        for _ in range(rounds):
            keeper.keep_once()
            now += LEASE_SECONDS / RENEWALS_PER_TERM
        return store.taken

    assert turn(RENEWALS_PER_TERM) == 0
    store.answers = {"a": StoreUnavailable("no room")}
    assert turn(1) == 0
    store.answers = {}
    assert turn(RENEWALS_PER_TERM) == 0
    assert turn(1) == 1


def test_closing_waits_for_the_renewal_that_is_under_way(
    keeper: LeaseKeeper, store: Store, rounds: Rounds
) -> None:
    """Whoever closes the store's connections next must not pull them from under it."""
    under_way, let_go = threading.Event(), threading.Event()

    def slow(_: Claim) -> None:
        under_way.set()
        assert let_go.wait(PATIENCE_SECONDS)

    store.on_renewal = slow
    keeper.hold(claim("a"), StopSign())
    rounds.allow()
    assert under_way.wait(PATIENCE_SECONDS)
    closing = threading.Thread(target=keeper.close)
    closing.start()
    closing.join(0.05)
    assert closing.is_alive()
    let_go.set()
    closing.join(PATIENCE_SECONDS)
    assert not closing.is_alive()


def test_a_keeper_that_never_started_can_be_closed(store: Store) -> None:
    LeaseKeeper(cast(ClaimingStore, store), LEASE_SECONDS).close()


def test_a_keeper_that_nobody_closed_does_not_keep_its_process_alive(store: Store) -> None:
    before = set(threading.enumerate())
    keeper = LeaseKeeper(cast(ClaimingStore, store), LEASE_SECONDS)
    keeper.start()
    (thread,) = set(threading.enumerate()) - before
    assert thread.daemon
    keeper.close()
    assert not thread.is_alive()
