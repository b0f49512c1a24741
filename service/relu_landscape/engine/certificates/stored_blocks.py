"""What the stored point of a reduced certificate says by itself."""

from __future__ import annotations

import numpy as np
from flint import arb

from relu_landscape.engine.certificates.balls import precision
from relu_landscape.engine.certificates.isotypic import (
    Restricted,
    perpendicular_below,
    perpendicular_rows,
    span_below,
    span_rows,
)
from relu_landscape.engine.certificates.leaking import error_scale
from relu_landscape.engine.certificates.stored import Space, Stored, StoredBlocks
from relu_landscape.engine.certificates.structure import Blocks, Structure


def stored_blocks(blocks: Blocks, structure: Structure, largest: float, bits: int) -> Stored:
    """The structured point ``blocks``; ``structure`` as the certificate names it, with natural
    blocks of size one; ``largest`` bounds the eigenvalues; ``bits`` of precision for counting them.

    Eigenvalues are counted in balls, with their multiplicities, when they are asked for.
    """
    span = Restricted(blocks, span_rows)
    perpendicular = Restricted(blocks, perpendicular_rows)

    def below(space: Space, bound: float) -> int:
        with precision(bits):
            if space == "span":
                return span_below(span, arb(bound))
            return perpendicular_below(perpendicular, arb(bound))

    K, M = structure.student_width, structure.teacher_width
    return Stored(
        students=K,
        teachers=M,
        below=below,
        sizes={"span": K * M, "perpendicular": K},
        largest=largest,
        scale=error_scale(structure.leak),
        blocks=StoredBlocks(
            teachers=structure.teachers,
            students=tuple(
                (structure.size(s), t, blocks.structure.students[s] is not None)
                for s, t in enumerate(structure.students)
            ),
            x=np.array([[float(value) for value in row] for row in blocks.x]),
            y=np.array([float(value) for value in blocks.y]),
        ),
    )
