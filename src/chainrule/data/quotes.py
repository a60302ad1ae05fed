"""Follow quoted fields through a text table, block by block.

A reader that meets a quote which is never closed, or closed by the opening quote of a later
row, takes the rows between them for one field and says nothing. That is refused here. And a file
without line ends inside quotes can be cut into blocks anywhere, which is read faster.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Words: TypeAlias = NDArray[np.uint64]

_QUOTE = ord('"')
_PIECE = 1 << 18  # bytes looked at together: what is made of them stays in the second cache


class QuoteError(ValueError):
    """A quoted field that is not closed as it should be."""

    def __init__(self, what: str, offset: int) -> None:
        super().__init__(what)
        self.what = what
        self.offset = offset  # of the opening quote, in bytes from the start


class Quotes:
    """Where quoted fields begin and end.

    Fields:
        inside: whether the last block ended within quotes.
        has_lines: whether a line end was seen within quotes.
    """

    def __init__(self, delimiters: bytes) -> None:
        self.inside = False
        self.has_lines = False
        self._opened = 0  # offset of the quote that opened the field
        self._lines = False  # whether this field has had a line end
        self._at = 0  # offset of the block
        self._held = b""  # quotes at the end of the block before: what they are, the next byte says
        self._last = ord("\n")
        self._delimiters = delimiters
        self._starts = frozenset(delimiters + b"\r\n")

    def feed(self, block: bytes) -> None:
        """Follow the next block.

        Raises:
            QuoteError: text follows a closing quote, and a line end lies within the quotes.
        """
        if b'"' not in block and not self._held:
            if self.inside:
                self._see_lines(block, 0, len(block))
            self._pass(block)
            return
        for start in range(0, len(block), _PIECE):
            self._feed_piece(block[start : start + _PIECE])

    def _feed_piece(self, piece: bytes) -> None:
        text = self._held + piece
        kept = len(text) - len(text.rstrip(b'"')) if text.endswith(b'"') else 0
        self._held = text[len(text) - kept :]
        text = text[: len(text) - kept]
        if text:
            self._follow(text)
            self._pass(text)

    def finish(self) -> None:
        """The end of the text.

        Raises:
            QuoteError: it lies within quotes.
        """
        self.feed(b"\n")
        if self.inside:
            raise QuoteError("a quote is opened here and never closed", self._opened)

    def _pass(self, text: bytes) -> None:
        self._at += len(text)
        self._last = text[-1] if text else self._last

    def _follow(self, text: bytes) -> None:
        a = np.frombuffer(text, dtype=np.uint8)
        quotes, ends = _words(a == _QUOTE), _words(a == ord("\n"))
        if b"\r" in text:
            ends = ends | _words(a == ord("\r"))
        edges = quotes | ends
        for delimiter in self._delimiters:
            edges = edges | _words(a == delimiter)
        inside = _parity(quotes, self.inside)
        opening, closing = quotes & inside, quotes & ~inside
        stray = (opening & ~_after(edges, self._last in self._starts)) | (closing & ~_before(edges))
        if stray.any():
            self._follow_each(text, np.flatnonzero(a == _QUOTE).tolist())
            return
        self.has_lines = self.has_lines or bool((ends & inside).any())
        self.inside ^= bool(int(np.bitwise_count(quotes).sum()) % 2)
        # The second one of a doubled quote opens nothing.
        self._note_opening(text, opening & ~_after(quotes, False))

    def _note_opening(self, text: bytes, opening: Words) -> None:
        """Where the field that is open at the end of ``text`` was opened."""
        if not self.inside:
            return
        start, held = 0, np.flatnonzero(opening)
        if len(held):
            start = 64 * int(held[-1]) + int(opening[held[-1]]).bit_length() - 1
            self._opened, self._lines = self._at + start, False
        self._see_lines(text, start, len(text))

    def _follow_each(self, text: bytes, places: list[int]) -> None:
        """The same one by one: some quotes stand within fields that are not quoted."""
        skip, start = -1, 0
        for place in places:
            if place == skip:
                continue
            if self.inside:
                self._see_lines(text, start, place)
                start = place
                if text[place + 1] == _QUOTE:
                    skip = place + 1
                    continue
                self.inside = False
                if self._lines and text[place + 1] not in self._starts:
                    what = "a quote is opened here and closed on a later line, before other text"
                    raise QuoteError(what, self._opened)
            elif (text[place - 1] if place else self._last) in self._starts:
                self.inside, self._lines = True, False
                self._opened, start = self._at + place, place
        if self.inside:
            self._see_lines(text, start, len(text))

    def _see_lines(self, text: bytes, start: int, stop: int) -> None:
        """Note a line end within the quotes."""
        if not self._lines and any(text.find(end, start, stop) >= 0 for end in (b"\n", b"\r")):
            self._lines = self.has_lines = True


# -- one bit for each byte, 64 to a word: some ten operations a block, whatever it holds ---------


def _words(flags: NDArray[np.bool_]) -> Words:
    """The flags as bits, the first in the lowest bit of the first word; zeros behind the last."""
    bits = np.zeros(-(-len(flags) // 64) * 8, dtype=np.uint8)
    packed = np.packbits(flags, bitorder="little")
    bits[: len(packed)] = packed
    return bits.view("<u8")


def _parity(words: Words, start: bool) -> Words:
    """Whether the number of bits up to and with this one, and ``start``, is odd."""
    for shift in (1, 2, 4, 8, 16, 32):
        words = words ^ (words << np.uint64(shift))
    ends = np.bitwise_xor.accumulate(words >> np.uint64(63))
    before = np.concatenate([[np.uint64(start)], ends[:-1] ^ np.uint64(start)])
    flipped: Words = words ^ (np.uint64(0) - before)  # all bits of a word, or none
    return flipped


def _after(words: Words, first: bool) -> Words:
    """Of each place, the bit of the place before it; of the first place ``first``."""
    carried = np.concatenate([[np.uint64(first)], words[:-1] >> np.uint64(63)])
    moved: Words = (words << np.uint64(1)) | carried
    return moved


def _before(words: Words) -> Words:
    """Of each place, the bit of the place behind it."""
    carried = np.concatenate([words[1:] << np.uint64(63), [np.uint64(0)]])
    moved: Words = (words >> np.uint64(1)) | carried
    return moved
