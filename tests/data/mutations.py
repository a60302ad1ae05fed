"""Text tables, damaged: what the fuzz test of reading feeds to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

Rng = np.random.Generator
Mutation = Callable[[Rng, bytes], bytes]

EXAMPLES = Path(__file__).parents[2] / "examples" / "data"


def seed_tables() -> dict[str, tuple[bytes, str]]:
    """Well-formed tables by name: the text, and the column to predict."""
    rng = np.random.default_rng(0)
    iris = (EXAMPLES / "iris.csv").read_bytes().splitlines(keepends=True)
    penguins = (EXAMPLES / "penguins.csv").read_bytes().splitlines(keepends=True)
    return {
        "iris": (b"".join([iris[0], *iris[1::3]]), "species"),
        "penguins": (b"".join([penguins[0], *penguins[1::4]]), "body_mass_g"),
        "mixed": (_mixed(rng), "label"),
        "semicolons": (_semicolons(rng), "preis"),
        "tabs": (_tabs(rng), "visits"),
    }


def _mixed(rng: Rng) -> bytes:
    """Dates, booleans, quoted texts with line ends and doubled quotes, missing values."""
    rows = [
        f"{i},2020-{1 + i % 12:02}-{1 + i % 28:02},{['true', 'false', ''][i % 3]},"
        f'"a ""{i % 5}"", or\nmore",{rng.normal():.4g},2021-03-0{1 + i % 9} 12:0{i % 10}:00,'
        f"{'NA' if i % 7 == 0 else i % 4},{'pq'[i % 2]}"
        for i in range(60)
    ]
    return "\n".join(["id,day,open,note,size,seen,rooms,label", *rows, ""]).encode()


def _semicolons(rng: Rng) -> bytes:
    """Decimal commas, umlauts, line ends of Windows."""
    sizes, colours = rng.normal(size=(50, 2)), rng.choice(["grün", "blau", "weiß"], 50)
    rows = [
        f"{a:.2f};{b:.3f};{colour};{i % 3}".replace(".", ",")
        for i, ((a, b), colour) in enumerate(zip(sizes, colours, strict=True))
    ]
    return "\r\n".join(["größe;preis;farbe;räume", *rows, ""]).encode()


def _tabs(rng: Rng) -> bytes:
    pairs = enumerate(zip(rng.normal(size=40), "xyzw" * 10, strict=True))
    rows = [f"{a:.3g}\t{k}\t{i % 4}" for i, (a, k) in pairs]
    return "\n".join(["a\tkind\tvisits", *rows, ""]).encode()


ODD_BYTES = [
    b"\0", b"\xff", b"\xfe", b"\x80", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r", b"\n",
    b"\r\n", b"\t", b" ", b'"', b'""', b"'", b",", b";", b"|", b"\\", b"\x1b[31m", b"\x1a", b"#",
    b"\xe2\x80\xae", b"\xc2\xa0", b"\xe2\x80\xa8", b"=", b"\x7f", "😀".encode(),
]  # fmt: skip
ODD_FIELDS = [
    b"", b" ", b"NA", b"?", b"nan", b"inf", b"-inf", b"Infinity", b"1e999", b"-1e308", b"1.8e308",
    b"1e-320", b"-0", b"+5", b"007", b"0x1F", b"1_000", b"1,000", b"1.000,5", b"1 234", b"12%",
    b"$5", b"9223372036854775807", b"9223372036854775808", b"-9223372036854775809", b"9" * 40,
    b"1e400", b".", b"-", b"e5", b"true", b"TRUE", b"False", b"yes", b"2020-01-01", b"2020-13-45",
    b"0001-01-01", b"9999-12-31T23:59:59.999999999", b"-0044-03-15", b"31.12.2020", b"12/31/2020",
    b"12:34", b"24:00:00", b"2020-01-01T00:00:00Z", b"2020-01-01T00:00:00+14:00", b"1970-01-01",
    b"1677-01-01 00:00:00", b"2262-04-12 00:00:00.000000001", b'"', b'"a', b'a"b', b'"a"b', b'""',
    b"=1+1", b"null", b"[1, 2]", b'{"a": 1}', b"\\N", b"x" * 3000, b"0" * 5000 + b"1",
]  # fmt: skip


def _place(rng: Rng, text: bytes) -> int:
    return int(rng.integers(0, len(text) + 1))


def _chunk(rng: Rng, text: bytes) -> tuple[int, int]:
    start = _place(rng, text)
    return start, min(len(text), start + int(2 ** rng.uniform(0, 10)))


def _pick(rng: Rng, choices: list[bytes]) -> bytes:
    return choices[int(rng.integers(len(choices)))]


def flip_bits(rng: Rng, text: bytes) -> bytes:
    """One to eight bits."""
    damaged = bytearray(text)
    for _ in range(int(rng.integers(1, 9)) if text else 0):
        damaged[int(rng.integers(len(text)))] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def insert_bytes(rng: Rng, text: bytes) -> bytes:
    """Odd bytes at one to four places."""
    for _ in range(int(rng.integers(1, 5))):
        at = _place(rng, text)
        text = text[:at] + _pick(rng, ODD_BYTES) + text[at:]
    return text


def delete_chunk(rng: Rng, text: bytes) -> bytes:
    """Up to a kilobyte less."""
    start, stop = _chunk(rng, text)
    return text[:start] + text[stop:]


def repeat_chunk(rng: Rng, text: bytes) -> bytes:
    """A piece again, two to forty times."""
    start, stop = _chunk(rng, text)
    return text[:stop] + text[start:stop] * int(rng.integers(1, 40)) + text[stop:]


def splice(rng: Rng, text: bytes) -> bytes:
    """A piece of another table."""
    tables = [table for table, _ in TABLES.values()]
    start, stop = _chunk(rng, other := _pick(rng, tables))
    at, until = _chunk(rng, text)
    return text[:at] + other[start:stop] + text[until:]


def truncate(rng: Rng, text: bytes) -> bytes:
    """The beginning only."""
    return text[: _place(rng, text)]


def shuffle_lines(rng: Rng, text: bytes) -> bytes:
    """The lines, the header too, in another order."""
    lines = text.splitlines(keepends=True)
    return b"".join(lines[i] for i in rng.permutation(len(lines)))


def _separator(text: bytes) -> bytes:
    head = text[:200]
    return max([b",", b";", b"\t"], key=head.count)


def odd_field(rng: Rng, text: bytes) -> bytes:
    """An odd value in one field."""
    lines = text.split(b"\n")
    row = int(rng.integers(len(lines)))
    return b"\n".join([*lines[:row], _with_field(rng, lines[row]), *lines[row + 1 :]])


def odd_column(rng: Rng, text: bytes) -> bytes:
    """Odd values in one column, in some of the rows or in all."""
    mark, lines = _separator(text), text.split(b"\n")
    column, share = int(rng.integers(10)), rng.choice([0.1, 0.5, 1.0])
    values = [_pick(rng, ODD_FIELDS) for _ in range(int(rng.integers(1, 4)))]
    changed = lines[:1]
    for line in lines[1:]:
        fields = line.split(mark)
        if len(fields) > 1 and rng.random() < share:
            fields[column % len(fields)] = _pick(rng, values)
        changed.append(mark.join(fields))
    return b"\n".join(changed)


def _with_field(rng: Rng, line: bytes) -> bytes:
    mark = _separator(line)
    fields = line.split(mark)
    fields[int(rng.integers(len(fields)))] = _pick(rng, ODD_FIELDS)
    return mark.join(fields)


def odd_header(rng: Rng, text: bytes) -> bytes:
    """An odd name, none, or one that is there already."""
    header, end, rows = text.partition(b"\n")
    mark = _separator(header)
    names = header.split(mark)
    odd = [*ODD_FIELDS, *ODD_BYTES, *names]
    names[int(rng.integers(len(names)))] = _pick(rng, odd)
    return mark.join(names) + end + rows


def other_delimiter(rng: Rng, text: bytes) -> bytes:
    """Another character between the fields."""
    return text.replace(_separator(text), _pick(rng, [b",", b";", b"\t", b"|", b" ", b":", b", "]))


def other_line_ends(rng: Rng, text: bytes) -> bytes:
    """Other line ends, everywhere or here and there."""
    end = _pick(rng, [b"\r", b"\r\n", b"\n\n", b"\n\r", b",\n", b" \n", b"\n "])
    return text.replace(b"\n", end, int(rng.choice([-1, 1, 5])))


def other_encoding(rng: Rng, text: bytes) -> bytes:
    """The same text in another encoding, as far as that has its characters."""
    names = ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "utf-8-sig", "cp1252"]
    encoding = names[int(rng.integers(len(names)))]
    return text.decode("utf-8", "replace").encode(encoding, "replace")


def long_field(rng: Rng, text: bytes) -> bytes:
    """A field of up to two megabytes: more than is parsed at a time."""
    at = _place(rng, text)
    return text[:at] + _pick(rng, [b"x", b"7", b"ab "]) * int(2 ** rng.uniform(10, 19)) + text[at:]


def many_columns(rng: Rng, text: bytes) -> bytes:
    """Each line several times side by side."""
    times = int(2 ** rng.uniform(1, 6))
    mark = _separator(text)
    header, _, rows = text.partition(b"\n")
    names = [b"%s%d" % (name, i) for i in range(times) for name in header.split(mark)]
    lines = [mark.join([line] * times) if line else line for line in rows.split(b"\n")]
    return b"\n".join([mark.join([header, *names[len(header.split(mark)) :]]), *lines])


COMMON: list[Mutation] = [
    flip_bits, insert_bytes, delete_chunk, repeat_chunk, splice, truncate, shuffle_lines, odd_field,
    odd_column, odd_column, odd_header, other_delimiter, other_line_ends, other_encoding,
]  # fmt: skip
RARE: list[Mutation] = [long_field, many_columns]  # a hundred times as slow
TABLES = seed_tables()


def mutated(rng: Rng) -> tuple[bytes, str, list[str]]:
    """A damaged table, the column to predict, and what was done to it."""
    names = list(TABLES)
    name = names[int(rng.integers(len(names)))]
    text, target = TABLES[name]
    done = [name]
    for _ in range(min(5, int(rng.geometric(0.65)))):
        choices = RARE if rng.random() < 0.01 else COMMON
        mutation = choices[int(rng.integers(len(choices)))]
        text = mutation(rng, text)
        done.append(mutation.__name__)
    return text, target, done
