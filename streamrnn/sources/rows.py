"""Rows of CSV and JSON Lines: bytes in pieces of any size -> whole rows -> record values.

A row of JSON Lines is passed on as it is. A row of CSV becomes a JSON object named by the header: a number
stays a number, an empty cell is null, anything else is text. What cannot be such an object (too few
cells, too many) becomes a JSON array of its cells, so that the learner sets it aside like any bad record.
"""

import codecs
import csv
import json.encoder
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, Protocol

import msgspec

from streamrnn.errors import InputError

FormName = Literal["csv", "jsonl"]

_LONGEST = 1 << 24
"""Bytes after which a quote that was opened and not closed is taken for a mistake."""

_NUMBERS = msgspec.json.Decoder(list[float])
_NUMBER_LETTERS = re.compile(r"[-+0-9.eE,]*+")
_LOOSE_NUMBER = re.compile(r"([+-]?)(0|[1-9][0-9]*|)(?:(\.)([0-9]*))?([eE][+-]?[0-9]+)?")
"""Numbers as people write them (+5, .5, 5.), though not 007: that is a name."""


class Form(Protocol):
    """How rows lie in a stream of bytes, and what they say. Made anew for each pass over the data."""

    def split(self, buffer: bytes) -> tuple[list[bytes], bytes]:
        """The whole rows at the start of `buffer`, without their line ends, and the rest."""
        ...

    def begin(self, rows: list[bytes]) -> list[bytes]:
        """Take what precedes the first record from the first rows of all; called until that is done."""
        ...

    def values(self, rows: Sequence[bytes]) -> list[bytes | None]:
        """One record's value per row; None for a blank row."""
        ...


def form_of(name: FormName) -> Form:
    return Csv() if name == "csv" else JsonLines()


class JsonLines:
    def __init__(self) -> None:
        self._begun = False

    def split(self, buffer: bytes) -> tuple[list[bytes], bytes]:
        rows = buffer.split(b"\n")
        rest = rows.pop()
        return rows, rest

    def begin(self, rows: list[bytes]) -> list[bytes]:
        if rows and not self._begun:
            self._begun = True
            return [rows[0].removeprefix(codecs.BOM_UTF8), *rows[1:]]
        return rows

    def values(self, rows: Sequence[bytes]) -> list[bytes | None]:
        return [row.strip() or None for row in rows]


class Csv:
    def __init__(self) -> None:
        self._header: tuple[str, ...] | None = None
        self._template = ""
        self._delimiter = ","

    def split(self, buffer: bytes) -> tuple[list[bytes], bytes]:
        if b'"' not in buffer:
            rows = buffer.split(b"\n")
            rest = rows.pop()
            return rows, rest
        if self._header is None:
            self._delimiter = _delimiter_of(buffer.partition(b"\n")[0])
        row, rows, position = _row_pattern(self._delimiter), [], 0
        while match := row.match(buffer, position):
            rows.append(match[0][:-1])
            position = match.end()
        if len(buffer) - position > _LONGEST:
            start = buffer[position : position + 60].decode(errors="replace")
            raise InputError(f"a quote is opened and not closed in the CSV row that starts with {start!r}")
        return rows, buffer[position:]

    def begin(self, rows: list[bytes]) -> list[bytes]:
        if self._header is not None or not rows:
            return rows
        line = rows[0].decode("utf-8-sig", "surrogateescape")
        self._delimiter = _delimiter_of(rows[0])
        try:
            names = next(csv.reader([line], delimiter=self._delimiter), [])
        except csv.Error as error:
            raise InputError(f"CSV header: the first line is not one of CSV ({error})") from error
        self._header = _checked(tuple(name.strip() for name in names))
        fields = (f"{_text(name).replace('%', '%%')}:%s" for name in self._header)
        self._template = "{" + ",".join(fields) + "}"
        return rows[1:]

    def values(self, rows: Sequence[bytes]) -> list[bytes | None]:
        assert self._header is not None
        lines = self._cells([row.decode("utf-8", "surrogateescape") for row in rows])
        width = len(self._header)
        whole = [cells for cells in lines if len(cells) == width]
        objects = map(self._template.__mod__, zip(*map(_column, zip(*whole, strict=True)), strict=True))
        return [_encode(next(objects)) if len(cells) == width else _set_aside(cells) for cells in lines]

    def _cells(self, texts: list[str]) -> list[list[str]]:
        try:
            lines = list(csv.reader(texts, delimiter=self._delimiter))
        except csv.Error:
            lines = []
        if len(lines) == len(texts):
            return lines
        return [self._cells_of_one(text) for text in texts]  # so that a malformed row spoils no other

    def _cells_of_one(self, text: str) -> list[str]:
        try:
            return next(csv.reader([text], delimiter=self._delimiter), [])
        except csv.Error:
            return [text]


def _delimiter_of(header: bytes) -> str:
    return max(",;\t", key=lambda delimiter: header.count(delimiter.encode()))


@lru_cache
def _row_pattern(delimiter: str) -> re.Pattern[bytes]:
    """One row with its line end. As for csv.reader, a quote counts at the start of a cell only."""
    other = rf"[^{delimiter}\n]"
    cell = rf'(?:"[^"]*+(?:""[^"]*+)*+"{other}*+|(?!"){other}*+)'
    return re.compile(rf"{cell}(?:{delimiter}{cell})*+\n".encode())


def _checked(names: tuple[str, ...]) -> tuple[str, ...]:
    for index, name in enumerate(names):
        if not name:
            raise InputError(f"CSV header: column {index + 1} has no name")
        if name in names[:index]:
            raise InputError(f"CSV header: the name {name} stands twice")
    return names


def _column(cells: tuple[str, ...]) -> Sequence[str]:
    """The cells of one column as JSON; plain numbers are judged together, because one by one is slow."""
    return cells if _all_numbers(cells) else [_json(cell) for cell in cells]


def _all_numbers(cells: tuple[str, ...]) -> bool:
    """True only if each cell is a JSON number already, so that `_json` would not change it."""
    joined = ",".join(cells)
    if not _NUMBER_LETTERS.fullmatch(joined):
        return False
    try:
        return len(_NUMBERS.decode(f"[{joined}]")) == len(cells)
    except msgspec.DecodeError:
        return False


@lru_cache(maxsize=4096)
def _json(cell: str) -> str:
    bare = cell.strip()
    if not bare:
        return "null"
    number = _LOOSE_NUMBER.fullmatch(bare)
    if number is None or not (number[2] or number[4]):
        return _text(cell)
    sign, whole, point, fraction, exponent = number.groups(default="")
    return f"{sign.strip('+')}{whole or '0'}{point}{(fraction or '0') if point else ''}{exponent}"


def _text(text: str) -> str:
    return json.encoder.encode_basestring(text)


def _set_aside(cells: list[str]) -> bytes | None:
    if len(cells) <= 1 and not any(cell.strip() for cell in cells):
        return None
    return _encode(f"[{','.join(map(_text, cells))}]")


def _encode(text: str) -> bytes:
    """Bytes that were not UTF-8 come out as they went in, for the learner to judge."""
    return text.encode("utf-8", "surrogateescape")
