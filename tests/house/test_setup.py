"""Setting up: what is missing is named, and what is installed is locked."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.house.repository import ROOT

LOCKS = ["serve", "dev", "gpu", "mutation", "installer"]
OURS = {"relu-landscape", "relu-landscape-client"}


def install(folder: Path, wanted: str, python: str, path: str) -> subprocess.CompletedProcess[str]:
    """Run a copy of the set-up script that sees only what ``path`` has."""
    script = folder / "requirements/install.sh"
    script.parent.mkdir(exist_ok=True)
    shutil.copy(ROOT / "requirements/install.sh", script)
    return subprocess.run(
        ["/bin/sh", script, wanted],
        env={"PATH": path, "PYTHON": python}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def fake_python(folder: Path, version: str, *, has_venv: bool) -> str:
    """An interpreter that answers the script's questions as an old or a stripped one would."""
    program = folder / "fake-python"
    old = version.split(".") < ["3", "11"]
    program.write_text(
        "#!/bin/sh\n"
        'case "$2" in\n'
        f"*ensurepip*) exit {0 if has_venv else 1} ;;\n"
        f"*'< (3, 11)'*) exit {1 if old else 0} ;;\n"
        f"*version_info*) echo {version} ;;\n"
        "*) exit 99 ;;\n"
        "esac\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(program)


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH with what the script's first lines need, and no git."""
    folder = tmp_path / "bin"
    folder.mkdir()
    dirname = shutil.which("dirname")
    assert dirname is not None
    (folder / "dirname").symlink_to(dirname)
    return str(folder)


def test_no_python(tmp_path: Path, bare_path: str) -> None:
    answer = install(tmp_path, "serve", "python3", bare_path)
    assert answer.returncode == 1
    assert "python3 was not found" in answer.stderr
    assert "apt-get install python3 python3-venv" in answer.stderr


def test_python_too_old(tmp_path: Path, bare_path: str) -> None:
    answer = install(tmp_path, "serve", fake_python(tmp_path, "3.10", has_venv=True), bare_path)
    assert answer.returncode == 1
    assert "is Python 3.10; 3.11 or later is needed" in answer.stderr
    assert "apt-get install python3.11 python3.11-venv" in answer.stderr


def test_python_without_venv(tmp_path: Path, bare_path: str) -> None:
    answer = install(tmp_path, "serve", fake_python(tmp_path, "3.12", has_venv=False), bare_path)
    assert answer.returncode == 1
    assert "apt-get install python3-venv" in answer.stderr
    assert "python3.12-venv" in answer.stderr


def test_no_git_for_the_tests(tmp_path: Path, bare_path: str) -> None:
    answer = install(tmp_path, "dev", fake_python(tmp_path, "3.11", has_venv=True), bare_path)
    assert answer.returncode == 1
    assert "apt-get install git" in answer.stderr
    assert not (tmp_path / ".venv").exists()


def pins(lock: str) -> set[str]:
    """The pinned requirements of a lock file, with their markers."""
    text = (ROOT / f"requirements/{lock}.lock").read_text()
    return set(re.findall(r"^(\S+==[^\\\n]*?) *\\$", text, re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_locked_by_hash_and_names_no_host(lock: str) -> None:
    text = (ROOT / f"requirements/{lock}.lock").read_text()
    entries = re.split(r"^(?=\S+==)", text, flags=re.MULTILINE)[1:]
    assert len(entries) == len(pins(lock)) > 0
    for entry in entries:
        assert "--hash=sha256:" in entry
    assert re.search(r"https?:|index-url|find-links|file:", text) is None


@pytest.mark.parametrize("lock", ["dev", "gpu"])
def test_larger_locks_hold_what_serves(lock: str) -> None:
    assert pins("serve") - pins(lock) == set()


def names(requirements: list[str]) -> set[str]:
    found = [re.match(r"[\w.-]+", requirement) for requirement in requirements]
    return {match[0].lower().replace("_", "-").replace(".", "-") for match in found if match}


@pytest.mark.parametrize("project", [".", "clients/python"])
def test_what_the_projects_require_is_locked(project: str) -> None:
    declared = tomllib.loads((ROOT / project / "pyproject.toml").read_text())["project"]
    locked = names(sorted(pins("serve")))
    assert locked & OURS == set()  # installed from their folders, as they are
    assert names(declared["dependencies"]) - OURS <= locked


@pytest.mark.parametrize("group", ["dev", "mutation"])
def test_development_tools_are_locked(group: str) -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    tools = [entry for entry in groups[group] if isinstance(entry, str)]
    assert names(tools) <= names(sorted(pins(group)))


def test_one_package_has_one_version_in_all_locks_that_share_a_virtual_environment() -> None:
    versions: dict[str, set[str]] = {}
    for pin in pins("dev") | pins("mutation"):
        name, _, version = pin.partition("==")
        versions.setdefault(name, set()).add(version.partition(" ;")[0].strip())
    both = names(sorted(pins("dev"))) & names(sorted(pins("mutation")))
    assert both != set()
    assert {name: versions[name] for name in both if len(versions[name]) > 1} == {}
