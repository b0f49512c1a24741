"""How much work a structure is: its arithmetic, and what is cut by it."""

from __future__ import annotations

import pytest

from relu_landscape.engine.families.effort import (
    LONGEST_ROUND_SECONDS,
    MOST_UNKNOWNS,
    ROUND,
    check_searchable,
    effort,
)
from relu_landscape.engine.families.layout import layout
from relu_landscape.engine.families.structures import default_structures, parse
from relu_landscape.errors import InputError

NAMES = (
    "7", "1+6", "3+4", "1+1", "2x0+5", "1+6 extra 1", "1+5x2+11", "4+2x0 extra 2", "3x3+4x2+1x2",
    "2+3+4+5+6", "1+2+3+4+5+6+7+8",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_size_is_that_of_the_table_that_is_built(name: str) -> None:
    table = layout(parse(name))
    found = effort(parse(name))
    assert (found.unknowns, found.pairs) == (table.unknowns, len(table.first))


def test_what_was_searched_in_one_round_still_is() -> None:
    """The bits of a search depend on the size of its rounds."""
    for widths in ((7, 7), (64, 64), (8, 6), (5, 9)):
        assert {effort(each).round_starts for each in default_structures(*widths)} == {ROUND}


@pytest.mark.parametrize("blocks", [2, 5, 8, 11, 15])
def test_rounds_are_short_and_cut_the_patience_evenly(blocks: int) -> None:
    found = effort(parse("+".join(str(size) for size in range(2, blocks + 2))))
    assert found.unknowns <= MOST_UNKNOWNS
    assert found.round_seconds <= LONGEST_ROUND_SECONDS
    assert found.patience % found.round_starts == 0
    assert found.patience >= 64 * found.unknowns


def test_a_structure_of_any_size_is_judged_without_being_built() -> None:
    name = "+".join(["9999x999"] * 25) + " extra 9999"
    assert effort(parse(name)).unknowns == (25 * 999 + 9999) * 25 + 25 * 999
    with pytest.raises(InputError, match=f"at most {MOST_UNKNOWNS} can be searched"):
        check_searchable(parse(name))
    with pytest.raises(InputError, match="fractional"):
        check_searchable(parse("1+4.5"))
