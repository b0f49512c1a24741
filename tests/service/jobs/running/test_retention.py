"""Results within a number of bytes: what was not read for longest goes, and what is kept may."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import RedisError

from relu_landscape.errors import StoreUnavailable
from relu_landscape.jobs.running.retention import Retention, open_retention
from relu_landscape.jobs.store import shelf as shelves
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.claims import ClaimingStore
from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.keeping import KeepingStore
from relu_landscape.jobs.store.shelf import Shelf
from relu_landscape.settings import Settings
from tests.service.jobs.helpers import submitted, until
from tests.service.jobs.store.contents import Contents
from tests.service.jobs.toy_engine import TOY

#: Bytes of one result with its part in these tests: too short to be packed.
SIZE = 150


@pytest.fixture
def contents(target: Target, settings: Settings) -> Iterator[Contents]:
    with target.connect() as client:
        yield Contents(client, settings.redis_prefix)


@pytest.fixture
def limited(settings: Settings) -> Settings:
    return settings.model_copy(update={"results_bytes": 2 * SIZE})


@pytest.fixture
def shelf(target: Target, limited: Settings) -> Iterator[Shelf]:
    opened = Shelf(target, limited, patience=1.0, stop=threading.Event())
    yield opened
    opened.close()


def retention(
    shelf: Shelf, limit: int = 2 * SIZE, is_kept: Callable[[str], bool] | None = None
) -> Retention:
    return Retention(shelf, limit, threading.Event(), is_kept, look_seconds=0.01)


async def finished(asking: AskingStore, claims: ClaimingStore, *names: str) -> None:
    for name in names:
        claim = await submitted(asking, claims, name)
        claims.finish(claim, b"x" * 100, {"m1": b"y" * 20, "m2": b"y" * 30})


async def test_what_was_not_read_for_longest_is_forgotten(
    target: Target, limited: Settings, claims: ClaimingStore, shelf: Shelf, contents: Contents
) -> None:
    asking = AskingStore(target, limited, TOY, "cpu")
    await finished(asking, claims, "a", "b", "c", "d")
    await asking.result("a")
    contents.client.zadd(contents.key("used"), {"c": 1.0})  # long ago
    assert retention(shelf).trim() == ["c", "b"]
    assert claims.sweep() == 2
    assert [await asking.result(job) is None for job in "abcd"] == [False, True, True, False]
    assert retention(shelf).trim() == []
    # Nothing is noted any more of what is gone.
    assert {name for name, _ in contents.all()["used"]} == {"a", "d"}
    assert dict(contents.all()["sizes"]) == {"a": SIZE, "d": SIZE}
    await asking.close()


async def test_a_limit_that_is_just_met_costs_nothing(
    asking: AskingStore, claims: ClaimingStore, shelf: Shelf, contents: Contents
) -> None:
    await finished(asking, claims, "a", "b")
    await submitted(asking, claims, "c")
    assert retention(shelf, 2 * SIZE).trim() == []
    assert "expiry" not in contents.all()
    assert retention(shelf, 2 * SIZE - 1).trim() == ["a"]
    # Before the sweep it is the same one again, not another.
    assert retention(shelf, 2 * SIZE - 1).trim() == ["a"]


async def test_only_what_is_kept_elsewhere_goes_where_there_is_an_archive(
    asking: AskingStore, claims: ClaimingStore, shelf: Shelf
) -> None:
    await finished(asking, claims, "a", "b", "c", "d")
    assert retention(shelf, SIZE, lambda job: job not in "ac").trim() == ["b", "d"]

    def away(job: str) -> bool:
        raise StoreUnavailable("the archive is away")

    with pytest.raises(StoreUnavailable):
        retention(shelf, SIZE, away).trim()


async def test_what_is_pinned_stays_whatever_room_it_takes(
    target: Target, limited: Settings, asking: AskingStore, claims: ClaimingStore, shelf: Shelf
) -> None:
    """It was not read for longest, and would have been the first to go; now others go for it."""
    keeping = KeepingStore(target, limited)
    await finished(asking, claims, "a", "b", "c")
    assert await keeping.pin("a") == "pinned"
    asked: list[str] = []

    def is_kept(job: str) -> bool:
        asked.append(job)
        return True

    assert retention(shelf, SIZE, is_kept).trim() == ["b", "c"]
    assert asked == ["b", "c"]  # nobody asks the archive for what stays anyway
    assert claims.sweep() == 2
    assert retention(shelf, SIZE - 1).trim() == []
    # Whoever decided a moment before it was pinned comes too late as well.
    shelf.forget("a")
    assert claims.sweep() == 0
    assert await asking.result("a") is not None
    await keeping.unpin("a")
    assert retention(shelf, SIZE - 1).trim() == ["a"]
    await keeping.close()


async def test_a_result_that_comes_back_is_not_the_first_to_go_again(
    asking: AskingStore, claims: ClaimingStore, shelf: Shelf
) -> None:
    await finished(asking, claims, "a", "b", "c")
    bundle = shelf.bundle("a")
    assert bundle is not None
    assert retention(shelf).trim() == ["a"]
    assert claims.sweep() == 1
    assert shelf.restore(bundle) == "restored"
    assert retention(shelf).trim() == ["b"]


async def test_a_time_that_is_earlier_stays(
    asking: AskingStore, claims: ClaimingStore, shelf: Shelf, target: Target, limited: Settings
) -> None:
    await finished(asking, claims, "a")
    shelf.forget("a")
    chosen = limited.model_copy(update={"result_ttl_seconds": 1000})
    mortal = Shelf(target, chosen, patience=1.0, stop=threading.Event())
    mortal.expire("a")
    mortal.close()
    assert claims.sweep() == 1


async def test_each_result_is_weighed_once(
    asking: AskingStore, claims: ClaimingStore, shelf: Shelf, contents: Contents,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(shelves, "WEIGHED", 2)
    monkeypatch.setattr(shelves, "BATCH", 2)
    await finished(asking, claims, *"abcde")
    assert shelf.sizes() == dict.fromkeys("abcde", SIZE)
    contents.client.zadd(contents.key("sizes"), {"b": 7})
    assert shelf.sizes()["b"] == 7
    for job in "abcd":
        shelf.forget(job)
    claims.sweep()
    assert shelf.sizes() == {"e": SIZE}
    assert contents.all()["sizes"] == [("e", SIZE)]


async def test_reads_are_noted_now_and_then_and_never_in_the_way(
    target: Target, settings: Settings, limited: Settings, claims: ClaimingStore,
    contents: Contents, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    unlimited, asking = (AskingStore(target, each, TOY, "cpu") for each in (settings, limited))
    await finished(unlimited, claims, "a", "b", "c")
    await unlimited.result("a")
    assert "used" not in contents.all()
    await asking.result("a")
    await asking.result("x")
    assert [name for name, _ in contents.all()["used"]] == ["a"]
    contents.client.delete(contents.key("used"))
    await asking.result("a")  # just now
    assert "used" not in contents.all()

    async def full(*arguments: object) -> None:
        raise RedisError("OOM command not allowed")

    monkeypatch.setattr(asking._client, "zadd", full)
    assert await asking.result("b") == b"x" * 100
    await asking.close()
    await unlimited.close()


async def test_it_looks_again_and_again_and_goes_on_after_a_failure(
    asking: AskingStore, claims: ClaimingStore, shelf: Shelf, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    await finished(asking, claims, "a", "b", "c")
    failures: list[Exception] = [ZeroDivisionError("of ours"), StoreUnavailable("away")]
    sizes = shelf.sizes

    def failing() -> dict[str, int]:
        if failures:
            raise failures.pop()
        return sizes()

    monkeypatch.setattr(shelf, "sizes", failing)
    running = retention(shelf)
    running.start()
    until(lambda: claims.sweep() == 1, "one is forgotten")
    running.close()
    assert "no room is made for now: away" in caplog.text
    assert "making room" in caplog.text


def test_without_a_limit_there_is_none(target: Target, settings: Settings) -> None:
    assert open_retention(settings, target, None) is None
    chosen = settings.model_copy(update={"results_bytes": 1})
    opened = open_retention(chosen, target, None)
    assert opened is not None
    opened.close()


class Noted(Shelf):
    """A shelf of numbers."""

    def __init__(self, sizes: dict[str, int], used: dict[str, float]) -> None:
        self.all, self.used = dict(sizes), used

    def sizes(self) -> dict[str, int]:
        return dict(self.all)

    def last_used(self, jobs: object) -> dict[str, float]:
        return self.used

    def is_pinned(self, job: str) -> bool:
        return False

    def forget(self, job: str) -> None:
        del self.all[job]


@given(
    st.dictionaries(st.text(max_size=2), st.tuples(st.integers(0, 9), st.integers(0, 9))),
    st.integers(1, 40),
)
def test_what_stays_fits_and_no_more_goes_than_must(
    jobs: dict[str, tuple[int, int]], limit: int
) -> None:
    """And nothing goes that was read later than something that stays."""
    shelf = Noted({job: size for job, (size, _) in jobs.items()},
                  {job: float(when) for job, (_, when) in jobs.items()})  # fmt: skip
    gone = Retention(shelf, limit, threading.Event()).trim()
    assert sum(shelf.all.values()) <= limit
    assert not gone or sum(shelf.all.values()) + jobs[gone[-1]][0] > limit
    assert all(jobs[left][1] <= jobs[stays][1] for left in gone for stays in shelf.all)
