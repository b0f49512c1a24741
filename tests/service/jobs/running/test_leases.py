"""Who takes a job from whom, and when: by a clock that the test turns."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest

from relu_landscape.errors import StoreUnavailable
from relu_landscape.jobs.running.leases import RENEWALS_PER_TERM, LeaseKeeper, Watch
from relu_landscape.jobs.running.progress import StopSign
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.claims import Claim, ClaimingStore, Held
from relu_landscape.settings import Settings
from tests.service.jobs.helpers import KIND, QUEUES, REQUEST, submitted

TERM = 9.0
STEP = TERM / RENEWALS_PER_TERM


class World:
    """A store with one job, a process that holds it, another that watches, and their clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.watch = Watch(TERM, lambda: self.now)
        self.renewals = 0
        self.is_away = False
        self.takes_seconds = 0.0

    def look(self) -> list[Held]:
        if self.is_away:
            raise StoreUnavailable("away")
        self.now += self.takes_seconds
        return [Held("a", "7", str(self.renewals))]

    def lapses(self) -> bool:
        try:
            return bool(self.watch.lapsed(self.look))
        except StoreUnavailable:
            return False

    def steps_until_it_lapses(self, step: float = STEP) -> int:
        """Looks that come after this one, ``step`` seconds apart."""
        for number in range(1000):
            if self.lapses():
                return number
            self.now += step
        raise AssertionError("it never lapses")


def test_a_holder_that_died_loses_its_job_after_one_term() -> None:
    world = World()
    assert world.steps_until_it_lapses() == RENEWALS_PER_TERM


def test_a_holder_that_renews_keeps_its_job_for_ever() -> None:
    world = World()
    for _ in range(100):
        assert not world.lapses()
        world.now += STEP
        world.renewals += 1
    assert world.steps_until_it_lapses() == RENEWALS_PER_TERM


@pytest.mark.parametrize("terms", [0.4, 1.0, 1.5, 100.0])
@pytest.mark.parametrize("noticed", [True, False], ids=["away", "silent"])
def test_after_an_outage_every_holder_has_a_whole_term_again(terms: float, noticed: bool) -> None:
    """All leases had lapsed when the store came back, and who asked first took the others' jobs
    and even its own."""
    world = World()
    for _ in range(RENEWALS_PER_TERM):  # the worst moment: the next look would have taken it
        assert not world.lapses()
        world.now += STEP
    if noticed:
        world.is_away = True
        for _ in range(max(1, round(terms * RENEWALS_PER_TERM))):
            assert not world.lapses()
            world.now += STEP
        world.is_away = False
    else:  # the look was on its way when the store fell silent, and is answered at the end
        world.takes_seconds = terms * TERM
        world.now -= STEP / 2
        assert not world.lapses()
        world.takes_seconds = 0.0
    assert world.steps_until_it_lapses() >= RENEWALS_PER_TERM


@pytest.mark.parametrize(("share", "steps"), [(0.6, 2), (0.66, 2), (0.67, 3), (0.9, 3), (5.0, 3)])
def test_a_process_that_stood_still_gives_every_holder_a_whole_term_again(
    share: float, steps: int
) -> None:
    """Looks come each third of a term. More than two thirds between two of them are a silence:
    whatever stood still here may have stood still there."""
    world = World()
    assert not world.lapses()
    world.now += share * TERM
    assert world.steps_until_it_lapses() == steps


@pytest.mark.parametrize(("share", "is_silence"), [(0.16, False), (0.17, True), (0.19, True)])
def test_a_look_whose_answer_is_late_is_a_silence(share: float, is_silence: bool) -> None:
    """A sixth of a term: a holder may have waited as long, after a third without renewal."""
    world = World()
    for _ in range(RENEWALS_PER_TERM):
        assert not world.lapses()
        world.now += STEP - 0.5 * share * TERM
    world.takes_seconds = share * TERM
    world.lapses()
    world.takes_seconds = 0.0
    world.now += 0.5 * TERM
    assert world.lapses() is not is_silence


def test_a_look_that_takes_its_time_shortens_no_term() -> None:
    world = World()
    world.takes_seconds = STEP / 8
    world.lapses()
    first_seen = world.now
    while True:
        world.now += STEP
        began = world.now
        if world.lapses():
            break
    assert began - first_seen >= TERM


def test_looks_at_odd_times_take_a_job_neither_early_nor_never() -> None:
    moments = random.Random(3)
    for _ in range(50):
        world = World()
        assert not world.lapses()
        seen = world.now
        while True:
            world.now += moments.uniform(0.1, 0.6) * TERM
            if world.lapses():
                break
        assert TERM <= world.now - seen < 1.6 * TERM


@pytest.mark.parametrize("step_seconds", [-86400.0, 86400.0])
def test_no_step_of_the_wall_clock_moves_a_lease(
    monkeypatch: pytest.MonkeyPatch, step_seconds: float
) -> None:
    world = World()
    monkeypatch.setattr(time, "time", lambda: 1e9 + step_seconds * world.now)
    assert world.steps_until_it_lapses() == RENEWALS_PER_TERM
    assert Watch(TERM)._clock is time.monotonic, "what it is in earnest"


