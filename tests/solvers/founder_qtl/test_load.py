"""What the files must hold, and the sentence that says what they hold instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from refsolve.core.errors import AnalysisError, InputError
from tests.solvers.founder_qtl.cases import (
    ALLELES,
    CALLS,
    FOUNDERS,
    MAP,
    TRAITS,
    Made,
    Recipe,
    Tables,
    make,
    opened,
    save,
    with_array,
    with_cell,
    with_table,
)
from tests.solvers.founder_qtl.cases import PROBLEM as problem

tables_of = problem.module("tables")
load = tables_of.load


@pytest.fixture(scope="module")
def made() -> Made:
    return make(2, Recipe(lines=12, markers=9, chromosomes=2, covariates=2, unmeasured=1))


def _cell(name: str, index: int, column: str, value: Any) -> Callable[[Tables], Tables]:
    return lambda tables: with_cell(tables, name, index, column, value)


def _without(name: str, column: str) -> Callable[[Tables], Tables]:
    return lambda tables: with_table(tables, name, lambda f: f.drop(columns=column))


def _twice(name: str) -> Callable[[Tables], Tables]:
    return lambda t: with_table(t, name, lambda f: pd.concat([f, f.iloc[[3]]]))


def _call(value: float) -> Callable[[Tables], Tables]:
    def damaged(tables: Tables) -> Tables:
        calls = tables[CALLS]["genotypes"].astype(type(value))
        calls[4, 2] = value
        return with_array(tables, genotypes=calls)

    return damaged


def _array(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Tables], Tables]:
    return lambda tables: with_array(tables, **{name: change(tables[CALLS][name])})


def _renamed(at: int, name: str) -> Callable[[np.ndarray], np.ndarray]:
    return lambda array: np.where(np.arange(array.size) == at, name, array)


def _key(old: str, new: str) -> Callable[[Tables], Tables]:
    return lambda t: {**t, CALLS: {new if k == old else k: a for k, a in t[CALLS].items()}}


def _row_of(tables: Tables, name: str, column: str, value: str) -> int:
    return int(np.flatnonzero(tables[name][column] == value)[0])


BROKEN = {
    "founder marker not on the map": (
        _cell(ALLELES, 4, "marker_id", "SNP_9999"),
        "founders.tsv.gz, column 'marker_id', row 6: found 'SNP_9999', expected a value that "
        "stands in column 'marker_id' of markers.tsv.gz",
    ),
    "typed marker without founders": (
        _array("marker_id", _renamed(3, "rs12")),
        "ril_genotypes.npz, column 'marker_id', row 4: found 'rs12', expected a value that stands "
        "in column 'marker_id' of founders.tsv.gz",
    ),
    "phenotype of another line": (
        _cell(TRAITS, 2, "line_id", "L9-9"),
        "phenotypes.tsv.gz, column 'line_id', row 4: found 'L9-9', expected a value that stands in "
        "column 'line_id' of ril_genotypes.npz",
    ),
    "no line in common": (
        lambda t: with_table(t, TRAITS, lambda f: f.assign(line_id="RIL" + f["line_id"])),
        "expected a value that stands in column 'line_id' of ril_genotypes.npz; perhaps 'L0",
    ),
    "marker twice on the map": (
        _twice(MAP),
        "markers.tsv.gz, column 'marker_id', row 20: found 'SNP_",
    ),
    "marker twice among founders": (_twice(ALLELES), "founders.tsv.gz, column 'marker_id', row 20"),
    "line twice": (_twice(TRAITS), "phenotypes.tsv.gz, column 'line_id', row 14: found 'L0"),
    "line typed twice": (
        _array("line_id", lambda a: np.r_[a[:-1], a[:1]]),
        "ril_genotypes.npz, column 'line_id', row 12: found",
    ),
    "marker typed twice": (
        _array("marker_id", lambda a: np.r_[a[:-1], a[:1]]),
        "ril_genotypes.npz, column 'marker_id', row 18: found",
    ),
    "heterozygous call": (_call(2), "ril_genotypes.npz, column 'genotypes', row 5: found 2, "),
    "half a call": (_call(0.5), "ril_genotypes.npz, column 'genotypes', row 5: found '0.5', "),
    "another code of missing": (_call(-9), "column 'genotypes', row 5: found -9, "),
    "founder allele of 2": (_cell(ALLELES, 1, "F3", 2), "column 'F3', row 3: found 2"),
    "founder allele of letters": (_cell(ALLELES, 0, "F1", "A"), "column 'F1', row 2: found 'A'"),
    "seven founders": (
        _without(ALLELES, "F6"),
        "founders.tsv.gz, column 'F6': expected a column of this name",
    ),
    "no positions": (_without(MAP, "pos_cM"), "markers.tsv.gz, column 'pos_cM': expected a column"),
    "no chromosomes": (_without(MAP, "chr"), "markers.tsv.gz, column 'chr': expected a column"),
    "position in words": (_cell(MAP, 0, "pos_cM", "far"), "column 'pos_cM', row 2: found 'far'"),
    "no position": (_cell(MAP, 0, "pos_cM", np.nan), "column 'pos_cM', row 2: found 'NA'"),
    "position in base pairs": (_cell(MAP, 7, "pos_cM", 48_640_000), "'pos_cM', row 9: found 4864"),
    "no batch": (_without(TRAITS, "batch"), "phenotypes.tsv.gz, column 'batch': expected a column"),
    "no phenotype": (
        _without(TRAITS, "phenotype"),
        "phenotypes.tsv.gz, column 'phenotype': expected a column of this name (or trait, y)",
    ),
    "a phenotype that has no square": (
        _cell(TRAITS, 5, "phenotype", 1e300),
        "column 'phenotype', row 7: found 1e+300, expected a number at least -1e+100",
    ),
    "phenotype in words": (_cell(TRAITS, 5, "phenotype", "tall"), "row 7: found 'tall'"),
    "no genotypes": (
        _key("genotypes", "probabilities"),
        "ril_genotypes.npz, column 'genotypes': expected a matrix of this name (or geno, G)",
    ),
    "no line names": (
        _key("line_id", "name"),
        "ril_genotypes.npz, column 'line_id': expected a column of this name (or lines, samples, "
        "ril_id)",
    ),
    "a column is lost": (
        _array("genotypes", lambda a: a[:, :17]),
        "ril_genotypes.npz, column 'genotypes': found an array of shape (12, 17), expected 12 "
        "'line_id' by 18 'marker_id'",
    ),
    "a cube": (
        _array("genotypes", lambda a: a[None]),
        "ril_genotypes.npz, column 'genotypes': found an array of shape (1, 12, 18), expected two",
    ),
    "no chromosome 1": (
        lambda t: with_table(t, MAP, lambda f: f.assign(chr="chr2")),
        "markers.tsv.gz, column 'chr': expected a chromosome 1 (or chr1, Chr1) that the QTL is "
        "looked for on; the chromosomes are ['chr2'].",
    ),
    "one marker on chromosome 1": (
        lambda t: with_table(t, MAP, lambda f: f.assign(chr=["1"] + ["2"] * (len(f) - 1))),
        "expected at least 2 markers of chromosome 1, and there is 1.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage, message", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_named(
    made: Made, tmp_path: Path, damage: Callable[[Tables], Tables], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        load(opened(tmp_path, damage(made.tables)))
    assert message in str(caught.value)
    assert caught.value.exit_code == 2


def test_every_violation_is_reported_at_once(made: Made, tmp_path: Path) -> None:
    tables = _cell(ALLELES, 1, "F3", 2)(_cell(MAP, 0, "pos_cM", "far")(made.tables))
    with pytest.raises(InputError) as caught:
        load(opened(tmp_path, tables))
    assert [v.file for v in caught.value.violations] == ["markers.tsv.gz", "founders.tsv.gz"]


@pytest.mark.parametrize("name", [MAP, ALLELES, CALLS, TRAITS])
def test_an_absent_file_is_named(made: Made, tmp_path: Path, name: str) -> None:
    tables = {key: table for key, table in made.tables.items() if key != name}
    with pytest.raises(InputError, match=name):
        load(opened(tmp_path, tables))


def test_phenotypes_may_not_all_be_missing(made: Made, tmp_path: Path) -> None:
    tables = with_table(made.tables, TRAITS, lambda f: f.assign(phenotype=np.nan))
    with pytest.raises(AnalysisError, match="None of the 12 lines has a phenotype"):
        load(opened(tmp_path, tables))


def test_calls_may_not_all_be_missing(made: Made, tmp_path: Path) -> None:
    tables = with_array(made.tables, genotypes=np.full((12, 18), -1))
    with pytest.raises(AnalysisError, match="All calls of 12 lines at 18 markers are missing"):
        load(opened(tmp_path, tables))


def assert_same(one: Any, two: Any) -> None:
    for name in ("chart", "alleles", "traits", "covariates"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(two, name))
    for name in ("calls", "lines", "markers"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


ALIASES = [
    (CALLS, "genotypes", "geno"),
    (CALLS, "genotypes", "G"),
    (CALLS, "line_id", "lines"),
    (CALLS, "line_id", "samples"),
    (CALLS, "line_id", "ril_id"),
    (CALLS, "marker_id", "markers"),
    (TRAITS, "line_id", "sample_id"),
    (TRAITS, "line_id", "ril_id"),
    (TRAITS, "phenotype", "trait"),
    (TRAITS, "phenotype", "y"),
]


@pytest.mark.parametrize("name, canonical, alias", ALIASES, ids=lambda value: value)
def test_aliases(made: Made, tmp_path: Path, name: str, canonical: str, alias: str) -> None:
    def renamed(table: Any) -> Any:
        if isinstance(table, dict):
            return {alias if key == canonical else key: a for key, a in table.items()}
        return table.rename(columns={canonical: alias})

    base = load(opened(tmp_path / "a", made.tables))
    assert_same(base, load(opened(tmp_path / "b", with_table(made.tables, name, renamed))))


FORMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "int64": lambda calls: calls.astype(np.int64),
    "float with NaN": lambda calls: np.where(calls < 0, np.nan, calls),
    "float with -1": lambda calls: calls.astype(np.float32),
    "markers by lines": lambda calls: calls.T,
    "markers by lines, in the order of Fortran": lambda calls: np.asfortranarray(calls.T),
    "texts": lambda calls: np.where(calls < 0, "NA", calls.astype(str)),
    "objects": lambda calls: np.where(calls < 0, None, calls.astype(object)),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_calls_come_in_many_forms(
    made: Made, tmp_path: Path, form: Callable[[np.ndarray], np.ndarray]
) -> None:
    base = load(opened(tmp_path / "a", made.tables))
    other = with_array(made.tables, genotypes=form(made.tables[CALLS]["genotypes"]))
    assert_same(base, load(opened(tmp_path / "b", other)))
    assert (base.calls == -1).any()


@pytest.mark.parametrize("missing", ["", "NA", "NaN", "."])
def test_missing_values(made: Made, tmp_path: Path, missing: str) -> None:
    tables = with_cell(made.tables, ALLELES, 3, "F2", np.nan)
    tables = with_cell(tables, TRAITS, 4, "batch", np.nan)
    tables = with_cell(tables, TRAITS, 5, "cov0", np.nan)
    tables = with_cell(tables, TRAITS, 6, "phenotype", np.nan)
    study = load(opened(tmp_path, tables, missing=missing))
    assert np.isnan(study.alleles.loc[3, "F2"])
    assert study.traits.loc[4, "batch"] == "unknown"
    assert np.isnan(study.covariates.loc[5, "cov0"])
    assert np.isnan(study.traits.loc[6, "phenotype"])


@pytest.mark.parametrize(
    "name, one",
    [
        ("1", "1"), ("chr1", "1"), ("Chr1", "1"), ("CHR01", "1"), ("chrom_1", "1"), ("1.0", "1"),
        ("Chromosome 1", "1"), ("LG1", "1"), ("10", "10"), ("chr12", "12"), ("X", "X"),
        ("chrX", "X"), ("chr", "CHR"),
    ],
)  # fmt: skip
def test_one_name_per_chromosome(name: str, one: str) -> None:
    assert tables_of.chromosome(name) == one


def test_batches_are_names(made: Made, tmp_path: Path) -> None:
    def named(form: str) -> Tables:
        change = form.format
        return with_table(made.tables, TRAITS, lambda f: f.assign(batch=f["batch"].map(change)))

    words = named("b {}")
    assert set(load(opened(tmp_path / "a", words)).traits["batch"]) <= {f"b {k}" for k in range(9)}
    decimals = with_table(
        made.tables, TRAITS, lambda f: f.assign(batch=f["batch"].map("{}.0".format))
    )
    plain = load(opened(tmp_path / "b", made.tables))
    assert_same(plain, load(opened(tmp_path / "c", decimals)))


def test_covariates_are_columns_of_numbers(made: Made, tmp_path: Path) -> None:
    frame = made.tables[TRAITS].assign(comment="ok", dose=3.0, empty=np.nan)
    frame["mixed"] = ["1", "2", "many"] * 4
    frame["huge"] = 1e200 * np.arange(12)
    frame["late"] = np.where(frame["phenotype"].isna(), 7.0, np.nan)
    study = load(opened(tmp_path, {**made.tables, TRAITS: frame}))
    assert sorted(study.covariates) == ["cov0", "cov1"]
    reasons = {"comment": "not all numbers", "mixed": "not all numbers"}
    reasons |= {"huge": "not all numbers", "late": "empty", "empty": "empty"}
    assert study.ignored == {**reasons, "dose": "constant"}


def test_as_many_lines_as_markers(tmp_path: Path) -> None:
    """Shapes say nothing then; allele frequencies of founders and lines do."""
    square = make(3, Recipe(lines=60, markers=30, chromosomes=2, flipped="several")).tables
    calls = square[CALLS]["genotypes"]
    straight = load(opened(tmp_path / "a", square))
    turned = load(opened(tmp_path / "b", with_array(square, genotypes=calls.T.copy())))
    assert (straight.turned, turned.turned) == (False, True)
    assert_same(straight, turned)


def test_numbers_as_names(made: Made, tmp_path: Path) -> None:
    """An archive may hold numbers where the tables have texts."""
    ids = {name: int(name[1:]) for name in made.tables[CALLS]["line_id"]}
    line_id = np.array([ids[name] for name in made.tables[CALLS]["line_id"]])
    tables = with_array(made.tables, line_id=line_id)
    tables = with_table(tables, TRAITS, lambda f: f.assign(line_id=f["line_id"].map(ids)))
    assert load(opened(tmp_path, tables)).lines.tolist() == [str(k) for k in line_id]


def test_files_are_plain_or_compressed(made: Made, tmp_path: Path) -> None:
    from refsolve.contract.solving import open_case

    base = load(opened(tmp_path / "a", made.tables))
    folder = save(tmp_path / "b", made.tables)
    made.tables[MAP].to_csv(folder / f"{MAP}.tsv", sep="\t", index=False)
    (folder / f"{MAP}.tsv.gz").unlink()
    assert_same(base, load(open_case(problem, folder, {})))
    assert list(base.alleles)[1:] == FOUNDERS
