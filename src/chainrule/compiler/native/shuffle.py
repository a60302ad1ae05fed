"""The order of examples: a shuffle that is a function of (key, epoch), in machine code.

Fisher and Yates from the inside out. The k-th draw of an epoch is a hash of the epoch's key and k,
so any epoch can be made again without those before it.

Source: Steele, Lea & Flood 2014, Fast Splittable Pseudorandom Number Generators (the hash);
Lemire 2019, Fast Random Integer Generation in an Interval (a range by a multiplication).
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any, Final

import numpy as np

from chainrule.compiler.native.jit import assemble
from chainrule.compiler.native.target import host

_WORD: Final = (1 << 64) - 1
_GOLDEN: Final = 0x9E3779B97F4A7C15
_MIX: Final = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


def mix(x: int) -> int:
    """The hash of splitmix64: 64 bits to 64 bits, one to one."""
    x &= _WORD
    x = ((x ^ (x >> 30)) * _MIX[0]) & _WORD
    x = ((x ^ (x >> 27)) * _MIX[1]) & _WORD
    return x ^ (x >> 31)


def epoch_key(seed: int, stream: int, epoch: int) -> int:
    """The key of one epoch of one stream of a seed."""
    key = mix(seed + _GOLDEN)
    for part in (stream, epoch):
        key = derived(key, part)
    return key


def derived(key: int, part: int) -> int:
    """The key of one part of what a key stands for."""
    return mix(mix(key + _GOLDEN) + part)


def below(key: int, n: int) -> int:
    """One draw from 0 ... n - 1."""
    return (mix(key + _GOLDEN) * n) >> 64


#: The step from one draw's number to the next one's, as LLVM writes it.
SIGNED_GOLDEN: Final = _GOLDEN - (1 << 64)


def hash_text(x: str, y: str) -> str:
    """LLVM text: y becomes ``mix`` of x. The names %h0 ... %h6 are its own."""
    return f"""\
  %h0 = lshr i64 {x}, 30
  %h1 = xor i64 {x}, %h0
  %h2 = mul i64 %h1, {_MIX[0] - (1 << 64)}
  %h3 = lshr i64 %h2, 27
  %h4 = xor i64 %h2, %h3
  %h5 = mul i64 %h4, {_MIX[1] - (1 << 64)}
  %h6 = lshr i64 %h5, 31
  {y} = xor i64 %h5, %h6"""


def draw_text(number: str, bound: str, drawn: str) -> str:
    """LLVM text: the draw of this number below a bound, of the key %key; %d0 ... are its own."""
    return f"""\
  %d0 = mul i64 {number}, {SIGNED_GOLDEN}
  %d1 = add i64 %d0, %key
{hash_text("%d1", "%d2")}
  %d3 = zext i64 %d2 to i128
  %d4 = zext i64 {bound} to i128
  %d5 = mul i128 %d3, %d4
  %d6 = lshr i128 %d5, 64
  {drawn} = trunc i128 %d6 to i64"""


def native(text: str, name: str, *arguments: Any) -> Any:
    """A function of LLVM text, for this machine, that returns nothing."""
    target, signature = host(), ctypes.CFUNCTYPE(None, *arguments)
    return assemble(text.replace("TRIPLE", target.triple), target, name, signature)


_TEXT: Final = f"""
target triple = "TRIPLE"

define void @shuffle(ptr %order, i64 %n, i64 %key) {{
entry:
  %some = icmp sgt i64 %n, 0
  br i1 %some, label %draw, label %done
draw:
  %i = phi i64 [ 0, %entry ], [ %next, %draw ]
  %next = add i64 %i, 1
{draw_text("%next", "%next", "%j")}
  %at = getelementptr inbounds i32, ptr %order, i64 %i
  %from = getelementptr inbounds i32, ptr %order, i64 %j
  %moved = load i32, ptr %from, align 4
  store i32 %moved, ptr %at, align 4
  %number = trunc i64 %i to i32
  store i32 %number, ptr %from, align 4
  %more = icmp slt i64 %next, %n
  br i1 %more, label %draw, label %done
done:
  ret void
}}
"""


@cache
def _native() -> Any:
    return native(_TEXT, "shuffle", ctypes.c_void_p, ctypes.c_int64, ctypes.c_uint64)


def shuffle_into(order: np.ndarray, n: int, key: int) -> None:
    """Write a permutation of 0 ... n - 1 to the first n elements of an int32 array."""
    assert order.dtype == np.int32 and order.flags.c_contiguous and len(order) >= n
    _native().call(order.ctypes.data, n, key)
