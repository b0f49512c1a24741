"""Answers to short calls, of the right shape and without their physics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from relu_landscape.engine.families.choices import structures_answer
from relu_landscape.errors import InputError
from relu_landscape.jobs.testing import InMemoryService
from relu_landscape.settings import Settings
from relu_landscape.wire.base import Wire
from relu_landscape.wire.estimates import Estimate
from relu_landscape.wire.families import (
    BlockEntry,
    BranchEnd,
    BranchEvent,
    Continuation,
    ContinuationPoint,
    ContinuationQuery,
    Family,
    FamilyBranch,
    FamilyEigenvalue,
    FamilyOverlaps,
    FamilyPoint,
    FamilyQuery,
    FamilyStability,
    FamilyStudentBlock,
    StabilityChange,
    TeacherBlock,
)
from relu_landscape.wire.leaks import (
    LeakChange,
    LeakEnd,
    LeakEvent,
    LeakPoint,
    Leaks,
    LeaksQuery,
)
from relu_landscape.wire.learning_rates import LearningRates, LearningRatesQuery, RatedLoss
from relu_landscape.wire.requests import LandscapeRequest


def family(query: FamilyQuery) -> Family:
    """One block of students on one block of teachers."""
    if query.structure == "nonsense":
        raise InputError("There is no structure 'nonsense'; write block sizes such as '1+16'.")
    entries = [[BlockEntry(same=1.0, other=0.0)]]
    return Family(
        family=query.structure,
        structure=str(query.teacher_width),
        student_width=query.student_width,
        teacher_width=query.teacher_width,
        kind="minimum",
        loss=0.25,
        loss_accuracy=1e-15,
        is_global=False,
        anti_aligned=1,
        teacher_blocks=[TeacherBlock(size=query.teacher_width)],
        student_blocks=[FamilyStudentBlock(size=query.student_width, teacher_block=0, norm=1.0)],
        unknowns=[1.0, 0.0],
        overlaps=FamilyOverlaps(R=entries, Q=entries),
        stability=FamilyStability(
            attractive=True,
            index_span=0,
            index_perpendicular=0,
            nullity_span=str(2**60),
            min_eigenvalue_span=0.125,
            min_eigenvalue_perpendicular=0.25,
            eigenvalue_tolerance=1e-9,
            gradient_norm=0.0,
            relaxation_time=8.0,
        ),
        spectrum=[
            FamilyEigenvalue(eigenvalue=0.125, multiplicity=2, space="span", component="trivial")
        ],
        point=FamilyPoint(structure=str(query.teacher_width), signs=[1], deviations=[0.0]),
        branch=query.branch,
        branches=[
            FamilyBranch(
                branch=1,
                loss=0.25,
                kind="minimum",
                index_span=0,
                min_eigenvalue_span=0.125,
                anti_aligned=1,
            )
        ],
    )


def continuation(query: ContinuationQuery) -> Continuation:
    """Both ends, and one change between them."""
    widths = (query.from_width, query.to_width)
    return Continuation(
        family=query.structure,
        structure=query.structure,
        points=[
            ContinuationPoint(
                width=width, loss=0.25, is_stable=True, smallest={"trivial": 0.125}, sheet=1
            )
            for width in widths
        ],
        changes=[
            StabilityChange(
                width=sum(widths) / 2,
                component="trivial",
                space="span",
                eigenvalue=1e-15,
                stable_below=False,
                stable_above=True,
                sheet=1,
            )
        ],
        events=[
            BranchEvent(
                kind="fold",
                width=query.to_width,
                loss=0.25,
                component="trivial",
                space="span",
                sheet=1,
            )
        ],
        ends=BranchEnd(width=query.to_width, reason="Nothing was computed: this is a test's."),
    )


def leaks(query: LeaksQuery) -> Leaks:
    """Both ends, and a fold beyond them."""
    return Leaks(
        structure=query.structure,
        student_width=query.student_width,
        teacher_width=query.teacher_width,
        points=[
            LeakPoint(leak=leak, loss=0.25, is_stable=True, smallest={"trivial": 0.125}, sheet=1)
            for leak in (query.from_leak, query.to_leak)
        ],
        changes=[
            LeakChange(
                leak=query.to_leak,
                component="standard(1)",
                space="span",
                eigenvalue=0.0,
                stable_below=False,
                stable_above=True,
                sheet=1,
            )
        ],
        events=[
            LeakEvent(
                kind="fold",
                leak=query.to_leak,
                loss=0.25,
                component="trivial",
                space="span",
                sheet=1,
            )
        ],
        ends=LeakEnd(leak=query.to_leak, reason="Nothing was computed: this is a test's."),
    )


def learning_rates(query: LearningRatesQuery) -> LearningRates:
    """One learning rate."""
    return LearningRates(
        family=query.structure,
        structure=query.structure,
        branch=query.branch,
        student_width=query.student_width,
        teacher_width=query.teacher_width,
        loss=0.25,
        is_global=False,
        slope=0.5,
        critical_rate=1.0,
        is_second_order=True,
        curve=[RatedLoss(learning_rate=0.5, first_order=0.5, loss=0.75)],
    )


def estimate(query: LandscapeRequest) -> Estimate:
    """Two phases."""
    return Estimate(
        request=query,
        seconds={"sample": 1.5, "structures": 0.5},
        core_seconds=2.0,
        stored_bytes=1e6,
        worker_bytes=1.2e8,
        factor=1.5,
        is_extrapolated=False,
    )


CALLS: dict[str, Callable[[Any], Wire]] = {
    "family": family,
    "continuation": continuation,
    "leaks": leaks,
    "learning_rates": learning_rates,
    "structures": structures_answer,
    "estimate": estimate,
}


@asynccontextmanager
async def open_in_memory(settings: Settings) -> AsyncIterator[InMemoryService]:
    """The service in memory, with answers to every short call."""
    async with InMemoryService.open(settings) as service:
        service.answers_to_calls = dict(CALLS)
        yield service
