"""Which bytes of a text table are its header and its records, and in which line each stands.

Every record is shown to have as many fields as the header before anything is parsed, because the
parser pads short records and cuts long ones without a word. A quote that opens a field hides
delimiters and line ends up to the closing quote; a quote inside a field is an ordinary character.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refsolve.core.errors import InputError, Violation
from refsolve.io.sniff import Found, refuse

Bytes = NDArray[np.uint8]
Rows = NDArray[np.int64]
_LINE_END = ord("\n")
_QUOTE = ord('"')
_CHUNK = 1 << 24
_BLANK, _INNER, _END = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Header:
    """First record of a table.

    Attributes
    ----------
    names
        Its fields without blanks around them.
    stop
        Offset of the first byte after it.
    next_line
        Line of the file (1-based) that follows it.
    """

    names: tuple[str, ...]
    stop: int
    next_line: int


@dataclass(frozen=True, slots=True)
class Body:
    """Records of a table, each with as many fields as the header.

    Attributes
    ----------
    data
        Text without blank lines between the records.
    start
        Offset of the first record.
    delimiter
        What separates fields.
    width
        Fields per record.
    rows
        Line of the file (1-based) in which each record begins.
    """

    data: bytes
    start: int
    delimiter: str
    width: int
    rows: Rows


class _Lines:
    """Lines of a text from an offset on; knows when it was asked for one too many."""

    def __init__(self, data: bytes, start: int) -> None:
        self.data = data
        self.at = start
        self.exhausted = False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        stop = self.data.find(b"\n", self.at) + 1
        if stop == 0:
            self.exhausted = True
            raise StopIteration
        line = self.data[self.at : stop].decode()
        self.at = stop
        return line


def read_header(path: Path, data: bytes, delimiter: str) -> Header:
    """Read the first record that is not blank.

    Parameters
    ----------
    path
        The file, for messages.
    data
        Clean text.
    delimiter
        What separates fields.

    Raises
    ------
    InputError
        A quote in the header is never closed.
    """
    lead = len(data) - len(data.lstrip(b"\n"))
    lines = _Lines(data, lead)
    names = _next_record(path, csv.reader(lines, delimiter=delimiter), lines, lead + 1)
    taken = data.count(b"\n", lead, lines.at)
    return Header(tuple(name.strip() for name in names), lines.at, lead + taken + 1)


def _next_record(path: Path, reader: Any, lines: _Lines, row: int) -> list[str]:
    remedy = "close the quote, or double it where it belongs to the text"
    try:
        record: list[str] = next(reader)
    except csv.Error:
        refuse(path, "an endless field", "fields below 131072 characters", remedy, row)
    if lines.exhausted:
        refuse(path, "a quote that is never closed", "quotes in pairs", remedy, row)
    return record


def find_records(path: Path, data: bytes, header: Header, delimiter: str) -> Body:
    """Locate every record and hold it against the header.

    Parameters
    ----------
    path
        The file, for messages.
    data
        Clean text.
    header
        What `read_header` found.
    delimiter
        What separates fields.

    Raises
    ------
    InputError
        A record has too many or too few fields, or a quote is never closed.
    """
    width = len(header.names)
    marks = _mark(data, header.stop, delimiter)
    # The parser would swallow a byte order mark at the start of the first record.
    if marks is None or data.startswith(codecs.BOM_UTF8, header.stop):
        return _requote(path, data, header, delimiter)
    rows = _start_rows(marks.line_ends, header.next_line)
    if not _regular(marks.separators, rows.size, width):
        ends = np.flatnonzero(marks.separators == _LINE_END)
        raise InputError([_ragged(path, np.diff(ends, prepend=-1), rows, width)])
    if marks.blank.size:
        data = np.delete(np.frombuffer(data, np.uint8), marks.blank).tobytes()
    return Body(data, header.stop, delimiter, width, rows)


@dataclass(frozen=True, slots=True)
class _Marks:
    """Structure of the records.

    Attributes
    ----------
    separators
        Delimiters and line ends outside quotes, blank lines left out.
    line_ends
        What each line end of the file is: of a record, of a blank line, inside quotes.
    blank
        Offsets of the blank lines.
    """

    separators: Bytes
    line_ends: Bytes
    blank: Rows


def _mark(data: bytes, start: int, delimiter: str) -> _Marks | None:
    """Find the structure by whole-array comparisons; None when quotes stand inside fields."""
    text = np.frombuffer(data, np.uint8)
    quoted = data.find(b'"', start) >= 0
    gaps = data.find(b"\n\n", start - 1) >= 0
    separators, line_ends = [text[:0]], [text[:0]]
    blank = [np.empty(0, np.int64)]
    inside = False
    for low in range(start, len(data), _CHUNK):
        part = text[low : low + _CHUNK]
        newline = part == _LINE_END
        kind = np.full(part.size, _END, np.uint8)
        if quoted:
            hidden = np.logical_xor.accumulate(part == _QUOTE) ^ inside
            if not _quotes_enclose(text, low, part == _QUOTE, hidden, ord(delimiter)):
                return None
            kind[hidden] = _INNER
            inside = bool(hidden[-1])
        if gaps:
            before = text[low - 1 : low - 1 + part.size]
            kind[newline & (before == _LINE_END) & (kind == _END)] = _BLANK
            blank.append(low + np.flatnonzero(kind == _BLANK))
        visible = (newline | (part == ord(delimiter))) & (kind == _END)
        separators.append(part[visible])
        line_ends.append(kind[newline])
    if inside:
        return None
    return _Marks(np.concatenate(separators), np.concatenate(line_ends), np.concatenate(blank))


def _quotes_enclose(
    text: Bytes, low: int, quote: NDArray[np.bool_], hidden: NDArray[np.bool_], delimiter: int
) -> bool:
    """Every quote opens or closes a whole field, or is doubled, so pairs can be counted."""
    at = low + np.flatnonzero(quote)
    opens = hidden[quote]
    edges = np.array([delimiter, _LINE_END, _QUOTE], np.uint8)
    before = text[at[opens] - 1]
    # The text ends with a line end, so a quote always has a successor.
    after = text[at[~opens] + 1]
    return bool(np.isin(before, edges).all() and np.isin(after, edges).all())


def _start_rows(line_ends: Bytes, first: int) -> Rows:
    stops = np.flatnonzero(line_ends != _INNER)
    starts = np.concatenate(([0], stops[:-1] + 1))[: stops.size]
    rows: Rows = first + starts[line_ends[stops] == _END].astype(np.int64)
    return rows


def _regular(separators: Bytes, records: int, width: int) -> bool:
    if separators.size != records * width:
        return False
    return bool((separators.reshape(records, width)[:, -1] == _LINE_END).all())


def _ragged(path: Path, widths: NDArray[np.int64], rows: Rows, width: int) -> Violation:
    wrong = np.flatnonzero(widths != width)
    first = int(wrong[0])
    found = int(widths[first])
    remedy = "check the delimiters and quotes of that line"
    if wrong.size == rows.size and (widths == width + 1).all():
        remedy = "every record has one field more than the header, as tables written with row names"
    elif wrong.size > 1:
        remedy += f"; {wrong.size} rows differ, the last is row {int(rows[wrong[-1]])}"
    value = Found("1 field" if found == 1 else f"{found} fields")
    return Violation(path.name, "", int(rows[first]), value, f"{width} as in the header", remedy)


def _requote(path: Path, data: bytes, header: Header, delimiter: str) -> Body:
    """Rewrite the records with every field quoted, where quotes inside fields confuse counting."""
    lines = _Lines(data, header.stop)
    reader = csv.reader(lines, delimiter=delimiter)
    clean = io.StringIO(newline="")
    writer = csv.writer(clean, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n")
    rows: list[int] = []
    widths: list[int] = []
    while lines.at < len(data):
        row = header.next_line + reader.line_num
        record = _next_record(path, reader, lines, row)
        if record:
            rows.append(row)
            widths.append(len(record))
            writer.writerow(record)
    width = len(header.names)
    starts = np.array(rows, np.int64)
    if any(found != width for found in widths):
        raise InputError([_ragged(path, np.array(widths, np.int64), starts, width)])
    return Body(clean.getvalue().encode(), 0, delimiter, width, starts)


def header_fields(data: bytes, delimiter: str) -> Sequence[str]:
    """Fields of the first line under another delimiter, for a guess at what the file is."""
    line = data.lstrip(b"\n").split(b"\n", 1)[0].decode()
    try:
        return [name.strip() for name in next(csv.reader([line], delimiter=delimiter))]
    except csv.Error:
        return []
