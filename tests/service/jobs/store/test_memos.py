"""Answers that other jobs may use: kept whole, as long as they are used, and lost without harm."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from relu_landscape.errors import LeaseLost
from relu_landscape.jobs.store import claims as claiming
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.claims import Claim, ClaimingStore
from relu_landscape.jobs.store.connection import Target
from relu_landscape.settings import Settings
from tests.service.jobs.external import External
from tests.service.jobs.helpers import submitted
from tests.service.jobs.store.contents import KEPT, Contents
from tests.service.jobs.toy_engine import TOY


def _kept(contents: Contents) -> dict[str, Any]:
    """What is kept for other jobs: names, oldest first, and answers."""
    found = contents.all()
    names = [name for name, _ in found.pop("memos", [])]
    answers = {key: value for key, value in found.items() if key.startswith("memo:")}
    assert answers.keys() == {f"memo:{name}" for name in names}
    return {name: answers[f"memo:{name}"] for name in names}


async def test_one_job_leaves_an_answer_and_another_finds_it(
    asking: AskingStore, claims: ClaimingStore, watcher: ClaimingStore, contents: Contents
) -> None:
    claim = await submitted(asking, claims)
    claims.checkpoint(claim, "c1", b"one", "m1")
    claims.checkpoint(claim, "c2", b"two")
    assert contents.all()["chunks:a"] == {"c1": "one", "c2": "two"}
    assert _kept(contents) == {"m1": "one"}
    claims.finish(claim, b"{}", {})  # its own chunks are gone then
    assert "chunks:a" not in contents.all()
    await submitted(asking, watcher, "b")
    assert list(watcher.remembered(["m2", "m1"])) == [None, b"one"]
    assert list(watcher.remembered([])) == []


async def test_more_than_are_read_at_once_come_in_order(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    claim = await submitted(asking, claims)
    names = [f"m{n}" for n in range(3 * claiming.READ_BATCH + 1)]
    for name in names[::2]:
        claims.checkpoint(claim, name, b"\x00" + name.encode(), name)
    expected = [None if n % 2 else b"\x00" + name.encode() for n, name in enumerate(names)]
    assert list(claims.remembered(names)) == expected


async def test_what_was_not_used_for_longest_goes_first(
    asking: AskingStore, claims: ClaimingStore, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "MOST_MEMOS", 3)
    claim = await submitted(asking, claims)
    for name in ("m1", "m2", "m3"):
        claims.checkpoint(claim, name, b"1", name)
    assert list(claims.remembered(["m1"])) == [b"1"]
    claims.checkpoint(claim, "c", b"4", "m4")
    assert list(_kept(contents)) == ["m3", "m1", "m4"]
    # The same answer once more takes no room, and its job has it whatever is dropped.
    claims.checkpoint(claim, "c", b"4", "m4")
    assert list(_kept(contents)) == ["m3", "m1", "m4"]
    assert set(contents.all()["chunks:a"]) == {"m1", "m2", "m3", "c"}


async def test_they_are_forgotten_like_results_once_nobody_uses_them(
    asking: AskingStore, mortal: ClaimingStore, claims: ClaimingStore, contents: Contents
) -> None:
    claim = await submitted(asking, mortal)
    for name in ("m1", "m2"):
        mortal.checkpoint(claim, name, b"1", name)
    seconds, _ = contents.client.time()
    for name in ("m1", "m2"):
        contents.client.zadd(contents.key("memos"), {name: seconds - KEPT - 1})
    assert claims.sweep() == 0  # without a time to live nothing is ever forgotten
    assert set(_kept(contents)) == {"m1", "m2"}
    assert list(mortal.remembered(["m2"])) == [b"1"]
    assert mortal.sweep() == 0  # of jobs
    assert _kept(contents) == {"m2": "1"}


async def test_one_whose_name_alone_is_left_is_gone(
    asking: AskingStore, claims: ClaimingStore, contents: Contents
) -> None:
    """A store short of memory may evict any key."""
    claims.checkpoint(await submitted(asking, claims), "c", b"1", "m")
    contents.client.delete(contents.key("memo:m"))
    assert list(claims.remembered(["m"])) == [None]


@pytest.mark.external_redis
async def test_they_make_room_where_the_memory_gets_short(
    external: Callable[..., External],
) -> None:
    """At a full memory they are read all the same, and dropped by the next sweep."""
    settings = Settings.load()
    target = Target(external("--maxmemory-policy", "noeviction").url, None)
    asking = AskingStore(target, settings, TOY, "cpu")
    claims = ClaimingStore(target, settings, patience=1.0, stop=threading.Event())
    claim = await submitted(asking, claims)
    claims.checkpoint(claim, "c", b"1" * 100_000, "m")
    assert claims.sweep() == 0
    assert list(claims.remembered(["m"])) != [None]
    with target.connect() as client:
        client.config_set("maxmemory", "1")
        assert list(claims.remembered(["m"])) != [None]
        assert claims.sweep() == 0
        assert list(claims.remembered(["m"])) == [None]
        client.config_set("maxmemory", "0")
    # The job itself has lost nothing.
    assert claims.finished_chunks("a") == {"c"}
    claims.close()
    await asking.close()


async def test_of_jobs_that_need_one_answer_one_is_to_compute_it(
    asking: AskingStore, claims: ClaimingStore, watcher: ClaimingStore, contents: Contents
) -> None:
    """Two that came at the same time both searched."""
    first = await submitted(asking, claims)
    second = await submitted(asking, watcher, "b")
    assert claims.take(first, ["m1", "m2"]) == [True, True]
    assert claims.take(first, ["m1"]) == [True], "asked again, it is still this job's"
    assert watcher.take(second, ["m1", "m3", "m2"]) == [False, True, False]
    assert claims.take(first, ["m3"]) == [False]
    assert watcher.take(second, []) == []
    claims.checkpoint(first, "c1", b"one", "m1")
    assert contents.all()["making"].keys() == {"m2", "m3"}
    assert list(watcher.remembered(["m1"])) == [b"one"]


async def test_nobody_is_said_to_compute_what_is_there_already(
    asking: AskingStore, claims: ClaimingStore, watcher: ClaimingStore, contents: Contents
) -> None:
    """Finished between two looks of a job, it was that job's to compute, which never did: once the
    answer was dropped, others waited for that job to end."""
    first = await submitted(asking, claims)
    claims.checkpoint(first, "c1", b"one", "m1")
    second = await submitted(asking, watcher, "b")
    assert watcher.take(second, ["m1"]) == [True]
    assert list(watcher.remembered(["m1"])) == [b"one"]
    contents.client.delete(contents.key("memo:m1"))
    assert claims.take(first, ["m1"]) == [True]
    assert watcher.take(second, ["m1"]) == [False]


async def test_who_is_held_by_nobody_any_more_computes_nothing(
    asking: AskingStore, claims: ClaimingStore, watcher: ClaimingStore, contents: Contents
) -> None:
    """A process that died, a job that ended without the answer, or was given back."""
    waiting = await submitted(asking, watcher, "z")

    def finish(claim: Claim) -> None:
        claims.finish(claim, b"{}", {})

    def fail(claim: Claim) -> None:
        claims.stop(claim, "failed", "no")

    def give_back(claim: Claim) -> None:
        claims.stop(claim, "returned")

    def die(claim: Claim) -> None:
        dead = [each for each in watcher.look() if each.job == claim.job]
        assert watcher.reclaim(dead) == [claim.job]

    for name, end in zip("abcd", (finish, fail, give_back, die), strict=True):
        claim = await submitted(asking, claims, name)
        assert claims.take(claim, [name]) == [True]
        assert watcher.take(waiting, [name]) == [False]
        end(claim)
        with pytest.raises(LeaseLost):
            claims.take(claim, [name])
        claims.sweep()
        assert contents.all().get("making", {}).keys() == set("abcd"[: "abcd".index(name)])
        assert watcher.take(waiting, [name]) == [True]
