"""What is stored is shorter, what is read is what was written."""

from __future__ import annotations

import random
from collections.abc import Callable

import orjson
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from relu_landscape.errors import StoreUnavailable
from relu_landscape.jobs.store import asking as asking_module
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.claims import ClaimingStore
from relu_landscape.jobs.store.packing import LEAST_BYTES, MAGIC, DamagedError, pack, unpack
from tests.service.jobs.helpers import submitted
from tests.service.jobs.store.contents import Contents

#: As long as a result of many points, and of digits as results are.
NUMBERS = 20_000
_random = random.Random(1)
LONG = orjson.dumps([_random.random() for _ in range(NUMBERS)])


@given(st.binary(max_size=2 * LEAST_BYTES), st.integers(0, 3))
def test_whatever_is_packed_comes_back(data: bytes, times: int) -> None:
    for whole in (data, data * 2**times, MAGIC + data, pack(data), pack(data * 2**times)):
        assert unpack(pack(whole)) == whole
        assert len(pack(whole)) <= len(whole) or whole.startswith(MAGIC)


def test_digits_take_half_the_room() -> None:
    """Each number has 52 random bits or so, which nothing can leave out, in some 19 bytes."""
    assert NUMBERS * 52 / 8 < len(pack(LONG)) < 0.55 * len(LONG)


def test_a_frame_is_one_that_any_zstd_reads() -> None:
    stored = pack(LONG)
    assert stored.startswith(MAGIC)
    assert zstandard.get_frame_parameters(stored).content_size == len(LONG)
    assert zstandard.get_frame_parameters(stored).has_checksum
    assert zstandard.ZstdDecompressor().decompress(stored) == LONG


@pytest.mark.parametrize("place", [4, 30, -1])
def test_a_changed_byte_is_noticed(place: int) -> None:
    broken = bytearray(pack(LONG))
    broken[place] ^= 1
    with pytest.raises(DamagedError):
        unpack(bytes(broken))
    with pytest.raises(DamagedError):
        unpack(pack(LONG)[:-1])
    with pytest.raises(DamagedError):
        unpack(pack(LONG) + b"{")


@pytest.mark.parametrize("inline", [0, 2**30])
async def test_results_parts_and_chunks_are_stored_short_and_read_whole(
    asking: AskingStore, claims: ClaimingStore, contents: Contents, inline: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(asking_module, "_INLINE_BYTES", inline)
    claim = await submitted(asking, claims)
    claims.checkpoint(claim, "c1", LONG, "m1")
    assert list(claims.answers("a", ["c1", "c2"])) == [("c1", LONG), ("c2", None)]
    assert list(claims.remembered(["m1", "m2"])) == [LONG, None]
    raw = contents.client
    assert raw.hget(contents.key("chunks:a"), "c1") == raw.get(contents.key("memo:m1"))
    assert unpack(raw.get(contents.key("memo:m1"))) == LONG
    claims.finish(claim, LONG, {"m1": LONG, "m2": b"[2]"})
    assert await asking.result("a") == await asking.details("a", "m1") == LONG
    assert await asking.details("a", "m2") == b"[2]"
    assert await asking.details("a", "m3") is None
    for stored in (raw.get(contents.key("result:a")), raw.hget(contents.key("details:a"), "m1")):
        assert stored == pack(LONG)


async def test_what_an_older_release_stored_is_read_as_it_is(
    asking: AskingStore, claims: ClaimingStore, contents: Contents
) -> None:
    claim = await submitted(asking, claims)
    contents.client.hset(contents.key("chunks:a"), "c1", LONG)
    assert list(claims.answers("a", ["c1"])) == [("c1", LONG)]
    claims.finish(claim, b"{}", {})
    contents.client.set(contents.key("result:a"), LONG)
    contents.client.hset(contents.key("details:a"), "m1", LONG)
    assert await asking.result("a") == await asking.details("a", "m1") == LONG


async def test_a_damaged_checkpoint_is_none_and_a_damaged_result_is_never_served(
    asking: AskingStore, claims: ClaimingStore, contents: Contents
) -> None:
    claim = await submitted(asking, claims)
    claims.checkpoint(claim, "c1", LONG, "m1")
    for write in _damage(contents):
        write()
    assert list(claims.answers("a", ["c1"])) == [("c1", None)]
    assert list(claims.remembered(["m1"])) == [None]
    claims.finish(claim, LONG, {})
    contents.client.setrange(contents.key("result:a"), 100, b"....")
    with pytest.raises(StoreUnavailable, match="result of a is damaged"):
        await asking.result("a")


def _damage(contents: Contents) -> list[Callable[[], object]]:
    broken = pack(LONG)[:100] + b"...." + pack(LONG)[104:]
    client, key = contents.client, contents.key
    return [
        lambda: client.hset(key("chunks:a"), "c1", broken),
        lambda: client.set(key("memo:m1"), broken),
    ]
