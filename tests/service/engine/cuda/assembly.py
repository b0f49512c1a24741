"""What NVRTC made of the kernel's text, its assembly (PTX), translated into C for ``warps.c``.

As much of PTX as the kernels use (NVIDIA, "Parallel Thread Execution ISA"): whatever else turns up
is an error that names it. A register becomes a variable of the same type, an instruction a
statement that computes the same bits, a label a label; threads, barriers, shuffles and memory are
those of ``warps.c``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

TYPES = {
    "pred": "uint8_t", "s32": "int32_t", "u32": "uint32_t", "b32": "uint32_t", "s64": "int64_t",
    "u64": "uint64_t", "b64": "uint64_t", "f32": "float", "f64": "double",
}  # fmt: skip
WIDER = {"s32": "s64", "u32": "u64"}
SPECIAL = {
    "%tid.x": "self->number", "%ctaid.x": "self->block->number", "%nctaid.x": "self->block->count",
}  # fmt: skip

#: What an instruction computes, by its name and the sorts of type it is known for: floating point,
#: signed, unsigned, bits, predicates. "{0}" is the first operand, read as the instruction's type,
#: "{1:u32}" the second as that type; C is the type, WIDE one twice as wide. Sums wrap (-fwrapv).
KNOWN = {
    ("mov", "fsubp"): "{0}",
    ("selp", "fsub"): "{2:pred} ? {0} : {1}",
    ("add.rn", "f"): "{0} + {1}",
    ("sub.rn", "f"): "{0} - {1}",
    ("mul.rn", "f"): "{0} * {1}",
    ("div.rn", "f"): "{0} / {1}",
    ("rcp.rn", "f"): "({C})1 / {0}",
    ("fma.rn", "f"): "FUNCTION({C}, fma)({0}, {1}, {2})",
    ("sqrt.rn", "f"): "FUNCTION({C}, sqrt)({0})",
    ("abs", "f"): "FUNCTION({C}, fabs)({0})",
    ("copysign", "f"): "FUNCTION({C}, copysign)({1}, {0})",
    ("min", "f"): "SMALLER({0}, {1})",
    ("max", "f"): "LARGER({0}, {1})",
    ("neg", "fs"): "-{0}",
    ("add", "su"): "{0} + {1}",
    ("sub", "su"): "{0} - {1}",
    ("mul.lo", "su"): "{0} * {1}",
    ("mad.lo", "su"): "{0} * {1} + {2}",
    ("mul.wide", "su"): "({WIDE}){0} * {1}",
    ("mul.hi", "su"): "(({WIDE}){0} * {1}) >> 32",
    ("rem", "su"): "{0} % {1}",
    ("min", "su"): "{0} < {1} ? {0} : {1}",
    ("max", "su"): "{0} > {1} ? {0} : {1}",
    ("and", "bp"): "{0} & {1}",
    ("or", "bp"): "{0} | {1}",
    ("xor", "bp"): "{0} ^ {1}",
    ("not", "b"): "~{0}",
    ("not", "p"): "!{0}",
    ("shl", "b"): "SHIFTED_LEFT({C}, {0}, {1:u32})",
    ("shr", "su"): "SHIFTED_RIGHT({C}, {0}, {1:u32})",
    ("bfi", "b"): "INSERTED({C}, {0}, {1}, {2:u32}, {3:u32})",
    ("setp.eq", "fsub"): "{0} == {1}",
    ("setp.ne", "sub"): "{0} != {1}",
    ("setp.lt", "fsu"): "{0} < {1}",
    ("setp.le", "fsu"): "{0} <= {1}",
    ("setp.gt", "fsu"): "{0} > {1}",
    ("setp.ge", "fsu"): "{0} >= {1}",
    ("setp.neu", "f"): "{0} != {1}",  # these are true of a NaN as well
    ("setp.ltu", "f"): "!({0} >= {1})",
    ("setp.leu", "f"): "!({0} > {1})",
    ("setp.gtu", "f"): "!({0} <= {1})",
    ("setp.geu", "f"): "!({0} < {1})",
}
COMPUTED = {(name, sort): text for (name, sorts), text in KNOWN.items() for sort in sorts}
CONVERSION = re.compile(
    r"cvt\.(?:[su](?:32|64)\.[su](?:32|64)|f64\.f32|rn\.f32\.f64|rn\.f(?:32|64)\.s32|rzi\.s64\.f64)"
)
MOVE = re.compile(r"(ld|st)(\.volatile)?(?:\.(shared|global))?(?:\.v([24]))?\.([sufb](?:32|64))")

ENTRY = re.compile(r"\.visible \.entry (\w+)\((.*?)\)[^{]*\n\{\n(.*?)\n\}", re.DOTALL)
REGISTERS = re.compile(r"\.reg \.(\w+)\s+%([a-z]+)(?:<(\d+)>)?;")
SHARED = re.compile(r"\.shared \.align (\d+) \.[a-z](\d+) ([\w$]+)(?:\[(\d+)\])?;")
#: The shared memory that a launch asks for, behind those variables.
ROOM = "shared_room"
INSTRUCTION = re.compile(r"(?:@(!?)%(p\d+)\s+)?([a-z][\w.]*)\s*(.*);")
OPERAND = re.compile(r"\{[^}]*\}|\[[^\]]*\]|[^,\s]+")
IGNORED = (".reg", ".shared", ".pragma")
MASK = re.compile(r'\.pragma "used_bytes_mask (\d+)";')


class TranslationError(Exception):
    """An instruction, operand or line that the translator does not know; it is the text."""


def translated(assembly: str) -> str:
    """Every kernel of a text: the C functions, and of each how many bytes of shared memory its
    variables take."""
    lines: list[str] = []
    for entry in ENTRY.finditer(assembly):
        lines += Kernel(entry, assembly.count("\n", 0, entry.start(3)) + 1).translated()
    return "\n".join(lines)


@dataclass(frozen=True)
class Operand:
    """``format(operand, "u32")`` is the C expression of it, read as a u32; without, as ``kind``."""

    text: str
    kind: str
    kernel: Kernel

    def __format__(self, kind: str) -> str:
        return self.kernel.value(self.text, kind or self.kind)


class Kernel:
    """One entry of the assembly, whose body begins in this line."""

    def __init__(self, entry: re.Match[str], first_line: int) -> None:
        self.name, parameters, self._body = entry.groups()
        self._first_line = first_line
        self._parameters = re.findall(r"\.param \.u64 (\w+)", parameters)
        declared = REGISTERS.findall(self._body)
        self._registers: dict[str, str] = {prefix: kind for kind, prefix, _ in declared}
        self._count = {prefix: int(count or 0) for _, prefix, count in declared}
        self._shared: dict[str, int] = {}
        end = 0
        for align, bits, name, count in SHARED.findall(self._body):
            self._shared[name] = -(-end // int(align)) * int(align)
            end = self._shared[name] + int(bits) // 8 * int(count or 1)
        self._shared[ROOM] = -(-end // 16) * 16

    def translated(self) -> Iterator[str]:
        """The lines of its function."""
        yield f"const int64_t {self.name}_bytes = {self._shared[ROOM]};"
        yield f"void {self.name}(Thread *self) {{"
        for prefix, kind in self._registers.items():
            if kind not in TYPES:
                raise TranslationError(f"registers of type {kind}")
            count = self._count[prefix]
            names = [f"{prefix}{number}" for number in range(count)] if count else [prefix]
            yield f"{TYPES[kind]} {', '.join(names)};"
        mask = -1
        for number, raw in enumerate(self._body.split("\n"), self._first_line):
            line = raw.partition("//")[0].strip().removeprefix("{ ").removesuffix(" }")
            if line.startswith("$") and line.endswith(":"):
                yield f"{line};"
            elif found := MASK.fullmatch(line):
                mask = int(found[1])
            elif line and not line.startswith(IGNORED):
                yield self._statement(line, number, mask)
                mask = -1
        yield "}"

    def _statement(self, line: str, number: int, mask: int) -> str:
        """Of one instruction. ``mask``: which bytes a load shall fetch, as bits."""
        found = INSTRUCTION.fullmatch(line)
        if not found:
            raise TranslationError(f"line {number}: {line}")
        negated, guard, name, rest = found.groups()
        try:
            done = self._done(name, OPERAND.findall(rest), number, mask)
        except TranslationError as error:
            raise TranslationError(f"line {number}: {error}: {line}") from None
        return f"if ({negated}{guard}) {{ {done} }}" if guard else done

    def _done(self, name: str, operands: list[str], number: int, mask: int) -> str:
        match name.split("."):
            case ["bra", *_]:
                return f"goto {operands[0]};"
            case ["ret"]:
                return "return;"
            case ["bar", "sync"] if operands == ["0"]:
                return f"wait_at_barrier(self, {number});"
            case ["shfl", "sync", "bfly", "b32"]:
                given = ", ".join(self.value(each, "u32") for each in operands[1:])
                target = operands[0].partition("|")[0]
                return self._assigned(target, "b32", f"shuffled(self, {number}, {given})")
            case ["ld", "param", "u64"] if operands[1][1:-1] in self._parameters:
                index = self._parameters.index(operands[1][1:-1])
                return self._assigned(operands[0], "u64", f"self->block->arguments[{index}]")
            case ["atom", "global", "add", "u64"]:
                place = f"GLOBAL(uint64_t, {self._address(operands[1])}, STORE)"
                added = f"added_to(&{place}, {self.value(operands[2], 'u64')})"
                return self._assigned(operands[0], "u64", added)
            case ["ld" | "st", *_]:
                return self._moved(name, operands, mask)
            case ["cvt" | "cvta", *_]:
                return self._converted(name, operands)
        return self._computed(name, operands)

    def _computed(self, whole: str, operands: list[str]) -> str:
        name, _, kind = whole.rpartition(".")
        text = COMPUTED.get((name, kind[0])) if kind in TYPES else None
        if text is None or ("{WIDE}" in text and kind not in WIDER):
            raise TranslationError(f"instruction {whole}")
        given = [Operand(each, kind, self) for each in operands[1:]]
        wide = WIDER.get(kind, kind)
        expression = text.format(*given, C=TYPES[kind], WIDE=TYPES[wide])
        result = "pred" if name.startswith("setp") else wide if name == "mul.wide" else kind
        return self._assigned(operands[0], result, expression)

    def _converted(self, name: str, operands: list[str]) -> str:
        target, given = operands
        if name == "cvta.to.global.u64":
            return self._assigned(target, "u64", self.value(given, "u64"))
        if name == "cvta.shared.u64":
            return self._assigned(target, "u64", f"generic(self, {self.value(given, 'u64')})")
        if not CONVERSION.fullmatch(name):
            raise TranslationError(f"instruction {name}")
        kind, origin = name.split(".")[-2:]
        return self._assigned(target, kind, self.value(given, origin))

    def _moved(self, name: str, operands: list[str], mask: int) -> str:
        """Loads and stores, of up to four numbers beside each other."""
        found = MOVE.fullmatch(name)
        if not found:
            raise TranslationError(f"instruction {name}")
        way, volatile, space, _, kind = found.groups()
        numbers, place = operands if way == "ld" else operands[::-1]
        c, size, done = f"{'volatile ' if volatile else ''}{TYPES[kind]}", int(kind[1:]) // 8, []
        for index, each in enumerate(re.findall(r"[^{},\s]+", numbers)):
            at = f"{(space or 'generic').upper()}({c}, {self._address(place)} + {index * size}"
            if way == "st":
                done.append(f"{at}, STORE) = {self.value(each, kind)};")
            elif mask >> index * size & 1:
                done.append(self._assigned(each, kind, f"{at}, LOAD)"))
        return " ".join(done)

    def value(self, text: str, kind: str) -> str:
        """The C expression of an operand, read as this type."""
        c = TYPES[kind]
        if text in SPECIAL:
            return f"({c}){SPECIAL[text]}"
        if found := re.fullmatch(r"0([fd])([0-9A-F]+)", text):
            return f"number_of_f{64 if found[1] == 'd' else 32}(0x{found[2]}U)"
        if re.fullmatch(r"-?\d+", text):
            return f"({c})0x{int(text) & ((1 << 64) - 1):x}U"
        if text in self._shared:
            return f"({c}){self._shared[text]}U"
        own = self._kind_of(text)
        if own[0] == "f" and kind[0] != "f":
            return f"({c})bits_of_{own}({text[1:]})"
        if own[0] != "f" and kind[0] == "f":
            return f"number_of_{kind}({text[1:]})"
        return f"({c}){text[1:]}"

    def _kind_of(self, register: str) -> str:
        """The type that a register was declared with."""
        found = re.fullmatch(r"%([a-z]+)\d*", register)
        if not found or found[1] not in self._registers:
            raise TranslationError(f"operand {register}")
        return self._registers[found[1]]

    def _address(self, text: str) -> str:
        """The C expression of what stands in brackets."""
        base, _, offset = text[1:-1].partition("+")
        return f"{self.value(base, 'u64')} + ({offset or 0})"

    def _assigned(self, target: str, kind: str, expression: str) -> str:
        """The statement that puts a value of this type into a register."""
        own, value = self._kind_of(target), f"({TYPES[kind]})({expression})"
        if own[0] == "f" and kind[0] != "f":
            value = f"number_of_{own}({value})"
        if own[0] != "f" and kind[0] == "f":
            value = f"bits_of_{kind}({value})"
        return f"{target[1:]} = {value};"
