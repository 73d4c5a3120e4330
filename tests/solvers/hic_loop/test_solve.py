"""What the answer must not depend on, what the evidence says, and why wrong answers are wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from refsolve.contract.explaining import explain
from refsolve.contract.outcome import Outcome
from refsolve.contract.solving import solve_case
from refsolve.core.errors import AnalysisError, InputError
from tests.solvers.hic_loop.cases import (
    BINS,
    COARSE,
    CONTACTS,
    KEYS,
    Made,
    Tables,
    errors,
    make,
    opened,
    save,
    solved,
    with_cell,
    with_table,
)
from tests.solvers.hic_loop.cases import PROBLEM as problem

pytestmark = pytest.mark.compiled

TOLERANCE = 0.02
SAME = {"rtol": 1e-9, "atol": 1e-12}


@pytest.fixture(scope="module")
def made() -> Made:
    return make(4)


@pytest.fixture(scope="module")
def reference(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return solved(tmp_path_factory.mktemp("reference"), made)


def _facts(outcome: Outcome, key: str) -> dict[str, Any]:
    return next(d.facts for d in outcome.decisions if d.decision == key)


def _said(outcome: Outcome, key: str) -> str:
    return next(d.because for d in outcome.decisions if d.decision == key)


def _answers(outcome: Outcome) -> list[float]:
    return [outcome.answer[key] for key in KEYS]


SEVERAL = (("case", 5, 2.0), ("case", 12, 1.5), ("case", 21, 0.5), ("case", 14, 3.0))
DESIGNS: dict[str, dict[str, Any]] = {
    "as made": {},
    "clean": {"low": {}, "stripes": ()},
    "few bins": {"bins": 16, "target": (4, 11), "low": {2: 0.5}, "stripes": (("case", 7, 1.8),)},
    "many bins": {"bins": 60, "replicates": (2, 2)},
    "one case replicate": {"replicates": (1, 6)},
    "one control replicate": {"replicates": (6, 1)},
    "poor bins of a poor genome": {"low": {3: 0.2, 10: 0.3, 20: 0.15}, "rest": (0.5, 0.7)},
    "poor bins above 0.80": {"low": {3: 0.85, 20: 0.86}, "rest": (0.95, 1.0)},
    "several stripes": {"stripes": SEVERAL},
    "stripes beside each other": {"stripes": tuple(("case", b, 2.0) for b in (10, 11, 12))},
    "stripe in controls": {"stripes": (("control", 6, 2.0),)},
    "stripe in both": {"stripes": (("control", 6, 2.0), ("case", 6, 2.0), ("case", 13, 1.6))},
    "lost contacts": {"stripes": (("case", 10, 0.05),)},
    "weak stripe": {"stripes": (("case", 10, 1.15),)},
    "stripe through the target": {"stripes": (("case", 8, 2.0),)},
    "target in the corner": {"target": (0, 23)},
    "neighbours": {"target": (11, 12)},
    "names for bins": {"name": lambda k: f"bin{k}"},
    "two chromosomes": {"chromosomes": 2},
    "zeros listed": {"listed": True},
    "no distances": {"dist_bin": False},
}


@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
def test_the_truth_is_found(tmp_path: Path, design: dict[str, Any]) -> None:
    made = make(101, **design)
    outcome = solved(tmp_path, made)
    assert np.abs(errors(outcome, made)).max() < TOLERANCE
    name = design.get("name", int)
    stripes = design.get("stripes", (("case", 5, 2.0),))
    told = {
        word: {str(name(b)) for w, b, _ in stripes if w == word} for word in ("case", "control")
    }
    found = outcome.diagnostics["stripes"]
    assert {word: set(bins) for word, bins in found.items()} == told
    low = {str(name(b)) for b in design.get("low", {3: 0.55, 20: 0.62})}
    assert set(outcome.diagnostics["low_mappability"]) == low
    json.dumps(outcome.to_dict(), allow_nan=False)


def test_order_says_nothing(made: Made, reference: Outcome, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    mixed = {
        stem: table.sample(frac=1, random_state=rng).sample(frac=1, axis=1, random_state=rng)
        for stem, table in made.tables.items()
    }
    other = solved(tmp_path, Made(mixed, made.truth, made.target))
    assert other.answer == reference.answer
    assert other.reasoning == reference.reasoning


def _renamed(tables: Tables, name: Callable[[int], Any]) -> Tables:
    tables = with_table(tables, BINS, lambda f: f.assign(bin_id=f["bin_id"].map(name)))
    return with_table(
        tables, CONTACTS, lambda f: f.assign(bin1=f["bin1"].map(name), bin2=f["bin2"].map(name))
    )


@pytest.mark.parametrize(
    "name, target",
    [
        (lambda k: k + 1, ("9", "18")),
        (lambda k: f"chr1:{k:03d}", ("chr1:017", "chr1:008")),
        (lambda k: f"chr1:{k:03d}", ("8", "17")),
        (lambda k: 1000 - 7 * k, ("944", "881")),
        (lambda k: "abcdefghijklmnopqrstuvwx"[-k - 1], ("p", "g")),
    ],
)
def test_names_of_bins_say_nothing(
    made: Made, reference: Outcome, tmp_path: Path, name: Any, target: tuple[str, str]
) -> None:
    other = solved(tmp_path, Made(_renamed(made.tables, name), made.truth, target))
    np.testing.assert_allclose(_answers(other), _answers(reference), **SAME)


def test_extra_columns_and_coarse_counts_say_nothing(
    made: Made, reference: Outcome, tmp_path: Path
) -> None:
    tables = with_table(made.tables, CONTACTS, lambda f: f.assign(weight=1.5, note="x"))
    at = int(np.flatnonzero(tables[COARSE]["bin1"] != tables[COARSE]["bin2"])[3])
    other = solved(
        tmp_path, Made(with_cell(tables, COARSE, at, "count", 1), made.truth, made.target)
    )
    assert other.answer == reference.answer
    assert "is not its sum in 1 of 462 pixels compared, which does not matter" in other.reasoning
    assert "is its sum in all 462 pixels compared" in reference.reasoning


@pytest.mark.parametrize("factor", [2, 10])
def test_depth_says_nothing(made: Made, tmp_path: Path, factor: int) -> None:
    """Contacts of one replicate multiplied: the expected ones follow."""
    deeper = with_table(
        made.tables,
        CONTACTS,
        lambda f: f.assign(count=f["count"].where(f["condition"] == "case", f["count"] * factor)),
    )
    plain = solved(tmp_path / "plain", made)
    other = solved(tmp_path / "other", Made(deeper, made.truth, made.target))
    # Counts that are no longer Poisson weigh a little differently.
    np.testing.assert_allclose(_answers(other), _answers(plain), rtol=0, atol=0.003)


def test_bins_without_annotation_are_left_out(made: Made, tmp_path: Path) -> None:
    tables = with_cell(made.tables, BINS, 2, "gc_content", np.nan)
    tables = with_cell(tables, BINS, 14, "mappability", np.nan)
    outcome = solved(tmp_path, Made(tables, made.truth, made.target))
    assert np.abs(errors(outcome, made)).max() < TOLERANCE
    assert set(outcome.diagnostics["low_mappability"]) == {"3", "14", "20"}
    assert "1 of them has no value of mappability" in _said(outcome, "mappability")


def test_missing_counts_are_no_zeros(made: Made, tmp_path: Path) -> None:
    tables = made.tables
    frame = tables[CONTACTS]
    kept = ((frame["bin1"] == 8) & (frame["bin2"] == 17)) | (frame["bin1"] == frame["bin2"])
    rows = np.random.default_rng(3).permutation(np.flatnonzero(~kept))[:200]
    count = frame["count"].astype(float)
    count.iloc[rows] = np.nan
    outcome = solved(
        tmp_path, Made({**tables, CONTACTS: frame.assign(count=count)}, made.truth, made.target)
    )
    assert np.abs(errors(outcome, made)).max() < TOLERANCE
    assert outcome.diagnostics["account"]["missing_counts"] == 200
    dropped = solved(
        tmp_path / "dropped",
        Made({**tables, CONTACTS: frame.drop(index=frame.index[rows])}, made.truth, made.target),
    )
    np.testing.assert_allclose(_answers(dropped), _answers(outcome), **SAME)
    assert "absent pixels cannot be zeros" in dropped.reasoning


def test_zeros_of_sparse_tables_count(tmp_path: Path) -> None:
    """Absent pixels are part of the evidence; without them far pixels would look too full."""
    design = {"bins": 40, "contacts": 6.0, "loop": (2.0, 1.5), "stripes": (), "low": {}}
    made = make(7, **design, replicates=(4, 4))
    outcome = solved(tmp_path, made)
    assert outcome.diagnostics["account"]["absent_taken_for_zero"] > 50
    assert np.abs(errors(outcome, made)).max() < 0.1
    assert "The table is the upper triangle without its zeros" in outcome.reasoning
    listed = make(7, **design, replicates=(4, 4), listed=True)
    other = solved(tmp_path / "listed", listed)
    np.testing.assert_allclose(_answers(other), _answers(outcome), **SAME)


def test_the_evidence_names_what_was_found(reference: Outcome) -> None:
    assert "bins 8 and 17 (chr1:1,160,000–1,180,000 and chr1:1,340,000" in reference.reasoning
    gap = _facts(reference, "mappability")
    assert gap["edges"][0] == 0.62
    assert 0.9 <= gap["edges"][1] <= 1
    assert "Mappability has a gap from 0.62 to 0.9" in _said(reference, "mappability")
    assert "bins 3, 20 leave the training set, with 45 of 276 pixels" in reference.reasoning
    assert "in cases 5 (" in _said(reference, "stripe")
    assert "in controls none" in _said(reference, "stripe")
    level, z = _facts(reference, "stripe")["log2_level_and_z"]["case"]["5"]
    assert level == pytest.approx(1, abs=0.1)
    assert z > 5
    slopes = _facts(reference, "expected")["coefficients"]
    assert slopes["log_distance[case]"] == pytest.approx(-1.05, abs=0.05)
    assert slopes["gc[control]"] == pytest.approx(2.0, abs=0.5)
    assert slopes["re_sites"] == pytest.approx(0.05, abs=0.02)
    json.dumps(reference.to_dict(), allow_nan=False)


def test_without_a_gap_the_number_of_the_page_is_used(tmp_path: Path) -> None:
    made = make(5, low={}, rest=(0.7, 1.0), stripes=())
    outcome = solved(tmp_path, made)
    said = _said(outcome, "mappability")
    value = made.tables[BINS]["mappability"]
    assert "Mappability shows no visible gap (its lowest value is 0.7" in said
    assert "bins below 0.8 would leave" in said
    assert len(outcome.diagnostics["low_mappability"]) == (value < 0.8).sum() > 0
    other = solve_case(problem, opened(tmp_path / "b", made.tables, low_mappability=0.5), {})
    assert other.diagnostics["low_mappability"] == []
    assert "there are none" in _said(other, "mappability")


def test_a_number_that_most_bins_are_below_masks_nothing(tmp_path: Path) -> None:
    """A clean case of a poor genome stays unmasked; a bin without a value does not."""
    made = make(5, low={}, rest=(0.5, 0.7), stripes=())
    outcome = solved(tmp_path / "a", made)
    assert outcome.diagnostics["low_mappability"] == []
    assert "no visible gap, and 24 of 24 bins below 0.8" in _said(outcome, "mappability")
    assert np.abs(errors(outcome, made)).max() < TOLERANCE
    tables = with_cell(made.tables, BINS, 3, "mappability", np.nan)
    other = solved(tmp_path / "b", Made(tables, made.truth, made.target))
    assert other.diagnostics["low_mappability"] == ["3"]
    assert "so that only bin 3 leaves" in _said(other, "mappability")


def test_without_any_mappability_nothing_can_be_trusted(made: Made, tmp_path: Path) -> None:
    tables = with_table(made.tables, BINS, lambda f: f.assign(mappability=np.nan))
    with pytest.raises(AnalysisError, match="mappability of every bin is missing"):
        solved(tmp_path, Made(tables, made.truth, made.target))


def test_a_replicate_without_contacts_beside_the_target_is_named(
    made: Made, tmp_path: Path
) -> None:
    def only_target(frame: Any) -> Any:
        target = (frame["bin1"] == 8) & (frame["bin2"] == 17)
        mine = (frame["condition"] == "control") & (frame["replicate"] == 2)
        return frame[target | ~mine]

    tables = with_table(made.tables, CONTACTS, only_target)
    with pytest.raises(AnalysisError, match="No pixel but the target.*in control replicate 2"):
        solved(tmp_path, Made(tables, made.truth, made.target))


def test_a_stripe_through_the_target_is_told(tmp_path: Path) -> None:
    outcome = solved(tmp_path, make(3, stripes=(("case", 8, 2.0),)))
    assert "The target itself lies on bin 8: its contacts in cases hold" in outcome.reasoning


def test_intervals_come_from_the_expected(reference: Outcome, made: Made) -> None:
    for key in KEYS:
        low, high = reference.intervals[key]
        assert 0.002 < high - low < 0.06
        assert low - 0.01 < made.truth[key] < high + 0.01


def test_a_poorly_mappable_target_is_refused(tmp_path: Path) -> None:
    made = make(2, low={8: 0.5, 20: 0.6})
    with pytest.raises(AnalysisError, match=r"bin 8 of the target has the mappability 0.5, and"):
        solved(tmp_path, made)


def test_too_few_pixels_are_told(tmp_path: Path) -> None:
    made = make(2, bins=3, target=(0, 2), low={}, stripes=(), replicates=(1, 1))
    with pytest.raises(AnalysisError, match="4 counts do not determine"):
        solved(tmp_path, made)


WRONG = [
    (key, choice.name)
    for key, choices in problem.lattice.choices.items()
    for choice in choices.values()
    if choice.kind == "wrong"
]


@pytest.mark.parametrize("key, choice", WRONG)
def test_a_wrong_turn_leads_astray(
    made: Made, reference: Outcome, tmp_path: Path, key: str, choice: str
) -> None:
    other = solved(tmp_path, made, **{key: choice})
    assert np.abs(errors(other, made)).max() > TOLERANCE
    assert np.abs(errors(reference, made)).max() < TOLERANCE


@pytest.mark.parametrize("path", [{"stripe": "both_conditions"}, {"expected": "poisson"}])
def test_a_defensible_turn_does_not(made: Made, tmp_path: Path, path: dict[str, str]) -> None:
    assert np.abs(errors(solved(tmp_path, made, **path), made)).max() < TOLERANCE


def test_in_a_clean_case_the_masks_do_nothing(tmp_path: Path) -> None:
    made = make(9, low={}, stripes=())
    answers = [
        _answers(solved(tmp_path, made, **path))
        for path in ({}, {"mappability": "kept"}, {"stripe": "ignored"})
    ]
    np.testing.assert_allclose(answers[1:], [answers[0]] * 2, **SAME)


def test_a_wrong_answer_is_explained(made: Made, tmp_path: Path) -> None:
    answer = solved(tmp_path, made, stripe="ignored", target="included").answer
    ranked = explain(problem, save(tmp_path, made.tables), answer, depth=2)
    best = ranked.candidates[0].deviations
    assert best["target"] == "included"
    assert best["stripe"] in ("ignored", "shared_only")


def test_a_second_condition_word_or_target_ends_with_one_sentence(
    made: Made, tmp_path: Path
) -> None:
    from refsolve.cli.main import cli

    folder = save(tmp_path, made.tables)
    found = CliRunner().invoke(cli, ["solve", "hic_loop", str(folder), "--set", "bin2=99"])
    assert found.exit_code == 2
    assert "expected bin '99', which the parameter bin2 names" in found.output
    with pytest.raises(InputError):
        solve_case(problem, opened(folder, made.tables, bin1="x"), {})


def test_large_matrices_leave_time(tmp_path: Path) -> None:
    made = make(3, bins=120, replicates=(2, 2))
    outcome = solved(tmp_path, made)
    assert outcome.seconds < 30
    assert np.abs(errors(outcome, made)).max() < TOLERANCE


def test_a_target_below_a_number_without_a_gap_is_told(tmp_path: Path) -> None:
    made = make(5, low={}, rest=(0.7, 1.0), stripes=())
    value = np.sort(np.linspace(0.7, 1, 24))
    tables = with_table(made.tables, BINS, lambda f: f.assign(mappability=np.roll(value, 8)))
    outcome = solved(tmp_path, Made(tables, made.truth, made.target))
    assert "The target itself lies on bin 8: it may hold too few" in outcome.reasoning
    assert np.abs(errors(outcome, made)).max() < TOLERANCE


def test_a_faint_gap_is_a_gap(tmp_path: Path) -> None:
    """Twice as wide as any other, and the number of the page would mask most of the bins."""
    made = make(5, low={2: 0.3, 15: 0.32}, stripes=())
    value = np.insert(0.42 + 0.025 * np.arange(22), [2, 14], [0.3, 0.32])
    tables = with_table(made.tables, BINS, lambda f: f.assign(mappability=value))
    outcome = solved(tmp_path, Made(tables, made.truth, made.target))
    assert _facts(outcome, "mappability")["edges"] == [0.32, 0.42]
    assert np.abs(errors(outcome, made)).max() < TOLERANCE


def test_a_gap_above_the_number_does_not_take_the_target(tmp_path: Path) -> None:
    """A chance gap in a clean case; nothing is wrong with a target of 0.87."""
    made = make(5, low={}, rest=(0.93, 0.99), stripes=())
    tables = with_cell(made.tables, BINS, 8, "mappability", 0.86)
    outcome = solved(tmp_path, Made(tables, made.truth, made.target))
    said = _said(outcome, "mappability")
    assert "a gap from 0.86 to 0.934, which would mask a target above 0.8" in said
    assert outcome.diagnostics["low_mappability"] == []
    assert np.abs(errors(outcome, made)).max() < TOLERANCE
