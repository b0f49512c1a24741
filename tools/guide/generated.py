"""Pages that the code itself writes: settings, calls, commands, classes, the glossary."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer.main
from typer.testing import CliRunner

import relu_landscape_client
from relu_landscape_api.app import create_app
from relu_landscape_api.settings import ApiSettings
from relu_landscape_cli.main import app

ROOT = Path(__file__).parents[2]
GLOSSARY = ROOT / "api/relu_landscape_api/explorer/js/glossary.js"
_WIDTH = 100


def pages() -> dict[str, str]:
    """Text in Markdown by file name, below ``docs``."""
    return {
        "reference/settings.md": settings(),
        "reference/http.md": http(openapi()),
        "reference/commands.md": commands(),
        "reference/classes.md": classes(),
        "glossary.md": glossary(terms(GLOSSARY.read_text(encoding="utf-8"))),
    }


def settings() -> str:
    """Every setting of the environment, with its default and what it is for."""
    lines = ["# Settings", "", "Read from the environment when the service starts.", ""]
    for name, field in ApiSettings.model_fields.items():
        default = field.get_default(call_default_factory=False)
        shown = "by the machine" if field.default_factory else f"`{default}`"
        lines += [
            f"`RELU_LANDSCAPE_{name.upper()}`",
            f": {field.description} Default: {shown}.",
            "",
        ]
    return "\n".join(lines)


def openapi() -> dict[str, Any]:
    """The OpenAPI document of a service with default settings."""
    document: dict[str, Any] = create_app(ApiSettings()).openapi()
    return document


def http(document: Mapping[str, Any]) -> str:
    """Every call, its parameters and its answers, by path."""
    lines = [
        "# HTTP calls", "",
        "From the OpenAPI document that the service itself publishes (`/openapi.json`); to try",
        "them, open `/docs` of a service. The contract in words: [HTTP](../http-api.md).", "",
    ]  # fmt: skip
    for path, item in document["paths"].items():
        for method, call in item.items():
            lines += [f"## `{method.upper()} {path}`", "", _sentence(call), ""]
            for one in call.get("parameters", []):
                need = ", required" if one.get("required") else ""
                lines += [f"`{one['name']}` ({one['in']}{need}{_kind(one.get('schema', {}))})",
                          f": {_words(one.get('description', ''))}", ""]  # fmt: skip
            for media in call.get("requestBody", {}).get("content", {}):
                lines += [f"Body: `{media}`.", ""]
            lines += [
                f"- {status}: {_words(answer.get('description', ''))}"
                for status, answer in call.get("responses", {}).items()
            ]
            lines.append("")
    return "\n".join(lines)


def _sentence(call: Mapping[str, Any]) -> str:
    return _words("\n".join(filter(None, (call.get("summary"), call.get("description")))))


def _words(text: str) -> str:
    """One paragraph in which nothing is markup but code."""
    plain = " ".join(text.split()) or "As the name says."
    return re.sub(r"([<>\[\]*_])(?=[^`]*(?:`[^`]*`[^`]*)*$)", r"\\\1", plain)


def _kind(schema: Mapping[str, Any]) -> str:
    bounds = [f"{word} {schema[key]}" for key, word in
              (("minimum", "at least"), ("maximum", "at most"), ("default", "default"))
              if key in schema]  # fmt: skip
    kind = schema.get("type", "")
    return "".join(
        f", {word}" for word in ([kind] if isinstance(kind, str) and kind else []) + bounds
    )


def commands() -> str:
    """What ``--help`` of each command says."""
    runner = CliRunner(env={"COLUMNS": str(_WIDTH), "RELU_LANDSCAPE_SERVER": ""})
    lines = ["# Commands", "", "What `relu-landscape COMMAND --help` says.", ""]
    for name in getattr(typer.main.get_command(app), "commands", {}):
        told = runner.invoke(app, [name, "--help"], prog_name="relu-landscape").output.strip()
        lines += [f"## {name}", "", "```text", told, "```", ""]
    return "\n".join(lines)


def classes() -> str:
    """The client's classes and functions, from their docstrings."""
    lines = ["# Classes of the client", "", "What `relu_landscape_client` holds, by name.", ""]
    names = sorted(relu_landscape_client.__all__, key=lambda name: (name not in _FIRST, name))
    for name in names:
        thing = getattr(relu_landscape_client, name)
        if not (inspect.isclass(thing) or inspect.isfunction(thing)):
            continue
        kind = "autofunction"
        if inspect.isclass(thing):
            kind = "autoexception" if issubclass(thing, Exception) else "autoclass"
        lines += [f"## {name}", "", "```{eval-rst}", f".. {kind}:: relu_landscape_client.{name}",
                  "```", ""]  # fmt: skip
    return "\n".join(lines)


#: What nearly everybody begins with.
_FIRST = ("AsyncClient", "Client", "Landscape", "FixedPoint")


def terms(script: str) -> dict[str, str]:
    """Term to meaning, as the page's own glossary holds them."""
    found = re.search(r"^const GLOSSARY = (\{.*?^\});", script, re.M | re.S)
    if found is None:
        raise ValueError("the page's glossary is not where it was")
    joined = re.sub(r'" \+\s*"', "", found[1])
    held: dict[str, str] = json.loads(re.sub(r",\s*\}$", "}", joined))
    return held


def glossary(entries: Mapping[str, str]) -> str:
    """The page's glossary, alphabetically."""
    lines = ["# Glossary", "", "The same entries that the explorer opens at its terms.", ""]
    for term, meaning in sorted(entries.items(), key=lambda entry: entry[0].lower()):
        lines += [term, f": {_words(meaning)}", ""]
    return "\n".join(lines)
