"""Whose job is claimed next, and who is charged for what was computed."""

from __future__ import annotations

from typing import Any

import pytest

from relu_landscape.errors import StoreUnavailable
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.claims import Claim, ClaimingStore, Place
from relu_landscape.jobs.store.scripts import MOST_LAG_SECONDS, queue_name
from relu_landscape.settings import Settings
from tests.service.jobs.helpers import KIND, QUEUES, REQUEST, lapse
from tests.service.jobs.store.contents import Contents

DAY = 86_400


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"waiting_jobs_limit": 2000})


async def queue(asking: AskingStore, *jobs: str) -> None:
    """Jobs named by who asks for them and a number, such as ``ada1``."""
    for job in jobs:
        assert await asking.submit(job, KIND, REQUEST, job.rstrip("0123456789")) == "queued"


def claim(claims: ClaimingStore, place: Place = "any") -> Claim:
    found = claims.claim(QUEUES, place)
    assert found is not None
    return found


def work(claims: ClaimingStore, held: Claim, seconds: float, chunk: str = "c") -> None:
    claims.checkpoint(held, f"{chunk}{seconds}", b"answer", seconds=seconds)


def payer(contents: Contents, job: str) -> Any:
    return contents.all()[f"job:{job}"].get("payer")


async def test_nobody_waits_behind_all_the_jobs_of_another(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    """They used to be claimed in the order of submission alone: bob's was the last of these."""
    await queue(asking, "ada1", "ada2", "ada3", "bob1", "ada4", "eve1", "bob2")
    taken = [claim(claims) for _ in range(7)]
    # Who has fewer that compute comes first; of as many, what was submitted first.
    assert [each.job for each in taken] == ["ada1", "bob1", "eve1", "ada2", "bob2", "ada3", "ada4"]
    assert [each.payer for each in taken[:3]] == ["ada", "bob", "eve"]


async def test_of_two_with_as_many_the_one_who_used_less_is_next(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    await queue(asking, "ada1", "bob1", "eve1", "ada2", "bob2", "eve2")
    first = {each.payer: each for each in (claim(claims) for _ in range(3))}
    for who, seconds in (("ada", 9.5), ("bob", 10.25), ("eve", 9.25)):
        work(claims, first[who], seconds)
    assert claims.shares() == {"ada": 9.5, "bob": 10.25, "eve": 9.25}
    assert [claim(claims).job for _ in range(3)] == ["eve2", "ada2", "bob2"]


async def test_a_place_of_ones_own_is_for_those_of_whom_nothing_computes(
    asking: AskingStore, claims: ClaimingStore, watcher: ClaimingStore
) -> None:
    """In whichever process: ada's job computes in one, and gets no such place in the other."""
    await queue(asking, "ada1", "ada2", "bob1")
    assert claim(claims).job == "ada1"
    held = claim(watcher, "own")
    assert held.job == "bob1"
    assert watcher.claim(QUEUES, "own") is None
    await asking.cancel("ada1", "ada")
    assert watcher.claim(QUEUES, "own") is None, "it takes cores until they are free"
    await queue(asking, "bob2")
    watcher.finish(held, b"{}", {})
    assert claim(watcher, "own").job == "bob2"


async def test_what_only_asks_for_others_computes_nothing(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    """And what it asks for is its asker's, in turn with what she asks for herself."""
    await queue(asking, "ada1")
    assert claim(claims, "asking").job == "ada1"
    await asking.submit("cell", KIND, REQUEST, "sweep:ada1")
    await queue(asking, "bob1", "bob2")
    cell = claim(claims, "own")
    assert (cell.job, cell.payer) == ("cell", "ada")
    assert claim(claims, "own").job == "bob1"
    work(claims, cell, 5.0)
    assert claims.shares() == {"ada": 5.0}


async def test_who_comes_anew_begins_beside_the_least_of_those_who_are_there(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    """Nobody is owed for the time before, and nobody owes for it."""
    await queue(asking, "ada1", "bob1")
    ada, bob = claim(claims), claim(claims)
    work(claims, ada, 30.0)
    work(claims, bob, 50.0)
    await queue(asking, "eve1")
    eve = claim(claims)
    assert claims.shares() == {"ada": 30.0, "bob": 50.0, "eve": 30.0}
    work(claims, eve, 4.0)
    claims.finish(eve, b"{}", {})
    work(claims, ada, 25.0)
    # She comes back with less than any: to where the least stands now. One more of hers beside
    # it changes nothing, nor does one that asks.
    await queue(asking, "eve2", "eve3", "eve4")
    back = claim(claims)
    assert claims.shares() == {"ada": 55.0, "bob": 50.0, "eve": 50.0}
    work(claims, back, 1.0)
    work(claims, ada, 20.0)
    assert claim(claims).job == "eve3"
    assert claim(claims, "asking").job == "eve4"
    assert claims.shares() == {"ada": 75.0, "bob": 50.0, "eve": 51.0}


async def test_who_used_more_than_all_others_still_has_used_it_when_she_comes_back(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    await queue(asking, "ada1", "bob1")
    ada, bob = claim(claims), claim(claims)
    work(claims, ada, 30.0)
    work(claims, bob, 10.0)
    claims.finish(ada, b"{}", {})
    await queue(asking, "ada2")
    claim(claims)
    assert claims.shares() == {"ada": 30.0, "bob": 10.0}


async def test_where_nobody_computes_everybody_begins_anew(
    asking: AskingStore, claims: ClaimingStore, contents: Contents
) -> None:
    await queue(asking, "ada1", "bob1")
    ada = claim(claims)
    work(claims, ada, 30.0)
    claims.finish(ada, b"{}", {})
    claim(claims)
    assert claims.shares() == {}
    assert "shares" not in contents.all()


async def test_nobody_makes_up_for_more_than_a_minute(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    """A job with one chunk at a time cannot use its share; it is not given it all at once later."""
    await queue(asking, "ada1", "bob1")
    ada, bob = claim(claims), claim(claims)
    work(claims, bob, 1.0)
    work(claims, ada, MOST_LAG_SECONDS + 1.0)
    work(claims, bob, 0.5)
    assert claims.shares() == {"ada": MOST_LAG_SECONDS + 1.0, "bob": 1.5}
    work(claims, ada, 40.0)
    work(claims, bob, 0.25)
    assert claims.shares()["bob"] == 41.0


async def test_a_chunk_is_charged_once_for_its_day(
    asking: AskingStore, claims: ClaimingStore, contents: Contents
) -> None:
    """A call whose answer was lost is made again; so is a chunk that two attempts computed."""
    await queue(asking, "ada1")
    held = claim(claims)
    days = {int(contents.client.time()[0]) // DAY}
    for _ in range(2):
        claims.checkpoint(held, "c1", b"answer", seconds=1.5)
    claims.checkpoint(held, "c2", b"answer", seconds=0.25)
    claims.checkpoint(held, "c3", b"asked of another job")
    days.add(int(contents.client.time()[0]) // DAY)
    found = [contents.key(f"spent:{day}") for day in days]
    spent = [contents.client.hgetall(name) for name in found]
    assert sum(float(each.get(b"ada", 0.0)) for each in spent) == 1.75
    left = max(contents.client.ttl(name) for name in found)
    assert 2 * DAY - 100 < left <= 2 * DAY
    assert claims.shares() == {"ada": 1.75}


async def test_what_is_free_leaves_nothing(
    asking: AskingStore, claims: ClaimingStore, contents: Contents
) -> None:
    await queue(asking, "ada1")
    claims.checkpoint(claim(claims), "c1", b"asked of another job")
    assert not [name for name in contents.all() if name.startswith(("spent", "shares"))]


async def test_a_job_is_charged_to_who_asked_first_and_still_wants_it(
    asking: AskingStore, claims: ClaimingStore, contents: Contents
) -> None:
    await queue(asking, "ada1")
    await asking.submit("ada1", KIND, REQUEST, "bob")
    await asking.submit("ada1", KIND, REQUEST, "eve")
    assert payer(contents, "ada1") == "ada"
    await asking.cancel("ada1", "eve")
    assert payer(contents, "ada1") == "ada"
    await asking.cancel("ada1", "ada")
    assert payer(contents, "ada1") == "bob"
    held = claim(claims)
    assert held.payer == "bob"
    claims.finish(held, b"{}", {})
    assert payer(contents, "ada1") is None


@pytest.mark.parametrize("is_cancelling", [False, True])
async def test_who_asks_for_it_again_pays(
    asking: AskingStore, claims: ClaimingStore, contents: Contents, is_cancelling: bool
) -> None:
    await queue(asking, "ada1")
    held = claim(claims)
    await asking.cancel("ada1", "ada")
    if not is_cancelling:
        claims.stop(held, "cancelled")
    await asking.submit("ada1", KIND, REQUEST, "bob")
    if is_cancelling:
        claims.stop(held, "cancelled")
    assert payer(contents, "ada1") == "bob"
    assert claim(claims).payer == "bob"


async def test_a_job_that_was_taken_from_a_dead_process_stays_whose_it_was(
    asking: AskingStore, claims: ClaimingStore, watcher: ClaimingStore
) -> None:
    await queue(asking, "ada1", "ada2", "bob1")
    first = claim(claims)
    work(claims, first, 3.0)
    lapse(watcher, "ada1")
    taken = [claim(watcher) for _ in range(3)]
    assert [each.job for each in taken] == ["bob1", "ada1", "ada2"]
    assert [each.payer for each in taken] == ["bob", "ada", "ada"]


async def test_jobs_of_an_older_release_are_anyones(
    asking: AskingStore, claims: ClaimingStore, contents: Contents
) -> None:
    await queue(asking, "ada1", "bob1", "eve1")
    contents.client.hdel(contents.key("job:ada1"), "payer")
    assert claim(claims).payer == "anyone"
    contents.client.hdel(contents.key("job:ada1"), "place")
    assert claim(claims, "own").job == "bob1"


async def test_a_claim_that_is_made_again_for_another_place_has_the_first_ones(
    asking: AskingStore, claims: ClaimingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a sweep would run where those that it waits for need a place."""
    await queue(asking, "ada1")
    run, answers = claims._scripts.run, []

    def lost(name: str, *arguments: Any) -> Any:
        answers.append(run(name, *arguments))
        if len(answers) == 1:
            raise StoreUnavailable("the answer did not arrive")
        return answers[-1]

    monkeypatch.setattr(claims._scripts, "run", lost)
    with pytest.raises(StoreUnavailable):
        claims.claim(QUEUES, "asking")
    found = claim(claims, "small")
    assert (found.job, found.place) == ("ada1", "asking")


async def test_a_queue_of_many_is_looked_through(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    """As far as a thousand: whoever is behind that many of one user waits for some of them."""
    await queue(asking, *(f"ada{number}" for number in range(999)), "bob1")
    assert claim(claims).job == "ada0"
    await queue(asking, "ada999")
    assert claim(claims).job == "bob1"


async def test_queues_of_several_kinds_are_one_line(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    small = queue_name(KIND, "cpu", small=True)
    await queue(asking, "ada1")
    await asking.submit("ada2", KIND, REQUEST, "ada", small=True)
    await asking.submit("bob1", KIND, REQUEST, "bob", small=True)
    taken = [claims.claim([*QUEUES, small]) for _ in range(3)]
    assert [each and each.job for each in taken] == ["ada1", "bob1", "ada2"]
    # What was given back stands in its own queue, before what came later.
    for each in taken:
        assert each is not None
        claims.stop(each, "returned")
    again = claims.claim([small])
    assert again is not None
    assert again.job == "ada2"
