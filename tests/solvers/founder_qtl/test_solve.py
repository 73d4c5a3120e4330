"""Cases of an independent generator, what the answer must not depend on, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from refsolve.contract.explaining import explain
from refsolve.contract.generating import generate
from refsolve.contract.grading import grade
from refsolve.contract.solving import solve
from refsolve.core.errors import AnalysisError
from tests.solvers.founder_qtl.cases import (
    ALLELES,
    CALLS,
    MAP,
    PROBLEM,
    TRAITS,
    Made,
    Recipe,
    flips_of,
    make,
    mixed,
    passes,
    solved,
    with_array,
    with_cell,
    with_table,
)

# As plain Python these cases take minutes.
pytestmark = pytest.mark.compiled

CLEAN = Recipe(flipped="none", batch_effect=0.0, error=0.0, effect=4.0)
RECIPES = {
    "usual": Recipe(),
    "no flip": Recipe(flipped="none"),
    "one flip at the QTL": Recipe(flipped="one"),
    "adjacent flips": Recipe(flipped="adjacent"),
    "alternating flips": Recipe(flipped="alternating"),
    "flips at the ends": Recipe(flipped="ends"),
    "near-identical founders": Recipe(flipped="one", twin=5.0),
    "flips beside near-identical founders": Recipe(flipped="adjacent", twin=6.0, markers=80),
    "many monomorphic markers": Recipe(monomorphic=0.3, markers=80),
    "few lines": Recipe(lines=90, effect=6.0, markers=40),
    "one chromosome": Recipe(chromosomes=1),
    "six chromosomes": Recipe(chromosomes=6, markers=30),
    "no intercross": Recipe(intercross=0, effect=4.0),
    "errors and gaps": Recipe(error=0.03, missing=0.2),
    "batches in words": Recipe(batches=("west", "east")),
    "one batch": Recipe(batches=("only",)),
    "many batches": Recipe(batches=tuple(f"plate {k}" for k in range(20))),
    "batch near the QTL": Recipe(batch_at=60.0),
    "QTL near the end": Recipe(qtl=96.0, batch_at=70.0),
    "other names": Recipe(prefix="Chr"),
    "no covariate": Recipe(covariates=0),
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_cases_of_another_generator_are_solved(recipe: Recipe, tmp_path: Path) -> None:
    made = make(5, recipe)
    outcome = solved(tmp_path, made.tables)
    assert passes(outcome, made), (outcome.answer, outcome.reasoning)
    assert flips_of(outcome) == made.flipped


@pytest.fixture(scope="module")
def made() -> Made:
    return make(6, Recipe(lines=200, markers=40, effect=6.0))


@pytest.fixture(scope="module")
def reference(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return solved(tmp_path_factory.mktemp("reference"), made.tables)


def test_the_order_of_rows_and_columns_says_nothing(
    made: Made, reference: Any, tmp_path: Path
) -> None:
    other = solved(tmp_path, mixed(made.tables, np.random.default_rng(9)))
    assert other.answer == reference.answer
    assert other.decisions[1].because == reference.decisions[1].because


@pytest.mark.parametrize("form", ["chr{}", "Chr{}", "CHR0{}", "{}.0", "chrom_{}"])
def test_the_names_of_chromosomes_are_only_names(
    made: Made, reference: Any, tmp_path: Path, form: str
) -> None:
    tables = with_table(made.tables, MAP, lambda f: f.assign(chr=f["chr"].map(form.format)))
    assert solved(tmp_path, tables).answer == reference.answer


def test_codes_of_batches_are_only_names(made: Made, reference: Any, tmp_path: Path) -> None:
    words = {"1": "x", "2": "c", "3": "y", "4": "a"}
    tables = with_table(made.tables, TRAITS, lambda f: f.assign(batch=f["batch"].map(words)))
    other = solved(tmp_path, tables)
    assert other.answer["high_founder"] == reference.answer["high_founder"]
    assert other.answer["qtl_pos_cM"] == pytest.approx(reference.answer["qtl_pos_cM"], abs=1e-6)


def test_transposed_calls_are_the_same(made: Made, reference: Any, tmp_path: Path) -> None:
    turned = with_array(made.tables, genotypes=made.tables[CALLS]["genotypes"].T)
    assert solved(tmp_path, turned).answer == reference.answer


def test_scale_and_origin_of_the_phenotype_say_nothing(
    made: Made, reference: Any, tmp_path: Path
) -> None:
    tables = with_table(made.tables, TRAITS, lambda f: f.assign(phenotype=1e3 * f["phenotype"] - 7))
    other = solved(tmp_path, tables).answer
    assert other["high_founder"] == reference.answer["high_founder"]
    assert other["qtl_pos_cM"] == pytest.approx(reference.answer["qtl_pos_cM"], abs=1e-4)


def test_exchanging_the_alleles_of_all_files_says_nothing(
    made: Made, reference: Any, tmp_path: Path
) -> None:
    calls = made.tables[CALLS]["genotypes"]
    tables = with_array(made.tables, genotypes=np.where(calls < 0, -1, 1 - calls))
    exchanged = made.tables[ALLELES].set_index("marker_id").rsub(1).reset_index()
    other = solved(tmp_path, {**tables, ALLELES: exchanged}).answer
    assert other["qtl_pos_cM"] == pytest.approx(reference.answer["qtl_pos_cM"], abs=1e-6)


def test_lines_without_phenotype_help_and_are_counted(made: Made, tmp_path: Path) -> None:
    tables = with_table(made.tables, TRAITS, lambda f: f.iloc[:180])
    outcome = solved(tmp_path, tables)
    facts = outcome.decisions[0].facts
    assert passes(outcome, made)
    assert facts["not_listed"] == 20
    assert facts["lines"] == 200
    assert facts["measured"] == 180 - facts["without_phenotype"]
    assert "20 that the phenotypes do not list" in outcome.reasoning


def test_markers_that_were_not_typed_are_counted(
    made: Made, reference: Any, tmp_path: Path
) -> None:
    more = pd.DataFrame({"marker_id": ["extra"], "chr": ["1"], "pos_cM": [12.0]})
    tables = with_table(made.tables, MAP, lambda f: pd.concat([f, more]))
    outcome = solved(tmp_path, tables)
    assert outcome.answer == reference.answer
    assert "1 marker of the map without calls" in outcome.reasoning


def test_unknown_founder_alleles_are_no_alleles(made: Made, tmp_path: Path) -> None:
    tables = made.tables
    for row in range(0, len(tables[ALLELES]), 4):
        tables = with_cell(tables, ALLELES, row, f"F{row % 8 + 1}", np.nan)
    assert passes(solved(tmp_path, tables), made)


def test_covariates_that_batches_explain_are_left_out(
    made: Made, reference: Any, tmp_path: Path
) -> None:
    warm = {"1": 17.0, "2": 19.0, "3": 19.5, "4": 22.0}
    tables = with_table(made.tables, TRAITS, lambda f: f.assign(room=f["batch"].map(warm)))
    outcome = solved(tmp_path, tables)
    assert outcome.answer["qtl_pos_cM"] == pytest.approx(reference.answer["qtl_pos_cM"], abs=1e-6)
    assert "what the others explain is left out: room" in outcome.reasoning


def test_missing_batches_and_covariates_lose_no_line(made: Made, tmp_path: Path) -> None:
    tables = with_cell(made.tables, TRAITS, 3, "batch", np.nan)
    tables = with_cell(with_cell(tables, TRAITS, 8, "batch", np.nan), TRAITS, 4, "cov0", np.nan)
    tables = with_table(tables, TRAITS, lambda f: f.assign(comment="ok"))
    outcome = solved(tmp_path, tables)
    assert "1 column of phenotypes set aside: comment (not all numbers)" in outcome.reasoning
    assert "missing covariates are the mean of the others: cov0 (1)" in outcome.reasoning
    assert passes(outcome, made)
    assert outcome.diagnostics["lines_in_model"] == 197
    assert "of no batch form one of their own" in outcome.reasoning


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = make(3, CLEAN)
    folder = tmp_path_factory.mktemp("clean")
    return made, {
        choice: solved(folder / choice, made.tables, **path)
        for choice, path in {
            "reference": {},
            "as_recorded": {"orientation": "as_recorded"},
            "dropped": {"orientation": "dropped"},
            "none": {"nuisance": "none"},
            "batch_as_number": {"nuisance": "batch_as_number"},
            "unrelated": {"kinship": "unrelated"},
        }.items()
    }


@pytest.mark.parametrize("choice", ["as_recorded", "dropped"])
def test_a_clean_case_leaves_nothing_to_repair(clean: Any, choice: str) -> None:
    _, outcomes = clean
    assert outcomes[choice].answer == pytest.approx(outcomes["reference"].answer, abs=0.05)
    assert outcomes["reference"].decisions[1].because.startswith("No marker is flipped: the log-")


@pytest.mark.parametrize("choice", ["none", "batch_as_number", "unrelated"])
def test_a_clean_case_passes_without_batches_and_kinship(clean: Any, choice: str) -> None:
    made, outcomes = clean
    assert passes(outcomes["reference"], made)
    assert passes(outcomes[choice], made)


def test_evidence_is_about_this_case(made: Made, reference: Any) -> None:
    said = {d.decision: d for d in reference.decisions}
    assert said["alignment"].because.startswith("80 markers on 2 chromosomes are matched by")
    assert f"exchanged back at {len(made.flipped)} markers" in said["orientation"].because
    low, high = said["orientation"].facts["contradicted_gap"]
    assert low < 0.2 < 0.8 < high
    assert said["state"].facts["error"] == pytest.approx(0.005, abs=0.004)
    assert said["state"].facts["missing_calls"] == pytest.approx(0.03, abs=0.01)
    assert "4 batches run from" in said["nuisance"].because
    assert said["nuisance"].facts["told_by_founders"]["batch"] == "2"
    assert said["nuisance"].facts["told_by_founders"]["pos_cM"] == pytest.approx(72, abs=6)
    assert "Relatedness by 1 other chromosome explains" in said["kinship"].because
    facts = said["effect"].facts
    assert facts["support"][0] < reference.answer["qtl_pos_cM"] < facts["support"][1]
    assert max(facts["effects"], key=facts["effects"].get) == made.founder
    assert facts["probability_highest"][made.founder] > 0.99


def test_one_chromosome_has_no_other_to_be_related_by(tmp_path: Path) -> None:
    outcome = solved(tmp_path, make(5, Recipe(chromosomes=1, lines=120, markers=30)).tables)
    assert "Only chromosome 1 is typed" in outcome.reasoning
    assert outcome.diagnostics["heritability"] is None


def test_a_constant_phenotype_maps_nowhere(made: Made, tmp_path: Path) -> None:
    tables = with_table(made.tables, TRAITS, lambda f: f.assign(phenotype=3.0))
    with pytest.raises(AnalysisError, match="constant") as caught:
        solved(tmp_path, tables)
    assert caught.value.exit_code == 3


def test_few_lines_tell_eight_founders_nothing(tmp_path: Path) -> None:
    tables = make(1, replace(CLEAN, lines=12)).tables
    with pytest.raises(AnalysisError, match=r"^\d+ lines have calls and a phenotype: too few"):
        solved(tmp_path, tables)


@pytest.mark.parametrize("unknown", [1, None], ids=["alike", "not called"])
def test_founders_that_are_alike_are_not_mapped(
    made: Made, tmp_path: Path, unknown: int | None
) -> None:
    alike = dict.fromkeys((f"F{k}" for k in range(1, 9)), unknown)
    tables = with_table(made.tables, ALLELES, lambda f: f.assign(**alike))
    with pytest.raises(AnalysisError, match="the same founder probabilities along chromosome 1"):
        solved(tmp_path, tables)


def test_a_batch_for_every_line_leaves_nothing(made: Made, tmp_path: Path) -> None:
    tables = with_table(made.tables, TRAITS, lambda f: f.assign(batch=f["line_id"]))
    with pytest.raises(AnalysisError, match="too few for 8 founders beside 19"):
        solved(tmp_path, tables)


def test_a_phenotype_of_chance_is_said_to_be_weak(made: Made, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    tables = with_table(made.tables, TRAITS, lambda f: f.assign(phenotype=rng.normal(size=len(f))))
    outcome = solved(tmp_path, tables)
    assert outcome.diagnostics["high_founder_is_unsure"]
    assert "has a probability of only" in outcome.reasoning


def test_calls_of_nobody_end_without_a_traceback(made: Made, tmp_path: Path) -> None:
    """Calls that fit no founder still give an answer, and say that founders are not told."""
    rng = np.random.default_rng(8)
    noise = rng.integers(2, size=made.tables[CALLS]["genotypes"].shape)
    outcome = solved(tmp_path, with_array(made.tables, genotypes=noise))
    assert outcome.diagnostics["error_rate"] > 0.1


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(PROBLEM, tmp_path_factory.mktemp("example") / "case")


WRONG = {
    "as_recorded": {"orientation": "as_recorded"},
    "single_marker": {"state": "single_marker"},
    "none": {"nuisance": "none"},
    "batch_as_number": {"nuisance": "batch_as_number"},
    "raw_mean": {"effect": "raw_mean"},
}


@pytest.mark.parametrize("path", WRONG.values(), ids=WRONG)
def test_a_wrong_turn_is_recognised_by_its_answer(path: dict[str, str], example: Path) -> None:
    outcome = solve(PROBLEM, example, path=path)
    assert not grade(PROBLEM, outcome.answer, example).passed
    found = explain(PROBLEM, example, outcome.answer, depth=1)
    assert found.candidates[0].deviations == path
    assert found.candidates[0].distance == 0


@pytest.mark.parametrize(
    "path", [{"orientation": "dropped"}, {"kinship": "unrelated"}, {"effect": "at_the_maximum"}]
)
def test_other_good_turns_pass(path: dict[str, str], example: Path) -> None:
    assert grade(PROBLEM, solve(PROBLEM, example, path=path).answer, example).passed


def test_figures_of_the_case(reference: Any) -> None:
    import matplotlib.pyplot as plt

    drawn = PROBLEM.module("figures").figures(reference)
    assert list(drawn) == [
        "Founder alleles against calls",
        "Founders along chromosome 1",
        "LOD along chromosome 1",
        "Effects of the founders",
    ]
    assert all(figure.axes[0].has_data() for figure in drawn.values())
    plt.close("all")
