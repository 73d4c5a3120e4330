"""What the files must hold, and the sentence that says what they hold instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from refsolve.core.errors import InputError
from tests.solvers.cis_mvmr.cases import (
    DISEASE,
    EXPOSURES,
    LD,
    MEASURED,
    META,
    STUDIES,
    WHAT,
    Made,
    Tables,
    make,
    opened,
    save,
    with_cell,
    with_table,
)
from tests.solvers.cis_mvmr.cases import PROBLEM as problem

load = problem.module("tables").load

A1, A2, B1, B2 = EXPOSURES


@pytest.fixture(scope="module")
def made() -> Made:
    return make(2, variants=20, samples=60, dirty=False)


def _ld(change: Callable[[np.ndarray], None]) -> Callable[[Tables], Tables]:
    def damaged(tables: Tables) -> Tables:
        r = tables[LD]["correlation"].copy()
        change(r)
        return {**tables, LD: {**tables[LD], "correlation": r}}

    return damaged


def _set(i: int, j: int, value: float) -> Callable[[np.ndarray], None]:
    def change(r: np.ndarray) -> None:
        r[i, j] = value

    return change


def _renamed(name: str) -> Callable[[Tables], Tables]:
    """Variants of a file under names that no other file has."""

    def damaged(tables: Tables) -> Tables:
        if name == LD:
            snp = np.array([f"5:{k}" for k in range(len(tables[LD]["snp"]))])
            return {**tables, LD: {**tables[LD], "snp": snp}}
        return with_table(tables, name, lambda f: f.assign(snp=[f"5:{k}" for k in range(len(f))]))

    return damaged


def _cell(name: str, index: int, column: str, value: Any) -> Callable[[Tables], Tables]:
    return lambda tables: with_cell(tables, name, index, column, value)


def _rows(name: str, keep: Callable[[pd.DataFrame], Any]) -> Callable[[Tables], Tables]:
    return lambda tables: with_table(tables, name, lambda f: f[keep(f)])


def _twice(name: str) -> Callable[[Tables], Tables]:
    return lambda t: with_table(t, name, lambda f: pd.concat([f, f.iloc[[3]]]))


def _without(name: str, column: str) -> Callable[[Tables], Tables]:
    return lambda tables: with_table(tables, name, lambda f: f.drop(columns=column))


def _status(word: str) -> Callable[[Tables], Tables]:
    def damaged(tables: Tables) -> Tables:
        frame = tables[MEASURED].assign(batch_status="ok")
        frame.loc[4, "batch_status"] = word
        return {**tables, MEASURED: frame}

    return damaged


BROKEN = {
    "no standard error": (_cell(A1, 3, "se", 0), f"{A1}.tsv.gz, column 'se', row 5: found 0"),
    "frequency above one": (_cell(DISEASE, 0, "eaf", 1.2), "column 'eaf', row 2: found 1.2"),
    "p above one": (_cell(B2, 0, "pval", 2), f"{B2}.tsv.gz, column 'pval', row 2: found 2"),
    "text for an effect": (_cell(A2, 1, "beta", "weak"), "column 'beta', row 3: found 'weak'"),
    "no effects": (_without(A2, "beta"), f"{A2}.tsv.gz, column 'beta': expected a column of this"),
    "no frequency of any kind": (_without(B1, "eaf"), f"{B1}.tsv.gz, column 'eaf': expected"),
    "no positions in the list": (_without(META, "pos_bp"), f"{META}.tsv.gz, column 'pos_bp'"),
    "variant twice": (_twice(DISEASE), f"{DISEASE}.tsv.gz, column 'snp', row 22: found 'rs1021'"),
    "one allele": (
        lambda t: with_cell(t, META, 2, "alt_allele", str(t[META]["ref_allele"][2]).lower()),
        f"{META}.tsv.gz, column 'alt_allele', row 4: found",
    ),
    "other names in a file": (
        _renamed(B1),
        f"{B1}.tsv.gz, column 'snp', row 2: found '5:0', expected a variant that {META}.tsv.gz "
        "lists in column 'snp'; not one of the 20 is there; name variants alike in all files.",
    ),
    "other names in the LD": (_renamed(LD), f"{LD}.npz, column 'snp', row 1: found '5:0'"),
    "r above one": (_ld(_set(2, 3, 1.5)), f"{LD}.npz, column 'correlation', row 3: found 1.5"),
    "no correlation with itself": (
        _ld(_set(4, 4, 0.4)),
        f"{LD}.npz, column 'correlation', row 5: found 0.4, expected 1, the correlation of rs1028 "
        "with itself; release correlations, not covariances.",
    ),
    "half a matrix": (
        _ld(lambda r: r.__setitem__(np.tril_indices(20, -1), 0.0)),
        f"{LD}.npz, column 'correlation', row 1: found ",
    ),
    "matrix without a row": (
        lambda t: {**t, LD: {**t[LD], "correlation": t[LD]["correlation"][:19]}},
        f"{LD}.npz, column 'correlation': found",
    ),
    "dataset absent": (
        _rows(WHAT, lambda f: f["dataset"] != A2),
        f"{WHAT}.tsv.gz, column 'dataset': expected a row for {A2}; add the row.",
    ),
    "unknown unit": (
        _cell(WHAT, 2, "unit", "mg/l"),
        f"{WHAT}.tsv.gz, column 'unit', row 4: found 'mg/l', expected one of log10, ln, log2, sd; "
        f"say in what {B1} was measured.",
    ),
    "no unit": (_cell(WHAT, 0, "unit", np.nan), f"{WHAT}.tsv.gz, column 'unit', row 2: expected"),
    "disease in other units": (
        _cell(WHAT, 4, "unit", "log10"),
        f"{WHAT}.tsv.gz, column 'unit', row 6: found 'log10', expected log_or or nothing",
    ),
    "protein not measured": (
        _rows(MEASURED, lambda f: f["protein"] == "PROTA"),
        f"{MEASURED}.tsv.gz, column 'protein': expected rows of PROTB, whose SD {B1} needs; the "
        "proteins there are ['PROTA'].",
    ),
    "unknown status": (
        _status("dubious"),
        f"{MEASURED}.tsv.gz, column 'batch_status', row 6: found 'dubious', expected one of pass",
    ),
}


@pytest.mark.parametrize("damage, message", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_named(
    made: Made, tmp_path: Path, damage: Callable[[Tables], Tables], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        load(opened(tmp_path, damage(made.tables)))
    assert message in str(caught.value)


def test_every_violation_is_reported_at_once(made: Made, tmp_path: Path) -> None:
    tables = _cell(WHAT, 2, "unit", "mg/l")(_renamed(A1)(made.tables))
    with pytest.raises(InputError) as caught:
        load(opened(tmp_path, tables))
    assert [v.file for v in caught.value.violations] == [f"{A1}.tsv.gz", f"{WHAT}.tsv.gz"]


@pytest.mark.parametrize("name", [*STUDIES, META, LD, WHAT, MEASURED])
def test_an_absent_file_is_named(made: Made, tmp_path: Path, name: str) -> None:
    tables = {key: table for key, table in made.tables.items() if key != name}
    with pytest.raises(InputError, match=name):
        load(opened(tmp_path, tables))


def assert_same(one: Any, two: Any) -> None:
    assert one.labels == two.labels
    np.testing.assert_array_equal(one.ld, two.ld)
    pd.testing.assert_frame_equal(one.reference, two.reference)
    for name in STUDIES:
        pd.testing.assert_frame_equal(one.studies[name], two.studies[name])
        assert one.datasets[name].unit == two.datasets[name].unit
    for protein, measured in one.measurements.items():
        np.testing.assert_array_equal(measured.value, two.measurements[protein].value)


ALIASES = [
    (META, "ref_allele", "ref"),
    (META, "alt_allele", "alt"),
    (WHAT, "protein", "trait"),
    (MEASURED, "log10_concentration", "log10_conc"),
    (LD, "correlation", "corr"),
    (LD, "correlation", "R"),
    (LD, "correlation", "ld"),
    (LD, "snp", "snps"),
]


@pytest.mark.parametrize("name, canonical, alias", ALIASES, ids=lambda value: value)
def test_aliases(made: Made, tmp_path: Path, name: str, canonical: str, alias: str) -> None:
    def renamed(table: Any) -> Any:
        if isinstance(table, dict):
            return {alias if key == canonical else key: a for key, a in table.items()}
        return table.rename(columns={canonical: alias})

    base = load(opened(tmp_path / "a", made.tables))
    assert_same(base, load(opened(tmp_path / "b", with_table(made.tables, name, renamed))))


@pytest.mark.parametrize("missing", ["", "NA", "NaN", "."])
def test_missing_values(made: Made, tmp_path: Path, missing: str) -> None:
    tables = with_cell(made.tables, A1, 3, "beta", np.nan)
    tables = with_cell(tables, A1, 4, "eaf", np.nan)
    tables = with_cell(tables, DISEASE, 5, "effect_allele", np.nan)
    tables = with_cell(tables, MEASURED, 6, "log10_concentration", np.nan)
    tables = with_cell(tables, MEASURED, 7, "batch", np.nan)
    tables = with_cell(tables, MEASURED, 8, "protein", np.nan)
    study = load(opened(tmp_path, tables, missing=missing))
    frame = study.studies[A1].set_index("snp")
    assert np.isnan(frame.loc["rs1021", "beta"])
    assert np.isnan(frame.loc["rs1028", "eaf"])
    assert study.measurements["PROTA"].missing == 2
    assert study.measurements["PROTA"].value.size == 57
    assert study.datasets[DISEASE].unit == "log_or"


def test_datasets_are_found_by_protein_and_phase_too(made: Made, tmp_path: Path) -> None:
    frame = made.tables[WHAT].assign(
        dataset=["screen A", "replication A", "screen B", "replication B", "disease"],
        phase=["Phase 1", "phase_2", "1", "2.0", None],
        unit=["Log10", "ln", " log2", "SD", None],
    )
    study = load(opened(tmp_path, {**made.tables, WHAT: frame}))
    assert [study.datasets[name].unit for name in STUDIES] == ["log10", "ln", "log2", "sd", ""]
    assert np.isnan(study.datasets[DISEASE].n)


def test_proteins_in_sds_need_no_measurements(made: Made, tmp_path: Path) -> None:
    tables = with_table(made.tables, WHAT, lambda f: f.assign(unit=["sd"] * 4 + ["log_or"]))
    tables = with_table(tables, MEASURED, lambda f: f.assign(protein="PROTC"))
    assert load(opened(tmp_path, tables)).measurements["PROTA"].value.size == 0


def test_quality_is_what_either_column_says(made: Made, tmp_path: Path) -> None:
    words = {"pass": True, "OK": True, "fail": False, "Failed": False, "unusable": False, "": True}
    truths = {"1": True, "0": False, "true": True, "FALSE": False, "": True}
    n = len(made.tables[MEASURED])
    q, status = np.resize(list(truths), n), np.resize(list(words), n)
    frame = made.tables[MEASURED].assign(qc_pass=q, batch_status=status)
    study = load(opened(tmp_path, {**made.tables, MEASURED: frame}))
    stated = {
        float(value): truths[one] and words[other]
        for value, one, other in zip(frame["log10_concentration"], q, status, strict=True)
    }
    measured = study.measurements["PROTB"]
    assert [stated[v] for v in measured.value.tolist()] == measured.passed.tolist()
    assert load(opened(tmp_path / "plain", made.tables)).measurements["PROTB"].passed is None


def test_rounding_of_the_ld_is_averaged_and_a_gap_is_kept(made: Made, tmp_path: Path) -> None:
    r = made.tables[LD]["correlation"].copy()
    r[0, 1] += 2e-3
    r[2, 2] = 1 + 5e-7
    r[7, :] = r[:, 7] = np.nan
    tables = {**made.tables, LD: {**made.tables[LD], "correlation": r}}
    study = load(opened(tmp_path, tables))
    assert study.asymmetry == pytest.approx(2e-3, rel=1e-6)
    np.testing.assert_array_equal(study.ld, np.where(np.isnan(r), np.nan, study.ld.T))
    assert np.isnan(study.ld[7]).all()


def test_positions_that_differ_are_counted(made: Made, tmp_path: Path) -> None:
    tables = with_cell(made.tables, A1, 3, "pos_bp", 1)
    tables = with_cell(tables, B2, 3, "pos_bp", 2)
    assert load(opened(tmp_path, tables)).shifted == 1


def test_files_are_plain_or_compressed(made: Made, tmp_path: Path) -> None:
    base = load(opened(tmp_path / "a", made.tables))
    folder = save(tmp_path / "b", made.tables)
    made.tables[A1].to_csv(folder / f"{A1}.tsv", sep="\t", index=False)
    (folder / f"{A1}.tsv.gz").unlink()
    assert_same(base, load(problem_case(folder)))


def problem_case(folder: Path) -> Any:
    from refsolve.contract.solving import open_case

    return open_case(problem, folder, {})
