"""Executes the Python of a page as a reader would, and keeps what it said and drew.

    python -m tools.guide.executing docs/tutorial/*.md

runs each page's blocks in order with a service of its own. What a block prints replaces the block
of ``text`` after it; where a picture follows, the figure that is open is saved there. Blocks
without either are run all the same. Tests run the same blocks and compare what they say.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BLOCK = re.compile(
    r"^```python\n(?P<code>.*?)^```\n"
    r"(?:\n```text\n(?P<said>.*?)^```\n)?(?:\n!\[[^\]]*\]\((?P<picture>[^)]+)\)\n)?",
    re.M | re.S,
)
#: How pages open a service of their own; another address can be put in its place.
_OPENED = re.compile(r"(?:await )?\b(AsyncClient|Client)\.local\([^()]*\)")
#: The first short call waits for modules that are being loaded, for long on a busy machine.
CALL_TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Block:
    """A block of code, with the text and the picture that follow it on the page, if any."""

    code: str
    said: str | None
    picture: str | None
    span: tuple[int, int]


def blocks(page: str) -> list[Block]:
    """The Python of a page in Markdown, in order."""
    return [
        Block(found["code"], found["said"], found["picture"], found.span("said"))
        for found in _BLOCK.finditer(page)
    ]


def asking(code: str, url: str | None) -> str:
    """The code with a server at ``url`` in place of a service of its own; None: as it is."""
    if url is None:
        return code
    return _OPENED.sub(rf'\1("{url}", timeout_seconds={CALL_TIMEOUT_SECONDS})', code)


def executed(
    found: list[Block], name: str, names: dict[str, Any], url: str | None = None
) -> Iterator[tuple[Block, str]]:
    """Each block with what it printed, once it has run with and in ``names``."""
    for number, block in enumerate(found, start=1):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(asking(block.code, url), f"{name}, block {number}", "exec"), names)  # noqa: S102
        yield block, printed.getvalue()


def record(path: Path) -> None:
    """Execute the page at ``path``, and write what it says and draws."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    text = path.read_text(encoding="utf-8")
    replaced: list[tuple[tuple[int, int], str]] = []
    names: dict[str, Any] = {}
    try:
        for block, said in executed(blocks(text), path.name, names):
            if block.said is not None:
                replaced.append((block.span, said))
            if block.picture is not None:
                target = path.parent / block.picture
                target.parent.mkdir(parents=True, exist_ok=True)
                pyplot.gcf().savefig(target, dpi=100, metadata={"Software": None})
            pyplot.close("all")
    finally:
        if "client" in names:
            names["client"].close()
    for (begin, end), said in reversed(replaced):
        text = text[:begin] + said + text[end:]
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as _folder, contextlib.chdir(_folder):
        for _name in [Path(sys.argv[0]).parents[2] / each for each in sys.argv[1:]]:
            record(_name)
            print(_name)  # noqa: T201 - for the person at the terminal
