"""Ids as people write them: the first digits of one, as lists show them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from relu_landscape.errors import InputError, NotFound

if TYPE_CHECKING:
    from relu_landscape_client import Client, Status

#: Digits of a whole id, and the fewest that stand for one.
WHOLE = 64
FEWEST = 6
#: So many candidates are named where the digits fit several.
_NAMED = 5


def whole_id(client: Client, written: str) -> str:
    """The whole id that ``written`` begins, among the server's jobs of every kind.

    Raises:
        NotFound: no job has such an id.
        InputError: several have, or ``written`` is neither an id nor the beginning of one.
    """
    digits = _digits(written)
    return digits if len(digits) == WHOLE else _only(client, digits).id


def job_of(client: Client, written: str) -> Status:
    """The job whose id ``written`` is or begins, of whatever kind; raises as ``whole_id``."""
    return _only(client, _digits(written))


def _digits(written: str) -> str:
    digits = written.lower()
    if not re.fullmatch(f"[0-9a-f]{{{FEWEST},{WHOLE}}}", digits):
        raise InputError(
            f"{written!r} is neither a file nor an id: an id has {WHOLE} digits 0-9 and a-f, of "
            f"which the first {FEWEST} or more will do"
        )
    return digits


def _only(client: Client, digits: str) -> Status:
    found = client.jobs(None, id=digits)
    if not found:
        raise NotFound(f"the server has no job whose id begins with {digits}")
    if len(found) > 1:
        raise InputError(f"{digits} is the beginning of several ids: {_candidates(found)}")
    return found[0]


def _candidates(found: list[Status]) -> str:
    # As many digits as tell them apart.
    shown = next(
        count
        for count in range(12, WHOLE + 1)
        if len({each.id[:count] for each in found}) == len(found)
    )
    words = [f"{each.id[:shown]} ({each.kind}, {each.state})" for each in found[:_NAMED]]
    if len(found) > _NAMED:
        words.append(f"and {len(found) - _NAMED} more")
    return ", ".join(words)
