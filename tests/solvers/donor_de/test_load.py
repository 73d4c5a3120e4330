"""What the files must hold, and the sentence that says what they hold instead."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from refsolve.core.errors import InputError

pytest.importorskip("anndata", reason="the singlecell extra is not installed")

from tests.solvers.donor_de.cases import CONTROL, STIM, Made, make, opened, save
from tests.solvers.donor_de.cases import PROBLEM as problem

load = problem.module("tables").load


@pytest.fixture(scope="module")
def made() -> Made:
    return make(2, genes=20, sex=True, age=True, types=("T cell", "B cell"))


def asking(made: Made, **fields: Any) -> Made:
    """The case with another question; None takes a field away."""
    question = {**made.question, **fields}
    return replace(made, question={k: v for k, v in question.items() if v is not ...})


def noting(made: Made, **columns: Any) -> Made:
    """The case with other annotation."""
    return replace(made, obs=made.obs.assign(**columns))


def _cell(made: Made, row: int, column: str, value: Any) -> Made:
    obs = made.obs.astype({column: object})
    obs.iloc[row, obs.columns.get_loc(column)] = value
    return replace(made, obs=obs)


def _value(made: Made, row: int, gene: int, value: float) -> Made:
    values = made.values.copy()
    values[row, gene] = value
    return replace(made, values=values)


def _last_of_the_first_donor(made: Made) -> int:
    return int(np.flatnonzero(made.obs["donor"] == "P0")[-1])


BROKEN: dict[str, tuple[Callable[[Made], Made], tuple[str, ...]]] = {
    "unknown reference": (
        lambda m: asking(m, condition_reference="Healthy"),
        ("question.json, column 'condition_reference': found 'Healthy', expected a word of column",
         "cells.h5ad; there are 'healthy', 'ill'."),
    ),
    "unknown test": (
        lambda m: asking(m, condition_test="sick"),
        ("question.json, column 'condition_test': found 'sick'", "there are 'healthy', 'ill'"),
    ),
    "the same condition twice": (
        lambda m: asking(m, condition_test=CONTROL),
        ("column 'condition_test': found 'healthy', expected another condition",),
    ),
    "unknown cell type": (
        lambda m: asking(m, cell_type="NK"),
        ("question.json, column 'cell_type': found 'NK'", "there are 'B cell', 'T cell'"),
    ),
    "no column of cell types": (
        lambda m: replace(m, obs=m.obs.drop(columns="cell_type")),
        ("cells.h5ad, column 'cell_type': expected a column of this name", "'T cell'"),
    ),
    "no donors": (
        lambda m: replace(m, obs=m.obs.drop(columns="donor")),
        ("cells.h5ad, column 'donor': expected a column of this",),
    ),
    "no conditions": (
        lambda m: replace(m, obs=m.obs.drop(columns="condition")),
        ("cells.h5ad, column 'condition': expected a column of this",),
    ),
    "unknown layer": (
        lambda m: asking(m, layer="raw"),
        ("question.json, column 'layer': found 'raw', expected a layer of cells.h5ad",
         "there are 'X'"),
    ),
    "neither counts nor scores": (
        lambda m: asking(m, value_kind="rates"),
        ("question.json, column 'value_kind': found 'rates'",),
    ),
    "no gene set": (
        lambda m: asking(m, gene_set=...),
        ("question.json, column 'gene_set': expected",),
    ),
    "a set of other names": (
        lambda m: asking(m, gene_set=["ENSG01", "ENSG02"]),
        ("question.json, column 'gene_set': found 'ENSG01', expected a name of a gene in",
         "none of the 2 is there; genes are named like 'g0', 'g1', 'g2'."),
    ),
    "a negative age": (
        lambda m: noting(m, age=-1.0), ("cells.h5ad, column 'age', row 1: found -1",),
    ),
    "a fraction of a count": (
        lambda m: _value(m, 4, 3, 2.5),
        ("cells.h5ad, column 'X', row 5: found 2.5, expected a count: a whole number of at least 0 "
         "(gene 'g3'); name the layer of the raw counts, or declare value_kind 'score'.",),
    ),
    "a negative count": (
        lambda m: _value(m, 4, 3, -2.0),
        ("cells.h5ad, column 'X', row 5: found -2.0, expected a count",),
    ),
    "no number": (
        lambda m: _value(m, 0, 1, np.nan), ("cells.h5ad, column 'X', row 1: found nan",),
    ),
    "a donor in both conditions": (
        lambda m: _cell(m, _last_of_the_first_donor(m), "condition", STIM)
        if m.obs["cell_type"].iloc[_last_of_the_first_donor(m)] == "T cell"
        else asking(_cell(m, _last_of_the_first_donor(m), "condition", STIM), cell_type="B cell"),
        ("cells.h5ad, column 'condition', row ", "found 'ill', expected 'healthy', the condition "
         "of the other cells of donor 'P0'; 1 of 8 donors are in both conditions",),
    ),
    "no cell of the type in one condition": (
        lambda m: noting(
            m, cell_type=np.where(m.obs["condition"] == STIM, "B cell", m.obs["cell_type"])
        ),
        ("expected cells of condition 'ill' and cell_type 'T cell'", "there is none"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage, told", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("storage", ["dense", "csr"])
def test_what_is_wrong_is_said(
    made: Made, tmp_path: Path, damage: Callable[[Made], Made], told: tuple[str, ...], storage: str
) -> None:
    broken = damage(made)
    with pytest.raises(InputError) as caught:
        load(opened(tmp_path, broken, storage=storage, values=broken.values))
    for part in told:
        assert part in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["cells.h5ad", "question.json"])
def test_a_missing_file_is_named(made: Made, tmp_path: Path, name: str) -> None:
    case = opened(tmp_path, made)
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match=name.partition(".")[0]):
        load(case)


def test_values_that_are_no_counts_are_scores_when_declared(made: Made, tmp_path: Path) -> None:
    scores = asking(_value(made, 0, 0, -1.5), value_kind="score")
    study = load(opened(tmp_path, scores, storage="float"))
    assert not study.counts
    assert study.values[0, 0] == -1.5


@pytest.mark.parametrize("storage", ["csr", "csc", "dense", "float"])
@pytest.mark.parametrize("layer", [None, "raw"])
def test_values_come_from_anywhere(
    made: Made, tmp_path: Path, storage: str, layer: str | None
) -> None:
    study = load(opened(tmp_path, made, storage=storage, layer=layer))
    values = study.values.toarray() if hasattr(study.values, "toarray") else study.values
    np.testing.assert_array_equal(values, made.values[made.rows])
    assert study.source == (layer or "X")


@pytest.mark.parametrize("strings", [False, True])
def test_annotation_is_text_or_categories(made: Made, tmp_path: Path, strings: bool) -> None:
    study = load(opened(tmp_path, made, strings=strings))
    assert study.samples["donor"].tolist() == [f"P{i}" for i in range(8)]
    assert study.donors(CONTROL) == 3
    assert study.donors(STIM) == 5
    assert study.set_aside == {"of other cell types": int((~made.rows).sum())}
    assert study.left_out == {}


def test_donors_may_be_numbers(made: Made, tmp_path: Path) -> None:
    numbers = noting(made, donor=made.obs["donor"].str[1:].astype(int))
    study = load(opened(tmp_path, numbers))
    assert study.samples["donor"].tolist() == [str(i) for i in range(8)]


def test_cells_that_are_not_compared_are_counted(made: Made, tmp_path: Path) -> None:
    inside = np.flatnonzero(made.rows)
    other = _cell(_cell(made, int(inside[0]), "donor", np.nan), int(inside[3]), "condition", "mild")
    other = _cell(other, int(inside[5]), "condition", np.nan)
    other = _cell(other, int(inside[6]), "cell_type", np.nan)
    study = load(opened(tmp_path, other))
    assert study.set_aside == {
        "without donor": 1,
        "without condition": 1,
        "of other conditions": 1,
        "without cell type": 1,
        "of other cell types": int((~made.rows).sum()),
    }
    assert len(study.obs) == made.rows.sum() - 4


def test_covariates_that_do_not_describe_donors_are_left_out(made: Made, tmp_path: Path) -> None:
    changed = noting(
        made,
        batch=[f"lane{i % 2}" for i in range(len(made.obs))],
        sex=np.where(made.obs["donor"] == "P4", None, made.obs["sex"]),
        age=np.nan,
    )
    study = load(opened(tmp_path, changed))
    assert study.left_out == {
        "batch": "it varies within donor 'P0'",
        "sex": "it is unknown for donor 'P4'",
        "age": "it is missing throughout",
    }
    assert list(study.samples) == ["donor", "condition", "cells"]


def test_names_that_are_absent_are_kept_apart(made: Made, tmp_path: Path) -> None:
    study = load(opened(tmp_path, asking(made, gene_set=["g1", "Xist", "g1", "ACTB"])))
    assert study.gene_set == ("g1", "Xist", "ACTB")
    assert study.absent == ("Xist", "ACTB")


def test_values_must_be_where_the_question_says(made: Made, tmp_path: Path) -> None:
    case = opened(tmp_path, made, layer="raw")
    question = {k: v for k, v in made.question.items() if k != "layer"}
    (tmp_path / "question.json").write_text(json.dumps(question))
    with pytest.raises(InputError, match="expected a layer, as there is no X; there are 'raw'"):
        load(case)


def test_an_empty_set_is_a_set(made: Made, tmp_path: Path) -> None:
    assert load(opened(tmp_path, asking(made, gene_set=[]))).gene_set == ()


def test_pairs_are_seen(tmp_path: Path) -> None:
    assert load(opened(tmp_path, make(3, genes=20, donors=(4, 4), paired=True))).paired


def test_a_gene_of_the_set_has_one_row(made: Made, tmp_path: Path) -> None:
    twice = replace(made, genes=["g0", "g0", *made.genes[2:]])
    with pytest.warns(UserWarning, match="not unique"):
        save(tmp_path, twice)
    from refsolve.contract.solving import open_case

    with pytest.raises(InputError, match="'var_names': found 'g0', expected one gene of this name"):
        load(open_case(problem, tmp_path, {}))
