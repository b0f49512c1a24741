"""The documents say what the code does."""

from __future__ import annotations

import html
import importlib.util
import inspect
import re
import subprocess
import sys
import tomllib

import pytest
import yaml

import hatch_build
from relu_landscape import errors
from relu_landscape_api.settings import ApiSettings
from tests.house.repository import ROOT, tracked_files
from tools import draw_imports

#: Variables with our prefix that choose tests or belong to compose; the service reads none.
NOT_SETTINGS = {"RELU_LANDSCAPE_LONG", "RELU_LANDSCAPE_ACCEPTANCE", "RELU_LANDSCAPE_PUBLISH"}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def settings_names() -> set[str]:
    """Environment variables that ``ApiSettings`` reads."""
    return {f"RELU_LANDSCAPE_{field.upper()}" for field in ApiSettings.model_fields}


def variables(text: str) -> set[str]:
    return set(re.findall(r"RELU_LANDSCAPE_[A-Z][A-Z_]*[A-Z]", text)) - NOT_SETTINGS


def test_version_is_the_same_everywhere() -> None:
    version = tomllib.loads(read("pyproject.toml"))["project"]["version"]
    newest = re.search(r"^## \[([^\]]+)\]", read("CHANGELOG.md"), re.MULTILINE)
    assert newest is not None
    assert newest[1] == version
    assert yaml.safe_load(read("CITATION.cff"))["version"] == version
    client = tomllib.loads(read("clients/python/pyproject.toml"))["project"]
    assert client.get("version", version) == version


def test_citation_is_valid() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "check_jsonschema",
         "--builtin-schema", "vendor.citation-file-format", str(ROOT / "CITATION.cff")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout


def drawn_tree(drawing: str) -> dict[str, str]:
    """Class to parent, from a tree drawn with box characters, four columns per level."""
    parents: dict[str, str] = {}
    path: list[str] = []
    left = 0
    for line in drawing.splitlines():
        root = re.fullmatch(r"( *)(\w+Error)", line)
        branch = re.match(r"[ │]*[├└]── (\w+)", line)
        if root is not None and not path:
            left, path = len(root[1]), [root[2]]
        elif branch is not None:
            depth = (branch.start(1) - left) // 4
            parents[branch[1]] = path[depth - 1]
            path[depth:] = [branch[1]]
    return parents


def test_every_exception_is_in_the_drawing() -> None:
    defined = {
        name: cls.__mro__[1].__name__
        for name, cls in inspect.getmembers(errors, inspect.isclass)
        if cls.__module__ == errors.__name__ and cls is not errors.LandscapeError
    }
    assert drawn_tree(errors.__doc__ or "") == defined


def test_a_tree_is_read_as_drawn() -> None:
    drawing = "  AnError\n  ├── B   text\n  │   └── C (also A)\n  └── D\n"
    assert drawn_tree(drawing) == {"B": "AnError", "C": "B", "D": "AnError"}


def make_targets() -> set[str]:
    listed = re.search(r"^\.PHONY: (.*)$", read("Makefile"), re.MULTILINE)
    assert listed is not None
    return set(listed[1].split())


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_documented_make_commands_exist(document: str) -> None:
    named = set(re.findall(r"(?:`|^|&& )make ([a-z-]+)", read(document), re.MULTILINE))
    assert {"serve", "test"} <= named
    assert named <= make_targets()


@pytest.mark.parametrize("target", sorted(make_targets() - {"help", "clean"}))
def test_make_knows_how(target: str) -> None:
    answer = subprocess.run(
        # Inside `make test` this make is a second one, which would name its folder last.
        ["make", "--no-print-directory", "--dry-run", target, "PORT=9000"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert target in make_targets()
    if target == "serve":
        assert answer.stdout.rstrip().endswith("relu-landscape serve --port 9000")
    for module in re.findall(r"python -m ((?:tests|benchmarks)\.[a-z][\w.]+)", answer.stdout):
        assert importlib.util.find_spec(module) is not None


def test_readme_lists_the_settings() -> None:
    assert variables(read("README.md")) == settings_names()


@pytest.mark.parametrize("document", ["Dockerfile", "docker-compose.yml"])
def test_containers_set_only_what_the_service_reads(document: str) -> None:
    assert variables(read(document)) != set()
    assert variables(read(document)) <= settings_names() | {hatch_build.REQUIRED}


def test_every_target_is_explained() -> None:
    explained = set(re.findall(r'@echo "make ([a-z-]+)', read("Makefile")))
    assert explained == make_targets() - {"help"}
    assert re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE) != []


def test_the_drawing_shows_the_imports_as_they_are() -> None:
    """``make drawing`` draws it anew."""
    titles = re.findall(r"<title>(.*?)</title>", read("docs/images/imports.svg"))
    drawn = {html.unescape(title) for title in titles}
    rooms, imports = draw_imports.rooms_and_imports()
    arrows = draw_imports.essential(imports) | draw_imports.by_name()
    assert {title for title in drawn if "->" in title} == {f"{a}->{b}" for a, b in arrows}
    assert rooms <= drawn


def test_what_follows_from_other_arrows_is_not_drawn() -> None:
    edges = {("a", "b"), ("b", "c"), ("a", "c"), ("a", "d")}
    assert draw_imports.essential(edges) == edges - {("a", "c")}


def test_documented_files_exist() -> None:
    """Relative links of the documents lead somewhere."""
    for document in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", document.read_text())
        missing = [link for link in links if not (document.parent / link).exists()]
        assert missing == [], document


def test_recipes_name_files_that_are_there() -> None:
    """A name in backticks is the end of some path, as people write it; NAME stands for one."""
    named = set(re.findall(r"`([\w./-]+\.(?:py|js|html|md|toml|cff))`", read("CONTRIBUTING.md")))
    paths = [f"/{path.relative_to(ROOT)}" for path in tracked_files()]
    missing = {name for name in named if not any(path.endswith(f"/{name}") for path in paths)}
    assert {name for name in missing if "NAME" not in name} == set()
