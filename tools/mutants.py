"""Tests that do not notice: small changes of a module, and whether its tests fail.

    python -m tools.mutants kernel flow          (make mutants MODULE="kernel flow")
    python -m tools.mutants kernel --every 5     every fifth change, always the same ones
    python -m tools.mutants kernel --survivors   those again that no test noticed last time

Cosmic Ray makes the changes of Python, ``lua_changes`` those of the store's scripts;
``tools/mutants.toml`` says which tests look at which file. They run in a copy of the repository
below ``build/mutants``, one mutant at a time in a forked process, so that NumPy and SciPy are
imported once. Prints every change that all tests pass; exits with 1 if there was one.
``docs/mutation.md`` says which are known, and why they do no harm.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import importlib.util
import json
import os
import re
import resource
import shutil
import signal
import sys
import time
import tomllib
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cosmic_ray.plugins
import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from parso.tree import BaseNode, NodeOrLeaf

from tools import lua_changes

ROOT = Path(__file__).parents[1]
RECORDS = ROOT / "build/mutants"
#: One for each process that runs this, so that two do not change each other's files.
COPY = RECORDS / f"tree-{os.getpid()}"
#: What the copy needs: our packages, their tests, and what configures pytest.
COPIED = ("service", "api", "cli", "clients", "tests", "tools", "pyproject.toml")
PACKAGES = ("service", "api", "cli", "clients/python/src", "")
#: Imported before forking: what takes long, and nothing of ours.
HEAVY = (
    "numpy",
    "numpy.random",
    "scipy.linalg",
    "scipy.optimize",
    "scipy.stats",
    "scipy.special",
    "flint",
    "igraph",
    "mpmath",
    "array_api_strict",
    "pydantic",
    "cattrs",
    "orjson",
    "redis",
    "redis.asyncio",
    "distributed",
    "prometheus_client",
    "typer",
)  # fmt: skip
#: Of Cosmic Ray's operators: a comparison's boundary and its opposite, the inverse operation, a
#: number one more and one less, and every change of logic and of control flow.
CHOSEN = re.compile(
    r"core/(AddNot|NumberReplacer|ExceptionReplacer|ZeroIterationForLoop"
    r"|ReplaceAndWithOr|ReplaceOrWithAnd|ReplaceTrueWithFalse|ReplaceFalseWithTrue"
    r"|ReplaceBreakWithContinue|ReplaceContinueWithBreak"
    r"|ReplaceComparisonOperator_(Eq_NotEq|NotEq_Eq|Lt_LtE|Lt_GtE|LtE_Lt|LtE_Gt|Gt_GtE|Gt_LtE"
    r"|GtE_Gt|GtE_Lt|Is_IsNot|IsNot_Is)"
    r"|ReplaceBinaryOperator_(Add_Sub|Sub_Add|Mul_Div|Div_Mul|FloorDiv_Mul|Mod_Mul|Pow_Mul"
    r"|BitAnd_BitOr|BitOr_BitAnd)"
    r"|ReplaceUnaryOperator_(USub_UAdd|Delete_Not|Delete_Invert))"
)
#: No test can or should notice: ``strict`` and ``frozen`` guard against mistakes not made, as does
#: the star (which Cosmic Ray takes for a product) before parameters that must be named.
GUARDS = re.compile(r"\b(strict|frozen|slots|kw_only)=(True|False)\b|\*,")
#: A mutant that computes for this many times as long as the tests take without it is noticed.
PATIENCE = 4
LEAST_SECONDS = 8.0
#: Bytes of address space: a mutant that allocates without end must not take the machine with it.
MOST_MEMORY = 16 << 30


class DropOperand(Operator):  # type: ignore[misc]
    """Leaves out one operand of ``and``, ``or``, ``&``, ``|``: a condition that nobody tests."""

    KINDS = ("and_test", "or_test", "and_expr", "expr")

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[tuple[object, object]]:
        if isinstance(node, BaseNode) and node.type in self.KINDS:
            for operand in node.children[::2]:
                yield operand.start_pos, operand.end_pos

    def mutate(self, node: BaseNode, index: int) -> BaseNode:
        first = 2 * index if index == 0 else 2 * index - 1
        del node.children[first : first + 2]
        return node

    @classmethod
    def examples(cls) -> Sequence[object]:
        return ()


@dataclass(frozen=True, order=True)
class Place:
    """Where something can be changed: the line, what is done, and which of its places it is."""

    line: int
    operator: str
    occurrence: int


@cache
def operators() -> dict[str, Operator]:
    """The operators that are used, by name."""
    names = [name for name in cosmic_ray.plugins.operator_names() if CHOSEN.fullmatch(name)]
    found: dict[str, Operator] = {
        name: cosmic_ray.plugins.get_operator(name)() for name in sorted(names)
    }
    return found | {"DropOperand": DropOperand()}


def annotated(source: str) -> set[tuple[int, int]]:
    """Positions (line, column) inside annotations, which nothing computes with."""
    places = set()
    for node in ast.walk(ast.parse(source)):
        for name in ("annotation", "returns"):
            annotation = getattr(node, name, None)
            if isinstance(annotation, ast.expr):
                for inner in ast.walk(annotation):
                    if isinstance(inner, ast.expr):
                        places |= {(inner.lineno, inner.col_offset)}
                        places |= {
                            (inner.lineno, column)
                            for column in range(inner.col_offset, inner.end_col_offset or 0)
                        }
    return places


def difference(source: str, mutated: str) -> str:
    """The lines that differ, as a diff without its frame."""
    lines = difflib.unified_diff(source.splitlines(), mutated.splitlines(), n=0, lineterm="")
    return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def python_places(source: str) -> Iterator[Place]:
    """Where a module can be changed; not in annotations and guards."""
    tree = get_ast(source)
    ignored = annotated(source)
    lines = source.splitlines()
    for name, operator in operators().items():
        starts = [start for node in ast_nodes(tree) for start, _ in
                  operator.mutation_positions(node)]  # fmt: skip
        for occurrence, (line, column) in enumerate(starts):
            guard = any(m.start() <= column < m.end() for m in GUARDS.finditer(lines[line - 1]))
            if (line, column) not in ignored and not guard:
                yield Place(line, name, occurrence)


def places(source: str, suffix: str) -> list[Place]:
    """Every place where a file can be changed, in its order."""
    if suffix == ".lua":
        return sorted(
            Place(line, name, number)
            for number, (name, line, _) in enumerate(lua_changes.changes(source))
        )
    return sorted(python_places(source))


def changed(source: str, suffix: str, place: Place) -> str | None:
    """The source with this one change; None where it cannot be made or makes no program."""
    if suffix == ".lua":
        return list(lua_changes.changes(source))[place.occurrence][2]
    try:
        mutated = mutate_code(source, operators()[place.operator], place.occurrence)
        ast.parse(mutated or "")
    except (AttributeError, SyntaxError):  # the first: Cosmic Ray 8.7 on ``except (A, B)``
        return None
    return mutated or None


def outcome(tests: Sequence[str], seconds: float) -> str:
    """``passed``, ``failed`` or ``too long``: the tests in a process of their own, in the copy."""
    child = os.fork()
    if child == 0:
        _run_tests(tests)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "passed" if os.waitstatus_to_exitcode(status) == 0 else "failed"
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "too long"


def _run_tests(tests: Sequence[str]) -> None:
    """Never returns."""
    code = 1
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        output = os.open(COPY / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(COPY)
        folders = [str(COPY / folder) for folder in PACKAGES]
        sys.path[:0] = folders
        os.environ["PYTHONPATH"] = os.pathsep.join(folders)
        code = int(
            pytest.main(
                ["-x", "-q", "-p", "no:cacheprovider", "-p", "pytest_asyncio.plugin", *tests]
            )
        )
    except BaseException:  # what comes after must not run twice
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def table() -> dict[str, list[str]]:
    """Module (a path below service/relu_landscape) and its tests (below tests/service)."""
    found: dict[str, list[str]] = tomllib.loads((ROOT / "tools/mutants.toml").read_text())
    return found


def chosen(words: Sequence[str]) -> list[str]:
    """Modules of the table whose path or name is one of the words; all of them without words."""
    names = [
        name for name in table()
        if not words or any(word in (name, Path(name).stem) for word in words)
    ]  # fmt: skip
    if not names:
        raise SystemExit(f"None of {', '.join(words)} is in tools/mutants.toml.")
    return names


def copy_tree() -> None:
    """A fresh copy of the repository, where files are changed."""
    shutil.rmtree(COPY, ignore_errors=True)
    COPY.mkdir(parents=True)
    for name in COPIED:
        if (ROOT / name).is_dir():
            unwanted = shutil.ignore_patterns("__pycache__", "node_modules", ".venv")
            shutil.copytree(ROOT / name, COPY / name, ignore=unwanted)
        else:
            shutil.copy(ROOT / name, COPY / name)


def say(text: str) -> None:
    """To standard output, at once: a run takes long."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def survivors_of(name: str, part: slice, again: bool) -> int:
    """How many mutants of one file its tests pass; they are printed, and kept in build/mutants."""
    target = COPY / "service/relu_landscape" / name
    record = RECORDS / (name.replace("/", "-") + ".json")
    source = target.read_text()
    tests = [f"tests/service/{test}" for test in table()[name]]
    sys.dont_write_bytecode = False
    begin = time.monotonic()
    if outcome(tests, 600.0) != "passed":
        raise SystemExit(f"{name}: its tests fail already:\n" + (COPY / "output.txt").read_text())
    seconds = max(LEAST_SECONDS, PATIENCE * (time.monotonic() - begin))
    # What was compiled stays for the others; of the target no mutant may leave anything behind.
    Path(importlib.util.cache_from_source(str(target))).unlink(missing_ok=True)
    sys.dont_write_bytecode = True
    every = places(source, target.suffix)
    wanted = every[part]
    if again:
        before = json.loads(record.read_text())
        wanted = [place for place in every if [place.operator, place.occurrence] in before]
    say(f"{name}: {len(wanted)} of {len(every)} mutants")
    survivors, tried = [], 0
    for place in wanted:
        mutated = changed(source, target.suffix, place)
        if mutated is None or mutated == source:
            continue
        tried += 1
        target.write_text(mutated)
        if outcome(tests, seconds) == "passed":
            survivors.append([place.operator, place.occurrence])
            say(f"{name}:{place.line} {place.operator}\n{difference(source, mutated)}")
    target.write_text(source)
    say(f"{name}: {tried - len(survivors)} of {tried} noticed")
    record.write_text(json.dumps(survivors))
    return len(survivors)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("modules", nargs="*", help="names or paths of modules; default: all")
    parser.add_argument("--every", type=int, default=1, help="take each N-th mutant only")
    parser.add_argument("--first", type=int, default=0, help="of these, begin with this one")
    parser.add_argument("--survivors", action="store_true", help="only those that survived before")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # importing them takes longer than a test
    for heavy in HEAVY:
        importlib.import_module(heavy)
    copy_tree()
    part = slice(options.first, None, options.every)
    try:
        found = [survivors_of(name, part, options.survivors)
                 for name in chosen(options.modules)]  # fmt: skip
    finally:
        shutil.rmtree(COPY)
    return int(any(found))


if __name__ == "__main__":
    sys.exit(main())
