"""Tables of tracts, a file per haplotype or one for all; every fault is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from refsolve.core.errors import InputError
from refsolve.io.called import stacked
from refsolve.io.tracts_bed import iter_tracts_bed, read_tracts_bed

HEADER = "Chr\tStart\tEnd\tAnc\tcMstart\tcMend"
LINES = [
    "1\t0\t500\tEUR\t0.0\t50.0",
    "1\t500\t900\tAFR\t50.0\t90.0",
    "1\t900\t950\tUNKNOWN\t90.0\t95.0",
    "X\t0\t100\tAFR\t0.0\t10.0",
]


def write(folder: Path, lines: list[str], header: str = HEADER, name: str = "ind1_A.bed") -> Path:
    path = folder / name
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def test_a_file_is_a_haplotype(tmp_path: Path) -> None:
    files = [write(tmp_path, LINES), write(tmp_path, LINES[:1], name="ind1_B.bed")]
    calls = read_tracts_bed(files)
    assert calls.haplotype_names == ("ind1_A", "ind1_B")
    assert calls.chromosome_names == ("1", "X")
    assert calls.ancestry_names == ("EUR", "AFR")
    assert calls.haplotype.tolist() == [0, 0, 0, 1]
    np.testing.assert_allclose(calls.end, [0.5, 0.9, 0.1, 0.5], rtol=1e-12)
    np.testing.assert_allclose(calls.extent, [[0.0, 0.95], [0.0, 0.1]], rtol=1e-12)
    assert calls.set_aside == 1
    assert read_tracts_bed(files, ancestries=["AFR", "EUR"]).ancestry.tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("sample,hap,chrom,anc,start_morgan,end_morgan", "i,1,2,A,0.25,0.5"),
        ("individual haplotype chromosome ancestry cM_start cM_end", "i 1 2 A 25 50"),
        ("cm_end\tcm_start\tlabel\tchm\tcopy\tid", "50\t25\tA\t2\t1\ti"),
    ],
)
def test_columns_by_any_name_order_and_delimiter(tmp_path: Path, header: str, line: str) -> None:
    calls = read_tracts_bed(write(tmp_path, [line], header))
    assert calls.haplotype_names == ("i.1",)
    assert (calls.start[0], calls.end[0]) == (0.25, 0.5)
    assert (calls.chromosome_names, calls.ancestry_names) == (("2",), ("A",))


def test_streams_are_the_whole(tmp_path: Path) -> None:
    path = write(tmp_path, LINES * 5)
    batches = list(iter_tracts_bed(path, chunk=40))
    assert len(batches) == 10
    parts, whole = stacked(batches), read_tracts_bed(path)
    for name in ("haplotype", "chromosome", "start", "end", "ancestry", "extent", "set_aside"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


@pytest.mark.parametrize(
    ("lines", "header", "message"),
    [
        (
            [*LINES, "1\t0\t1\tAFR\tx\t96"],
            HEADER,
            "column 'start_cm', row 6: found 'x', expected",
        ),
        ([*LINES, "1\t0\t1\tAFR\t95\t"], HEADER, "column 'end_cm', row 6: found an empty field"),
        ([*LINES, "1\t0\t1\tAFR\t95\tinf"], HEADER, "column 'end_cm', row 6: found 'inf'"),
        (
            [*LINES, "1\t0\t1\tAFR\t95\t94"],
            HEADER,
            "column 'end_cm', row 6: found '94', expected an",
        ),
        (
            [*LINES, "\t0\t1\tAFR\t95\t96"],
            HEADER,
            "column 'chromosome', row 6: found an empty",
        ),
        ([], HEADER, "found no tract, expected a header and tracts"),
        (LINES, HEADER.replace("cMend", "cM"), r"expected a header with .*cM_end"),
        (LINES, "1\t2\t3\t4\t5\t6", "expected a header with chrom, anc"),
    ],
)
def test_faults_are_named(tmp_path: Path, lines: list[str], header: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_tracts_bed(write(tmp_path, lines, header))
    assert str(caught.value).startswith("ind1_A.bed")


def test_faults_are_counted_and_rows_are_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, [*LINES, "1\t0\t1\tAFR\tx\t96", "1\t0\t1\tAFR\ty\t96"])
    with pytest.raises(InputError, match="row 6: found 'x'.*1 more row like it"):
        stacked(iter_tracts_bed(path))


def test_an_ancestry_that_was_not_announced(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="'ancestry', row 2: found 'EUR', expected one of AFR, ASI"
    ):
        read_tracts_bed(write(tmp_path, LINES), ancestries=["AFR", "ASI"])


def test_ragged_lines_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="row 3: found 7 fields, expected 6"):
        read_tracts_bed(write(tmp_path, [LINES[0], LINES[1] + "\t7"]))
    with pytest.raises(InputError, match="row 3: found 1 field, expected 6.*; 2 rows differ"):
        read_tracts_bed(write(tmp_path, [LINES[0], "", "1\t500\t900\tAFR\t50.0"]))
    with pytest.raises(ValueError, match="paths is empty"):
        read_tracts_bed([])
