"""Records the terminal session of ``docs/terminal.cast``: real commands, their output and times.

    python tools/record_terminal.py

starts a service of its own, runs ``COMMANDS`` against it one after the other as a person would,
and writes an asciicast (format 2: a line of JSON for the head, then one for each piece of output),
which ``asciinema play docs/terminal.cast`` shows, and ``docs/terminal.md``, the same to be read.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from relu_landscape_client import Client

ROOT = Path(__file__).parents[1]
CAST = ROOT / "docs" / "terminal.cast"
PAGE = ROOT / "docs" / "terminal.md"
WIDTH, HEIGHT = 80, 40
#: What is typed. ``SERVER`` and the key are in the environment, as on a lab's machine.
COMMANDS = (
    "relu-landscape estimate 6 6",
    "relu-landscape solve 6 6 --starts 300 --saddles --certify fast -o six.json",
    "relu-landscape show six.json m2",
    "relu-landscape verify six.json",
    "relu-landscape families one-anti-aligned 1000000",
    "relu-landscape learning-rates 6 6",
    "relu-landscape list",
)
#: A person types a letter in this time, and reads an answer in that; nobody waits for either here.
LETTER_SECONDS, READING_SECONDS = 0.04, 4.0
HEAD = """# A terminal

A session of {total:.0f} seconds with the command line, recorded by `tools/record_terminal.py`
against a service on the same machine, {cores} cores at a load of {load:.1f}. The times are those of
the commands, with the start of Python. `asciinema play docs/terminal.cast` shows it as it ran
([the recording](terminal.cast)).
"""


def run(command: str, environment: dict[str, str], folder: str) -> tuple[str, float]:
    """What a command said on both streams, and the seconds that it took; fails where it failed."""
    words = command.split()
    begun = time.monotonic()
    done = subprocess.run(  # noqa: S603 - our own commands, no shell
        [sys.executable, "-m", "relu_landscape_cli.main", *words[1:]], cwd=folder,
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    seconds = time.monotonic() - begun
    if done.returncode:
        raise SystemExit(f"{command}: exit status {done.returncode}\n{done.stdout}")
    return done.stdout, seconds


def cast(said: list[tuple[str, str, float]]) -> str:
    """The asciicast of commands with their output and seconds."""
    lines = [
        json.dumps({"version": 2, "width": WIDTH, "height": HEIGHT, "title": "relu-landscape"})
    ]
    now = 0.0

    def put(text: str) -> None:
        lines.append(json.dumps([round(now, 3), "o", text.replace("\n", "\r\n")]))

    for command, output, seconds in said:
        put("$ ")
        for letter in command:
            now += LETTER_SECONDS
            put(letter)
        put("\n")
        now += seconds
        put(output)
        now += READING_SECONDS
    return "\n".join(lines) + "\n"


def page(said: list[tuple[str, str, float]], total: float) -> str:
    """The same in Markdown."""
    parts = [HEAD.format(total=total, cores=os.cpu_count(), load=os.getloadavg()[0])]
    for command, output, seconds in said:
        shown = "\n".join(line.rstrip() for line in output.splitlines()).strip("\n")
        parts.append(f"```text\n$ {command}\n{shown}\n```\n\n{seconds:.1f} s\n")
    return "\n".join(parts)


def main() -> None:
    """Record, and write both files."""
    with tempfile.TemporaryDirectory() as folder:
        kept = {
            name: value for name, value in os.environ.items()
            if not re.match("RELU_LANDSCAPE_|LINES|COLUMNS", name)
        }  # fmt: skip
        with Client.local(folder=Path(folder) / "store", cache=False) as client:
            service = client._service
            assert service is not None  # noqa: S101 - it is our own
            environment = kept | {
                "RELU_LANDSCAPE_SERVER": service.url, "RELU_LANDSCAPE_API_KEY": service.api_key,
                "COLUMNS": str(WIDTH), "XDG_CACHE_HOME": folder, "NO_COLOR": "1",
            }  # fmt: skip
            # As on a server that has been running: modules are loaded with the first question.
            client.estimate(6, 6)
            said = [(command, *run(command, environment, folder)) for command in COMMANDS]
    text = cast(said)
    CAST.write_text(text, encoding="utf-8")
    total = json.loads(text.splitlines()[-1])[0] + READING_SECONDS
    PAGE.write_text(page(said, total), encoding="utf-8")
    print(f"{CAST}: {total:.0f} s")  # noqa: T201 - for the person at the terminal


if __name__ == "__main__":
    main()
