"""What an answer repeats of a request: short, and always writable."""

from __future__ import annotations

import math
import reprlib
from itertools import islice
from typing import Any


class _Short(reprlib.Repr):
    """The beginning of a value; the library's own sorts all names of an object to show four."""

    def repr_dict(self, value: dict[Any, Any], level: int) -> str:
        if level <= 0:
            return "{...}"
        shown = [
            f"{self.repr1(key, level - 1)}: {self.repr1(item, level - 1)}"
            for key, item in islice(value.items(), self.maxdict)
        ]
        return "{" + ", ".join(shown + ["..."] * (len(value) > len(shown))) + "}"


_SHORT = _Short()


class Echo(str):
    """Text that is short already."""

    __slots__ = ()


def shown(value: object) -> Any:
    """``value`` as JSON that is short and always encodable, for an error to echo.

    A lone surrogate, an integer of thousands of digits or a deep nest in the request must not
    break the answer that refuses it.
    """
    if value is None or isinstance(value, bool | Echo):
        return value
    if isinstance(value, int) and abs(value) < 2**53:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    short = value if isinstance(value, str) and len(value) <= 200 else _SHORT.repr(value)
    return Echo(plain(str(short)))


def plain(text: str) -> str:
    """``text`` with lone surrogates replaced, so that it can be written as UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8")
