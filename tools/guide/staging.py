"""The documents, at their places, in a folder of their own, with the pages that are generated."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tools.guide import generated, notebooks

#: What the guide takes over beside ``docs``.
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "clients/python/README.md")
_LINK = re.compile(r"(!?\[[^\]]*\]\()([^)#\s]+)((?:#[^)\s]*)?\))")


def stage(root: Path, target: Path) -> None:
    """Copy what the guide shows from the repository at ``root`` to ``target``, and generate."""
    shutil.copytree(root / "docs", target / "docs", ignore=shutil.ignore_patterns("__pycache__"))
    for name in PAGES:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, target / name)
    for name, text in generated.pages().items():
        page = target / "docs" / name
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text, encoding="utf-8")
    for notebook in sorted((root / "clients/python/notebooks").glob("*.ipynb")):
        page = target / notebook.relative_to(root).with_suffix(".md")
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(notebooks.page_of(notebook, page.parent), encoding="utf-8")
    for page in target.rglob("*.md"):
        page.write_text(
            linked(page.read_text(encoding="utf-8"), page, root, target), encoding="utf-8"
        )


def linked(text: str, page: Path, root: Path, target: Path) -> str:
    """The text with links to what is no page made words, and notebooks found under their page.

    A link to a file that the repository lacks is left, for Sphinx to complain of.
    """

    def one(found: re.Match[str]) -> str:
        opening, path, rest = found.groups()
        if ":" in path or opening.startswith("!"):
            return found[0]
        there = (page.parent / path).resolve()
        if path.endswith(".ipynb"):
            path = str(Path(path).with_suffix(".md"))
        elif there.is_dir() or not there.is_relative_to(target.resolve()) or not there.exists():
            in_repository = root / there.relative_to(target.resolve())
            if in_repository.exists():
                return opening.removeprefix("[").removesuffix("](")
        return f"{opening}{path}{rest}"

    return _LINK.sub(one, text)
