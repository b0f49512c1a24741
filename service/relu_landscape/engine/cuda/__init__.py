"""The kernel for NVIDIA GPUs: gradient flow, one path per block of threads, through CuPy.

It computes what the native kernel (``engine.lanes``) computes, to the bit, so the two are one
kernel under one name, and a GPU and a processor may share a job. ``source`` makes its text, which
NVRTC compiles when it is first needed; ``device`` runs it.
"""
