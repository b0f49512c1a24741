"""``watch``, ``show``, ``list`` and ``export``: what exists, on a server or in a file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relu_landscape_cli.exits import reporting
from relu_landscape_cli.ids import whole_id
from relu_landscape_cli.remote import (
    DEFAULT_SERVER,
    ApiKey,
    AsJson,
    Id,
    Server,
    Which,
    connect,
    fetch,
)

if TYPE_CHECKING:
    from relu_landscape_client import Status

Wanted = Annotated[
    int | None,
    typer.Option(help="Only jobs that were asked with this.", show_default="any"),
]
Limit = Annotated[int, typer.Option(min=1, help="How many to list at the most.")]


class State(StrEnum):
    """Where a job may stand."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    FAILED = "failed"
    FINISHED = "finished"


class Sort(StrEnum):
    """What a list can be sorted by."""

    CREATED = "created"
    CREATED_LAST = "-created"
    FINISHED = "finished"
    FINISHED_LAST = "-finished"
    STUDENTS = "student_width"
    MOST_STUDENTS = "-student_width"
    TEACHERS = "teacher_width"
    MOST_TEACHERS = "-teacher_width"
    SECONDS = "seconds"
    MOST_SECONDS = "-seconds"


def watch(
    landscape_id: Id,
    server: Server = DEFAULT_SERVER,
    api_key: ApiKey = None,
    timeout: Annotated[
        float | None,
        typer.Option(min=0, help="Seconds to watch at the most.", show_default="no limit"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Follow a landscape until it is finished, then show it.

    With --json every new status is one line of JSON, and the landscape is the last one.
    """
    from relu_landscape_cli import tables
    from relu_landscape_cli.solve import landscape_tables

    with (
        reporting(as_json=as_json),
        connect(server, api_key) as client,
        tables.bar(is_quiet=as_json) as bar,
    ):
        told = tables.print_status_line if as_json else bar
        which = whole_id(client, landscape_id)
        landscape = client.result(which, progress=told or False, timeout_seconds=timeout)
        if as_json:
            tables.print_json(landscape.document)
        else:
            tables.show(*landscape_tables(landscape))


def show(
    which: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID|FILE]",
            help="Id of a landscape, or its first digits, or a file; left out: list all.",
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Argument(metavar="[KEY]", help="One fixed point, such as m1.", show_default=False),
    ] = None,
    server: Server = DEFAULT_SERVER,
    api_key: ApiKey = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """Show a landscape, one of its fixed points, or the list of all."""
    from relu_landscape_cli import rated, tables, widening
    from relu_landscape_cli.solve import landscape_tables

    with reporting(as_json=as_json):
        if which is None:
            with connect(server, api_key) as client:
                _show_statuses(client.list(limit), as_json=as_json)
            return
        landscape = fetch(which, server, api_key)
        if key is None:
            if as_json:
                tables.print_json(landscape.document)
            else:
                tables.show(*landscape_tables(landscape))
            return
        point = landscape.fixed_points[key]
        if as_json:
            tables.print_json(point.document)
        else:
            tables.show(
                *tables.point_tables(point),
                *widening.split_tables(point),
                *rated.point_rates_tables(point),
            )


def list_jobs(
    server: Server = DEFAULT_SERVER,
    api_key: ApiKey = None,
    limit: Limit = 20,
    state: Annotated[
        list[State] | None,
        typer.Option(help="Only jobs in this state; may be repeated.", show_default="every state"),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            help="Only jobs of this kind, such as landscape; may be repeated.",
            show_default="every kind",
        ),
    ] = None,
    student_width: Wanted = None,
    teacher_width: Wanted = None,
    seed: Wanted = None,
    input_dimension: Wanted = None,
    mine: Annotated[
        bool, typer.Option("--mine", help="Only jobs that this key asked for.")
    ] = False,
    tag: Annotated[
        str | None, typer.Option(help="Only jobs with this tag.", show_default="any")
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(
            help="Only jobs where this occurs in id, kind, error, words of the request, or one's "
            "own tags and note.",
            show_default="any",
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            help="Only jobs first asked for on this day or later, such as 2026-01-31.",
            show_default="the first",
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(help="Only jobs first asked for before this day.", show_default="now"),
    ] = None,
    sort: Annotated[
        Sort | None,
        typer.Option(
            help="What to sort by, with a minus sign descending; seconds are those that it took.",
            show_default="newest first",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List a server's jobs of every kind, newest first."""
    chosen: dict[str, Any] = {
        "state": state or None, "kind": kind or None, "student_width": student_width,
        "teacher_width": teacher_width, "seed": seed, "input_dimension": input_dimension,
        "mine": mine or None, "tag": tag, "text": text, "since": since, "until": until,
        "sort": sort,
    }  # fmt: skip
    with reporting(as_json=as_json), connect(server, api_key) as client:
        _show_statuses(client.jobs(limit, **chosen), as_json=as_json)


def _show_statuses(statuses: list[Status], *, as_json: bool) -> None:
    from relu_landscape_cli import tables

    if as_json:
        tables.print_json([tables.status_document(each) for each in statuses])
    elif statuses:
        tables.show(tables.status_table(statuses))
    else:
        typer.echo("there are no such jobs", err=True)


def export(
    which: Which,
    output: Annotated[
        Path,
        typer.Argument(
            metavar="OUTPUT", help="The file to write; its name ends in .json, .npz or .csv."
        ),
    ],
    server: Server = DEFAULT_SERVER,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Write a landscape to a file."""
    from relu_landscape_cli import saving, tables

    with reporting(as_json=as_json):
        saving.check(output)
        landscape = fetch(which, server, api_key)
        saving.save(landscape, output)
        if as_json:
            tables.print_json({"id": landscape.id, "file": str(output)})
        else:
            typer.echo(f"{output}: {len(landscape.fixed_points)} fixed points")
