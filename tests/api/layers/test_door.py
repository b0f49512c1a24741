"""Who gets in: the gate against a dictionary, whatever happens to keys, clocks and the store."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, multiple, rule

from relu_landscape.errors import InputError, StoreUnavailable
from relu_landscape.jobs.identity import Wanted
from relu_landscape.jobs.testing.identity import MemoryKeys
from relu_landscape.wire.identity import Scope
from relu_landscape_api.layers.door import KEY_SECONDS, Door, Identity, Refused
from relu_landscape_api.settings import ApiSettings

BEGIN = datetime(2026, 1, 2, tzinfo=UTC)
SCOPES: tuple[Scope, ...] = ("read", "submit", "admin")
KEY_OF_SETTINGS = "correct horse"


class World:
    """A store, two clocks that go on together, and what the door says."""

    def __init__(self, **chosen: Any) -> None:
        self.seconds = 0.0
        self.is_down = False
        self.keys = MemoryKeys(self._check)
        made = ApiSettings(**{"data_dir": Path("unused"), "redis_url": None, **chosen})
        self.door = Door(made, clock=lambda: self.seconds, now=self.now)

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=self.seconds)

    def _check(self) -> None:
        if self.is_down:
            raise StoreUnavailable("The store does not answer.")

    async def says(self, text: str | None) -> str:
        """``name scope`` of whoever gets in, else the fault, else ``away``."""
        try:
            found = await self.door.identify(self.keys, text)
        except Refused as error:
            return error.fault
        except StoreUnavailable:
            return "away"
        finally:
            await asyncio.sleep(0)  # what is done behind the back of whoever asks
        return f"{found.name} {found.scope}"


@dataclass
class Remembered:
    """What the dictionary knows of one key."""

    name: str
    scope: Scope
    made: float
    expires: float | None
    revoked: float | None = None

    def ended(self, seconds: float) -> bool:
        return self.revoked is not None or (self.expires is not None and seconds >= self.expires)


class TheDoor(RuleBasedStateMachine):
    """The model is a dictionary from keys to what was done to them, and when.

    It knows nothing of memories but what is promised of them: what happened in the store longer
    than ``KEY_SECONDS`` ago counts, what happened since may count.
    """

    texts = Bundle("texts")

    @initialize(has_setting=st.booleans())
    def begin(self, has_setting: bool) -> None:
        self.loop = asyncio.new_event_loop()
        self.world = World(api_key=KEY_OF_SETTINGS if has_setting else None)
        self.has_setting = has_setting
        self.model: dict[str, Remembered] = {}
        self.last_heard: float | None = None

    def teardown(self) -> None:
        self.loop.close()

    def _says(self, text: str | None) -> str:
        return self.loop.run_until_complete(self.world.says(text))

    @rule(
        target=texts,
        name=st.sampled_from(["ada", "bob", "eve", "kim", "lou", "max"]),
        scope=st.sampled_from(SCOPES),
        lives=st.none() | st.integers(1, 20),
    )
    def create(self, name: str, scope: Scope, lives: int | None) -> Any:
        seconds = self.world.seconds
        expires = None if lives is None else seconds + lives
        wanted = Wanted(
            name, scope, None if expires is None else BEGIN + timedelta(seconds=expires)
        )
        making = self.world.keys.create(wanted, self.world.now())
        if self.world.is_down:
            with pytest.raises(StoreUnavailable):
                self.loop.run_until_complete(making)
            return multiple()
        if any(each.name == name and not each.ended(seconds) for each in self.model.values()):
            with pytest.raises(InputError, match="There is a key called"):
                self.loop.run_until_complete(making)
            return multiple()
        _, text = self.loop.run_until_complete(making)
        self.model[text] = Remembered(name, scope, seconds, expires)
        return text

    @rule(text=texts)
    def revoke(self, text: str) -> None:
        known = self.model.get(text)
        if known is None or self.world.is_down or known.ended(self.world.seconds):
            return
        self.loop.run_until_complete(self.world.keys.revoke(text[:12], self.world.now()))
        known.revoked = self.world.seconds

    @rule(seconds=st.sampled_from([0.5, 2.0, KEY_SECONDS, 20.0]))
    def time_goes_on(self, seconds: float) -> None:
        self.world.seconds += seconds

    @rule(is_down=st.sampled_from([False, False, True]))
    def the_store(self, is_down: bool) -> None:
        self.world.is_down = is_down

    @rule(texts=st.lists(texts, min_size=1, max_size=8))
    def use(self, texts: list[str]) -> None:
        for text in texts:
            self._judge(text, self._says(text))

    @rule(text=texts)
    def guess(self, text: str) -> None:
        wrong = text[:-1] + ("A" if text[-1] != "A" else "B")
        self._judge(wrong, self._says(wrong))

    @rule()
    def come_without(self) -> None:
        self._judge(None, self._says(None))

    @rule()
    def use_the_settings(self) -> None:
        said = self._says(KEY_OF_SETTINGS)
        if self.has_setting:
            assert said == "setting admin"
        else:
            self._judge(KEY_OF_SETTINGS, said)

    def _judge(self, text: str | None, said: str) -> None:
        """Whether the dictionary allows what the door said."""
        now = self.world.seconds
        allowed = set()
        is_shut = self.has_setting or any(
            now - each.made >= KEY_SECONDS for each in self.model.values()
        )
        if self.world.is_down:
            # Whatever was not heard within the time of grace is not believed of a key.
            allowed.add("away")
        if not is_shut or (self.world.is_down and not self._must_be_known_shut()):
            allowed.add("anyone admin")
        known = None if text is None else self.model.get(text)
        if self.has_setting or self.model:
            allowed |= {"missing"} if text is None else {"unknown"} if known is None else set()
            if known is not None:
                allowed |= self._of(known, now)
        assert said in allowed, (said, allowed)
        if not self.world.is_down:
            self.last_heard = now

    def _must_be_known_shut(self) -> bool:
        """Whether the door has heard of a key before the store went away."""
        heard = self.last_heard
        return self.has_setting or (
            heard is not None
            and any(heard - each.made >= KEY_SECONDS for each in self.model.values())
        )

    def _of(self, key: Remembered, now: float) -> set[str]:
        opens = {f"{key.name} {key.scope}"}
        if key.revoked is not None:
            return {"revoked"} | (opens if now - key.revoked < KEY_SECONDS else set())
        if key.expires is not None and now >= key.expires:
            return {"expired"}
        return opens


TheDoor.TestCase.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
TestTheDoor = TheDoor.TestCase


@pytest.fixture
def world() -> World:
    return World()


async def test_the_first_key_shuts_the_door_of_a_running_service(world: World) -> None:
    assert await world.says(None) == "anyone admin"
    _, text = await world.keys.create(Wanted("ada", "read"), world.now())
    world.seconds = KEY_SECONDS
    assert await world.says(None) == "missing"
    assert await world.says(text) == "ada read"


async def test_revoking_the_last_key_does_not_open_it_again(world: World) -> None:
    """Else whoever is shut out has only to wait until nobody is let in."""
    _, text = await world.keys.create(Wanted("ada"), world.now())
    await world.keys.revoke("ada", world.now())
    assert await world.says(None) == "missing"
    assert await world.says(text) == "revoked"
    await world.keys.forget("ada", world.now())
    world.seconds = KEY_SECONDS
    assert await world.says(None) == "anyone admin"


async def test_where_others_connect_no_key_is_no_entry() -> None:
    """A key that is forgotten while the service runs does not open what would not have started."""
    world = World(host="0.0.0.0")
    assert await world.says(None) == "missing"
    assert await World(host="0.0.0.0", insecure=True).says(None) == "anyone admin"


async def test_without_the_store_named_keys_open_nothing_and_that_of_the_settings_does() -> None:
    world = World(api_key=KEY_OF_SETTINGS)
    _, text = await world.keys.create(Wanted("ada"), world.now())
    assert await world.says(text) == "ada submit"
    world.is_down = True
    assert await world.says(text) == "ada submit"  # heard a moment ago
    world.seconds = KEY_SECONDS
    assert await world.says(text) == "away"
    assert await world.says(KEY_OF_SETTINGS) == "setting admin"
    assert await world.says(None) == "missing"
    assert await world.says("guessed") == "unknown"


async def test_a_store_that_is_silent_does_not_shut_a_door_that_was_open(world: World) -> None:
    assert await world.says(None) == "anyone admin"
    world.is_down, world.seconds = True, 100 * KEY_SECONDS
    assert await world.says(None) == "anyone admin"


async def test_a_door_that_never_heard_of_the_store_stays_shut(world: World) -> None:
    world.is_down = True
    assert await world.says(None) == "away"


async def test_requests_do_not_each_ask_the_store(world: World) -> None:
    _, text = await world.keys.create(Wanted("ada"), world.now())
    for _ in range(100):
        await world.says(text)
    assert world.keys.lookups == 2  # whether there are keys, and this one


async def test_the_last_use_is_noted_once_a_minute(world: World) -> None:
    _, text = await world.keys.create(Wanted("ada"), world.now())
    noted = []
    for _ in range(130):
        await world.says(text)
        [key] = await world.keys.all()
        noted.append(key.last_used_at)
        world.seconds += 1
    assert sorted({at for at in noted if at is not None}) == [
        BEGIN + timedelta(seconds=after) for after in (0, 60, 120)
    ]


async def test_what_ended_a_key_is_told_to_nobody_else(world: World) -> None:
    _, text = await world.keys.create(Wanted("ada"), world.now())
    await world.keys.revoke("ada", world.now())
    assert await world.says(text[:-1] + ("A" if text[-1] != "A" else "B")) == "unknown"


def test_nobody_is_anybody() -> None:
    assert Identity("anyone", "admin").is_anybody
    assert not Identity("ada", "read").is_anybody
