"""Whether all eigenvalues of a symmetric matrix are above a level, for a tenth of their price."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]


def is_positive_definite(matrix: Real, above: float = 0.0) -> bool:
    """Whether a symmetric matrix (n, n) less ``above`` has a Cholesky factor; true where n is zero.

    One with an eigenvalue within some n 2^-53 of its largest about that may be taken for either. A
    NaN is not positive.
    """
    try:
        factor = np.linalg.cholesky(matrix - above * np.eye(len(matrix)) if above else matrix)
    except np.linalg.LinAlgError:
        return False
    return bool(np.all(np.diagonal(factor) > 0.0))
