"""What the emission must know of a processor, found at start or named for a test."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import llvmlite.binding as llvm

from chainrule.compiler.native.caches import data_caches

#: Width of the vectors and number of their registers, by the feature that brings them.
_X86: Final = (("avx512f", 512, 32), ("fma", 256, 16), ("sse2", 128, 16))
_PINNED: Final = ("avx512f", "avx512vl", "avx512bw", "avx512dq", "avx2", "avx", "fma")
#: The first and the second cache where the system does not say.
_NEAR: Final = 32 << 10
_FAR: Final = 512 << 10


@dataclass(frozen=True, slots=True)
class Target:
    """A processor: LLVM's names for it, its vector width in bits, its vector registers.

    ``near`` and ``far`` are bytes of its first and second cache: they decide how products are
    blocked, and thereby how fast they are, but not one bit of them. (Sums along their rows are
    added up by strips, which may be of other widths in blocks.)
    """

    triple: str
    cpu: str
    features: str
    vector_bits: int
    registers: int
    near: int = _NEAR
    far: int = _FAR

    def lanes(self, bits: int) -> int:
        """How many elements of this many bits a vector holds."""
        return self.vector_bits // bits


@cache
def _start_llvm() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()  # what reads the clock on ARM is written as assembly


@cache
def host(widest: int = 512) -> Target:
    """This machine, with vectors of at most ``widest`` bits (to test what narrower ones run)."""
    _start_llvm()
    features = dict(llvm.get_host_cpu_features())
    triple = llvm.get_process_triple()
    if not triple.startswith(("x86_64", "i686")):
        return Target(triple, llvm.get_host_cpu_name(), _flags(features), 128, 32, *_near_and_far())
    if widest < 512:
        features.update({name: False for name in features if name.startswith("avx512")})
    if widest < 256:
        features.update(dict.fromkeys(("avx", "avx2", "fma", "f16c", "avxvnni"), False))
    bits, registers = next((b, r) for name, b, r in _X86 if features.get(name) or name == "sse2")
    flags = _flags(features) + (",-prefer-256-bit" if bits == 512 else "")
    cpu = llvm.get_host_cpu_name() if widest >= 512 else "x86-64"
    return Target(triple, cpu, flags, bits, registers, *_near_and_far())


def _near_and_far() -> tuple[int, int]:
    """Bytes of a core's first and second cache for data."""
    found = {cache_.level: cache_.bytes for cache_ in data_caches()}
    return found.get(1, _NEAR), found.get(2, _FAR)


def _flags(features: dict[str, bool]) -> str:
    return ",".join(("+" if on else "-") + name for name, on in sorted(features.items()))


def machine(target: Target) -> llvm.TargetMachine:
    """A code generator for a target; an engine takes it over, so each needs its own."""
    _start_llvm()
    return llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, opt=3, jit=True
    )


def llvm_version() -> str:
    """LLVM's version, and that of the library that brings it."""
    return ".".join(map(str, llvm.llvm_version_info))
