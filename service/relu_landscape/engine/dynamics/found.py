"""Where the ends of a trajectory's runs lead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from relu_landscape.wire.trajectory_answers import Attractor


@dataclass(frozen=True)
class Kind:
    """One attractor, and the runs that lead to it."""

    told: Attractor
    runs: tuple[int, ...]


@dataclass(frozen=True)
class Found:
    """Attractors by loss, and what became of the descent from each run's end, a sentence."""

    kinds: tuple[Kind, ...]
    outcomes: Mapping[int, str]

    @staticmethod
    def of(kinds: Sequence[Kind], outcomes: Mapping[int, str]) -> Found:
        """These attractors, sorted and named."""
        ordered = sorted(kinds, key=lambda each: (each.told.loss, each.runs))
        named = tuple(
            Kind(each.told.model_copy(update={"key": f"a{n}"}), each.runs)
            for n, each in enumerate(ordered, start=1)
        )
        return Found(named, outcomes)

    def key(self, run: int) -> str | None:
        """The attractor of a run, if it has one."""
        return next((each.told.key for each in self.kinds if run in each.runs), None)


#: Where nobody looked.
NOTHING = Found((), {})
