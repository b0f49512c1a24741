"""Answers as the server gives them, small enough to be read."""

from __future__ import annotations

from typing import Any

#: A content id: 64 hexadecimal digits.
ID = "5a" * 32
OTHER_ID = "b7" * 32


def fixed_point(key: str, kind: str, loss: float, hits: int | None, **more: Any) -> dict[str, Any]:
    """One fixed point of two students and two teachers."""
    shift = 0.25 * loss
    point: dict[str, Any] = {
        "key": key,
        "kind": kind,
        "loss": loss,
        "is_global": loss == 0.0,
        "found_by": ["sampled", "structured"],
        "structure": {
            "name": "1+1",
            "blocks": [1, 1],
            "students": [{"size": 1, "teacher_block": 0}, {"size": 1, "teacher_block": 1}],
            "extra_students": 0,
            "isotropy": "S1 x S1",
            "orbit_size": "12345678901234567890",
            "anti_aligned": int(loss > 0.0),
        },
        "overlaps": {
            "R": [[1.0 - shift, shift], [shift, 1.0 - shift]],
            "Q": [[1.0, 2.0 * shift], [2.0 * shift, 1.0]],
        },
        "norms": [1.0, 1.0],
        "continuum_dimension": None,
        "stability": {
            "attractive": kind != "saddle",
            "index": int(kind == "saddle"),
            "nullity": 0,
            "min_eigenvalue": -0.0204 if kind == "saddle" else 0.125,
            "min_eigenvalue_perpendicular": None,
            "eigenvalue_tolerance": 1e-9,
            "gradient_norm": 1e-15,
            "spectrum": [
                {"eigenvalue": -0.0204 if kind == "saddle" else 0.125, "multiplicity": 1,
                 "space": "plane"},
                {"eigenvalue": 0.5, "multiplicity": 3, "space": "plane"},
                {"eigenvalue": 0.25, "multiplicity": "98765432109876543210",
                 "space": "perpendicular"},
            ],
            "slowest_time": 8.0,
        },
        "attraction": None
        if hits is None
        else {
            "hits": hits,
            "probability": hits / 10,
            "interval_95": [max(0.0, hits / 10 - 0.2), min(1.0, hits / 10 + 0.2)],
            "attributed": None,
        },
        "certificate": None,
    }  # fmt: skip
    return point | more


def landscape(landscape_id: str = ID, **more: Any) -> dict[str, Any]:
    """Two minima and the saddle between them."""
    document: dict[str, Any] = {
        "id": landscape_id,
        "request": request(),
        "provenance": {
            "version": "0.1.0",
            "algorithm": "1",
            "backend": "numpy",
            "device": "cpu",
            "libraries": {"numpy": "2.4.6"},
            "seconds": 0.5,
        },
        "digest": "d1" * 32,
        "starts": {"asked": 10, "converged": 10, "failed": 0, "left_saddles": 1, "outcomes": {}},
        "unseen_mass": {"estimate": 0.0, "upper_bound_95": 0.3},
        "searched": {"structures": ["2", "1+1"]},
        "fixed_points": [
            fixed_point("m1", "minimum", 0.0, 8),
            fixed_point("m2", "minimum", 0.0125, 2),
            fixed_point("s1", "saddle", 0.02, None),
        ],
        "transitions": [
            {"saddle": "s1", "minima": ["m1", "m2"], "same_copy": False,
             "relation": "different", "barriers": [0.02, 0.0075]},
        ],
        "disconnectivity": None,
    }  # fmt: skip
    return document | more


def request(**more: Any) -> dict[str, Any]:
    """The request with every default filled in."""
    return {
        "student_width": 2, "teacher_width": 2, "starts": 10, "seed": 0, "input_dimension": 1000,
        "init_scale": 1.0, "teacher_gram": None, "flow_tolerance": 0.001, "structured": True,
        "structures": None, "saddles": False, "certify": "none",
    } | more  # fmt: skip


def status(state: str, landscape_id: str = ID, **more: Any) -> dict[str, Any]:
    """A job on its way."""
    document: dict[str, Any] = {
        "id": landscape_id,
        "state": state,
        "request": request(),
        "created_at": "2026-01-01T00:00:00Z",
        "started_at": None,
        "finished_at": None,
        "progress": progress(0),
        "findings": [],
        "error": None,
        "attempts": 1,
    }
    return document | more


def progress(done: int) -> dict[str, Any]:
    """``done`` of four chunks."""
    return {
        "phase": "sample", "tasks_done": done, "tasks": 4, "starts_done": 3 * done, "starts": 10,
        "fraction": done / 4, "seconds_left": 4.0 - done,
    }  # fmt: skip


def findings(*keys: str) -> dict[str, Any]:
    """Provisional findings."""
    return {
        "findings": [
            {"key": key, "kind": "minimum", "loss": 0.0125, "hits": 2} for key in keys
        ]
    }  # fmt: skip
