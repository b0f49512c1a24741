"""Imports go one way (the contracts in pyproject.toml), are declared, and are light.

What goes where is said by ``[tool.importlinter]``; here it is run, and every contract is shown to
catch what it is for.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path
from typing import Any

import grimp
import pytest

from tests.house.repository import PACKAGES, ROOT, modules


def lint(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the packages below ``root``, whatever is installed."""
    folders = [str(root / folder.relative_to(ROOT).parent) for folder in PACKAGES.values()]
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", *options],
        cwd=root, capture_output=True, text=True, check=False,
        # Wide, so that no sentence is broken where a test looks for it.
        env=os.environ | {"PYTHONPATH": os.pathsep.join(folders), "COLUMNS": "250"},
    )  # fmt: skip


def test_contracts_hold() -> None:
    answer = lint(ROOT)
    assert answer.returncode == 0, answer.stdout + answer.stderr


#: Per contract, wrong imports: the module, the line that is added to it, what the report names.
WRONG = [
    ("houses", "relu_landscape.wire.base", "import relu_landscape_api.app", "relu_landscape_api"),
    ("houses", "relu_landscape_api.app", "import relu_landscape_cli.main", "relu_landscape_cli"),
    ("houses", "relu_landscape_api.app", "import relu_landscape_client", "relu_landscape_client"),
    ("client", "relu_landscape_client.errors", "import relu_landscape.errors", "errors"),
    ("rooms", "relu_landscape.wire.base", "import relu_landscape.jobs.service", "jobs.service"),
    (
        "rooms",
        "relu_landscape.engine.model.kernel",
        "def f():\n    from relu_landscape import settings",
        "relu_landscape.settings",
    ),
    (
        "engine",
        "relu_landscape.engine.descent.flow",
        "from ..points import classify",
        "points.classify",
    ),
    (
        "certificates",
        "relu_landscape.engine.certificates.balls",
        "from relu_landscape.engine.model import kernel",
        "model.kernel",
    ),
    (
        "arrays",
        "relu_landscape.engine.model.kernel",
        "from relu_landscape.wire.requests import LandscapeRequest",
        "wire.requests",
    ),
    (
        "engine-door",
        "relu_landscape.jobs.pool.dask",
        "from relu_landscape.engine.model import kernel",
        "model.kernel",
    ),
    (
        "engine-door",
        "relu_landscape_api.app",
        "from relu_landscape.engine.tasks import Task",
        "relu_landscape_api.app",
    ),
    ("engine-door", "relu_landscape_cli.main", "import relu_landscape.engine", "cli.main"),
    (
        "circles",
        "relu_landscape.wire.base",
        "if 0:\n    from relu_landscape.wire import jobs",
        "No cycles are allowed in relu_landscape.wire.",
    ),
    (
        "private",
        "relu_landscape_cli.main",
        "import relu_landscape_client._http",
        "relu_landscape_cli.main -> relu_landscape_client._http",
    ),
    (
        "service-without-http",
        "relu_landscape.jobs.service",
        "import fastapi.responses",
        "relu_landscape.jobs.service -> fastapi",
    ),
    (
        "engine-without-world",
        "relu_landscape.engine.descent.flow",
        "def f():\n    from time import monotonic",
        "relu_landscape.engine.descent.flow -> time",
    ),
    (
        "engine-without-world",
        "relu_landscape.engine.landscape.solve",
        "import pydantic",
        "relu_landscape.engine.landscape.solve -> pydantic",
    ),
    (
        "no-numerics-outside",
        "relu_landscape_api.app",
        "from scipy import optimize",
        "relu_landscape_api.app -> scipy",
    ),
    (
        "client-is-light",
        "relu_landscape_client.errors",
        "from pydantic import BaseModel",
        "relu_landscape_client.errors -> pydantic",
    ),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python files of our packages and the contracts, in a folder of their own."""
    root = tmp_path_factory.mktemp("copy")
    for folder in PACKAGES.values():
        shutil.copytree(
            folder, root / folder.relative_to(ROOT),
            ignore=shutil.ignore_patterns("__pycache__", "explorer"),
        )  # fmt: skip
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


@pytest.mark.parametrize(("contract", "module", "line", "named"), WRONG)
def test_a_wrong_import_is_seen(
    copy: Path, contract: str, module: str, line: str, named: str
) -> None:
    path = copy / modules()[module].relative_to(ROOT)
    source = path.read_text(encoding="utf-8")
    path.write_text(f"{source}\n{line}\n", encoding="utf-8")
    try:
        answer = lint(copy, "--contract", contract)
    finally:
        path.write_text(source, encoding="utf-8")
    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert named in answer.stdout.partition("Broken contracts")[2]


def test_every_contract_is_tried() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    assert {each["id"] for each in settings["contracts"]} == {contract for contract, *_ in WRONG}
    assert set(settings["root_packages"]) == set(PACKAGES)


#: Packages that come with a declared one at the release which that one needs.
COMES_WITH = {
    "dask": "distributed",
    "tornado": "distributed",
    "starlette": "fastapi",
    "pydantic-core": "pydantic",
}


def required(project: dict[str, Any]) -> set[str]:
    """Names of what a distribution requires, extras included."""
    wishes = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    return {re.match(r"[\w-]+", wish)[0].lower() for wish in wishes}  # type: ignore[index]


@pytest.mark.parametrize("project", [".", "clients/python"])
def test_what_is_imported_is_declared(project: str) -> None:
    """A package that only happens to be installed is missing on the next machine."""
    declared = tomllib.loads((ROOT / project / "pyproject.toml").read_text())["project"]
    known = required(declared) | {declared["name"]}
    owners = dict(packages_distributions()) | {"cupy": ["cupy-cuda13x"]}
    owners |= {name: ["relu-landscape"] for name in PACKAGES}
    owners |= {"relu_landscape_client": ["relu-landscape-client"]}
    is_client = project == "clients/python"
    ours = [name for name in PACKAGES if name.endswith("_client") is is_client]
    graph = grimp.build_graph(*ours, include_external_packages=True, cache_dir=None)
    missing = []
    for module in graph.modules:
        for name in graph.find_modules_directly_imported_by(module):
            top = name.partition(".")[0]
            if top in sys.stdlib_module_names:
                continue
            distributions = {owner.lower().replace("_", "-") for owner in owners.get(top, [top])}
            distributions |= {COMES_WITH.get(owner, owner) for owner in distributions}
            if not distributions & known:
                missing.append(f"{module} imports {name}")
    assert missing == []


LIGHT = {"scipy", "distributed", "dask", "flint", "igraph", "fastapi"}


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("relu_landscape", LIGHT | {"numpy", "pydantic"}),
        ("relu_landscape.errors", LIGHT | {"numpy", "pydantic"}),
        ("relu_landscape.wire.requests", LIGHT | {"redis"}),
        ("relu_landscape.wire.landscape", LIGHT | {"redis"}),
        ("relu_landscape.analyses", LIGHT | {"redis"}),
        ("relu_landscape.settings", LIGHT),
        ("relu_landscape_api", LIGHT - {"fastapi"}),
        ("relu_landscape_cli.main", LIGHT),
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
