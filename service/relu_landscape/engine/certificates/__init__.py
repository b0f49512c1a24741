"""Computer-assisted proofs: a certificate for an isolated critical point, and its re-check.

``certify`` proves at an exact matrix of doubles, ``certify_reduced`` from a block structure at any
width, ``attributed`` says which ends of training provably belong to a certified minimum, ``verify``
proves certificates again from their JSON. All are pure functions of their arguments. The teacher is
orthonormal throughout. The mathematics is in docs/mathematics/certificates.md.
"""

from relu_landscape.engine.certificates.attribution import attributed
from relu_landscape.engine.certificates.dense import certify
from relu_landscape.engine.certificates.reduced import certify_reduced
from relu_landscape.engine.certificates.verify import verify

__all__ = ["attributed", "certify", "certify_reduced", "verify"]
