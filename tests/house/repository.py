"""Where the repository is and what it holds: what every house test asks."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: Top-level import name of each of our packages, and the folder that holds it.
PACKAGES = {
    "relu_landscape": ROOT / "service/relu_landscape",
    "relu_landscape_api": ROOT / "api/relu_landscape_api",
    "relu_landscape_cli": ROOT / "cli/relu_landscape_cli",
    "relu_landscape_client": ROOT / "clients/python/src/relu_landscape_client",
}


def tracked_files() -> list[Path]:
    """Every file that git tracks and that is still there, without what others wrote (vendor)."""
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    paths = [ROOT / name for name in listing.split("\0") if name]
    return [path for path in paths if path.is_file() and "vendor" not in path.parts]


def modules() -> dict[str, Path]:
    """Dotted name and file of every module of our packages."""
    found = {}
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join((package, *parts)).removesuffix(".__init__")] = path
    return found
