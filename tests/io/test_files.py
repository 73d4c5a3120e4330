"""Files that are no tables: one clear sentence each, and never anything but InputError."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import os
import zipfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from refsolve.core.errors import InputError
from refsolve.core.schema import ColumnSchema
from refsolve.io import read_table
from tests.io.samples import Dress, columns_schema, plain_rows, schema, single, write

GOOD = b"n\tx\n1\t0.5\n2\t0.25\n"
SHAPE = columns_schema(ColumnSchema(name="n", type="int"), ColumnSchema(name="x"))
BLOCKS = gzip.compress(GOOD[:7], mtime=0) + gzip.compress(GOOD[7:], mtime=0)


def _zip(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("sheet.xml", data)
    return out.getvalue()


BROKEN = {
    "empty": (b"", None, "found an empty file, expected a header and records"),
    "empty gzip": (gzip.compress(b""), None, "found an empty file"),
    "blank": (b"\n \n", None, "found nothing but blank lines"),
    "header only": (b"n\tx\n", None, "found no record, expected at least 1 record"),
    "cut gzip": (gzip.compress(GOOD)[:-9], None, "found compressed data cut off"),
    "no gzip body": (gzip.compress(GOOD)[:10], None, "found compressed data cut off"),
    "bad checksum": (gzip.compress(GOOD)[:-5] + b"12345", None, "found corrupt compressed data"),
    "bad gzip body": (b"\x1f\x8b\x08\0\0\0\0\0\0\xff\xff\xff", None, "corrupt compressed data"),
    "gzip and rubbish": (gzip.compress(GOOD) + b"rubbish", None, "corrupt compressed data"),
    "gzip twice": (gzip.compress(gzip.compress(GOOD)), None, "a file compressed twice"),
    "not UTF-8": (b"n\tx\n1\t\xe9\n", 2, "found byte 0xe9, expected UTF-8 text; save it as UTF-8"),
    "not UTF-8 in CRLF": (b"n\tx\r\n1\t2\r\n1\t\xff\r\n", 3, "found byte 0xff"),
    "half a character": (b"n\tx\n1\t2\n3\t\xc3", 3, "found byte 0xc3"),
    "UTF-16": ("n\tx\n1\t2\n".encode("utf-16"), None, "found UTF-16 text"),
    "UTF-16 without mark": ("n\tx\n1\t2\n".encode("utf-16-le"), 1, "found a NUL byte"),
    "NUL": (b"n\tx\n1\t2\n1\t\x00\n", 3, "found a NUL byte"),
    "workbook": (_zip(GOOD), None, "found a zip archive or Excel workbook"),
    "bzip2": (bz2.compress(GOOD), None, "found a bzip2 file"),
    "xz": (lzma.compress(GOOD), None, "found an xz file"),
    "comma": (GOOD.replace(b"\t", b","), None, "what looks comma-separated, expected tab-sep"),
    "semicolon": (GOOD.replace(b"\t", b";"), None, "re-export it tab-separated"),
    "blanks": (GOOD.replace(b"\t", b" "), None, "what looks blank-separated"),
    "short row": (b"n\tx\n1\t2\n3\n4\t5\n", 3, "found 1 field, expected 2 as in the header"),
    "long row": (b"n\tx\n1\t2\n\n3\t4\t5\n", 4, "found 3 fields, expected 2 as in the header"),
    "short and long": (b"n\tx\n1\n1\t2\t3\n", 2, "2 rows differ, the last is row 3"),
    "row names": (b"n\tx\na\t1\t2\nb\t3\t4\n", 2, "as tables written with row names"),
    "open quote": (b'n\tx\n1\t2\n"3\t4\n5\t6\n', 3, "found a quote that is never closed"),
    "open quote above": (b'n\t"x\n1\t2\n', 1, "found a quote that is never closed"),
    "long row, odd quotes": (b'n\tx\n1"\t2\n\n3"\t4\t5\n', 4, "found 3 fields"),
    "endless field": (b'n\tx\n1\t2\n"' + b"3\n" * 99999, 3, "found an endless field"),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("packed", [False, True])
def test_one_sentence_for_each(tmp_path: Path, name: str, packed: bool) -> None:
    data, row, sentence = BROKEN[name]
    if packed and data.startswith(b"\x1f\x8b"):
        data += b"\0\0"  # padding is legal and changes nothing
    elif packed:
        data = gzip.compress(data)
    path = tmp_path / "t.tsv"
    path.write_bytes(data)
    found = single(path, SHAPE)
    assert (found.file, found.row) == ("t.tsv", row)
    assert sentence in str(found)
    assert found.remedy


def test_first_line_may_hold_several_problems(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_bytes(b"n\ty\n1\t2\n3\n")
    with pytest.raises(InputError) as caught:
        read_table(path, SHAPE)
    assert [(v.column, v.row) for v in caught.value.violations] == [("x", None), ("", 3)]


def test_block_compressed_and_padded_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    for data in (BLOCKS, BLOCKS + b"\0" * 512, gzip.compress(GOOD[:-1])):
        path.write_bytes(data)
        assert read_table(path, SHAPE).frame["x"].tolist() == [0.5, 0.25]


def test_many_blocks_across_reading_pieces(tmp_path: Path) -> None:
    lines = b"".join(b"%d\t%d.5\n" % (k, k) for k in range(60000))
    path = tmp_path / "t.tsv"
    blocks = [gzip.compress(lines[at : at + 7000], 0) for at in range(0, len(lines), 7000)]
    path.write_bytes(gzip.compress(b"n\tx\n") + b"".join(blocks))
    frame = read_table(path, SHAPE).frame
    assert frame["n"].tolist() == list(range(60000))


def test_comma_separated_text_is_told_from_tabs(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(GOOD)
    found = single(path, SHAPE.model_copy(update={"format": "csv"}))
    assert "what looks tab-separated, expected comma-separated text" in str(found)


def test_other_delimiter_that_explains_nothing_is_not_suggested(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_bytes(b"a,b\n1,2\n")
    with pytest.raises(InputError, match="expected a column of this name") as caught:
        read_table(path, SHAPE)
    assert "looks" not in str(caught.value)


def test_very_wide_header_is_no_obstacle_to_the_guess(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("\t".join(f"M{k:06d}" for k in range(20000)) + "\n")
    with pytest.raises(InputError, match="and 19988 more") as caught:
        read_table(path, SHAPE)
    assert len(caught.value.violations) == 3


@pytest.mark.parametrize("name", ["t.tsv", "t.npz"])
def test_absent_folder_and_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    shape = SHAPE.model_copy(update={"format": "npz"}) if name.endswith("npz") else SHAPE
    path = tmp_path / name
    assert "expected a file, and there is none" in str(single(path, shape))
    path.mkdir()
    assert "found a folder, expected a file" in str(single(path, shape))

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert "found Permission denied, expected a readable file" in str(single(path, shape))


@pytest.mark.parametrize(("name", "kind"), [("t.npz", "tsv"), ("t.tsv", "npz"), ("t", "npz")])
def test_suffix_of_another_format(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).write_bytes(GOOD)
    found = single(tmp_path / name, SHAPE.model_copy(update={"format": kind}))
    assert "export it in that format" in str(found)


def attempt(path: Path, data: bytes, kind: str = "tsv") -> None:
    path.write_bytes(data)
    with contextlib.suppress(InputError):
        read_table(path, schema(kind))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@given(st.binary(max_size=200), st.booleans())
@example(b"\xef\xbb\xbf", False)
@example(b'"', True)
@settings(max_examples=400)
def test_any_bytes_give_a_table_or_an_input_error(folder: Path, data: bytes, packed: bool) -> None:
    path = folder / "t.tsv"
    attempt(path, gzip.compress(data) if packed else data)
    attempt(path, b"\x1f\x8b" + data)
    assert path.exists()


NASTY = [
    b'"',
    b"\t",
    b"\n",
    b"\r",
    b"\0",
    b"\xff",
    b",",
    b"NA",
    b"-",
    b"1e999",
    b"\xef\xbb\xbf",
    b" ",
]


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 4), st.sampled_from(NASTY))))
@settings(max_examples=200)
def test_damaged_tables_give_a_table_or_an_input_error(
    folder: Path, edits: list[tuple[int, int, bytes]]
) -> None:
    path = folder / "t.tsv"
    write(path, plain_rows(4), Dress())
    data = path.read_bytes()
    for at, drop, put in edits:
        data = data[:at] + put + data[at + drop :]
    attempt(path, data)
    packed = gzip.compress(data)
    for at, drop, put in edits[:2]:
        packed = packed[:at] + put + packed[at + drop :]
    attempt(path, packed)
    assert path.exists()
