"""What the files must hold, and the sentence that says what they hold instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from refsolve.core.errors import InputError
from tests.solvers.admixture_pulse.cases import PROBLEM, Tables, opened, plain, solved, with_cell

load = PROBLEM.module("tables").load


def _cell(name: str, index: int, column: str, value: object) -> Callable[[], Tables]:
    return lambda: with_cell(plain(), name, index, column, value)


def _relabelled(haplotypes: list[str]) -> Callable[[], Tables]:
    def make() -> Tables:
        tables = plain()
        tables["segments"]["hap"] = (haplotypes * 18)[:18]
        return tables

    return make


BROKEN = {
    "overlap": (
        _cell("segments", 1, "start_morgan", 0.45),
        "segments.tsv.gz, column 'start_morgan', row 3: found 0.45, expected at least 0.5, where "
        "the tract of row 2 ends: haplotype h1 on chromosome 1; tracts of one haplotype may not "
        "overlap; correct one of the two rows.",
    ),
    "tract twice": (
        lambda: {
            **plain(),
            "segments": pd.concat([plain()["segments"], plain()["segments"].iloc[[4]]]),
        },
        "column 'start_morgan', row 20: found 0.4, expected at least 1.2, where the tract of row 6",
    ),
    "beyond the map": (
        _cell("segments", 2, "end_morgan", 2.01),
        "segments.tsv.gz, column 'end_morgan', row 4: found 2.01, expected at most 2, where the "
        "map of chromosome 1 ends; positions and lengths are in Morgans, and 'length_morgan' is a "
        "length.",
    ),
    "before the map": (
        _cell("segments", 9, "start_morgan", -0.2),
        "'start_morgan', row 11: found -0.2, expected at least 0, where the map of chromosome 1 "
        "starts",
    ),
    "centimorgans": (
        lambda: {
            **plain(),
            "segments": plain()["segments"].assign(
                start_morgan=100 * plain()["segments"]["start_morgan"],
                end_morgan=100 * plain()["segments"]["end_morgan"],
            ),
        },
        "positions and lengths are in Morgans",
    ),
    "unknown chromosome": (
        _cell("segments", 5, "chrom", "chr2"),
        "segments.tsv.gz, column 'chrom', row 7: found 'chr2', expected a value that stands in "
        "column 'chrom' of map_info.tsv.gz",
    ),
    "one haplotype": (
        _relabelled(["h1"]),
        "segments.tsv.gz, column 'hap', row 2: found 'h1', expected two haplotype labels in the "
        "file, and there is 'h1' on 18 rows; add the other one.",
    ),
    "three haplotypes": (
        _cell("segments", 16, "hap", "h3"),
        "column 'hap', row 18: found 'h3', expected two haplotype labels in the file, and there "
        "are 'h1' on 9 rows, 'h2' on 8 rows, 'h3' on 1 rows; remove what belongs to neither",
    ),
    "another ancestry": (_cell("segments", 3, "anc", "C"), "'anc', row 5: found 'C', expected one"),
    "small letter": (_cell("segments", 3, "anc", "b"), "perhaps 'B' is meant"),
    "no ancestry": (_cell("segments", 3, "anc", "NA"), "'anc', row 5: found 'NA', expected one of"),
    "start is end": (
        _cell("segments", 4, "end_morgan", 0.4),
        "segments.tsv.gz, column 'end_morgan', row 6: found 0.4, expected more than the "
        "'start_morgan' of the row, 0.4.",
    ),
    "start after end": (
        _cell("segments", 4, "start_morgan", 1.3),
        "'end_morgan', row 6: found 1.2",
    ),
    "no start": (_cell("segments", 4, "start_morgan", "NA"), "'start_morgan', row 6: found 'NA'"),
    "no end": (_cell("segments", 4, "end_morgan", "."), "'end_morgan', row 6: found '.'"),
    "no haplotype": (_cell("segments", 4, "hap", ""), "column 'hap', row 6: found ''"),
    "infinite": (_cell("segments", 4, "end_morgan", "inf"), "infinite values are not accepted"),
    "posterior above 1": (_cell("segments", 0, "posterior", 1.2), "row 2: found 1.2, expected"),
    "posterior in words": (_cell("segments", 0, "posterior", "high"), "row 2: found 'high'"),
    "negative share": (
        _cell("segments", 0, "low_complexity_frac", -0.1),
        "column 'low_complexity_frac', row 2: found -0.1, expected",
    ),
    "negative length": (
        _cell("map_info", 1, "length_morgan", -1.5),
        "map_info.tsv.gz, column 'length_morgan', row 3: found -1.5, expected a number more than 0",
    ),
    "no length": (
        _cell("map_info", 1, "length_morgan", "NA"),
        "'length_morgan', row 3: found 'NA'",
    ),
    "chromosome twice": (_cell("map_info", 1, "chrom", "1"), "column 'chrom', row 3: found '1'"),
    "length under two names": (
        lambda: {**plain(), "map_info": plain()["map_info"].assign(morgans=1.0)},
        "map_info.tsv.gz, column 'length_morgan': expected to be given once",
    ),
    "no column of ancestry": (
        lambda: {**plain(), "segments": plain()["segments"].rename(columns={"anc": "label"})},
        "segments.tsv.gz, column 'anc': expected a column of this name",
    ),
}


@pytest.mark.parametrize("make, message", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_named(tmp_path: Path, make: Callable[[], Tables], message: str) -> None:
    with pytest.raises(InputError) as caught:
        load(opened(tmp_path, make()))
    assert message in str(caught.value)
    assert caught.value.exit_code == 2


def test_every_violation_is_reported_at_once(tmp_path: Path) -> None:
    tables = with_cell(plain(), "segments", 4, "end_morgan", 0.4)
    tables = with_cell(tables, "segments", 9, "start_morgan", -0.2)
    tables = with_cell(tables, "segments", 2, "end_morgan", 2.5)
    tables = with_cell(tables, "segments", 12, "hap", "h3")
    with pytest.raises(InputError) as caught:
        load(opened(tmp_path, tables))
    assert [(v.column, v.row) for v in caught.value.violations] == [
        ("hap", 14), ("end_morgan", 6), ("start_morgan", 11), ("end_morgan", 4),
    ]  # fmt: skip


def test_an_overlap_is_seen_over_unsorted_rows(tmp_path: Path) -> None:
    tables = with_cell(plain(), "segments", 1, "start_morgan", 0.45)
    tables["segments"] = tables["segments"].iloc[::-1]
    with pytest.raises(InputError, match=r"row 18: found 0.45, .* the tract of row 19 ends"):
        load(opened(tmp_path, tables))


@pytest.mark.parametrize("name", ["segments", "map_info"])
def test_an_absent_file_is_named(tmp_path: Path, name: str) -> None:
    tables = {key: frame for key, frame in plain().items() if key != name}
    with pytest.raises(InputError, match=name):
        load(opened(tmp_path, tables))


@pytest.mark.parametrize(
    "alias", ["length_morgan", "map_length_morgan", "chrom_length_morgan", "morgans"]
)
def test_aliases_of_the_length(tmp_path: Path, alias: str) -> None:
    tables = plain()
    tables["map_info"] = tables["map_info"].rename(columns={"length_morgan": alias})
    assert load(opened(tmp_path, tables)).map_length == 5.0


@pytest.mark.parametrize("word", ["", "NA", "NaN", "."])
def test_missing_qualities_are_counted(tmp_path: Path, word: str) -> None:
    tables = plain()
    tables["segments"].loc[[3, 7], ["posterior", "low_complexity_frac"]] = np.nan
    tables["segments"].loc[5, "posterior"] = np.nan
    study = load(opened(tmp_path, tables, missing=word))
    assert study.without_quality == 2
    assert np.isnan(study.tracts.posterior).sum() == 3


@pytest.mark.parametrize("word", ["", "NA", "NaN", "."])
def test_a_map_starts_anywhere(tmp_path: Path, word: str) -> None:
    """`length_morgan` stays a length; a missing start is 0."""
    tables = plain()
    tables["map_info"]["start_morgan"] = [0.5, np.nan, 0.25]
    shift = tables["segments"]["chrom"].map({"1": 0.5, "2": 0.0, "3": 0.25})
    for column in ("start_morgan", "end_morgan"):
        tables["segments"][column] += shift
    study = load(opened(tmp_path, tables, missing=word))
    base = load(opened(tmp_path / "base", plain()))
    np.testing.assert_allclose(study.tracts.start, base.tracts.start, rtol=0, atol=1e-12)
    np.testing.assert_allclose(study.tracts.lengths, base.tracts.lengths, rtol=0)


def test_a_map_that_starts_later_ends_later(tmp_path: Path) -> None:
    tables = plain()
    tables["map_info"]["start_morgan"] = [0.5, 0.0, 0.0]
    with pytest.raises(InputError, match=r"found 0.0, expected at least 0.5, where the map"):
        load(opened(tmp_path, tables))


def test_rounded_ends_are_moved_and_counted(tmp_path: Path) -> None:
    tables = with_cell(plain(), "segments", 2, "end_morgan", 2.00004)
    tables = with_cell(tables, "segments", 1, "start_morgan", 0.49997)
    study = load(opened(tmp_path, tables))
    assert study.clipped == 2
    assert solved(tmp_path / "again", tables).diagnostics["ends_moved_by_rounding"] == 2


@pytest.mark.parametrize(
    "index, start, end, message",
    [
        (1, 0.49998, 0.50001, "row 3: found 0.49998, expected at least 0.5, where the tract"),
        (2, 2.00001, 2.00005, "row 4: found 2.00005, expected at most 2, where the map"),
        (9, -0.00005, 0.0, "row 11: found -5e-05, expected at least 0, where the map"),
    ],
)
def test_what_rounding_would_erase_is_an_error(
    tmp_path: Path, index: int, start: float, end: float, message: str
) -> None:
    tables = with_cell(plain(), "segments", index, "start_morgan", start)
    tables = with_cell(tables, "segments", index, "end_morgan", end)
    with pytest.raises(InputError, match=message):
        load(opened(tmp_path, tables))


def test_chromosomes_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    tables = plain()
    names = {"1": "chr10", "2": "chr2", "3": "chrX"}
    for frame in tables.values():
        frame["chrom"] = frame["chrom"].map(names)
    assert load(opened(tmp_path, tables)).chromosomes == ("chr2", "chr10", "chrX")
