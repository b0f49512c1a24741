"""One thread per process for every library that brings its own.

The order of a parallel sum, and with it the rounding, would depend on their number. Imports
nothing: what is here must hold before NumPy is imported.
"""

from __future__ import annotations

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "BLIS_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
}
