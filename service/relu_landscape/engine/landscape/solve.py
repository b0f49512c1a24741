"""A whole landscape: the composition of everything else.

``solve`` cuts the work into tasks, hands them to the injected runner and joins the answers;
``run_task`` executes one. The result is a function of the request alone: it does not depend on how
the starts were cut into chunks, on who computed them, or in which order.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from relu_landscape.engine.descent.batch import lane_count
from relu_landscape.engine.descent.outcomes import Outcome
from relu_landscape.engine.landscape import pathways, proofs, report, sampling, structured
from relu_landscape.engine.landscape.catalogue import Catalogue, Entry, Group
from relu_landscape.engine.landscape.findings import Findings
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.model.arrays import backend_named
from relu_landscape.engine.points import attraction, classify
from relu_landscape.engine.points.classify import Point
from relu_landscape.engine.tasks import Monitor, Runner, SilentMonitor, Task
from relu_landscape.errors import NumericalError

#: How often a start is pushed off saddles before it is given up.
PUSHES = 6
#: Saddles per task: a push is two long paths.
ESCAPES_PER_TASK = 8


def check(request: Mapping[str, Any]) -> None:
    """Refuse at once what ``solve`` would refuse: ``InputError`` with the sentence to show."""
    problem = Problem.from_request(request)
    structured.names(problem)


def run_task(
    request: Mapping[str, Any], task: Task, *, backend: str = "numpy"
) -> Mapping[str, Any]:
    """Execute one task of ``solve``; JSON types and arrays come back."""
    problem = Problem.from_request(request)
    chosen = backend_named(backend)
    arguments = task.arguments
    if task.kind == "sample":
        return dict(sampling.sample(problem, arguments, chosen))
    if task.kind == "follow":
        return dict(sampling.follow(problem, arguments, chosen))
    if task.kind == "escape":
        return dict(sampling.escape(problem, arguments, chosen))
    if task.kind == "classify":
        return {"points": [_classified(problem, W) for W in arguments["W"]]}
    if task.kind == "passage":
        return pathways.descend_from_saddle(problem, arguments, chosen)
    if task.kind == "certify":
        return proofs.prove(problem, arguments)
    if task.kind == "structure":
        return structured.search_structure(problem, str(arguments["name"]))
    raise ValueError(f"There is no task of kind {task.kind!r}.")


def run_here(request: Mapping[str, Any], *, backend: str = "numpy") -> Runner:
    """A runner that executes every task in this process, in order."""

    def run(tasks: Sequence[Task]) -> Iterator[tuple[Task, Mapping[str, Any]]]:
        for task in tasks:
            yield task, run_task(request, task, backend=backend)

    return run


def solve(
    request: Mapping[str, Any],
    *,
    run: Runner | None = None,
    monitor: Monitor | None = None,
    chunk_starts: int | None = None,
) -> dict[str, Any]:
    """Compute the landscape of a canonical request (``specs.LandscapeRequest.canonical()``).

    Parameters: ``run`` executes tasks (default: here, one after the other); ``monitor`` is told of
    progress and may cancel; ``chunk_starts`` starts per task (default: about a second of work).
    Returns ``{"landscape": ..., "details": {key: ...}}`` as docs/architecture.md says.
    Raises ``InputError`` for a request that makes no sense, ``Cancelled`` if the monitor says so.
    """
    job = _Job(
        Problem.from_request(request),
        run or run_here(request),
        monitor or SilentMonitor(),
        chunk_starts,
    )
    return job.solve()


class _Job:
    """One computation, phase by phase."""

    def __init__(
        self, problem: Problem, run: Runner, monitor: Monitor, chunk_starts: int | None
    ) -> None:
        self.problem = problem
        self.catalogue = Catalogue(problem)
        self.monitor = monitor
        self._run = run
        self._chunk_starts = chunk_starts
        self._findings = Findings(problem)
        self._searched: dict[str, Any] = {}

    def solve(self) -> dict[str, Any]:
        groups = self._sample()
        self._settle(groups)
        self._search()
        return self._result(self._pass())

    def map(self, phase: str, tasks: list[Task]) -> list[Mapping[str, Any]]:
        """Answers in the order of the tasks."""
        if not tasks:
            return []
        self.monitor.phase(phase, len(tasks))
        answers: dict[str, Mapping[str, Any]] = {}
        for task, answer in self._run(tasks):
            self.monitor.check()
            answers[task.key] = answer
            self.monitor.advance(task)
            if self._findings.update(task, answer):
                self.monitor.findings(self._findings.summary())
        return [answers[task.key] for task in tasks]

    def _sample(self) -> list[Group]:
        """Follow every start to its end; the slowest are packed together in later rounds."""
        problem = self.problem
        lanes = lane_count(problem.students, problem.teachers, on_gpu=False)
        chunk = self._chunk_starts or min(3 * lanes, max(lanes // 2, -(-problem.starts // 8)))
        waiting = list(range(problem.starts))
        answers: list[Mapping[str, Any]] = []
        for turn in itertools.count():
            if not waiting:
                break
            last = len(waiting) <= 2 * lanes and turn > 0
            size = chunk if turn == 0 else (-(-len(waiting) // 4) if last else lanes)
            tasks = [
                Task(
                    "sample",
                    f"sample/{turn}/{size}/{first}",
                    {"starts": waiting[first : first + size], "hand_back": not last},
                    starts=len(waiting[first : first + size]) if turn == 0 else 0,
                )
                for first in range(0, len(waiting), size)
            ]
            found = self.map("sample" if turn == 0 else "slow starts", tasks)
            answers += found
            waiting = sorted(start for answer in found for start in answer["unfinished"])
        return self.catalogue.collect(answers)

    def _settle(self, groups: list[Group]) -> None:
        """Classify groups, credit their members, and look again at those in doubt."""
        looked_again: set[int] = set()
        for turn in range(PUSHES):
            doubtful: list[int] = []
            resting: list[int] = []
            points = self._classify(f"classify/{turn}", [group.W for group in groups])
            for group, point in zip(groups, points, strict=True):
                if point is None:
                    doubtful += group.members
                    continue
                entry = self.catalogue.add(f"sampled {group.start}", point, "sampled")
                more, saddle = self.catalogue.credit(group, entry, point)
                doubtful += more
                resting += saddle
            self._give_up(doubtful, resting, looked_again)
            follow = sorted(set(doubtful) - looked_again)
            escape = sorted(set(resting) - self.catalogue.left_saddles)
            looked_again.update(follow)
            self.catalogue.left_saddles.update(escape)
            tasks = self._again("follow", follow, 64, turn)
            tasks += self._again("escape", escape, ESCAPES_PER_TASK, turn)
            groups = self.catalogue.collect(self.map("second look", tasks))
            if not groups:
                return

    def _again(self, kind: str, starts: list[int], size: int, turn: int) -> list[Task]:
        return [
            Task(
                kind,
                f"{kind}/{turn}/{first}",
                {"starts": starts[first : first + size], "rounds": PUSHES},
            )
            for first in range(0, len(starts), size)
        ]

    def _give_up(self, doubtful: list[int], resting: list[int], looked_again: set[int]) -> None:
        """Starts that stay in doubt after the second look failed; they are counted, not dropped."""
        for start in set(doubtful) & looked_again:
            self.catalogue.failed[start] = Outcome.NO_POINT.name
        for start in set(resting) & self.catalogue.left_saddles:
            self.catalogue.failed[start] = Outcome.SADDLE.name

    def _classify(self, key: str, weights: list[Any]) -> list[Point | None]:
        """Points beside the given weights; None where Newton's method finds none."""
        entries = self.problem.students * self.problem.teachers
        # A spectrum costs about entries^3 / 1e10 seconds; tasks of about a second.
        size = max(1, min(64, int(5e9 / entries**3) if entries else 64))
        tasks = [
            Task(
                "classify",
                f"{key}/{first}",
                {"W": [np.asarray(W).tolist() for W in weights[first : first + size]]},
            )
            for first in range(0, len(weights), size)
        ]
        points: list[Point | None] = []
        for answer in self.map("classify", tasks):
            points += [
                Point.unpack(item["point"]) if "point" in item else None
                for item in answer["points"]
            ]
        return points

    def _search(self) -> None:
        """The structured side: critical points of symmetric families, joined with the rest."""
        problem = self.problem
        names, why = structured.names(problem)
        self._searched = {"structured": bool(names), "explanation": why, "structures": []}
        tasks = [Task("structure", f"structure/{name}", {"name": name}) for name in names]
        answers = self.map("structures", tasks)
        self._searched["structures"] = [answer["summary"] for answer in answers]
        found = structured.distinct(answers)
        points = self._classify("classify/structured", [item["W"] for item in found])
        for item, point in zip(found, points, strict=True):
            if point is not None:
                self.catalogue.add(f"structured {item['structure']}", point, "structured")

    def _pass(self) -> list[dict[str, Any]]:
        """Transitions between entries, from every saddle of index 1."""
        problem = self.problem
        if not problem.saddles:
            return []
        saddles = self.catalogue.in_order()
        found = []
        for answer in self.map("passages", pathways.tasks(problem, saddles)):
            saddle = saddles[answer["place"]]
            if "reason" in answer:
                found.append({"saddle": saddle, "reason": answer["reason"]})
                continue
            ends = [
                pathways.destination(problem, self.catalogue, np.asarray(end, dtype=np.float64))
                for end in answer["ends"]
            ]
            found.append({"saddle": saddle, "ends": ends, "relation": answer["relation"]})
        return found

    def _result(self, passed: list[dict[str, Any]]) -> dict[str, Any]:
        problem = self.problem
        points: list[dict[str, Any]] = []
        details: dict[str, Any] = {}
        keys: dict[int, str] = {}
        if problem.students > problem.teachers:
            body, detail = report.global_continuum(problem, len(self.catalogue.reached_global))
            points.append(body)
            details[body["key"]] = detail
        counts = {"m": 0, "s": 0}
        for entry in self.catalogue.in_order():
            letter = "s" if entry.point.index(problem.dimension) > 0 else "m"
            counts[letter] += 1
            key = keys[id(entry)] = f"{letter}{counts[letter]}"
            body, detail = report.fixed_point(entry, key, problem)
            points.append(body)
            details[key] = detail
        self._certify(points, details, {keys[id(e)]: e for e in self.catalogue.in_order()})
        joined, unfinished = report.transitions(passed, keys)
        self._searched["passages_without_end"] = unfinished
        return {
            "landscape": {
                "starts": self._starts(),
                "unseen_mass": self._unseen(points),
                "searched": self._searched,
                "fixed_points": points,
                "transitions": joined,
                "disconnectivity": report.disconnectivity(points, joined, problem),
            },
            "details": details,
        }

    def _certify(
        self, points: list[dict[str, Any]], details: dict[str, Any], entries: dict[str, Entry]
    ) -> None:
        """Attach certificates, and count the hits that each of them proves."""
        answers = self.map("certify", proofs.tasks(self.problem, details))
        for body, certificate in zip(points, answers, strict=False):
            body["certificate"] = dict(certificate)
            entry = entries.get(body["key"])
            if entry is not None and body["attraction"] is not None:
                hits = proofs.attributed_hits(certificate, entry.distances)
                body["attraction"]["attributed"] = hits

    def _starts(self) -> dict[str, Any]:
        failed = self.catalogue.failed
        outcomes: dict[str, int] = {}
        for name in failed.values():
            sentence = Outcome[name].value
            outcomes[sentence] = outcomes.get(sentence, 0) + 1
        return {
            "asked": self.problem.starts,
            "converged": self.problem.starts - len(failed),
            "failed": len(failed),
            "left_saddles": len(self.catalogue.left_saddles - set(failed)),
            "outcomes": outcomes,
        }

    def _unseen(self, points: list[dict[str, Any]]) -> dict[str, float] | None:
        if self.problem.starts == 0:
            return None
        hits = [p["attraction"]["hits"] for p in points if p["attraction"] is not None]
        estimate, bound = attraction.unseen_mass(hits, self.problem.starts)
        return {"estimate": estimate, "upper_bound_95": bound}


def _classified(problem: Problem, W: Any) -> dict[str, Any]:
    try:
        point = classify.classify(np.asarray(W, dtype=np.float64), problem.teacher)
    except NumericalError as error:
        return {"reason": str(error)}
    if not math.isfinite(point.loss):
        return {"reason": "The loss is not finite there."}
    return {"point": point.packed()}
