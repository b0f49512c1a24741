"""The page's files: nothing inline, nothing from elsewhere, vendored files as they came."""

from __future__ import annotations

import gzip
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from relu_landscape.jobs.running.sealing import digest
from relu_landscape.wire.landscape import Landscape
from relu_landscape_api.routers.pages import EXPLORER

OWN = sorted(
    path
    for path in EXPLORER.rglob("*")
    if path.suffix in {".js", ".css", ".html"} and "vendor" not in path.relative_to(EXPLORER).parts
)
LONGEST_FILE_LINES = 400
TEST_VENDOR = Path(__file__).parent / "vendor"


class Audit(HTMLParser):
    """Collects what a strict policy refuses, and every address."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: list[str] = []
        self.addresses: list[str] = []
        self._is_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_script = tag == "script"
        if tag == "style":
            self.refused.append("style element")
        for name, value in attrs:
            if name == "style" or name.startswith("on"):
                self.refused.append(f"{tag} {name}")
            if name in {"src", "href"} and value is not None:
                self.addresses.append(value)

    def handle_data(self, data: str) -> None:
        if self._is_script and data.strip():
            self.refused.append("inline script")


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_own_files_stay_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_FILE_LINES


@pytest.mark.parametrize("name", ["index.html", "atlas.html", "docs.html"])
def test_documents_hold_nothing_inline_and_name_files_that_exist(name: str) -> None:
    audit = Audit()
    audit.feed((EXPLORER / name).read_text())
    assert audit.refused == []
    files = [address for address in audit.addresses if address.startswith("explorer/")]
    assert files
    for address in files:
        assert (EXPLORER / address.removeprefix("explorer/")).is_file(), address
    # What is no file of the page is a place of the same service.
    for address in set(audit.addresses) - set(files):
        assert not re.match(r"(?:[a-z]+:)?//", address), address


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_nothing_is_loaded_from_elsewhere(path: Path) -> None:
    namespaces = {"http://www.w3.org/1998/Math/MathML", "http://www.w3.org/2000/svg"}
    assert set(re.findall(r"https?://[^\s\"'`)]+", path.read_text())) <= namespaces


@pytest.mark.parametrize("folder", [EXPLORER / "vendor", TEST_VENDOR], ids=["page", "tests"])
def test_vendored_files_are_as_they_came(folder: Path) -> None:
    lines = (folder / "README.md").read_text().splitlines()
    pairs = [line.split("  ") for line in lines if re.match(r"[0-9a-f]{64}  ", line)]
    listed = {name: digest for digest, name in pairs}
    present = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "README.md"
    }
    assert listed == present


#: What a first visit may carry, in bytes as gzip packs them: a second of a slow telephone line.
MOST_CARRIED = 300_000


def first_visit() -> set[Path]:
    """Every file that a first visit asks for."""
    audit = Audit()
    audit.feed((EXPLORER / "index.html").read_text())
    named = {EXPLORER / each.removeprefix("explorer/") for each in audit.addresses
             if each.startswith("explorer/")}  # fmt: skip
    return named | {EXPLORER / "index.html"}


def test_first_visit_carries_little() -> None:
    packed = sum(len(gzip.compress(path.read_bytes(), 6)) for path in first_visit())
    assert packed < MOST_CARRIED


def test_every_module_is_asked_for_at_once() -> None:
    """A module that the document does not name is found only when another has been read."""
    named = first_visit()
    waiting = [EXPLORER / "js" / "main.js"]
    reached: set[Path] = set()
    while waiting:
        module = waiting.pop()
        reached.add(module)
        imported = re.findall(
            r'^(?:import|export) .*?from "(.+?)";', module.read_text(), re.M | re.S
        )
        waiting += {(module.parent / each).resolve() for each in imported} - reached
    assert reached <= named
    # And nothing is asked for that no other file needs.
    own = {path for path in named if path.parent.name in {"js", "chart"}}
    assert own - reached == {EXPLORER / "js" / "theme.js"}


def test_stored_example_is_a_landscape_of_this_version() -> None:
    landscape = Landscape.model_validate_json((EXPLORER / "example.json").read_bytes())
    assert landscape.request.student_width == landscape.request.teacher_width == 7
    # Safran, Yehudai and Shamir (arXiv:2006.01005), k = 7: the published spurious minimum.
    losses = [point.loss for point in landscape.fixed_points if point.kind == "minimum"]
    assert min(abs(loss - 0.0232027149136) for loss in losses) < 1e-12
    assert landscape.digest == digest(landscape.model_dump(mode="json"))