@pytest.fixture
def keeper_of(
    make_claims: Callable[[Settings], ClaimingStore], settings: Settings
) -> Callable[[], tuple[LeaseKeeper, list[float]]]:
    """Keepers whose rounds and clock the test turns by hand."""

    def make() -> tuple[LeaseKeeper, list[float]]:
        keeper, clock = LeaseKeeper(make_claims(settings), TERM), [0.0]
        keeper._watch = Watch(TERM, lambda: clock[0])
        return keeper, clock

    return make


Make = Callable[[], tuple[LeaseKeeper, list[float]]]


def turn(keeper: LeaseKeeper, clock: list[float], rounds: int, step: float = STEP) -> None:
    for _ in range(rounds):
        keeper.keep_once()
        clock[0] += step


async def test_a_process_never_takes_a_job_that_it_holds(
    asking: AskingStore, claims: ClaimingStore, keeper_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if none of its renewals arrives, and others' looks do."""
    keeper, clock = keeper_of()
    claim, stop = await submitted(asking, claims), StopSign()
    keeper.hold(claim, stop)
    monkeypatch.setattr(keeper, "_renew", lambda claim, stop: None)
    turn(keeper, clock, 10 * RENEWALS_PER_TERM)
    assert ((await asking.status("a")).state, stop.reason) == ("running", None)
    keeper.drop(claim)  # its attempt is over without a word: then it may
    turn(keeper, clock, RENEWALS_PER_TERM + 1)
    status = await asking.status("a")
    assert (status.state, status.attempts) == ("queued", 1)


async def test_the_job_of_a_dead_process_is_taken_and_that_of_a_living_one_not(
    asking: AskingStore, claims: ClaimingStore, keeper_of: Make
) -> None:
    (mine, my_clock), (other, other_clock) = keeper_of(), keeper_of()
    living, stop = await submitted(asking, claims, "a"), StopSign()
    mine.hold(living, stop)
    dead = await submitted(asking, claims, "b")
    assert dead.job == "b"
    for _ in range(RENEWALS_PER_TERM):
        turn(mine, my_clock, 1)
        turn(other, other_clock, 1)
        assert (await asking.status("b")).state == "running"
    turn(other, other_clock, 1)
    assert (await asking.status("b")).state == "queued"
    turn(mine, my_clock, 1)
    turn(other, other_clock, 1)
    assert ((await asking.status("a")).state, stop.reason) == ("running", None)


async def test_a_holder_that_stood_still_learns_that_it_lost_its_job(
    asking: AskingStore, claims: ClaimingStore, keeper_of: Make
) -> None:
    (mine, my_clock), (other, other_clock) = keeper_of(), keeper_of()
    stop = StopSign()
    mine.hold(await submitted(asking, claims), stop)
    turn(mine, my_clock, 1)
    turn(other, other_clock, RENEWALS_PER_TERM + 1)
    turn(mine, my_clock, 1)
    assert ((await asking.status("a")).state, stop.reason) == ("queued", "lost")


async def test_a_cancelled_job_is_told_at_the_next_renewal(
    asking: AskingStore, claims: ClaimingStore, keeper_of: Make
) -> None:
    keeper, clock = keeper_of()
    stop = StopSign()
    keeper.hold(await submitted(asking, claims), stop)
    await asking.cancel("a")
    turn(keeper, clock, 1)
    assert stop.reason == "cancel"


async def test_one_lease_that_cannot_be_renewed_costs_no_other(
    asking: AskingStore, claims: ClaimingStore, keeper_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper, clock = keeper_of()
    for job in "ab":
        await asking.submit(job, KIND, REQUEST)
        claim = claims.claim(QUEUES)
        assert claim is not None
        keeper.hold(claim, StopSign())
    renewed: list[str] = []
    renew = keeper._claims.renew

    def stumbling(claim: Claim) -> object:
        if claim.job == "a":
            raise ZeroDivisionError("a fault of ours")
        renewed.append(claim.job)
        return renew(claim)

    monkeypatch.setattr(keeper._claims, "renew", stumbling)
    turn(keeper, clock, 2)
    assert renewed == ["b", "b"]


async def test_renewals_that_are_refused_are_a_silence(
    asking: AskingStore, claims: ClaimingStore, keeper_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its disk full a store answers reads and refuses renewals: once it has room again, the
    jobs of everybody seem to be unrenewed for as long as that lasted."""
    keeper, clock = keeper_of()
    await submitted(asking, claims)
    turn(keeper, clock, RENEWALS_PER_TERM)
    with monkeypatch.context() as full:
        full.setattr(keeper._claims, "look", refuse)
        turn(keeper, clock, 1)
    turn(keeper, clock, RENEWALS_PER_TERM)
    assert (await asking.status("a")).state == "running"
    turn(keeper, clock, 1)
    assert (await asking.status("a")).state == "queued"


def refuse() -> list[Held]:
    raise StoreUnavailable("no room")
