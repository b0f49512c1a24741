"""What ``make mutants`` looks at exists, and its changes of Lua are the ones it says."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.house.repository import ROOT
from tools import lua_changes

SERVICE = ROOT / "service/relu_landscape"
TABLE: dict[str, list[str]] = tomllib.loads((ROOT / "tools/mutants.toml").read_text())


@pytest.mark.parametrize("name", sorted(TABLE))
def test_the_table_names_files_that_exist(name: str) -> None:
    assert (SERVICE / name).is_file()
    assert TABLE[name] != []
    for tests in TABLE[name]:
        assert (ROOT / "tests/service" / tests).is_file(), tests


def test_every_script_of_the_store_is_in_the_table() -> None:
    scripts = {str(path.relative_to(SERVICE)) for path in SERVICE.rglob("*.lua")}
    assert len(scripts) > 5
    assert scripts <= set(TABLE)


def test_the_document_speaks_of_every_module_in_the_table() -> None:
    text = (ROOT / "docs/mutation.md").read_text()
    assert [name for name in TABLE if f"`{name}`" not in text] == []


SCRIPT = """\
-- a comment, with == in it
local state = redis.call('HGET', job(id), 'state')
if state == 'queued' or state == 'running' then return state end
redis.call('HDEL', job(id), 'error', 'barren')
redis.call('HSET', job(id),
           'kind', kind)
"""


def test_changes_of_a_script() -> None:
    found = [(name, line) for name, line, _ in lua_changes.changes(SCRIPT)]
    assert sorted(found) == sorted([
        ("left out", 3), ("left out", 4), ("left out", 5),
        ("equal", 3), ("equal", 3), ("or", 3), ("member", 4), ("member", 4),
    ])  # fmt: skip
    scripts = [changed for _, _, changed in lua_changes.changes(SCRIPT)]
    assert len(set(scripts) | {SCRIPT}) == len(scripts) + 1
    assert SCRIPT.replace("'error', ", "") in scripts
    assert SCRIPT.partition("redis.call('HSET'")[0] in scripts
    assert SCRIPT.replace(" or ", " and ") in scripts


def test_parentheses_in_texts_and_comments_are_no_code() -> None:
    """``'(' .. least``, a bound of a range, was looked for an end of, for ever."""
    lines = [
        "redis.call('ZREMRANGEBYSCORE', shares, '-inf', '(' .. least)\n",
        "redis.call('SET', 'it\\'s (', 1) -- it's not (open\n",
        "redis.call('HSET', job(id),  -- (two lines\n",
        "           'kind', ')')\n",
        "local left = 1\n",
    ]
    assert list(lua_changes.statements(lines)) == [(0, 1), (1, 2), (2, 4)]
    with pytest.raises(ValueError, match="line 3 has no end"):
        list(lua_changes.statements(lines[:3]))


@pytest.mark.parametrize("script", sorted(SERVICE.rglob("*.lua")), ids=lambda path: path.name)
def test_every_script_is_changed_in_places_that_it_has(script: Path) -> None:
    source = script.read_text()
    found = list(lua_changes.changes(source))
    assert found != []
    assert all(0 < line <= len(source.splitlines()) for _, line, _ in found)
    assert all(changed != source for _, _, changed in found)
