"""The native kernel: gradient flow in C, one path per lane of the processor's vector registers.

What is computed is what ``descent.flow`` and ``descent.quasi_newton`` say with arrays; they stay
the fallback and the oracle. ``native`` loads the library that was compiled beside this file when
the package was built; the C files say how it works, beginning with ``lanes.h``.
"""
