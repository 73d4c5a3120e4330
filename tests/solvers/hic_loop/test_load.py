"""What the files must hold, and the sentence that says what they hold instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from refsolve.core.errors import AnalysisError, InputError, UsageError
from tests.solvers.hic_loop.cases import (
    BINS,
    COARSE,
    COARSE_BINS,
    CONTACTS,
    Made,
    Tables,
    make,
    opened,
    save,
    with_cell,
    with_table,
)
from tests.solvers.hic_loop.cases import PROBLEM as problem

load = problem.module("tables").load
Change = Callable[[Tables], Tables]


@pytest.fixture(scope="module")
def made() -> Made:
    return make(2, bins=18, replicates=(2, 2), stripes=(), low={})


def _cell(stem: str, index: int, column: str, value: Any) -> Change:
    return lambda tables: with_cell(tables, stem, index, column, value)


def _rows(stem: str, keep: Callable[[pd.DataFrame], Any]) -> Change:
    return lambda tables: with_table(tables, stem, lambda f: f[keep(f)].reset_index(drop=True))


def _twice(stem: str) -> Change:
    return lambda t: with_table(t, stem, lambda f: pd.concat([f, f.iloc[[3]]], ignore_index=True))


def _without(stem: str, column: str) -> Change:
    return lambda tables: with_table(tables, stem, lambda f: f.drop(columns=column))


def _turned(tables: Tables) -> Tables:
    """Row 4 of the contacts in the lower triangle, and the row after it."""
    frame = tables[CONTACTS].copy()
    frame.loc[2:3, ["bin1", "bin2"]] = frame.loc[2:3, ["bin2", "bin1"]].to_numpy()
    return {**tables, CONTACTS: frame}


def _mirrored(tables: Tables) -> Tables:
    frame = tables[CONTACTS]
    other = frame.rename(columns={"bin1": "bin2", "bin2": "bin1"})
    return {**tables, CONTACTS: pd.concat([frame, other[other["dist_bin"] > 0]])}


BROKEN: dict[str, tuple[Change, str]] = {
    "unknown bin": (
        _cell(CONTACTS, 7, "bin2", 99),
        "contacts_20kb.tsv.gz, column 'bin2', row 9: found '99', expected a value that stands in "
        "column 'bin_id' of bins_20kb.tsv.gz",
    ),
    "unknown coarse bin": (
        _cell(COARSE, 0, "bin1", "x"),
        "contacts_40kb.tsv.gz, column 'bin1', row 2: found 'x', expected a value that stands in "
        "column 'bin_id' of bins_40kb.tsv.gz",
    ),
    "lower triangle": (
        _turned,
        "contacts_20kb.tsv.gz, column 'bin2', row 4: found '0', expected a bin that does not come "
        "before bin1 '2': the table is an upper triangle; exchange bin1 and bin2, or remove the "
        "row if the pixel stands there already; 1 more row is wrong in the same way.",
    ),
    "both triangles": (_mirrored, "column 'bin2', row 686: found '0', expected a bin that does"),
    "pixel twice": (
        _twice(CONTACTS),
        "contacts_20kb.tsv.gz, column 'condition, replicate, bin1, bin2', row 686: found "
        "('case', '1', '0', '3'), expected a combination that is unique; row 5 has the same",
    ),
    "negative count": (
        _cell(CONTACTS, 4, "count", -3),
        "contacts_20kb.tsv.gz, column 'count', row 6: found -3, expected a whole number at least 0",
    ),
    "broken count": (
        _cell(CONTACTS, 4, "count", 12.5),
        "contacts_20kb.tsv.gz, column 'count', row 6: found '12.5', expected a whole number",
    ),
    "text for a count": (_cell(CONTACTS, 4, "count", "many"), "row 6: found 'many', expected a"),
    "unknown condition": (
        _cell(CONTACTS, 0, "condition", "cases"),
        "contacts_20kb.tsv.gz, column 'condition', row 2: found 'cases', expected one of case, "
        "control; perhaps 'case' is meant",
    ),
    "no controls": (
        _rows(CONTACTS, lambda f: f["condition"] == "case"),
        "contacts_20kb.tsv.gz, column 'condition': expected rows of condition 'control'; the table "
        "holds case only; add the replicates.",
    ),
    "no cases at 40 kb": (
        _rows(COARSE, lambda f: f["condition"] == "control"),
        "contacts_40kb.tsv.gz, column 'condition': expected rows of condition 'case'",
    ),
    "bin twice": (
        _cell(BINS, 5, "bin_id", 4),
        "bins_20kb.tsv.gz, column 'bin_id', row 7: found '4', expected a value that no other row",
    ),
    "place twice": (
        _cell(BINS, 5, "start", 1_080_000),
        "bins_20kb.tsv.gz, column 'start', row 7: found 1080000, expected a start that no other "
        "bin of chr1 has; the bin in row 6 has the same; correct one of them.",
    ),
    "backwards": (
        _cell(BINS, 5, "end", 1_100_000),
        "bins_20kb.tsv.gz, column 'end', row 7: found 1100000, expected more than the 'start' of "
        "the row, 1100000; exchange the ends.",
    ),
    "GC in percent": (
        _cell(BINS, 0, "gc_content", 41),
        "'gc_content', row 2: found 41.0, expected",
    ),
    "mappability above one": (
        _cell(COARSE_BINS, 1, "mappability", 1.2),
        "bins_40kb.tsv.gz, column 'mappability', row 3: found 1.2",
    ),
    "negative sites": (_cell(BINS, 3, "re_sites", -1), "column 're_sites', row 5: found -1"),
    "no start": (_cell(BINS, 3, "start", "NA"), "bins_20kb.tsv.gz, column 'start', row 5"),
    "no mappability": (
        _without(BINS, "mappability"),
        "bins_20kb.tsv.gz, column 'mappability': expected a column of this name",
    ),
    "no counts": (
        _without(CONTACTS, "count"),
        "contacts_20kb.tsv.gz, column 'count': expected a column of this name (or contacts)",
    ),
    "no first bin": (
        _without(CONTACTS, "bin1"),
        "column 'bin1': expected a column of this name (or bin1_id, bin_i, i)",
    ),
}


@pytest.mark.parametrize("change, message", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_named(made: Made, tmp_path: Path, change: Change, message: str) -> None:
    with pytest.raises(InputError) as caught:
        load(opened(tmp_path, change(made.tables)))
    assert message in str(caught.value)


def test_every_violation_is_reported_at_once(made: Made, tmp_path: Path) -> None:
    tables = with_cell(_turned(made.tables), COARSE, 2, "bin1", 8)
    tables = with_table(tables, CONTACTS, lambda f: f[f["condition"] == "case"])
    with pytest.raises(InputError) as caught:
        load(opened(tmp_path, tables))
    places = [(v.file.split(".")[0], v.column) for v in caught.value.violations]
    assert places == [(CONTACTS, "condition"), (CONTACTS, "bin2"), (COARSE, "bin2")]


@pytest.mark.parametrize("stem", [BINS, COARSE_BINS, CONTACTS, COARSE])
def test_an_absent_file_is_named(made: Made, tmp_path: Path, stem: str) -> None:
    tables = {key: frame for key, frame in made.tables.items() if key != stem}
    with pytest.raises(InputError, match=stem):
        load(opened(tmp_path, tables))


@pytest.mark.parametrize(
    "one, two", [("bin1", "bin2"), ("bin1_id", "bin2_id"), ("bin_i", "bin_j"), ("i", "j")]
)
@pytest.mark.parametrize("count", ["count", "contacts"])
@pytest.mark.parametrize("replicate", ["replicate", "rep"])
def test_aliases(
    made: Made, tmp_path: Path, one: str, two: str, count: str, replicate: str
) -> None:
    names = {"bin1": one, "bin2": two, "count": count, "replicate": replicate}
    tables = with_table(made.tables, CONTACTS, lambda f: f.rename(columns=names))
    tables = with_table(tables, COARSE, lambda f: f.rename(columns=names))
    plain = load(opened(tmp_path / "plain", made.tables))
    np.testing.assert_array_equal(
        load(opened(tmp_path / "other", tables)).fine.counts, plain.fine.counts
    )


@pytest.mark.parametrize("missing", ["", "NA", "NaN", "."])
def test_a_missing_count_is_no_zero(made: Made, tmp_path: Path, missing: str) -> None:
    tables = with_cell(made.tables, CONTACTS, 5, "count", np.nan)
    tables = with_cell(tables, BINS, 4, "gc_content", np.nan)
    matrix = load(opened(tmp_path, tables, missing=missing)).fine
    assert np.isnan(matrix.counts[0, matrix.pixel(0, 5)])
    assert np.isnan(matrix.counts).sum() == matrix.account["missing_counts"] == 1
    assert np.isnan(matrix.bins.covariates["gc_content"][4])


def _sparse(listed: bool) -> Made:
    return make(6, bins=18, replicates=(2, 2), stripes=(), low={}, contacts=1.5, listed=listed)


def test_zeros_may_be_listed_or_left_out(tmp_path: Path) -> None:
    left_out, listed = (
        load(opened(tmp_path / str(k), _sparse(k).tables)).fine for k in (False, True)
    )
    assert (left_out.counts == 0).sum() > 20
    np.testing.assert_array_equal(left_out.counts, listed.counts)
    assert left_out.account["absent_taken_for_zero"] == listed.account["zeros_listed"]


def test_what_is_absent_beside_listed_zeros_was_not_measured(tmp_path: Path) -> None:
    tables = with_table(_sparse(True).tables, CONTACTS, lambda f: f.drop(index=[4, 5]))
    matrix = load(opened(tmp_path, tables)).fine
    assert np.isnan(matrix.counts).sum() == matrix.account["absent_not_measured"] == 2


def test_what_is_absent_among_many_contacts_was_not_measured(made: Made, tmp_path: Path) -> None:
    drop = made.tables[CONTACTS].index[[5, 6, 400]]
    tables = with_table(made.tables, CONTACTS, lambda f: f.drop(index=drop))
    matrix = load(opened(tmp_path, tables)).fine
    assert np.isnan(matrix.counts).sum() == matrix.account["absent_not_measured"] == 3


def test_bins_that_are_not_listed_keep_their_distance(made: Made, tmp_path: Path) -> None:
    tables = with_table(made.tables, BINS, lambda f: f[f["bin_id"] != 5])
    tables = with_table(tables, CONTACTS, lambda f: f[(f["bin1"] != 5) & (f["bin2"] != 5)])
    matrix = load(opened(tmp_path, tables)).fine
    assert matrix.bins.names([4, 6]) == ["4", "6"]
    assert matrix.pixel(4, 6) >= 0
    assert len(matrix.bin1) == 17 * 16 // 2


def test_bins_without_contacts_are_no_zeros(made: Made, tmp_path: Path) -> None:
    tables = with_table(made.tables, CONTACTS, lambda f: f[(f["bin1"] != 5) & (f["bin2"] != 5)])
    matrix = load(opened(tmp_path, tables)).fine
    assert matrix.account["bins_without_contacts"] == 1
    assert len(matrix.bin1) == 17 * 16 // 2


def test_rows_that_teach_nothing_are_counted(tmp_path: Path) -> None:
    made = make(3, bins=18, replicates=(1, 1), chromosomes=2, low={}, stripes=())
    between = pd.DataFrame(
        {"condition": ["case"], "replicate": [1], "bin1": [2], "bin2": [20], "count": [4]}
    )
    tables = with_table(made.tables, CONTACTS, lambda f: pd.concat([f, between]))
    matrix = load(opened(tmp_path, tables)).fine
    assert matrix.account["rows_between_chromosomes"] == 1
    assert matrix.account["diagonal_rows"] == 2 * 36
    assert len(matrix.bin1) == 2 * 18 * 17 // 2


def test_a_coarse_table_of_other_counts_is_told(made: Made, tmp_path: Path) -> None:
    study = load(opened(tmp_path / "same", made.tables))
    assert study.differing == (0, 4 * 9 * 8 // 2)
    frame = made.tables[COARSE]
    at = int(np.flatnonzero(frame["bin1"] != frame["bin2"])[0])
    tables = with_cell(made.tables, COARSE, at, "count", 1)
    assert load(opened(tmp_path / "other", tables)).differing == (1, 4 * 9 * 8 // 2)


def test_replicates_are_in_order_of_number(tmp_path: Path) -> None:
    made = make(3, bins=18, replicates=(1, 11), low={}, stripes=())
    study = load(opened(tmp_path, made.tables))
    assert study.fine.replicate.tolist() == ["1", *(str(k) for k in range(1, 12))]
    assert study.fine.condition.tolist() == ["case", *["control"] * 11]


located = problem.module("target").located
refuse = problem.module("target").refuse_unmeasured


@pytest.mark.parametrize(
    "name, asked, found",
    [
        (int, ("8", "17"), (8, 17)),
        (int, ("17", "8"), (8, 17)),
        (lambda k: k + 1, ("8", "17"), (7, 16)),
        (lambda k: f"bin_{k:03d}", ("8", "17"), (8, 17)),
        (lambda k: f"bin_{k:03d}", ("bin_008", "bin_017"), (8, 17)),
        (lambda k: f"chr1_{k + 1}", ("8", "17"), (7, 16)),
        (lambda k: 100 + k, ("108", "117"), (8, 17)),
    ],
)
def test_the_target_is_named_by_its_bins(
    tmp_path: Path, name: Any, asked: tuple[str, str], found: tuple[int, int]
) -> None:
    made = make(2, bins=18, replicates=(1, 1), stripes=(), low={}, name=name)
    assert located(load(opened(tmp_path, made.tables)).fine, *asked) == found


def test_a_target_that_does_not_exist_is_named(made: Made, tmp_path: Path) -> None:
    matrix = load(opened(tmp_path, made.tables)).fine
    message = (
        "bins_20kb.tsv.gz, column 'bin_id': expected bin '44', which the parameter bin2 names as a "
        "bin of the target; the bins there are 0, 1, 2, 3, 4, 5 and 12 more; choose one with --set "
        "bin2=ID."
    )
    with pytest.raises(InputError) as caught:
        located(matrix, "8", "44")
    assert str(caught.value) == message
    with pytest.raises(UsageError, match="The target bins 8 and 8 are the same bin"):
        located(matrix, "8", "8")


def test_a_target_between_chromosomes_is_refused(tmp_path: Path) -> None:
    made = make(3, bins=18, replicates=(1, 1), chromosomes=2, low={}, stripes=())
    with pytest.raises(UsageError, match="8 and 20 lie on chr1 and chr2"):
        located(load(opened(tmp_path, made.tables)).fine, "8", "20")


def _target_row(tables: Tables) -> int:
    frame = tables[CONTACTS]
    return int(np.flatnonzero((frame["bin1"] == 8) & (frame["bin2"] == 17))[1])


@pytest.mark.parametrize(
    "change, reason",
    [
        (
            lambda t: with_cell(t, CONTACTS, _target_row(t), "count", 0),
            r"The target pixel 8–17 has no contact and log2\(0\) is not a number in case "
            "replicate 2: its strength is not identified. Name other bins with --set bin1=ID",
        ),
        (
            lambda t: with_cell(t, CONTACTS, _target_row(t), "count", np.nan),
            "has no count in case replicate 2",
        ),
        (
            lambda t: with_cell(t, BINS, 17, "re_sites", np.nan),
            "bins_20kb.tsv.gz: re_sites of bin 17 of the target is missing",
        ),
        (
            lambda t: with_table(t, CONTACTS, lambda f: f[f["bin2"] - f["bin1"] < 6]),
            "No replicate has contacts as far apart as the target pixel 8–17",
        ),
    ],
)
def test_a_target_without_a_ratio_is_told(
    made: Made, tmp_path: Path, change: Change, reason: str
) -> None:
    with pytest.raises(AnalysisError, match=reason):
        refuse(load(opened(tmp_path, change(made.tables))).fine, (8, 17))


@pytest.mark.parametrize(
    "told",
    [
        lambda f: f["bin2"] - f["bin1"],
        lambda f: 20_000 * (f["bin2"] - f["bin1"]),
        lambda f: np.where(f["bin1"] % 3, f["bin2"] - f["bin1"], np.nan),
        lambda f: np.where(f["bin2"] - f["bin1"] > 5, "far", "near"),
    ],
    ids=["bins", "bp", "some missing", "classes"],
)
def test_the_unit_of_dist_bin_does_not_matter(
    made: Made, tmp_path: Path, told: Callable[[Any], Any]
) -> None:
    tables = with_table(made.tables, CONTACTS, lambda f: f.assign(dist_bin=told(f)))
    assert load(opened(tmp_path, tables)).fine.bin1.size == 18 * 17 // 2


def test_plain_text_is_read_too(made: Made, tmp_path: Path) -> None:
    folder = save(tmp_path, made.tables)
    for stem, table in made.tables.items():
        (folder / f"{stem}.tsv.gz").unlink()
        table.to_csv(folder / f"{stem}.tsv", sep="\t", index=False)
    from refsolve.contract.solving import open_case

    assert load(open_case(problem, folder, {})).differing[0] == 0
