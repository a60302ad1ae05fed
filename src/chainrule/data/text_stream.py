"""The bytes of a text table, checked while they are read: encoding, NUL bytes, quotes."""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from chainrule.data.packed import Bytes, open_unpacked
from chainrule.data.quotes import QuoteError, Quotes
from chainrule.errors import DataError

BLOCK = 1 << 20
LATIN = "save the file as UTF-8; it may be Latin-1 or Windows-1252"

# What a text begins with if it has a byte order mark. UTF-32 first: it begins as UTF-16 does.
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text table that can be read from its start any number of times.

    Fields:
        source: what it is, for messages.
        open_bytes: opens it.
    """

    source: object
    open_bytes: Callable[[], Bytes]

    @classmethod
    def of_path(cls, path: Path) -> TextFile:
        """A file, packed or not."""
        return cls(path, lambda: open_unpacked(path))

    @classmethod
    def of_bytes(cls, source: object, content: bytes) -> TextFile:
        """What has been read already."""
        return cls(source, lambda: io.BytesIO(content))

    def open(self) -> Bytes:
        """Its bytes in UTF-8: UTF-16 and UTF-32 with a byte order mark are turned into it."""
        stream = self.open_bytes()
        head = stream.read(BLOCK)
        encoding = next((name for mark, name in _MARKS.items() if head.startswith(mark)), "utf-8")
        if encoding == "utf-8":
            return _Joined(head.removeprefix(codecs.BOM_UTF8), stream)
        return _Transcoded(self.source, encoding, _Joined(head, stream))

    def line_at(self, offset: int) -> int:
        """The number of the line, from 1, with the byte ``offset`` of ``open()``."""
        line, last = 1, b""
        with closing(self.open()) as stream:
            while offset > 0 and (block := stream.read(min(BLOCK, offset))):
                ends = block.count(b"\n") + block.count(b"\r") - block.count(b"\r\n")
                line += ends - (last == b"\r" and block.startswith(b"\n"))
                offset, last = offset - len(block), block[-1:]
        return line

    def refuse_encoding(self) -> None:
        """Refuse a text that is not UTF-8.

        Raises:
            DataError: it names the first line that is not.
        """
        decoder, at = codecs.getincrementaldecoder("utf-8")(), 0
        with closing(self.open()) as stream:
            while True:
                block = stream.read(BLOCK)
                held = len(decoder.getstate()[0])
                try:
                    decoder.decode(block, final=not block)
                except UnicodeDecodeError as error:
                    line = self.line_at(at - held + error.start)
                    byte = error.object[error.start]
                    what = f"{self.source}: line {line:,} is not UTF-8 (byte 0x{byte:02x})"
                    raise DataError(what, hint=LATIN) from None
                if not block:
                    return
                at += len(block)


class CheckedText:
    """The bytes of a text file for a parser, refused where they are no text table.

    Fields:
        quotes: follows the quoted fields.
        error: what was raised, since parsers wrap it.
    """

    def __init__(self, file: TextFile, delimiters: bytes, *, lines_in_quotes: bool = True) -> None:
        self.file, self.stream = file, file.open()
        self.closed = False
        self.quotes = Quotes(delimiters)
        self.error: DataError | LinesInQuotesError | None = None
        self._lines_in_quotes = lines_in_quotes
        self._at, self._last, self._ended = 0, b"\n", False

    def close(self) -> None:
        """Close the file."""
        self.stream.close()
        self.closed = True

    def read(self, size: int = -1) -> bytes:
        """The next block; a line end is added where the last line has none.

        Raises:
            DataError: a NUL byte, an unclosed quote.
            LinesInQuotesError: a line end within quotes, where none was expected.
        """
        block = self.stream.read(size)
        try:
            self._check(block)
        except (DataError, LinesInQuotesError) as error:
            self.error = error
            raise
        if block:
            self._at, self._last = self._at + len(block), block[-1:]
            return block
        whole = self._last in b"\r\n" or self._ended
        self._ended = True
        return b"" if whole else b"\n"

    def _check(self, block: bytes) -> None:
        at = block.find(b"\0")
        if at >= 0:
            raise self._nul(block, at)
        try:
            if block:
                self.quotes.feed(block)
            elif not self._ended:
                self.quotes.finish()
        except QuoteError as error:
            line = self.file.line_at(error.offset)
            hint = 'write a quote within a value twice, as in "a 3"" pipe", or leave quotes out'
            raise DataError(f"{self.file.source}: line {line:,}: {error.what}", hint=hint) from None
        if self.quotes.has_lines and not self._lines_in_quotes:
            raise LinesInQuotesError

    def _nul(self, block: bytes, at: int) -> DataError:
        source, line = self.file.source, self.file.line_at(self._at + at)
        sample = block[max(0, at - 64) : at + 64]
        if sample.count(b"\0") > len(sample) // 3:
            what = "this looks like UTF-16 without a byte order mark"
            return DataError(f"{source}: {what}; expected UTF-8", hint="save it as UTF-8")
        return DataError(f"{source}: line {line:,} holds a NUL byte: this is not a text table")


class LinesInQuotesError(Exception):
    """A line end within quotes, in a file that was cut into blocks at line ends."""


class _Joined:
    """A first block, then the stream that it was read from."""

    def __init__(self, head: bytes, stream: Bytes) -> None:
        self.head, self.stream = head, stream

    def read(self, size: int) -> bytes:
        if not self.head:
            return self.stream.read(size)
        block, self.head = self.head[:size], self.head[size:]
        return block

    def close(self) -> None:
        self.stream.close()


class _Transcoded:
    """A text of another encoding, as UTF-8."""

    def __init__(self, source: object, encoding: str, stream: Bytes) -> None:
        self.source, self.stream, self.encoding = source, stream, encoding
        self.decoder = codecs.getincrementaldecoder(encoding)()
        self.ready = b""
        self.ended = False

    def read(self, size: int) -> bytes:
        while len(self.ready) < size and not self.ended:
            block = self.stream.read(size)
            self.ended = not block
            try:
                text = self.decoder.decode(block, final=self.ended)
                self.ready += text.encode()
            except UnicodeError as error:
                named = self.encoding.upper()
                raise DataError(
                    f"{self.source}: begins as {named} and is not: {error.args[-1]}",
                    hint="save it as UTF-8",
                ) from None
        given, self.ready = self.ready[:size], self.ready[size:]
        return given

    def close(self) -> None:
        self.stream.close()
