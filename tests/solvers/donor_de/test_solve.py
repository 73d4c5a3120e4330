"""What the answer must not depend on, what the evidence says, and why wrong answers are wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from refsolve.contract.explaining import explain
from refsolve.contract.generating import draw
from refsolve.contract.outcome import Outcome
from refsolve.core.errors import AnalysisError

pytest.importorskip("anndata", reason="the singlecell extra is not installed")

from tests.solvers.donor_de.cases import (
    CONTROL,
    STIM,
    Made,
    adjusted,
    make,
    quasi_p,
    solved,
    truth,
)
from tests.solvers.donor_de.cases import PROBLEM as problem

# As plain Python these cases take minutes.
pytestmark = pytest.mark.compiled

WRONG = [
    {"replicate": "cells_by_ranks"},
    {"replicate": "cells_by_t"},
    {"filtering": "untestable_as_one"},
    {"filtering": "every_gene"},
    {"model": "poisson"},
]


@pytest.fixture(scope="module")
def made() -> Made:
    return make(4, genes=80, sex=True)


@pytest.fixture(scope="module")
def reference(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return solved(tmp_path_factory.mktemp("reference"), made)


def _facts(outcome: Outcome, key: str) -> dict[str, Any]:
    return next(d.facts for d in outcome.decisions if d.decision == key)


def assert_close(outcome: Outcome, expected: dict[str, float]) -> None:
    assert outcome.diagnostics["tested"] == expected["tested"]
    for key, value in outcome.answer.items():
        assert value == pytest.approx(expected[key], abs=1e-9), key


DESIGNS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "batches": ({}, ("batch",)),
    "no covariate": ({"batch": None}, ()),
    "two against two": ({"donors": (2, 2), "batch": None}, ()),
    "two against seven": ({"donors": (2, 7), "batch": None}, ()),
    "batch, sex and age": ({"donors": (6, 5), "sex": True, "age": True}, ("batch", "sex", "age")),
    "pairs": ({"donors": (4, 4), "paired": True, "batch": None}, ("donor",)),
    "pairs within batches": ({"donors": (4, 4), "paired": True}, ("donor",)),
    "one of two cell types": ({"types": ("T", "B")}, ("batch",)),
    "no effect": ({"changed": 0, "fold": 1.0}, ("batch",)),
    "many cells": ({"cells": (150, 400), "genes": 40}, ("batch",)),
    "scores": ({"kind": "score"}, ("batch",)),
    "scores in pairs": (
        {"kind": "score", "paired": True, "donors": (3, 3), "batch": None}, ("donor",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("design, covariates", DESIGNS.values(), ids=DESIGNS)
def test_the_textbook_is_met(
    tmp_path: Path, design: dict[str, Any], covariates: tuple[str, ...]
) -> None:
    case = make(9, **{"genes": 40, "changed": 5, **design})
    assert_close(solved(tmp_path, case), truth(case, covariates))


@pytest.mark.parametrize("knobs", [{}, {"paired": True}, {"value_kind": "score"}], ids=str)
def test_the_generator_tells_the_truth_of_the_textbook(knobs: dict[str, Any]) -> None:
    """Its own truth comes from the library, because the textbook takes seconds."""
    from refsolve.methods.pseudobulk.textbook import moderated, normalisation

    module = problem.module("generate")
    settings = {"genes": 60, "reference_donors": 4, "test_donors": 4, "cells": 25, **knobs}
    chosen, rng = module.Knobs(**settings), np.random.default_rng(3)
    samples = module._samples(chosen, rng)
    drawn = module._cells(chosen, samples, rng)
    x = module.design_matrix(samples, paired=chosen.paired)
    counts = chosen.value_kind == "counts"
    y = module.bulk(drawn, counts=counts)
    p = module.p_values(y, x, counts=counts)
    if counts:
        kept = normalisation.expressed_enough(y, y.sum(axis=0), x)
        library = y[kept].sum(axis=0) * normalisation.tmm(y[kept])
        want = quasi_p(y[kept], x, library)
    else:
        kept = np.ptp(y, axis=1) > 0
        want = moderated.moderated(moderated.least_squares(y[kept], x), x.shape[1] - 1).p
    np.testing.assert_array_equal(np.isfinite(p), kept)
    np.testing.assert_allclose(np.log10(p[kept]), np.log10(want), rtol=1e-3, atol=1e-3)
    assert ((p[kept] < 0.05) == (want < 0.05)).all()


def test_the_truth_of_a_case_is_that_of_its_files(tmp_path: Path) -> None:
    from refsolve.contract.generating import generate
    from refsolve.contract.solving import solve

    knobs = {"others": 0.1, "nameless": 0.05, "cell_types": 3, "strings": True, "layer": "raw"}
    case = generate(problem, tmp_path / "case", seed=3, knobs=knobs)
    outcome = solve(problem, case)
    want = json.loads((case / "truth.json").read_text())["answer"]
    assert outcome.answer == pytest.approx(want, abs=1e-9)
    assert _facts(outcome, "replicate")["set_aside"].keys() == {
        "without donor", "of other conditions", "of other cell types",
    }  # fmt: skip


def test_a_gap_allows_a_narrow_tolerance() -> None:
    near = draw(problem, 5, {"gap": False, "genes": 200})
    apart = draw(problem, 5, {"genes": 200})
    assert apart.tolerance == {"pct_de": 1.0, "pct_fdr": 1.0}
    assert near.tolerance == {"pct_de": 2.0, "pct_fdr": 2.0}


def test_order_says_nothing(made: Made, reference: Outcome, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    cells, genes = rng.permutation(len(made.obs)), rng.permutation(len(made.genes))
    mixed = replace(
        made,
        values=made.values[np.ix_(cells, genes)],
        genes=[made.genes[j] for j in genes],
        obs=made.obs.iloc[cells].sample(frac=1, axis=1, random_state=rng),
        rows=made.rows[cells],
    )
    other = solved(tmp_path, mixed)
    assert other.answer == reference.answer


@pytest.mark.parametrize(
    "how", [{"storage": "dense"}, {"storage": "float"}, {"storage": "csc", "layer": "raw"},
            {"strings": True}],
    ids=str,
)  # fmt: skip
def test_storage_says_nothing(
    made: Made, reference: Outcome, tmp_path: Path, how: dict[str, Any]
) -> None:
    assert solved(tmp_path, made, **how).answer == reference.answer


def test_names_of_donors_and_batches_say_nothing(
    made: Made, reference: Outcome, tmp_path: Path
) -> None:
    obs = made.obs.assign(
        donor=made.obs["donor"].map(lambda d: f"{9 - int(d[1:])} of 9"),
        batch=made.obs["batch"].map({"run0": "7", "run1": "1"}),
    )
    assert solved(tmp_path, replace(made, obs=obs)).answer == reference.answer


def test_swapped_conditions_give_opposite_changes(
    made: Made, reference: Outcome, tmp_path: Path
) -> None:
    question = made.question | {"condition_reference": STIM, "condition_test": CONTROL}
    other = solved(tmp_path, replace(made, question=question))
    assert other.answer == reference.answer
    ours, theirs = (o.artefacts["genes"]["log2_fold_change"] for o in (reference, other))
    np.testing.assert_allclose(ours, -theirs, rtol=1e-5, atol=1e-6)


def test_cells_of_other_conditions_say_nothing(
    made: Made, reference: Outcome, tmp_path: Path
) -> None:
    more = made.obs.iloc[:30].assign(condition="mild", donor="P77")
    more.index = pd.Index([f"mild-{i}" for i in range(30)])
    wider = replace(
        made,
        values=np.vstack([made.values, made.values[:30]]),
        obs=pd.concat([made.obs, more]),
        rows=np.append(made.rows, np.zeros(30, bool)),
    )
    outcome = solved(tmp_path, wider)
    assert outcome.answer == reference.answer
    assert _facts(outcome, "replicate")["set_aside"] == {"of other conditions": 30}


def test_genes_that_are_absent_or_untestable_do_not_differ(made: Made, tmp_path: Path) -> None:
    question = made.question | {"gene_set": ["XIST", "g79", "g78"]}
    outcome = solved(tmp_path, replace(made, question=question))
    assert outcome.answer["n_set_de"] == 0
    assert list(outcome.diagnostics["gene_set_absent"]) == ["XIST"]
    assert outcome.diagnostics["gene_set_untested"] == ["g79", "g78"]


def test_the_denominator_is_stated(made: Made, reference: Outcome) -> None:
    facts = _facts(reference, "filtering")
    assert facts["genes"] == 80
    assert facts["tested"] == reference.diagnostics["denominator"] < 80
    assert f"{facts['tested']} of 80 genes" in reference.reasoning


def test_evidence_shows_the_wrong_analysis_beside(reference: Outcome) -> None:
    beside = _facts(reference, "replicate")["cells_as_replicates_WRONG"]
    assert beside["percent_de"] > 2 * reference.answer["pct_de"]
    assert beside["design_effect"] > 1.5
    assert beside["false_positives_expected"] > 0.1
    null = reference.diagnostics["relabelled_donors"]
    assert null["tried"] <= null["possible"] or not null["exhaustive"]
    assert 0 < null["p"] <= 1
    assert _facts(reference, "design_check")["smallest_p"] == pytest.approx(2 / 56)


def test_parameters_are_used(made: Made, reference: Outcome, tmp_path: Path) -> None:
    outcome = solved(tmp_path, made, parameters={"level": 0.5, "relabellings": 0})
    assert outcome.diagnostics["relabelled_donors"] is None
    genes = reference.artefacts["genes"]
    assert outcome.answer["pct_de"] == pytest.approx(100 * (genes["p"] < 0.5).mean())
    np.testing.assert_allclose(genes["q"], adjusted(genes["p"].to_numpy()))


def test_covariates_that_cannot_enter_are_named(tmp_path: Path) -> None:
    case = make(6, genes=40, donors=(3, 3), batch=None)
    obs = case.obs.assign(sex=np.where(case.obs["condition"] == STIM, "F", "M"), age=40.0)
    outcome = solved(tmp_path, replace(case, obs=obs))
    assert set(_facts(outcome, "design_check")["left_out"]) == {"sex", "age"}
    assert_close(outcome, truth(case))


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "one donor": ({"donors": (1, 4), "batch": None}, "donor"),
    "one donor in the test": ({"donors": (4, 1), "batch": None}, "donor"),
    "aliased": ({"donors": (3, 3), "batch": "aliased"}, "batch"),
}


@pytest.mark.parametrize("design, word", REFUSED.values(), ids=REFUSED)
def test_designs_that_cannot_tell_are_refused(
    tmp_path: Path, design: dict[str, Any], word: str
) -> None:
    case = make(6, genes=40, **design)
    with pytest.raises(AnalysisError, match=word) as caught:
        solved(tmp_path, case)
    assert caught.value.exit_code == 3


def test_an_aliased_condition_can_be_reported_which_is_wrong(tmp_path: Path) -> None:
    case = make(6, genes=40, donors=(3, 3), batch="aliased", changed=0, fold=1.0)
    outcome = solved(tmp_path, case, {"design_check": "reported_anyway"})
    assert outcome.answer["pct_de"] > 15, "nothing differs but the batch"


def test_a_donor_without_counts_is_named(made: Made, tmp_path: Path) -> None:
    empty = made.values * (made.obs["donor"] != "P1").to_numpy()[:, np.newaxis]
    with pytest.raises(AnalysisError, match="cells of donor 'P1' in 'healthy' have no counts in X"):
        solved(tmp_path, replace(made, values=empty))


def test_every_figure_is_drawn(reference: Outcome) -> None:
    pytest.importorskip("matplotlib", reason="the plot extra is not installed")
    from matplotlib import pyplot as plt

    drawn = problem.module("figures").figures(reference)
    assert len(drawn) == 5
    for figure in drawn.values():
        assert figure.axes
        plt.close(figure)


def test_nothing_to_test_is_said(tmp_path: Path) -> None:
    case = make(6, genes=40, depth=4, cells=(3, 4))
    with pytest.raises(AnalysisError, match="None of the 40 genes can be tested"):
        solved(tmp_path, case)


@pytest.mark.parametrize("path", WRONG, ids=str)
def test_wrong_turns_bite(made: Made, reference: Outcome, tmp_path: Path, path: dict) -> None:
    other = solved(tmp_path, made, path)
    assert abs(other.answer["pct_de"] - reference.answer["pct_de"]) > 1


@pytest.mark.parametrize("path", [{"normalisation": "median_of_ratios"}], ids=str)
def test_defensible_turns_do_not(
    made: Made, reference: Outcome, tmp_path: Path, path: dict
) -> None:
    other = solved(tmp_path, made, path)
    assert other.answer["pct_de"] == pytest.approx(reference.answer["pct_de"], abs=2.0)
    assert other.answer["n_set_de"] == reference.answer["n_set_de"]


def test_sums_of_scores_follow_the_number_of_cells(tmp_path: Path) -> None:
    case = make(8, kind="score", donors=(5, 5), batch=None, cells=(20, 300), changed=12)
    right = solved(tmp_path / "a", case)
    wrong = solved(tmp_path / "b", case, {"aggregation": "sums_of_scores"})
    assert wrong.answer["pct_de"] < right.answer["pct_de"] - 1


def test_a_null_case_gives_the_level(tmp_path: Path) -> None:
    shares = []
    for seed in range(6):
        case = make(seed, genes=100, donors=(4, 5), batch=None, changed=0, cells=(20, 40))
        shares.append(solved(tmp_path / str(seed), case).answer["pct_de"])
    assert 1 < np.mean(shares) < 9


def test_a_wrong_answer_is_explained(made: Made, tmp_path: Path) -> None:
    wrong = solved(tmp_path, made, {"model": "poisson"})
    told = explain(problem, tmp_path, wrong.answer, depth=1)
    assert "poisson" in told.summary()
