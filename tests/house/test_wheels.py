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
import shutil
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


def pip(*arguments: str | Path, **environment: str) -> None:
    answer = try_pip(*arguments, **environment)
    assert answer.returncode == 0, answer.stderr + answer.stdout


def try_pip(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return run(
        sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments, **environment
    )


def build(folder: Path, *projects: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return try_pip(
        "wheel", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", folder,
        *projects, **environment,
    )  # fmt: skip


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both wheels."""
    folder = tmp_path_factory.mktemp("wheels")
    answer = build(folder, ROOT, ROOT / "clients/python")
    assert answer.returncode == 0, answer.stderr + answer.stdout
    assert len(list(folder.glob("*.whl"))) == 2
    return folder


#: What the build reads beside the packages themselves.
OF_THE_BUILD = (
    "pyproject.toml", "hatch_build.py", "README.md", "LICENSE", ".gitignore",
    "api/relu_landscape_api/__init__.py", "cli/relu_landscape_cli/__init__.py",
)  # fmt: skip


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
    pip("--python", python, "install", "--no-index", "--no-compile",
        "--find-links", wheels, "relu-landscape")  # fmt: skip
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


needs_compiler = pytest.mark.skipif(
    not any(shutil.which(name) for name in ("cc", "gcc", "clang")), reason="there is no C compiler"
)
DESCRIBE = "from relu_landscape.engine.lanes.native import describe; print(describe())"
NATIVE_LIBRARY = "relu_landscape/engine/lanes/_lanes.so"


def packed(folder: Path) -> tuple[str, set[str]]:
    """The name of the server's wheel, and what is in it."""
    (wheel,) = folder.glob("relu_landscape-*.whl")
    return wheel.name, set(zipfile.ZipFile(wheel).namelist())


@needs_compiler
def test_the_native_kernel_is_packed_and_found(environment: Path, wheels: Path) -> None:
    """For this platform and every Python: nothing in it knows Python's headers."""
    name, files = packed(wheels)
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    assert name.endswith(f"-py3-none-{platform}.whl")
    assert NATIVE_LIBRARY in files
    answer = run(environment / "python", "-c", DESCRIBE)
    assert answer.stdout.startswith("native kernel "), answer.stdout + answer.stderr


def test_without_a_compiler_the_wheel_is_for_every_platform(tmp_path: Path) -> None:
    answer = build(tmp_path / "wheels", ROOT, CC="no-such-compiler")
    assert answer.returncode == 0, answer.stderr
    name, files = packed(tmp_path / "wheels")
    assert name.endswith("-py3-none-any.whl")
    assert NATIVE_LIBRARY not in files
    pip("install", "--no-index", "--no-deps", "--no-compile", "--target", tmp_path / "site",
        next((tmp_path / "wheels").iterdir()))  # fmt: skip
    first = f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); "
    answer = run(sys.executable, "-c", first + DESCRIBE)
    assert "NumPy computes; the native kernel was not compiled" in answer.stdout, answer.stderr


def test_the_native_kernel_can_be_required(tmp_path: Path) -> None:
    answer = build(tmp_path, ROOT, CC="no-such-compiler", RELU_LANDSCAPE_REQUIRE_NATIVE="1")
    assert answer.returncode != 0
    assert "no C compiler (no-such-compiler) was found" in answer.stderr + answer.stdout
    assert list(tmp_path.iterdir()) == []


@needs_compiler
def test_an_editable_install_compiles_into_the_tree(tmp_path: Path) -> None:
    """What ``make serve`` and ``make test`` do, in a copy of the tracked files. The wheel's kernel
    was compiled with all optimizations, which take ten seconds; this one goes without."""
    compiler = tmp_path / "cc"
    found = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))))
    compiler.write_text(f'#!/bin/sh\nexec {found} "$@" -O0\n')
    compiler.chmod(0o755)
    tree = tmp_path / "tree"
    for name in run("git", "-C", ROOT, "ls-files", "-z").stdout.split("\0"):
        if name and (ROOT / name).exists() and name.startswith(("service/", *OF_THE_BUILD)):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tree / name)
    script = (
        f"import os; os.chdir({str(tree)!r})\n"
        f"from hatchling.build import build_editable; print(build_editable({str(tmp_path)!r}))"
    )
    answer = run(sys.executable, "-c", script, CC=str(compiler))
    assert answer.returncode == 0, answer.stderr
    assert (tree / "service" / NATIVE_LIBRARY).exists()
    first = f"import sys; sys.path.insert(0, {str(tree / 'service')!r}); "
    answer = run(sys.executable, "-c", first + DESCRIBE)
    assert answer.stdout.startswith("native kernel "), answer.stdout + answer.stderr


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
