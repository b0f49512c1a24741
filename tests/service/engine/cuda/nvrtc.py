"""NVRTC, called without CuPy: it needs neither a device nor its driver."""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from importlib.metadata import files

from relu_landscape.engine.cuda import source


def load() -> ctypes.CDLL:
    """The library of the wheel nvidia-cuda-nvrtc."""
    library = [
        each.locate()
        for each in files("nvidia-cuda-nvrtc") or ()
        if re.fullmatch(r"libnvrtc\.so\.\d+", each.name)
    ]
    return ctypes.CDLL(str(library[0]))


@dataclass(frozen=True)
class Compiled:
    """NVRTC's status, its log, the program for the device, and its assembly (PTX)."""

    status: int
    log: str
    program: bytes = b""
    assembly: str = ""


def compile_text(nvrtc: ctypes.CDLL, text: str, architecture: str) -> Compiled:
    """As CuPy has it compiled. Of a virtual architecture ("compute_90" rather than "sm_90") there
    is assembly alone, in half the time. (No two calls give the same: registers and loads differ.)
    """
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    # The last one as CuPy adds it.
    options = [
        *source.OPTIONS, f"--gpu-architecture={architecture}", "--ptxas-options=-v",
        "--device-as-default-execution-space",
    ]  # fmt: skip
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"kernel.cu", 0, None, None)
    given = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    status = nvrtc.nvrtcCompileProgram(program, len(options), given)
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    made = {}
    for what in ("CUBIN", "PTX") if not status else ():
        getattr(nvrtc, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
        binary = ctypes.create_string_buffer(size.value)
        getattr(nvrtc, f"nvrtcGet{what}")(program, binary)
        made[what] = binary.raw
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    said = log.value.decode()
    return Compiled(status, said, made.get("CUBIN", b""), made.get("PTX", b"\0")[:-1].decode())
