"""How many jobs stand before one that waits: in the order in which they are really claimed.

It used to be the order of submission, which nobody but a user alone is served in: the third job of
somebody who had asked for ten read ``2 before it`` while nine people's first ones came first.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio

from relu_landscape.jobs.listing import EVERYTHING
from relu_landscape.jobs.store import line
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.claims import Claim, ClaimingStore
from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.lists import ListingStore
from relu_landscape.jobs.store.scripts import queue_name
from relu_landscape.settings import Settings
from tests.service.jobs.helpers import KIND, QUEUES, REQUEST
from tests.service.jobs.toy_engine import SWEPT

SMALL = queue_name(KIND, "cpu", small=True)
EVERY = [*QUEUES, SMALL]
SWEEPS = [queue_name("sweep", "cpu")]
PEOPLE = ("ada", "bob", "eve", "mia", "zoe")


@pytest.fixture(autouse=True)
def always_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long lines too are as of now, however fast the tests go on."""
    monkeypatch.setattr(line, "OLDEST_SECONDS", -1.0)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"waiting_jobs_limit": 3000})


@pytest_asyncio.fixture
async def swept(target: Target, settings: Settings) -> AsyncIterator[AskingStore]:
    """Of a service that computes sweeps as well."""
    opened = AskingStore(target, settings, SWEPT, "cpu")
    yield opened
    await opened.close()


async def positions(asking: AskingStore, jobs: Sequence[str]) -> dict[str, int | None]:
    return {job: (await asking.status(job)).waiting_before for job in jobs}


def taken(claims: ClaimingStore, queues: Sequence[str], many: int) -> list[str]:
    found = [claims.claim(queues) for _ in range(many)]
    return [each.job for each in found if each is not None]


async def test_the_third_job_of_one_stands_behind_the_first_of_others(
    asking: AskingStore, claims: ClaimingStore, lists: ListingStore
) -> None:
    jobs = ["ada1", "ada2", "ada3", "bob1", "ada4", "eve1", "bob2"]
    for job in jobs:
        await asking.submit(job, KIND, REQUEST, job[:3])
    found = await positions(asking, jobs)
    assert found == {
        "ada1": 0, "bob1": 1, "eve1": 2, "ada2": 3, "bob2": 4, "ada3": 5, "ada4": 6,
    }  # fmt: skip
    page = await lists.page(EVERYTHING, None, 10)
    assert {each.id: each.waiting_before for each in page.items} == found
    assert taken(claims, EVERY, 7) == sorted(found, key=lambda job: found[job] or 0)
    assert set((await positions(asking, jobs)).values()) == {None}


@pytest.mark.parametrize("seed", range(12))
async def test_the_line_is_the_order_of_the_claims(
    asking: AskingStore, claims: ClaimingStore, seed: int
) -> None:
    """People with jobs that compute and without, new and back again, whatever they used."""
    chance = random.Random(seed)
    waiting: list[str] = []
    held: list[Claim] = []
    for step in range(90):
        what = chance.random()
        if what < 0.55 or not (waiting or held):
            job = f"job{step}"
            people = PEOPLE[: chance.choice((2, 5))]
            await asking.submit(job, KIND, REQUEST, chance.choice(people))
            waiting.append(job)
        elif what < 0.75 and waiting:
            held += [each for each in [claims.claim(QUEUES)] if each]
            waiting.remove(held[-1].job)
        elif what < 0.9 and held:
            seconds = chance.choice((0.0, 3.5, 20.0, 61.0))
            claims.checkpoint(chance.choice(held), f"chunk{step}", b"1", seconds=seconds)
        elif held:
            claims.finish(held.pop(chance.randrange(len(held))), b"{}", {})
    said = await positions(asking, waiting)
    order = taken(claims, QUEUES, len(waiting) + 1)
    assert said == {job: at for at, job in enumerate(order)}
    assert len(order) == len(waiting) > 5


