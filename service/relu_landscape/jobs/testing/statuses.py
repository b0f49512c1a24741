"""Statuses of the service in memory, and lists of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from relu_landscape.analyses import Analysis
from relu_landscape.jobs.listing import Row, Rows, Wanted, numbers_of, words_of
from relu_landscape.wire.jobs import AnyStatus, Page, Progress
from relu_landscape.wire.jobs import page_of as status_page
from relu_landscape.wire.labels import Label, LabelChange
from relu_landscape.wire.requests import AnalysisRequest


def page_of(
    jobs: Iterable[tuple[AnyStatus, int, frozenset[str]]],
    wanted: Wanted,
    cursor: str | None,
    limit: int,
) -> Page[AnyStatus]:
    """A page of jobs, each with its number in the order of submission and who asked for it."""
    rows, statuses = Rows(), {}
    for status, number, askers in jobs:
        statuses[status.id] = status
        rows.put(_row(status, number, askers))
    found, following = rows.select(wanted, cursor, limit)
    return status_page([statuses[each] for each in found], following)


def _row(status: AnyStatus, number: int, askers: frozenset[str]) -> Row:
    request = status.request.canonical()
    return Row(
        job=status.id,
        sequence=number,
        kind=status.kind,
        state=status.state,
        created=_seconds(status.created_at) or 0.0,
        started=_seconds(status.started_at),
        finished=_seconds(status.finished_at),
        numbers=numbers_of(request),
        words=words_of(status.kind, status.error or "", request),
        askers=askers,
        labels=status.given_labels,
    )


def _seconds(text: str | None) -> float | None:
    return None if text is None else datetime.fromisoformat(text).timestamp()


def relabelled(labels: Mapping[str, Label], who: str, change: LabelChange) -> dict[str, Label]:
    """The labels after this change of one person's."""
    own = labels.get(who, Label(who=who))
    tags = own.tags if change.tags is None else change.tags
    note = own.note if change.note is None else (change.note or None)
    others = {name: label for name, label in labels.items() if name != who}
    return others | ({who: Label(who=who, tags=tags, note=note)} if tags or note else {})


def progress_of(analysis: Analysis, request: AnalysisRequest) -> Progress:
    """That of a job that has begun."""
    return Progress(
        phase=analysis.phases[0],
        tasks_done=1,
        tasks=4,
        starts=request.starts_asked,
        fraction=0.25,
        seconds_left=12.3,
        seconds_left_range=[8.0, 20.0],
    )
