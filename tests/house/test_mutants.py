"""What ``make mutants`` looks at exists, and its changes of Lua are the ones it says."""

from __future__ import annotations

import tomllib

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