async def test_who_comes_back_is_levelled_before_her_second_job_is_placed(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    """With the 20 seconds that bob once used he would have two jobs before one of ada's, who used
    100 and computes: what he did not use meanwhile would have been saved up."""
    held = []
    for job in ("bob0", "ada0"):
        await asking.submit(job, KIND, REQUEST, job[:3])
        held += [each for each in [claims.claim(QUEUES)] if each]
    bob, ada = held
    claims.checkpoint(bob, "chunk", b"1", seconds=20.0)
    claims.checkpoint(ada, "chunk", b"1", seconds=100.0)
    claims.finish(bob, b"{}", {})
    jobs = ["ada1", "bob1", "bob2"]
    for job in jobs:
        await asking.submit(job, KIND, REQUEST, job[:3])
    said = await positions(asking, jobs)
    assert said == {"bob1": 0, "ada1": 1, "bob2": 2}
    assert taken(claims, QUEUES, 3) == ["bob1", "ada1", "bob2"]


async def test_each_claim_moves_all_who_wait_by_one(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    """What is said now and what is said after a claim are the same line."""
    jobs = [f"{who}{number}" for number in range(3) for who in ("ada", "ada", "bob", "eve")]
    jobs = [f"{job}-{at}" for at, job in enumerate(jobs)]
    for job in jobs:
        await asking.submit(job, KIND, REQUEST, job[:3])
    said = await positions(asking, jobs)
    for _ in jobs:
        first = claims.claim(QUEUES)
        assert first is not None
        assert said.pop(first.job) == 0
        now = await positions(asking, list(said))
        assert now == {job: (at or 0) - 1 for job, at in said.items()}
        said = now


async def test_small_jobs_have_a_line_of_their_own_and_stand_in_that_of_all(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    for job, is_small in (("ada1", False), ("ada2", True), ("bob1", False), ("bob2", True)):
        await asking.submit(job, KIND, REQUEST, job[:3], small=is_small)
    # In all: ada1, bob1, ada2, bob2. For those places that take only small ones: ada2, bob2.
    assert await positions(asking, ["ada1", "bob1"]) == {"ada1": 0, "bob1": 1}
    assert await positions(asking, ["ada2", "bob2"]) == {"ada2": 0, "bob2": 1}
    await asking.submit("eve1", KIND, REQUEST, "ada")
    assert (await asking.status("eve1")).waiting_before == 4
    assert taken(claims, [SMALL], 1) == ["ada2"]
    assert taken(claims, EVERY, 5) == ["bob1", "ada1", "bob2", "eve1"]


async def test_without_places_for_small_jobs_there_is_one_line(
    target: Target, settings: Settings, claims: ClaimingStore
) -> None:
    mixed = AskingStore(target, settings.model_copy(update={"small_jobs_at_once": 0}), SWEPT, "cpu")
    for job, is_small in (("ada1", False), ("ada2", True), ("bob1", False)):
        await mixed.submit(job, KIND, REQUEST, job[:3], small=is_small)
    assert await positions(mixed, ["ada1", "bob1", "ada2"]) == {"ada1": 0, "bob1": 1, "ada2": 2}
    assert taken(claims, EVERY, 3) == ["ada1", "bob1", "ada2"]
    await mixed.close()


async def test_what_asks_for_others_waits_for_its_own_places(
    swept: AskingStore, claims: ClaimingStore
) -> None:
    """Those under way count for nobody, so two in a row may be of one."""
    await swept.submit("ada1", KIND, REQUEST, "ada")
    assert claims.claim(QUEUES) is not None
    for job in ("ada2", "bob1", "bob2", "ada3"):
        await swept.submit(job, "sweep", REQUEST, job[:3])
    claimed = [claims.claim(SWEEPS, "asking") for _ in range(4)]
    assert [each and each.job for each in claimed] == ["bob1", "bob2", "ada2", "ada3"]
    for each in claimed:
        assert each is not None
        claims.stop(each, "returned")
    before = await lines(swept, ["bob1", "bob2", "ada2", "ada3"])
    assert before == [0, 1, 2, 3]


async def lines(asking: AskingStore, jobs: Sequence[str]) -> list[int]:
    """Straight from the line: these requests are no sweeps that a status could show."""
    looks = [(job, [[None, b"queued"], []]) for job in jobs]
    found = await asking._line.before(looks)
    return [found[job] for job in jobs]


async def test_what_another_service_computes_stands_in_another_line(
    asking: AskingStore, target: Target, settings: Settings, claims: ClaimingStore
) -> None:
    """Its jobs take none of the places that these wait for."""
    other = AskingStore(target, settings, SWEPT, "native-3")
    await other.submit("theirs", KIND, REQUEST, "ada")
    await asking.submit("ours", KIND, REQUEST, "bob")
    assert await positions(asking, ["ours", "theirs"]) == {"ours": 0, "theirs": 0}
    assert taken(claims, QUEUES, 2) == ["ours"]
    await other.close()


async def test_behind_a_thousand_of_one_queue_is_the_order_of_submission(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    """A claim looks no further either; what it does not look at comes in as others leave."""
    for number in range(1002):
        await asking.submit(f"job{number}", KIND, REQUEST, "ada")
    await asking.submit("late", KIND, REQUEST, "bob")
    assert await positions(asking, ["job999", "job1001", "late"]) == {
        "job999": 999, "job1001": 1001, "late": 1002,
    }  # fmt: skip
    assert taken(claims, QUEUES, 3) == ["job0", "job1", "job2"]
    # The last one that is looked at by now, and whose turn it is next.
    assert await positions(asking, ["late", "job3"]) == {"late": 0, "job3": 1}
    assert taken(claims, QUEUES, 2) == ["late", "job3"]


@pytest.mark.parametrize(("many", "looks"), [(line.MANY - 1, 300), (line.MANY, 3)])
async def test_a_long_line_is_looked_at_once_for_all_who_stand_in_it(
    asking: AskingStore, monkeypatch: pytest.MonkeyPatch, many: int, looks: int
) -> None:
    """Each look sorts all that wait; a short line is as of now every time."""
    monkeypatch.setattr(line, "OLDEST_SECONDS", 0.25)
    now = [100.0]
    asking._line._clock = lambda: now[0]
    for number in range(many):
        await asking.submit(f"job{number}", KIND, REQUEST, "ada")
    run, asked = asking._scripts.run, []

    def counted(script: str, *arguments: bytes | str | float) -> object:
        asked.append(script)
        return run(script, *arguments)

    monkeypatch.setattr(asking._scripts, "run", counted)
    for at in range(300):
        now[0] += 0.0025 / 1.01  # three quarters of a second in all, and a little less
        job = f"job{at % many}"
        assert (await asking.status(job)).waiting_before == at % many
    assert asked == ["line"] * looks
    await asking.submit("new", KIND, REQUEST, "bob")
    assert (await asking.status("new")).waiting_before == 1, "whoever is not in it yet is looked up"
