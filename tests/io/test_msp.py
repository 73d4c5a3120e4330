"""Windows of local ancestry become tracts, in one piece or streamed; every fault is named."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from refsolve.core.errors import InputError
from refsolve.io.called import stacked
from refsolve.io.msp import iter_msp, read_msp

HEADER = (
    "#Subpopulation order/codes: AFR=0\tEUR=1\n#chm\tspos\tepos\tsgpos\tegpos\tn snps\ta.0\ta.1\n"
)
ROWS = [
    ["1", "10", "20", "0.5", "1.5", "9", "0", "1"],
    ["1", "20", "30", "1.5", "2.0", "9", "0", "0"],
    ["1", "30", "40", "2.0", "4.0", "9", "1", "0"],
    ["1", "60", "70", "6.0", "7.0", "9", "1", "0"],
    ["2", "10", "20", "0.0", "1.0", "9", "1", "0"],
]


def write(
    folder: Path, rows: list[list[str]], header: str = HEADER, name: str = "a.msp.tsv"
) -> Path:
    path = folder / name
    text = (header + "".join("\t".join(row) + "\n" for row in rows)).encode()
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    return path


def changed(row: int, column: int, value: str) -> list[list[str]]:
    rows = [list(r) for r in ROWS]
    rows[row][column] = value
    return rows


@pytest.mark.parametrize("name", ["a.msp.tsv", "a.msp.tsv.gz"])
def test_touching_windows_of_one_code_are_one_tract(tmp_path: Path, name: str) -> None:
    calls = read_msp(write(tmp_path, ROWS, name=name))
    order = np.lexsort((calls.start, calls.chromosome, calls.haplotype))
    got = [
        (calls.haplotype[i], calls.chromosome[i], calls.start[i], calls.end[i], calls.ancestry[i])
        for i in order
    ]
    want = [
        (0, 0, 0.005, 0.02, 0),
        (0, 0, 0.02, 0.04, 1),
        (0, 0, 0.06, 0.07, 1),
        (0, 1, 0.0, 0.01, 1),
        (1, 0, 0.005, 0.015, 1),
        (1, 0, 0.015, 0.04, 0),
        (1, 0, 0.06, 0.07, 0),
        (1, 1, 0.0, 0.01, 0),
    ]
    np.testing.assert_allclose(got, want, rtol=1e-12)
    assert calls.haplotype_names == ("a.0", "a.1")
    assert calls.chromosome_names == ("1", "2")
    assert calls.ancestry_names == ("AFR", "EUR")
    np.testing.assert_allclose(calls.extent, [[0.005, 0.07], [0.0, 0.01]], rtol=1e-12)
    assert calls.set_aside == 0


def test_streams_are_the_whole(tmp_path: Path) -> None:
    files = [write(tmp_path, ROWS[:4]), write(tmp_path, ROWS[4:], name="b.msp.tsv")]
    batches = list(iter_msp(files, chunk=1))
    assert len(batches) > 2
    parts, whole = stacked(batches), read_msp(write(tmp_path, ROWS, name="c.msp.tsv"))
    for name in ("haplotype", "chromosome", "start", "end", "ancestry", "extent"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


def test_more_than_ten_codes(tmp_path: Path) -> None:
    codes = "\t".join(f"P{k}={k}" for k in range(12))
    header = f"#Subpopulation order/codes: {codes}\n" + HEADER.split("\n", 1)[1]
    calls = read_msp(write(tmp_path, changed(0, 6, "11"), header))
    assert calls.ancestry.max() == 11


def test_windows_without_length_are_set_aside(tmp_path: Path) -> None:
    rows = [ROWS[0], ["1", "20", "21", "1.5", "1.5", "9", "1", "0"], ROWS[1]]
    calls = read_msp(write(tmp_path, rows))
    assert calls.set_aside == 1
    assert (calls.end > calls.start).all()


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        (changed(1, 6, "2"), HEADER, "column 'a.0', row 4: found '2', expected a code from 0 to 1"),
        (changed(1, 7, "x"), HEADER, "column 'a.1', row 4: found 'x', expected a code from 0 to 1"),
        (changed(1, 7, ""), HEADER, "column 'a.1', row 4: found '', expected a code from 0 to 1"),
        (
            changed(2, 3, "."),
            HEADER,
            "column 'sgpos', row 5: found '.', expected a position",
        ),
        (changed(2, 4, ""), HEADER, "column 'egpos', row 5: found an empty field, expected a pos"),
        (
            changed(2, 4, "1"),
            HEADER,
            "column 'egpos', row 5: found '1', expected an end not before",
        ),
        (
            changed(2, 3, "1.2"),
            HEADER,
            "column 'sgpos', row 5: found '1.2', expected windows",
        ),
        ([ROWS[0], ROWS[1][:-1]], HEADER, "row 4: found 7 fields, expected 8 as in the header"),
        ([ROWS[0], ROWS[1][:3]], HEADER, "row 4: found 3 fields, expected 8 as in the header"),
        ([[*ROWS[0], "1"]], HEADER, "row 3: found 9 fields, expected 8 as in the header"),
        ([], HEADER, "found no window, expected at least one window"),
        (ROWS, HEADER.replace("EUR=1", "EUR=2"), "row 1: found .* the first line names the codes"),
        (ROWS, HEADER[1:], "row 1: found"),
        (
            ROWS,
            HEADER.replace("\ta.0\ta.1", ""),
            "row 2: found 6 fields, expected 6 columns",
        ),
        (ROWS, HEADER.replace("a.1", "a.0"), "row 2: found 'a.0' twice"),
    ],
)
def test_faults_are_named(tmp_path: Path, rows: list[list[str]], header: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_msp(write(tmp_path, rows, header))
    assert str(caught.value).startswith("a.msp.tsv")


def test_all_faults_come_together_and_are_counted(tmp_path: Path) -> None:
    rows = changed(1, 6, "7")
    rows[2][6], rows[3][4] = "8", "nan"
    with pytest.raises(InputError) as caught:
        read_msp(write(tmp_path, rows))
    assert len(caught.value.violations) == 2
    assert "1 more row like it" in str(caught.value)


def test_files_must_belong_together(tmp_path: Path) -> None:
    one = write(tmp_path, ROWS[:4])
    other = write(tmp_path, ROWS[4:], HEADER.replace("a.0", "b.0"), "b.msp.tsv")
    with pytest.raises(InputError, match=r"b.msp.tsv: found 'other haplotypes'|other haplotypes"):
        read_msp([one, other])
    with pytest.raises(InputError, match="a file, and there is none"):
        read_msp(tmp_path / "none.msp.tsv")
    with pytest.raises(InputError, match="a file"):
        read_msp(tmp_path)
    with pytest.raises(ValueError, match="paths is empty"):
        read_msp([])
    cut = tmp_path / "cut.msp.tsv.gz"
    cut.write_bytes(gzip.compress((HEADER * 50).encode())[:60])
    with pytest.raises(InputError, match="an intact gzip file"):
        read_msp(cut)
