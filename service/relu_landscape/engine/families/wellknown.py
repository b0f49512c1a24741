"""The well-known families: what to look for, and at which width it is unmistakable.

Imports nothing, for those who only judge a name.
"""

from __future__ import annotations

from dataclasses import dataclass

NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight")


@dataclass(frozen=True)
class Named:
    """A well-known family: its pattern, how many students are anti-aligned, where it is defined.

    At the teacher width ``anchor`` the family is the minimum of this structure with lowest loss
    among those with so many anti-aligned students; everywhere else it is what that point becomes.
    """

    pattern: str
    anti_aligned: int | None  # None: all of them
    anchor: int


def named(name: str) -> Named | None:
    """The well-known family of this name, or ``None``.

    ``global``, ``all-anti-aligned``, and ``one-anti-aligned`` to ``eight-anti-aligned``.
    """
    if name == "global":
        return Named("*", 0, 20)
    if name == "all-anti-aligned":
        return Named("*", None, 20)
    for count, word in enumerate(NUMBERS, 1):
        if name == f"{word}-anti-aligned":
            # wide enough for the minimum to exist (from 5.6 for one, 7.6 for two), and with n far
            # from half of the width, where several minima share the structure
            return Named(f"{count}+*", count, 20 + 4 * (count - 1))
    return None
