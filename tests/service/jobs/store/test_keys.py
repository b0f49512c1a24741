"""Keys and the audit, held against the store and against what stands for it in tests."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from relu_landscape.errors import InputError, NotFound, RequestError, StoreUnavailable
from relu_landscape.jobs.identity import Deed, Key, KeyRing, Trail, Wanted, prefix_of
from relu_landscape.jobs.store import audit
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.audit import StoredTrail, before
from relu_landscape.jobs.store.claims import ClaimingStore
from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.keys import StoredKeys
from relu_landscape.jobs.testing import identity
from relu_landscape.jobs.testing.identity import MemoryKeys, MemoryTrail
from relu_landscape.settings import Settings
from tests.service.jobs.helpers import KIND, QUEUES, REQUEST

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest_asyncio.fixture(params=["memory", "store"])
async def keys(
    request: pytest.FixtureRequest, target: Target, settings: Settings
) -> AsyncIterator[KeyRing]:
    if request.param == "memory":
        yield MemoryKeys(lambda: None)
        return
    opened = StoredKeys(target, settings)
    yield opened
    await opened.close()


@pytest_asyncio.fixture(params=["memory", "store"])
async def trail(
    request: pytest.FixtureRequest, target: Target, settings: Settings
) -> AsyncIterator[Trail]:
    if request.param == "memory":
        yield MemoryTrail(lambda: None)
        return
    opened = StoredTrail(target, settings)
    yield opened
    await opened.close()


async def test_a_key_is_what_was_wanted_and_its_text_is_not_kept(keys: KeyRing) -> None:
    assert not await keys.exist()
    ends = NOW + timedelta(days=3)
    made, text = await keys.create(Wanted("ada", "read", ends, "60/minute"), NOW)
    assert re.fullmatch(r"rlk_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", text)
    assert prefix_of(text) == made.prefix
    assert await keys.exist()
    found = await keys.find(made.prefix)
    assert found is not None
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert found == Key(
        prefix=text[:12], name="ada", scope="read", digest=digest,
        created_at=NOW, expires_at=ends, rate="60/minute",
    )  # fmt: skip
    assert found.is_of(text)
    assert not found.is_of(text[:-1])
    assert text[13:] not in found.model_dump_json()
    assert found.digest not in repr(found)
    assert await keys.find("rlk_00000000") is None


def test_no_two_keys_have_anything_in_common() -> None:
    """Forty-three digits of 64: at least 256 bits, and none is constant."""
    from relu_landscape.jobs.identity import make_key

    texts = [make_key(Wanted("ada"), NOW)[1][13:] for _ in range(500)]
    assert all(len({text[place] for text in texts}) > 8 for place in range(43))
    assert len(set(texts)) == len(texts)


async def test_a_name_is_free_once_its_key_opens_nothing(keys: KeyRing) -> None:
    first, _ = await keys.create(Wanted("ada"), NOW)
    with pytest.raises(InputError, match=f"called 'ada' .{first.prefix}.; revoke it first"):
        await keys.create(Wanted("ada"), NOW)
    await keys.revoke("ada", NOW)
    second, _ = await keys.create(
        Wanted("ada", expires_at=NOW + timedelta(days=1)), NOW + timedelta(seconds=1)
    )
    third, _ = await keys.create(Wanted("ada"), NOW + timedelta(days=2))
    assert [key.prefix for key in await keys.all()] == [
        first.prefix, second.prefix, third.prefix,
    ]  # fmt: skip
    # The living one is meant, not its namesakes.
    assert (await keys.revoke("ada", NOW + timedelta(days=2))).prefix == third.prefix


async def test_revoking_and_forgetting(keys: KeyRing) -> None:
    made, _ = await keys.create(Wanted("ada"), NOW)
    with pytest.raises(NotFound, match="still opens"):
        await keys.forget("ada", NOW)
    assert (await keys.revoke(made.prefix, NOW)).revoked_at == NOW
    found = await keys.find(made.prefix)
    assert found is not None
    assert found.why_not(NOW) == "revoked"
    with pytest.raises(NotFound, match="is revoked already"):
        await keys.revoke("ada", NOW)
    with pytest.raises(NotFound, match="keys list"):
        await keys.revoke("bob", NOW)
    assert await keys.exist()
    await keys.forget("ada", NOW)
    assert not await keys.exist()
    assert await keys.all() == []


async def test_the_moment_of_the_end_belongs_to_the_end(keys: KeyRing) -> None:
    made, _ = await keys.create(Wanted("ada", expires_at=NOW + timedelta(seconds=10)), NOW)
    assert made.why_not(NOW + timedelta(seconds=9)) is None
    assert made.why_not(NOW + timedelta(seconds=10)) == "expired on 2026-01-02"
    with pytest.raises(InputError, match="would open nothing"):
        await keys.create(Wanted("bob", expires_at=NOW), NOW)


async def test_the_last_use(keys: KeyRing) -> None:
    made, _ = await keys.create(Wanted("ada"), NOW)
    await keys.note_use(made.prefix, NOW + timedelta(minutes=3))
    [key] = await keys.all()
    assert key.last_used_at == NOW + timedelta(minutes=3)


async def test_of_many_who_take_one_name_at_once_one_gets_it(
    target: Target, settings: Settings
) -> None:
    rings = [StoredKeys(target, settings) for _ in range(4)]
    tried = await asyncio.gather(
        *(ring.create(Wanted("ada"), NOW) for ring in rings for _ in range(3)),
        return_exceptions=True,
    )
    assert sum(isinstance(each, tuple) for each in tried) == 1
    assert sum(isinstance(each, InputError) for each in tried) == 11
    assert len(await rings[0].all()) == 1
    for ring in rings:
        await ring.close()


async def test_nothing_in_the_store_opens(target: Target, settings: Settings) -> None:
    """Whoever reads the store, or a copy of its files, has no key from there."""
    ring = StoredKeys(target, settings)
    _, text = await ring.create(Wanted("ada"), NOW)
    await ring.close()
    with target.connect() as client:
        stored = client.hgetall(f"{settings.redis_prefix}:keys")
    assert stored
    assert not any(text[13:].encode() in value for value in stored.values())


async def test_a_key_in_words_of_another_release_opens_nothing_and_keeps_the_door_shut(
    target: Target, settings: Settings
) -> None:
    ring = StoredKeys(target, settings)
    with target.connect() as client:
        client.hset(f"{settings.redis_prefix}:keys", "rlk_00000001", b'{"version": 7}')
    assert await ring.find("rlk_00000001") is None
    assert await ring.all() == []
    assert await ring.exist()
    await ring.close()


async def test_a_store_that_is_away_is_said(settings: Settings) -> None:
    quick = settings.model_copy(update={"request_patience_seconds": 0.1})
    ring = StoredKeys(Target.embedded("/nowhere/store.sock"), quick)
    for call in (ring.exist(), ring.find("rlk_00000000"), ring.all()):
        with pytest.raises(StoreUnavailable):
            await call
    await ring.close()


@pytest.mark.parametrize(
    "name", ["", "-x", "a b", "a/b", "x" * 65, "rlk_12345678", "setting", "anyone", "é", "a\n"]
)
def test_names_that_lists_and_logs_could_not_tell_apart(name: str) -> None:
    with pytest.raises(InputError):
        Wanted(name)


async def test_the_audit_by_pages(trail: Trail) -> None:
    deeds = [
        Deed("ada", "submitted", f"{place:064x}", "landscape", "192.0.2.1", f"r{place}")
        for place in range(5)
    ] + [Deed("command line", "created key", "bob rlk_00000000")]
    for deed in deeds:
        await trail.add(deed)
    seen, cursor = [], None
    for count in (4, 2):
        page = await trail.page(cursor, 4)
        assert len(page.items) == count
        seen += page.items
        cursor = page.next_cursor
    assert cursor is None
    assert [
        Deed(each.who, each.action, each.what, each.kind, each.address, each.request_id)  # type: ignore[arg-type]
        for each in seen
    ] == deeds[::-1]
    assert len({each.id for each in seen}) == 6
    assert all(datetime.fromisoformat(each.at).tzinfo is not None for each in seen)
    with pytest.raises(RequestError, match="cursor"):
        await trail.page("yesterday", 4)


async def test_the_audit_is_bounded(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "AUDIT_KEPT", 50)
    monkeypatch.setattr(identity, "AUDIT_KEPT", 50)
    for place in range(400):
        await trail.add(Deed("ada", "submitted", str(place)))
    page = await trail.page(None, 1000)
    # The store drops whole blocks of a hundred.
    assert 50 <= len(page.items) <= 50 + 100
    assert page.items[0].what == "399"


@pytest.mark.parametrize(
    ("entry", "earlier"), [("1234-7", "1234-6"), ("1234-0", "1233"), ("0-0", "0")]
)
def test_what_comes_before_an_entry(entry: str, earlier: str) -> None:
    assert before(entry) == earlier


async def test_what_a_key_has_used_today(
    target: Target, settings: Settings, asking: AskingStore, claims: ClaimingStore
) -> None:
    """By its name: as much as its jobs' checkpoints say, on the day of the store's clock."""
    keys = StoredKeys(target, settings)
    await keys.create(Wanted("ada", core_seconds_per_day=500), NOW)
    await keys.create(Wanted("bob"), NOW)
    assert (await keys.spent("ada")).core_seconds == 0.0
    await asking.submit("a", KIND, REQUEST, "ada")
    claim = claims.claim(QUEUES)
    assert claim is not None
    claims.checkpoint(claim, "c1", b"answer", seconds=1.5)
    spent = await keys.spent("ada")
    assert spent.core_seconds == 1.5
    assert 0 < spent.resets_in <= 86_400
    found = {key.name: key for key in await keys.all()}
    assert {name: key.core_seconds_today for name, key in found.items()} == {"ada": 1.5, "bob": 0.0}
    assert found["ada"].core_seconds_per_day == 500
    await keys.close()
