"""``python -m tools.guide [FOLDER]``: build the guide; the exit status is Sphinx's."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from tools.guide import finishing, staging

ROOT = Path(__file__).parents[2]
#: Where the service looks for it; built into the wheel from there.
BUILT = ROOT / "api" / "relu_landscape_api" / "guide"


def main(arguments: list[str]) -> int:
    """Build into the folder named, or where the service serves it from; warnings are errors."""
    from sphinx.cmd.build import build_main

    target = Path(arguments[0]).absolute() if arguments else BUILT
    with tempfile.TemporaryDirectory(prefix="relu-landscape-guide-") as folder:
        source, made = Path(folder) / "source", Path(folder) / "made"
        staging.stage(ROOT, source)
        status = build_main(
            ["-b", "html", "-c", str(ROOT / "docs"), "-W", "--keep-going", "-q",
             "-d", f"{folder}/read", str(source), str(made)]
        )  # fmt: skip
        if status == 0:
            finishing.finish(made)
            # All of the old one goes: a page that is no more would be served for ever.
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(made, target)
            print(f"the guide: {target}")  # noqa: T201 - for the person at the terminal
    return int(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
