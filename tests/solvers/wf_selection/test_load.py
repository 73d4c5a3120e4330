"""What the files must hold, and the sentence that says what they hold instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from refsolve.core.errors import AnalysisError, InputError
from tests.solvers.wf_selection.cases import (
    PROBLEM,
    Tables,
    generated,
    intervals,
    opened,
    plain,
    solved,
    with_cell,
)

load = PROBLEM.module("tables").load


def _cell(name: str, index: int, column: str, value: object) -> Callable[[], Tables]:
    return lambda: with_cell(plain(), name, index, column, value)


def _schedule(frame: pd.DataFrame) -> Callable[[], Tables]:
    return lambda: {**plain(), "Ne_schedule": frame}


def _by_generation(*rows: tuple[int, int]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["generation", "Ne"])


FULL = [(t, 100) for t in range(25)]

BROKEN = {
    "third allele": (
        _cell("variant_info", 1, "ancestral", "G"),
        "variant_info.tsv.gz, column 'ancestral', row 3: found 'G', expected ref 'C' or alt 'T' of "
        "locus B; with a third allele neither can be called derived; use another outgroup.",
    ),
    "ref is alt": (
        _cell("variant_info", 0, "alt", "C"),
        "variant_info.tsv.gz, column 'alt', row 2: found 'C', expected an allele other than ref",
    ),
    "no outgroup": (_cell("variant_info", 0, "ancestral", "N"), "'ancestral', row 2: found 'N'"),
    "locus absent": (
        lambda: {**plain(), "variant_info": plain()["variant_info"].iloc[[0]]},
        "variant_info.tsv.gz, column 'locus': expected a row for locus B; add the row.",
    ),
    "locus twice": (_cell("variant_info", 1, "locus", "A"), "'locus', row 3: found 'A'"),
    "sample after the schedule": (
        _cell("locus_B_timeseries", 6, "generation", 25),
        "locus_B_timeseries.tsv.gz, column 'generation', row 8: found 25, expected a generation "
        "that Ne_schedule.tsv.gz lists; it covers 0 to 24; complete it.",
    ),
    "sample before the schedule": (
        _schedule(_by_generation(*FULL[1:])),
        "locus_A_timeseries.tsv.gz, column 'generation', row 2: found 0",
    ),
    "hole where a sample is": (
        _schedule(_by_generation(*FULL[:8], *FULL[9:])),
        "locus_A_timeseries.tsv.gz, column 'generation', row 4: found 8",
    ),
    "hole between samples": (
        _schedule(_by_generation(*FULL[:5], *FULL[7:])),
        "Ne_schedule.tsv.gz, column 'generation', row 7: found 7, expected generation 5 to follow "
        "4; list every generation between the first and last sample of locus_A_timeseries.",
    ),
    "two sizes": (
        _schedule(_by_generation(*FULL, (3, 50))),
        "Ne_schedule.tsv.gz, column 'Ne', row 5: found 100, expected one size for generation 3, "
        "and row 27 says 50",
    ),
    "hole between intervals": (
        _schedule(intervals((0, 9, 100), (11, 30, 50))),
        "Ne_schedule.tsv.gz, column 'generation_start', row 3: found 11, expected generation 10",
    ),
    "overlapping intervals": (
        _schedule(intervals((10, 30, 50), (0, 10, 100))),
        "Ne_schedule.tsv.gz, column 'Ne', row 2: found 50, expected one size for generation 10, "
        "and row 3 says 100",
    ),
    "interval within another": (
        _schedule(intervals((0, 30, 100), (2, 3, 100), (5, 6, 20))),
        "'Ne', row 4: found 20, expected one size for generation 5, and row 2 says 100",
    ),
    "interval backwards": (
        _schedule(intervals((0, 12, 100), (30, 13, 50))),
        "Ne_schedule.tsv.gz, column 'generation_end', row 3: found 13, expected at least the "
        "'generation_start' of the row, 30",
    ),
    "nobody": (_cell("Ne_schedule", 4, "Ne", 0), "column 'Ne', row 6: found 0"),
    "less than one": (_cell("Ne_schedule", 4, "Ne", 0.6), "column 'Ne', row 6: found 0.6"),
    "more than all": (
        _cell("locus_A_timeseries", 0, "alt_reads", 41),
        "locus_A_timeseries.tsv.gz, column 'alt_reads', row 2: found 41, expected at most the "
        "'total_reads' of the row, 40",
    ),
    "coin toss": (_cell("locus_A_timeseries", 2, "seq_error", 0.5), "row 4: found 0.5, expected"),
    "no error rate": (_cell("locus_B_timeseries", 2, "seq_error", "NA"), "'seq_error', row 4"),
    "before time": (_cell("locus_B_timeseries", 0, "generation", -1), "row 2: found -1, expected"),
}


@pytest.mark.parametrize("make, message", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_named(tmp_path: Path, make: Callable[[], Tables], message: str) -> None:
    with pytest.raises(InputError) as caught:
        load(opened(tmp_path, make()))
    assert message in str(caught.value)


def test_every_violation_is_reported_at_once(tmp_path: Path) -> None:
    tables = with_cell(plain(), "variant_info", 0, "ancestral", "G")
    tables["Ne_schedule"] = intervals((0, 10, 100), (10, 30, 50))
    with pytest.raises(InputError) as caught:
        load(opened(tmp_path, tables))
    assert [v.file for v in caught.value.violations] == [
        "variant_info.tsv.gz",
        "Ne_schedule.tsv.gz",
    ]


@pytest.mark.parametrize("name", ["locus_A_timeseries", "variant_info", "Ne_schedule"])
def test_an_absent_file_is_named(tmp_path: Path, name: str) -> None:
    tables = {key: frame for key, frame in plain().items() if key != name}
    with pytest.raises(InputError, match=name):
        load(opened(tmp_path, tables))


@pytest.mark.parametrize(
    "reads, where", [([40] + [0] * 6, "only in generation 0"), ([0] * 7, "in no generation")]
)
def test_a_locus_without_change_in_time_cannot_be_analysed(
    tmp_path: Path, reads: list[int], where: str
) -> None:
    tables = plain()
    tables["locus_B_timeseries"] = tables["locus_B_timeseries"].assign(total_reads=reads)
    tables["locus_B_timeseries"]["alt_reads"] = np.minimum(reads, 12)
    with pytest.raises(AnalysisError, match=f"Locus B has reads .*{where}"):
        solved(tmp_path, tables)


@pytest.mark.parametrize(
    "frame, repeated",
    [
        (_by_generation(*FULL, (3, 100)), 1),
        (intervals((0, 12, 100), (10, 30, 100)), 1),
        (intervals((0, 24, 100)), 0),
        (intervals((40, 50, 7), (13, 24, 100), (0, 12, 100)), 0),
        (_by_generation(*FULL, (99, 7)), 0),
    ],
)
def test_the_schedule_may_say_the_same_twice_and_more_than_is_needed(
    tmp_path: Path, frame: pd.DataFrame, repeated: int
) -> None:
    schedule = load(opened(tmp_path, {**plain(), "Ne_schedule": frame})).schedule
    np.testing.assert_array_equal(schedule.at(np.arange(25)), np.full(25, 100.0))
    assert schedule.repeated == repeated


@pytest.mark.compiled
def test_both_forms_and_all_aliases_are_the_same_case(tmp_path: Path) -> None:
    base = generated(3, schedule="piecewise", small=60, first=5)
    other = generated(3, schedule="piecewise", small=60, first=5, form="interval", aliases=True)
    assert "outgroup_allele" in other["variant_info"]
    assert "start" in other["Ne_schedule"]
    one, two = solved(tmp_path / "a", base), solved(tmp_path / "b", other)
    assert one.answer == two.answer
    assert one.diagnostics == two.diagnostics


@pytest.mark.parametrize("alias", ["ancestral_allele", "outgroup", "outgroup_allele", "aa"])
def test_aliases_of_the_outgroup(tmp_path: Path, alias: str) -> None:
    tables = plain()
    tables["variant_info"] = tables["variant_info"].rename(columns={"ancestral": alias})
    assert [locus.ancestral for locus in load(opened(tmp_path, tables)).loci] == ["C", "C"]


@pytest.mark.parametrize("start", ["generation_start", "start_generation", "start"])
@pytest.mark.parametrize("end", ["generation_end", "end_generation", "end"])
@pytest.mark.parametrize("size", ["Ne", "ne", "N"])
def test_aliases_of_the_schedule(tmp_path: Path, start: str, end: str, size: str) -> None:
    frame = intervals((0, 12, 100), (13, 24, 40)).set_axis([start, end, size], axis=1)
    schedule = load(opened(tmp_path, {**plain(), "Ne_schedule": frame})).schedule
    assert schedule.at(np.arange(11, 15)).tolist() == [100, 100, 40, 40]


def test_sizes_that_are_not_whole_are_rounded(tmp_path: Path) -> None:
    tables = with_cell(plain(), "Ne_schedule", 4, "Ne", 99.7)
    tables["Ne_schedule"].loc[5, "Ne"] = 42.2
    schedule = load(opened(tmp_path, tables)).schedule
    assert schedule.at(np.arange(3, 7)).tolist() == [100, 100, 42, 100]
