"""From a file to clean text bytes: unpacked, UTF-8 without mark, one kind of line end, no NUL."""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from refsolve.core.errors import InputError, Violation

_GZIP = b"\x1f\x8b"
_FOREIGN = (
    (_GZIP, "a file compressed twice", "unpack it once"),
    (b"PK\x03\x04", "a zip archive or Excel workbook", "export the sheet as text"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "export the sheet as text"),
    (b"BZh", "a bzip2 file", "compress it with gzip instead"),
    (b"\xfd7zXZ\x00", "an xz file", "compress it with gzip instead"),
    (b"\x28\xb5\x2f\xfd", "a zstd file", "compress it with gzip instead"),
    (b"PAR1", "a Parquet file", "export it as text"),
    (b"\x89HDF", "an HDF5 file", "export the table as text"),
    (b"\xff\xfe", "UTF-16 text", "save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text", "save it as UTF-8"),
)
# Small enough that a block-compressed file (many short members) is not copied quadratically.
_PIECE = 1 << 18
_DECODE = 1 << 24


class Found(str):
    """Description of what was found, shown without quotes where a value would have them."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def refuse(path: Path, found: str, expected: str, remedy: str, row: int | None = None) -> NoReturn:
    """Raise InputError about a whole file or one of its rows.

    Parameters
    ----------
    path
        The file.
    found
        What is there, in words; empty when there is nothing to say.
    expected
        What should be there.
    remedy
        What to do.
    row
        Line of the file, where one is to blame.
    """
    value = Found(found) if found else None
    raise InputError([Violation(path.name, "", row, value, expected, remedy)])


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what the system says of a file that cannot be read into an InputError.

    Parameters
    ----------
    path
        The file.
    """
    try:
        yield
    except FileNotFoundError:
        refuse(path, "", "a file, and there is none", "check the folder and the name")
    except IsADirectoryError:
        refuse(path, "a folder", "a file", "move the table out of the folder")
    except OSError as failure:
        why = failure.strerror or str(failure)
        refuse(path, why, "a readable file", "check its permissions and the disk")


def read_bytes(path: Path) -> bytes:
    """All bytes of a file as they are.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    InputError
        It is absent, a folder, or cannot be read.
    """
    with readable(path):
        return path.read_bytes()


def read_text(path: Path) -> bytes:
    """Text of a table as UTF-8 bytes that end with a line feed and hold no other line end.

    Line ends of every system are accepted, inside quoted fields too, so a table reads the same
    whichever system saved it.

    Parameters
    ----------
    path
        Plain or gzip-compressed text; its first bytes tell which, its name does not.

    Raises
    ------
    InputError
        It cannot be read or unpacked, is empty, or is not UTF-8 text.
    """
    data = read_bytes(path)
    if data.startswith(_GZIP):
        data = _gunzip(path, data)
    for magic, what, remedy in _FOREIGN:
        if data.startswith(magic):
            refuse(path, what, "a text table, plain or gzip-compressed", remedy)
    data = data.removeprefix(codecs.BOM_UTF8)
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    _require_text(path, data)
    return data if data.endswith(b"\n") else data + b"\n"


def _gunzip(path: Path, packed: bytes) -> bytes:
    parts: list[bytes] = []
    member = zlib.decompressobj(31)
    try:
        for at in range(0, len(packed), _PIECE):
            piece = packed[at : at + _PIECE]
            while piece:
                if member.eof:
                    piece = piece.lstrip(b"\0")
                    if not piece:
                        break
                    member = zlib.decompressobj(31)
                parts.append(member.decompress(piece))
                piece = member.unused_data
    except zlib.error:
        refuse(path, "corrupt compressed data", "an intact gzip file", "copy or export it again")
    if not member.eof:
        refuse(path, "compressed data cut off", "a complete gzip file", "copy or export it again")
    return b"".join(parts)


def _require_text(path: Path, data: bytes) -> None:
    if not data.strip():
        what = "an empty file" if not data else "nothing but blank lines"
        refuse(path, what, "a header and records", "export the table again")
    nul = data.find(b"\0")
    if nul >= 0:
        remedy = "it is binary or UTF-16: save it as UTF-8 text"
        refuse(path, "a NUL byte", "text", remedy, _row(data, nul))
    bad = -1 if data.isascii() else _first_undecodable(data)
    if bad >= 0:
        found = f"byte 0x{data[bad]:02x}"
        refuse(path, found, "UTF-8 text", "save it as UTF-8", _row(data, bad))


def _row(data: bytes, at: int) -> int:
    return data.count(b"\n", 0, at) + 1


def _first_undecodable(data: bytes) -> int:
    decoder = codecs.getincrementaldecoder("utf-8")()
    for at in range(0, len(data), _DECODE):
        carried = len(decoder.getstate()[0])
        try:
            decoder.decode(data[at : at + _DECODE], final=at + _DECODE >= len(data))
        except UnicodeDecodeError as failure:
            return at - carried + failure.start
    return -1
