"""What the files must hold, and the sentence that says what they hold instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from refsolve.contract.solving import open_case
from refsolve.core.errors import AnalysisError, InputError
from tests.solvers.ambient_eqtl.cases import (
    GENES,
    Made,
    Tables,
    make,
    opened,
    save,
    with_cell,
    with_table,
)
from tests.solvers.ambient_eqtl.cases import PROBLEM as problem

load = problem.module("tables").load
CELLS, EMPTY, DONORS = "cells", "empty_drops", "donors"


@pytest.fixture(scope="module")
def made() -> Made:
    return make(2, donors=6, cells=10, drops=30)


def _cell(name: str, index: int, column: str, value: Any) -> Callable[[Tables], Tables]:
    return lambda tables: with_cell(tables, name, index, column, value)


def _without(name: str, column: str) -> Callable[[Tables], Tables]:
    return lambda tables: with_table(tables, name, lambda f: f.drop(columns=column))


def _twice(name: str) -> Callable[[Tables], Tables]:
    return lambda t: with_table(t, name, lambda f: pd.concat([f, f.iloc[[3]]]))


BROKEN = {
    "negative count": (
        _cell(CELLS, 3, "IFI6", -1),
        "cells.csv.gz, column 'IFI6', row 5: found -1, expected",
    ),
    "part of a count": (
        _cell(CELLS, 0, "CXCL10", 2.5),
        "cells.csv.gz, column 'CXCL10', row 2: found '2.5', expected a whole number",
    ),
    "logarithms": (
        lambda t: with_table(t, CELLS, lambda f: f.assign(LST1=np.log1p(f["LST1"]) + 0.01)),
        "column 'LST1', row 2",
    ),
    "text": (_cell(EMPTY, 2, "HBB", "many"), "empty_drops.csv.gz, column 'HBB', row 4: found"),
    "infinite": (_cell(CELLS, 2, "HBB", "inf"), "cells.csv.gz, column 'HBB', row 4"),
    "total below the genes": (
        _cell(CELLS, 1, "total_umi", 3),
        "cells.csv.gz, column 'total_umi', row 3: found 3, expected at least",
    ),
    "total of a droplet below the genes": (
        lambda t: with_cell(with_cell(t, EMPTY, 4, "HBB", 50), EMPTY, 4, "total_umi", 40),
        "empty_drops.csv.gz, column 'total_umi', row 6: found 40, expected at least",
    ),
    "genotype above two": (
        _cell(DONORS, 0, "g", 3),
        "donors.csv.gz, column 'g', row 2: found 3, expected",
    ),
    "genotype below zero": (_cell(DONORS, 1, "g", -9), "column 'g', row 3: found -9, expected"),
    "genotype in letters": (_cell(DONORS, 1, "g", "AG"), "column 'g', row 3: found 'AG'"),
    "dosage": (_cell(DONORS, 1, "g", 0.98), "column 'g', row 3: found '0.98', expected a whole"),
    "age in words": (_cell(DONORS, 1, "age", "old"), "column 'age', row 3: found 'old'"),
    "negative age": (_cell(DONORS, 1, "age", -4), "column 'age', row 3: found -4"),
    "unknown donor": (
        _cell(CELLS, 5, "donor", "Z9"),
        "cells.csv.gz, column 'donor', row 7: found 'Z9', expected a value that stands in column "
        "'donor' of donors.csv.gz",
    ),
    "cell twice": (_twice(CELLS), "cells.csv.gz, column 'cell_id', row "),
    "barcode twice": (_twice(EMPTY), "empty_drops.csv.gz, column 'barcode', row 32"),
    "donor twice": (_twice(DONORS), "donors.csv.gz, column 'donor', row 8"),
    **{
        f"no {column} in {name}": (
            _without(name, column),
            f"{name}.csv.gz, column '{column}': expected a column of this name",
        )
        for name, column in [
            (CELLS, "donor"),
            (CELLS, "HBB"),
            (CELLS, "total_umi"),
            (EMPTY, "CXCL10"),
            (DONORS, "g"),
            (DONORS, "bmi"),
        ]
    },
}


@pytest.mark.parametrize("damage, message", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_named(
    made: Made, tmp_path: Path, damage: Callable[[Tables], Tables], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        load(opened(tmp_path, damage(made.tables)))
    assert message in str(caught.value)


def test_a_few_totals_below_the_genes_are_chance_in_droplets(tmp_path: Path) -> None:
    """Where a generator draws the genes apart from the total."""
    made = make(2, donors=6, cells=10, drops=300)
    for count in (2, 20):
        rows = made.tables[EMPTY].index < count
        change = made.tables[EMPTY].assign(
            HBB=lambda f, rows=rows: f["HBB"].where(~rows, f["total_umi"] + 1)
        )
        case = opened(tmp_path / str(count), {**made.tables, EMPTY: change})
        if count == 2:
            assert load(case).below_genes == 2
            continue
        with pytest.raises(InputError, match="19 more rows are wrong in the same way"):
            load(case)


def test_every_violation_is_reported_at_once(made: Made, tmp_path: Path) -> None:
    tables = _cell(DONORS, 0, "g", 7)(_cell(CELLS, 1, "HBB", -2)(made.tables))
    with pytest.raises(InputError) as caught:
        load(opened(tmp_path, tables))
    assert {v.file for v in caught.value.violations} == {"cells.csv.gz", "donors.csv.gz"}


@pytest.mark.parametrize("name", [CELLS, EMPTY, DONORS])
def test_an_absent_file_is_named(made: Made, tmp_path: Path, name: str) -> None:
    tables = {key: table for key, table in made.tables.items() if key != name}
    with pytest.raises(InputError, match=name):
        load(opened(tmp_path, tables))


def assert_same(one: Any, two: Any) -> None:
    for droplets, others in ((one.cells, two.cells), (one.empties, two.empties)):
        np.testing.assert_array_equal(droplets.counts, others.counts)
        np.testing.assert_array_equal(droplets.total, others.total)
    np.testing.assert_array_equal(one.code, two.code)
    pd.testing.assert_frame_equal(one.donors, two.donors)
    assert one.set_aside == two.set_aside


def test_order_says_nothing(made: Made, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    mixed = {
        name: table.sample(frac=1, random_state=rng).sample(frac=1, axis=1, random_state=rng)
        for name, table in made.tables.items()
    }
    base = load(opened(tmp_path / "a", made.tables))
    assert_same(base, load(opened(tmp_path / "b", mixed)))


def test_the_genotype_has_two_names(made: Made, tmp_path: Path) -> None:
    tables = with_table(made.tables, DONORS, lambda f: f.rename(columns={"g": "genotype"}))
    base = load(opened(tmp_path / "a", made.tables))
    assert_same(base, load(opened(tmp_path / "b", tables)))


def test_whole_numbers_may_have_a_point(made: Made, tmp_path: Path) -> None:
    numbers = ["total_umi", *GENES]
    tables = with_table(made.tables, CELLS, lambda f: f.astype(dict.fromkeys(numbers, float)))
    tables = with_table(tables, DONORS, lambda f: f.astype({"g": float}))
    base = load(opened(tmp_path / "a", made.tables))
    assert_same(base, load(opened(tmp_path / "b", tables)))


def test_files_are_plain_or_compressed(made: Made, tmp_path: Path) -> None:
    base = load(opened(tmp_path / "a", made.tables))
    folder = save(tmp_path / "b", made.tables)
    made.tables[CELLS].to_csv(folder / "cells.csv", index=False, encoding="utf-8-sig")
    (folder / "cells.csv.gz").unlink()
    assert_same(base, load(open_case(problem, folder, {})))


@pytest.mark.parametrize("missing", ["", "NA", "NaN", "."])
def test_missing_values_are_set_aside_and_counted(made: Made, tmp_path: Path, missing: str) -> None:
    first = made.tables[DONORS]["donor"][0]
    own = int((made.tables[CELLS]["donor"] == first).sum())
    elsewhere = made.tables[CELLS].index[made.tables[CELLS]["donor"] != first]
    tables = with_cell(made.tables, CELLS, elsewhere[0], "donor", np.nan)
    tables = with_cell(tables, CELLS, elsewhere[1], "LST1", np.nan)
    tables = with_cell(tables, CELLS, elsewhere[2], "total_umi", np.nan)
    tables = with_cell(tables, EMPTY, 3, "HBB", np.nan)
    tables = with_cell(tables, DONORS, 0, "g", np.nan)
    tables = with_cell(tables, DONORS, 1, "age", np.nan)
    tables = with_cell(tables, DONORS, 2, "sex", np.nan)
    study = load(opened(tmp_path, tables, missing=missing))
    assert study.set_aside == {
        "cells without a donor": 1,
        "cells without a count": 2,
        "cells of donors without genotype": own,
        "empty droplets without a count": 1,
    }
    assert len(study.donors) == 5
    assert study.donors["age"].isna().sum() == 1
    assert study.donors["sex"].isna().sum() == 1
    assert study.cells.total.size == len(made.tables[CELLS]) - 3 - own


def test_donors_without_cells_and_cells_without_molecules_are_counted(
    made: Made, tmp_path: Path
) -> None:
    extra = made.tables[DONORS].iloc[[0, 1]].assign(donor=["X1", "X2"])
    tables = with_table(made.tables, DONORS, lambda f: pd.concat([f, extra]))
    nothing = dict.fromkeys(["total_umi", *GENES], 0)
    tables = with_table(
        tables, CELLS, lambda f: pd.concat([f, f.iloc[[0]].assign(cell_id="none", **nothing)])
    )
    study = load(opened(tmp_path, tables))
    assert study.set_aside == {"cells without molecules": 1, "donors without cells": 2}


def test_no_donor_in_common(made: Made, tmp_path: Path) -> None:
    tables = with_table(made.tables, DONORS, lambda f: f.assign(g=np.nan))
    with pytest.raises(AnalysisError, match="No cell has counts and a donor whose genotype"):
        load(opened(tmp_path, tables))


def test_no_usable_droplet(made: Made, tmp_path: Path) -> None:
    tables = with_table(made.tables, EMPTY, lambda f: f.assign(LST1=np.nan))
    with pytest.raises(AnalysisError, match="No empty droplet has all its counts"):
        load(opened(tmp_path, tables))


SEXES = {
    "letters": (["F", "M", "f", "m", " F", "M"], ("female", "male"), [0, 1, 0, 1, 0, 1]),
    "words": (
        ["female", "Male", "Woman", "man", "FEMALE", "MALE"],
        ("female", "male"),
        [0, 1, 0, 1, 0, 1],
    ),
    "numbers": (["0", "1", "0.0", "1.0", "0", "1"], ("0", "1"), [0, 1, 0, 1, 0, 1]),
    "codes": (["1", "2", "2", "2", "1", "1"], ("1", "2"), [0, 1, 1, 1, 0, 0]),
    "three": (["F", "M", "X", "M", "F", "F"], ("female", "male", "x"), [0, 1, 2, 1, 0, 0]),
}


@pytest.mark.parametrize("words, categories, codes", SEXES.values(), ids=SEXES)
def test_sexes_are_whatever_they_are(
    made: Made, tmp_path: Path, words: list[str], categories: tuple[str, ...], codes: list[int]
) -> None:
    tables = with_table(made.tables, DONORS, lambda f: f.sort_values("donor").assign(sex=words))
    study = load(opened(tmp_path, tables))
    assert study.categories == categories
    assert study.donors["sex"].tolist() == codes
