"""The native kernel for the search of structures: which one, and a layout as it reads it."""

from __future__ import annotations

import numpy as np

from relu_landscape.engine.families.layout import Layout
from relu_landscape.engine.lanes import native
from relu_landscape.engine.lanes.structured import Shape
from relu_landscape.engine.model.arrays import Backend


def kernel_beside(backend: Backend) -> native.Kernel | None:
    """What drives starts of structures where this backend computes; None: arrays do.

    A GPU follows random starts; those of structures are few and small, and its machine's own
    processor is quick with them, to the bits of any other with the same kernel.
    """
    if backend.kernel is None:
        return None
    if isinstance(backend.kernel, native.Kernel):
        return backend.kernel
    try:
        return native.load()
    except native.KernelError:  # a GPU, and no compiler when the package was built
        return None


def shape(table: Layout) -> Shape:
    """What ``lanes.structured`` needs of a layout."""
    n, blocks, P = len(table.q), len(table.p), len(table.forms)
    y_place, y_square = np.full(n, -1, dtype=np.int64), np.zeros(n)
    for s in table.natural:
        y_place[s] = table.y(s)
        y_square[s] = 1 - 1 / table.q[s]
    match, off = np.full(n, -1, dtype=np.int64), np.full(n, -1, dtype=np.int64)
    for s, t, pair in table.matches:
        match[s] = pair
        if table.is_natural[s]:
            off[s] = table.pairs["st", s, t, "off"]
    second, y_factor = np.empty(len(table.first), dtype=np.int64), np.zeros(len(table.first))
    x_factor = np.ones(len(table.first))
    for (kind, s, other, _), pair in table.pairs.items():
        second[pair] = other
        if kind == "st":
            line = table.lines[pair - P]
            x_factor[pair] = line[table.x(s, other)]
            if y_place[s] >= 0:
                y_factor[pair] = line[y_place[s]]
        elif y_place[s] >= 0 and y_place[other] >= 0:
            form = table.forms[pair][y_place[s], y_place[other]]
            y_factor[pair] = form / (2 if s == other else 1)  # a block's own diagonal has both
    return Shape(
        students=n,
        blocks=blocks,
        naturals=len(table.natural),
        unknowns=table.unknowns,
        pairs=P,
        lines=len(table.lines),
        lonely=float(table.p[~table.has_pair].sum()),
        unmatched=float(table.p.sum() - table.q[table.paired].sum()),
        level=table.level,
        sizes=table.q.astype(np.float64),
        base_sums=table.base_sums.astype(np.float64),
        base=table.base_x.astype(np.float64),
        inverse_scale=1 / table.scale,
        y_square=y_square,
        y_place=y_place,
        match=match,
        off=off,
        first=table.first.astype(np.int64),
        second=second,
        weight=table.weight.astype(np.float64),
        constant=table.constant.astype(np.float64),
        sign_factor=table.sign_factor.astype(np.float64),
        x_factor=x_factor,
        y_factor=y_factor,
    )
