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
        key = mix(mix(key + _GOLDEN) + part)
    return key


_TEXT: Final = f"""
target triple = "TRIPLE"

define void @shuffle(ptr %order, i64 %n, i64 %key) {{
entry:
  %some = icmp sgt i64 %n, 0
  br i1 %some, label %draw, label %done
draw:
  %i = phi i64 [ 0, %entry ], [ %next, %draw ]
  %next = add i64 %i, 1
  %a = mul i64 %next, {_GOLDEN - (1 << 64)}
  %b = add i64 %a, %key
  %b30 = lshr i64 %b, 30
  %c = xor i64 %b, %b30
  %d = mul i64 %c, {_MIX[0] - (1 << 64)}
  %d27 = lshr i64 %d, 27
  %e = xor i64 %d, %d27
  %f = mul i64 %e, {_MIX[1] - (1 << 64)}
  %f31 = lshr i64 %f, 31
  %r = xor i64 %f, %f31
  %wide = zext i64 %r to i128
  %bound = zext i64 %next to i128
  %product = mul i128 %wide, %bound
  %high = lshr i128 %product, 64
  %j = trunc i128 %high to i64
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
    signature = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_uint64)
    target = host()
    return assemble(_TEXT.replace("TRIPLE", target.triple), target, "shuffle", signature)


def shuffle_into(order: np.ndarray, n: int, key: int) -> None:
    """Write a permutation of 0 ... n - 1 to the first n elements of an int32 array."""
    assert order.dtype == np.int32 and order.flags.c_contiguous and len(order) >= n
    _native().call(order.ctypes.data, n, key)
