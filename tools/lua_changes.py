"""Small changes of the store's scripts, for ``tools/mutants.py``: Cosmic Ray reads Python only.

Line by line, since the scripts are short and have one statement a line: a statement is left out, a
key or field is left out of a deletion, a comparison gets its opposite or the other boundary, a
condition its opposite, ``and`` becomes ``or``, a default is left out, and a number grows by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

#: Lines that do something and define nothing: the script is whole without them.
STATEMENT = re.compile(
    r" *(redis\.call|emit|enter|queue|unqueue|release|restart|over|cancelled|taken\[|data\["
    r"|if .* end$|for .* end$)"
)
#: What is replaced where, by name: (what it is, its pattern, what comes instead).
SWAPS = [
    ("equal", re.compile(r" == "), " ~= "),
    ("unequal", re.compile(r" ~= "), " == "),
    ("boundary", re.compile(r" >= "), " > "),
    ("boundary", re.compile(r" > "), " >= "),
    ("boundary", re.compile(r" < "), " <= "),
    ("opposite", re.compile(r" (>=|>) "), " < "),
    ("opposite", re.compile(r" < "), " > "),
    ("not", re.compile(r"\bnot "), ""),
    ("negated", re.compile(r"\bif (?=\w+ then)"), "if not "),
    ("and", re.compile(r" and "), " or "),
    ("or", re.compile(r" or (?=\(|state)"), " and "),
    ("default", re.compile(r" or '\w*'"), ""),
    ("number", re.compile(r"(?<=, )1(?=\))|(?<=, )0(?=,)"), "2"),
    ("state", re.compile(r"'(held|lost|cancel|cancelled|queued|busy)'(?= end|$)"), "'other'"),
]  # fmt: skip
#: Members of a deletion after its first: fields of a hash, keys.
MEMBER = re.compile(r", (?:'\w+'|key\('\w+', id\))")
#: Texts and comments.
ASIDE = re.compile(r"'(?:[^'\\]|\\.)*'|--[^\n]*")
#: Commands that several fields or keys are given to.
DELETION = re.compile(r"redis\.call\('(HDEL|DEL)'")


def is_open(text: str) -> bool:
    """Whether a parenthesis of the code is not closed; those in texts and comments do not count.

    ``'(' .. least`` in claim.lua, a bound of a range, once made a statement that never ended.
    """
    code = ASIDE.sub("''", text)
    return code.count("(") > code.count(")")


def statements(lines: list[str]) -> Iterator[tuple[int, int]]:
    """First line and the one after the last of every statement that can be left out.

    Raises ``ValueError`` for one that the script does not end.
    """
    for first, line in enumerate(lines):
        if STATEMENT.match(line):
            last = first + 1
            while is_open("".join(lines[first:last])):
                if last == len(lines):
                    raise ValueError(f"the statement of line {first + 1} has no end")
                last += 1
            yield first, last


def changes(source: str) -> Iterator[tuple[str, int, str]]:
    """Every change of a script: what was done, in which line (from 1), and the script with it."""
    lines = source.splitlines(keepends=True)

    def whole(first: int, last: int, text: str) -> str:
        return "".join(lines[:first]) + text + "".join(lines[last:])

    for first, last in statements(lines):
        yield "left out", first + 1, whole(first, last, "")
    for number, line in enumerate(lines):
        if line.lstrip().startswith("--"):
            continue
        for name, pattern, other in SWAPS:
            for match in pattern.finditer(line):
                changed = line[: match.start()] + other + line[match.end() :]
                yield name, number + 1, whole(number, number + 1, changed)
        for match in MEMBER.finditer(line) if DELETION.search(line) else ():
            if match.start() > line.index("DEL'") + 4:
                changed = line[: match.start()] + line[match.end() :]
                yield "member", number + 1, whole(number, number + 1, changed)
