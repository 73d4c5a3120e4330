"""What the answer must not depend on, what the evidence says, and why wrong answers are wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from refsolve.contract.explaining import explain
from refsolve.contract.generating import generate
from refsolve.core.errors import AnalysisError
from tests.solvers.wf_selection.cases import (
    PROBLEM,
    SMALL,
    Tables,
    generated,
    intervals,
    opened,
    plain,
    solved,
)

# As plain Python these cases take minutes.
pytestmark = pytest.mark.compiled

SERIES = ("locus_A_timeseries", "locus_B_timeseries")
# 0.1 % of the tolerance of the answer.
SAME = {"rtol": 0, "atol": 2e-5}


@pytest.fixture(scope="module")
def tables() -> Tables:
    return generated(2)


@pytest.fixture(scope="module")
def reference(tables: Tables, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return solved(tmp_path_factory.mktemp("reference"), tables)


def test_the_order_of_rows_and_columns_says_nothing(
    tables: Tables, reference: Any, tmp_path: Path
) -> None:
    rng = np.random.default_rng(3)
    mixed = {
        name: frame.sample(frac=1, random_state=rng).sample(frac=1, axis=1, random_state=rng)
        for name, frame in tables.items()
    }
    other = solved(tmp_path, mixed)
    assert other.answer == reference.answer
    assert other.reasoning == reference.reasoning


def test_ref_and_alt_are_only_names(tables: Tables, reference: Any, tmp_path: Path) -> None:
    swapped = {**tables}
    for name in SERIES:
        frame = tables[name]
        swapped[name] = frame.assign(alt_reads=frame["total_reads"] - frame["alt_reads"])
    names = {"ref": "alt", "alt": "ref"}
    swapped["variant_info"] = tables["variant_info"].rename(columns=names)
    other = solved(tmp_path, swapped)
    assert other.answer == reference.answer
    assert other.diagnostics == reference.diagnostics


def test_the_names_of_the_loci_are_only_names(
    tables: Tables, reference: Any, tmp_path: Path
) -> None:
    alleles = tables["variant_info"]
    swapped = {
        "locus_A_timeseries": tables["locus_B_timeseries"],
        "locus_B_timeseries": tables["locus_A_timeseries"],
        "variant_info": alleles.assign(locus=alleles["locus"].map({"A": "B", "B": "A"})),
        "Ne_schedule": tables["Ne_schedule"],
    }
    other = solved(tmp_path, swapped)
    assert other.answer["s"] == reference.answer["s"]
    assert {other.answer["selected_locus"], reference.answer["selected_locus"]} == {"A", "B"}


def test_only_differences_of_time_matter(tables: Tables, reference: Any, tmp_path: Path) -> None:
    later = {**tables}
    for name in (*SERIES, "Ne_schedule"):
        later[name] = tables[name].assign(generation=tables[name]["generation"] + 1000)
    assert solved(tmp_path, later).answer == reference.answer


def test_an_empty_sample_says_nothing(tables: Tables, reference: Any, tmp_path: Path) -> None:
    """Whether within the series, at its ends, or in a generation that has reads."""
    size = tables["Ne_schedule"]["Ne"].iloc[0]
    longer = {**tables, "Ne_schedule": intervals((0, 60, size))}
    for name in SERIES:
        frame = tables[name].assign(generation=tables[name]["generation"] + 10)
        empty = frame.iloc[:4].assign(generation=[4, 12, 13, 55], alt_reads=0, total_reads=0)
        longer[name] = pd.concat([frame, empty])
    other = solved(tmp_path, longer)
    np.testing.assert_allclose(other.answer["s"], reference.answer["s"], **SAME)


def test_a_generation_that_appears_twice_is_two_samples(
    tables: Tables, reference: Any, tmp_path: Path
) -> None:
    split = {**tables}
    for name in SERIES:
        frame = tables[name]
        reads = frame[["alt_reads", "total_reads"]]
        half, rest = frame.assign(**(reads // 2)), frame.assign(**(reads - reads // 2))
        split[name] = pd.concat([half, rest])
    other = solved(tmp_path, split)
    np.testing.assert_allclose(other.answer["s"], reference.answer["s"], **SAME)
    assert "repeated" in other.decisions[3].facts
    assert other.decisions[3].facts["repeated"]["A"] > 0


def test_a_clean_case_leaves_little_to_decide(tmp_path: Path) -> None:
    clean = generated(4, clean=True, kind_other="transition")
    reference = solved(tmp_path, clean)
    for path in (
        {"orientation": "alt_is_derived"},
        {"error": "symmetric_average"},
        {"error": "instrument_both_ways"},
        {"missing": "zero_frequency"},
        {"missing": "drop_gap"},
        {"drift": "constant_size"},
        {"drift": "harmonic_mean"},
    ):
        assert solved(tmp_path, clean, **path).answer == reference.answer, path


def test_evidence_is_about_this_case(tmp_path: Path) -> None:
    tables = plain()
    tables["variant_info"].loc[1] = ["B", "A", "G", "G"]
    tables["Ne_schedule"] = intervals((0, 9, 200), (10, 12, 20), (13, 24, 400))
    said = {d.decision: d for d in solved(tmp_path, tables).decisions}
    assert "The outgroup carries C at A and G at B" in said["orientation"].because
    assert "derived reads are total − alt at B" in said["orientation"].because
    assert said["orientation"].facts["ref_is_derived"] == ["B"]
    assert "ancestral G is read as A at 2·seq_error − 0.01 = 0.19" in said["error"].because
    assert "from 20 (generations 10–12) to 400; harmonic mean" in said["drift"].because
    assert said["drift"].facts["harmonic_mean"] == pytest.approx(25 / (0.05 + 0.15 + 0.03))
    assert "locus A has 1 of 7 samples without reads" in said["missing"].because
    assert said["missing"].facts["unseen_generations"] == {"A": 19, "B": 19}
    assert abs(said["start"].facts["shift_of_s_if_profiled"]) < 0.02


def test_both_loci_are_reported(reference: Any) -> None:
    loci = reference.diagnostics["loci"]
    chosen = reference.answer["selected_locus"]
    other = "AB".replace(chosen, "")
    assert loci[chosen]["s"] == reference.answer["s"] > loci[other]["s"]
    assert loci[chosen]["interval"][0] < reference.answer["s"] < loci[chosen]["interval"][1]
    above = reference.diagnostics["probability_s_A_above_s_B"]
    assert (above if chosen == "A" else 1 - above) > 0.5
    assert not loci["A"]["flat"]


def test_intervals_by_the_page_and_the_textbook_agree(tmp_path: Path) -> None:
    """Truth of latent cases is the maximum of the exact chain of the textbook."""
    knobs = {**SMALL, "size": 120, "truth": "latent", "kind_other": "transition"}
    folder = generate(PROBLEM, tmp_path / "case", seed=5, knobs=knobs)
    truth = PROBLEM.module("generate").generate  # the same draw, without writing
    made = truth(PROBLEM.module("generate").Knobs(**knobs), np.random.default_rng(5))
    outcome = solved(tmp_path / "copy", dict(made.tables))
    assert folder.is_dir()
    assert outcome.answer["selected_locus"] == made.answer["selected_locus"]
    np.testing.assert_allclose(outcome.answer["s"], made.answer["s"], rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "wrong",
    [
        {"orientation": "alt_is_derived"},
        {"error": "instrument_both_ways"},
        {"missing": "zero_frequency"},
    ],
    ids=lambda path: next(iter(path.values())),
)
def test_a_wrong_turn_is_recognised_by_its_answer(wrong: dict[str, str], tmp_path: Path) -> None:
    tables = generated(6, ref_derived="both")
    answer = solved(tmp_path, tables, **wrong).answer
    found = explain(PROBLEM, tmp_path, answer, depth=1)
    assert found.candidates[0].deviations == wrong
    assert found.candidates[0].distance == 0


def test_a_locus_that_says_nothing_is_left_out(tables: Tables, tmp_path: Path) -> None:
    silent = tables["locus_A_timeseries"].assign(total_reads=0, alt_reads=0)
    silent.loc[silent.index[[0, 1]], "total_reads"] = 1
    tables = {**tables, "locus_A_timeseries": silent}
    outcome = solved(tmp_path / "one", tables)
    assert outcome.diagnostics["loci"]["A"]["flat"]
    assert outcome.answer["selected_locus"] == "B"
    assert "Locus A fits every s" in outcome.reasoning
    with pytest.raises(AnalysisError, match="both loci fit every s"):
        solved(tmp_path / "both", {**tables, "locus_B_timeseries": silent})


def test_a_lost_allele_leaves_the_interval_open(tables: Tables, tmp_path: Path) -> None:
    name = "locus_A_timeseries"
    lost = tables[name].assign(seq_error=0.0)
    alleles = tables["variant_info"].set_index("locus").loc["A"]
    lost["alt_reads"] = lost["total_reads"] if alleles["alt"] == alleles["ancestral"] else 0
    lost.loc[lost.index[0], "alt_reads"] = lost["total_reads"].iloc[0] // 2
    outcome = solved(tmp_path, {**tables, name: lost})
    assert outcome.answer["selected_locus"] == "B"
    assert "interval of locus A is open" in outcome.reasoning


def test_figures_of_both_loci_and_their_profiles(reference: Any) -> None:
    import matplotlib.pyplot as plt

    drawn = PROBLEM.module("figures").figures(reference)
    assert list(drawn) == [
        "Locus A: reads and frequency",
        "Locus B: reads and frequency",
        "Likelihood of s",
    ]
    assert all(figure.axes[0].has_data() for figure in drawn.values())
    plt.close("all")


def test_opened_cases_are_untouched(tables: Tables, tmp_path: Path) -> None:
    case = opened(tmp_path, tables)
    before = {p.name: p.read_bytes() for p in case.folder.iterdir()}
    solved(tmp_path, tables)
    assert {p.name: p.read_bytes() for p in case.folder.iterdir()} == before
