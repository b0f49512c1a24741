"""What the project says about itself, and the hooks before a commit."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.house.repository import ROOT

PROJECTS = ["pyproject.toml", "clients/python/pyproject.toml"]


def project(name: str) -> dict[str, Any]:
    declared: dict[str, Any] = tomllib.loads((ROOT / name).read_text())["project"]
    return declared


def citation() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    return found


@pytest.mark.parametrize("name", PROJECTS)
def test_it_is_described_as_it_is_cited(name: str) -> None:
    declared = project(name)
    assert declared["keywords"] == citation()["keywords"]
    assert declared["license"] == citation()["license"]
    paper = citation()["references"][0]["url"]
    assert declared["urls"] == {"Paper": paper}


@pytest.mark.parametrize("name", PROJECTS)
def test_the_oldest_python_is_the_same_everywhere(name: str) -> None:
    declared = project(name)
    oldest = declared["requires-python"].removeprefix(">=")
    listed = [
        line.rpartition(" ")[2] for line in declared["classifiers"] if re.search(r"3\.\d", line)
    ]
    assert listed[0] == oldest
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert tools["mypy"]["python_version"] == oldest
    assert tools["ruff"]["target-version"] == "py" + oldest.replace(".", "")
    for document in ("README.md", "docs/releasing.md"):
        assert f"{oldest} and later" in (ROOT / document).read_text().replace(" or ", " and ")


def test_supported_versions_are_those_that_are_required() -> None:
    text = (ROOT / "docs/releasing.md").read_text()
    wanted = " ".join(project("pyproject.toml")["dependencies"])
    for package in ("NumPy", "SciPy"):
        required = re.search(rf"{package.lower()}>=([\d.]+)", wanted)
        stated = re.search(rf"^\| {package} \| ([\d.]+) and later", text, re.MULTILINE)
        assert required is not None
        assert stated is not None
        assert stated[1] == required[1]


def test_the_server_takes_the_client_of_its_own_release() -> None:
    version = project(PROJECTS[0])["version"]
    major, minor = (int(part) for part in version.split(".")[:2])
    (wish,) = [x for x in project(PROJECTS[0])["dependencies"] if x.startswith("relu-landscape")]
    assert wish == f"relu-landscape-client>={major}.{minor},<{major}.{minor + 1}"
    assert project(PROJECTS[1])["version"] == version


def test_the_release_has_a_date() -> None:
    heading = re.search(r"^## \[([^\]]+)\] - (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert heading is not None
    assert heading.groups() == (citation()["version"], str(citation()["date-released"]))


def test_hooks_run_what_is_installed_here() -> None:
    path = ROOT / ".pre-commit-config.yaml"
    answer = subprocess.run(
        [sys.executable, "-m", "pre_commit", "validate-config", path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout
    (repository,) = yaml.safe_load(path.read_text())["repos"]
    assert repository["repo"] == "local"
    programs = [hook["entry"].split()[0] for hook in repository["hooks"]]
    assert {Path(program).name for program in programs} == {"ruff", "lint-imports", "make"}
    for program in programs:
        if program != "make":
            assert program.startswith(".venv/bin/")
            assert Path(sys.executable).with_name(Path(program).name).exists()
