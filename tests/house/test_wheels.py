"""The two wheels, in an environment that has our code from nowhere else.

Third-party packages are lent to it (links to those that are installed here), so nothing is
fetched; ``pip`` resolves our own two distributions from the folder of wheels, and with them the
ranges that they declare.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import sysconfig
import tomllib
import urllib.request
import zipfile
from pathlib import Path

import pytest

from tests.house.repository import PACKAGES, ROOT

#: Starting an interpreter with the service's libraries takes seconds on a busy machine.
DEADLINE_SECONDS = 120.0


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run something that sees neither this source tree nor a setting of this shell."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(
        command, cwd=ROOT.anchor, env=kept | environment,
        capture_output=True, text=True, check=False, timeout=DEADLINE_SECONDS,
    )  # fmt: skip


def pip(*arguments: str | Path) -> None:
    answer = run(sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments)
    assert answer.returncode == 0, answer.stderr + answer.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both wheels."""
    folder = tmp_path_factory.mktemp("wheels")
    pip("wheel", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", folder,
        ROOT, ROOT / "clients/python")  # fmt: skip
    assert len(list(folder.glob("*.whl"))) == 2
    return folder


def ours(name: str) -> bool:
    """Whether an entry of ``site-packages`` makes this source tree importable."""
    return name.endswith(".pth") or "relu_landscape" in name


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Path:
    """The folder of programs of a virtual environment with both wheels."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    scheme = {"base": str(folder), "platbase": str(folder)}
    inside = Path(sysconfig.get_path("purelib", "venv", scheme))
    for installed in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for entry in Path(installed).iterdir():
            if not ours(entry.name):
                (inside / entry.name).symlink_to(entry)
    python = folder / "bin/python"
    pip("--python", python, "install", "--no-index", "--find-links", wheels, "relu-landscape")
    return folder / "bin"


def test_our_code_comes_from_the_wheels(environment: Path) -> None:
    script = "".join(f"import {name}; print({name}.__file__)\n" for name in PACKAGES)
    answer = run(environment / "python", "-c", script)
    assert answer.returncode == 0, answer.stderr
    found = answer.stdout.split()
    assert len(found) == len(PACKAGES)
    assert all(Path(path).is_relative_to(environment.parent) for path in found)


def test_all_that_is_tracked_is_packed(wheels: Path) -> None:
    """Pages, scripts of the store, markers of types: not only what is imported."""
    packed = {name for path in wheels.glob("*.whl") for name in zipfile.ZipFile(path).namelist()}
    listing = run("git", "-C", ROOT, "ls-files", "-z", *PACKAGES.values()).stdout
    tracked = [ROOT / name for name in listing.split("\0") if name]
    folders = {path: folder for path in tracked for folder in PACKAGES.values()
               if path.is_relative_to(folder)}  # fmt: skip
    names = {str(path.relative_to(folders[path].parent)) for path in tracked if path.exists()}
    assert len(names) > 100
    assert names - packed == set()


def test_both_carry_the_licence(wheels: Path) -> None:
    for path in wheels.glob("*.whl"):
        with zipfile.ZipFile(path) as packed:
            (licence,) = [name for name in packed.namelist() if name.endswith("/LICENSE")
                          and ".dist-info/" in name]  # fmt: skip
            assert packed.read(licence).decode() == (ROOT / "LICENSE").read_text()


def test_it_serves(environment: Path, tmp_path: Path) -> None:
    with subprocess.Popen(
        [environment / "relu-landscape", "serve", "--port", "0", "--data-dir", tmp_path / "data"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "RELU_LANDSCAPE_WORKERS": "1"},
    ) as server:  # fmt: skip
        try:
            assert server.stdout is not None
            assert select.select([server.stdout], [], [], DEADLINE_SECONDS)[0]
            line = server.stdout.readline()
            address = re.search(r"is ready: (http://\S+)", line)
            assert address is not None, line
            version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
            assert f"relu-landscape {version} " in line
            for path, content in [
                ("/livez", ""),
                ("/", "<html"),
                ("/v1/landscape?K=2&width=2&starts=4", '"fixed_points"'),
            ]:
                url = address[1] + path
                with urllib.request.urlopen(url, timeout=DEADLINE_SECONDS) as answer:
                    assert answer.status == 200
                    assert content in answer.read().decode()
            server.send_signal(signal.SIGTERM)
            _, log = server.communicate(timeout=DEADLINE_SECONDS)
        finally:
            server.kill()
    assert server.returncode == 0, log


def test_it_helps(environment: Path) -> None:
    answer = run(environment / "relu-landscape", "--help")
    assert answer.returncode == 0, answer.stderr
    assert "serve" in answer.stdout


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_no_server_is_one_sentence(environment: Path, options: list[str]) -> None:
    # Port 9 is "discard": nobody listens there.
    nowhere = {"RELU_LANDSCAPE_SERVER": "http://127.0.0.1:9"}
    answer = run(environment / "relu-landscape", "list", *options, **nowhere)
    assert answer.returncode == 3, answer.stderr
    assert answer.stdout == ""
    (sentence,) = answer.stderr.splitlines()
    assert "http://127.0.0.1:9" in (json.loads(sentence)["error"] if options else sentence)
