"""What the answer must not depend on, what the evidence says, and why wrong answers are wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from refsolve.contract.explaining import explain
from refsolve.contract.outcome import Outcome
from refsolve.contract.solving import solve_case
from refsolve.core.errors import AnalysisError
from tests.solvers.cis_mvmr.cases import (
    DISEASE,
    EXPOSURES,
    LD,
    MEASURED,
    META,
    PARTNER,
    STUDIES,
    WHAT,
    Made,
    Tables,
    errors,
    make,
    opened,
    solved,
    with_cell,
    with_table,
)
from tests.solvers.cis_mvmr.cases import PROBLEM as problem

# As plain Python these cases take minutes.
pytestmark = pytest.mark.compiled

TOLERANCE = 0.025
SAME = {"rtol": 1e-9, "atol": 1e-12}


@pytest.fixture(scope="module")
def made() -> Made:
    return make(4)


@pytest.fixture(scope="module")
def reference(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return solved(tmp_path_factory.mktemp("reference"), made.tables)


def _facts(outcome: Outcome, key: str) -> dict[str, Any]:
    return next(d.facts for d in outcome.decisions if d.decision == key)


def _answers(outcome: Outcome) -> list[float]:
    return list(outcome.answer.values())


DESIGNS: dict[str, dict[str, Any]] = {
    "as made": {},
    "clean": {"dirty": False},
    "many variants": {"variants": 150},
    "few variants": {"variants": 35},
    "one failed batch": {"failed": {"b2": 3.0}},
    "several failed batches": {"failed": {"b0": 2.2, "b4": 0.4}},
    "all units": {"units": ("ln", "log2", "sd", "ln")},
    "in SDs": {"units": ("sd", "sd", "sd", "sd")},
    "direct effects": {"direct": 2, "size": 0.04, "variants": 80},
    "direct effects that spread": {
        "direct": 2,
        "size": 0.04,
        "variants": 80,
        "jumps": 0.04,
        "spread": True,
    },
    "opposite effects": {"theta": (0.25, -0.2)},
    "no effects": {"theta": (0.0, 0.0)},
}


@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
def test_the_truth_is_found(tmp_path: Path, design: dict[str, Any]) -> None:
    made = make(8, **design)
    outcome = solved(tmp_path, made.tables)
    assert np.abs(errors(outcome, made)).max() < TOLERANCE
    width = [high - low for low, high in outcome.intervals.values()]
    assert max(width) < 3 * TOLERANCE


def test_order_says_nothing(made: Made, reference: Outcome, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    mixed: Tables = {}
    for name, table in made.tables.items():
        if name == LD:
            order = rng.permutation(len(table["snp"]))
            mixed[name] = {
                "snp": table["snp"][order],
                "correlation": table["correlation"][np.ix_(order, order)],
            }
        else:
            rows = table.sample(frac=1, random_state=rng)
            mixed[name] = rows.sample(frac=1, axis=1, random_state=rng)
    other = solved(tmp_path, mixed)
    assert other.answer == reference.answer
    assert other.reasoning == reference.reasoning


def test_either_allele_may_be_counted(made: Made, reference: Outcome, tmp_path: Path) -> None:
    """In any file, on either strand, in small letters."""
    turned = dict(made.tables)
    for k, name in enumerate(STUDIES):
        frame = turned[name].copy()
        rows = frame.index % 3 == k % 3
        both = frame.loc[rows, ["effect_allele", "other_allele"]].to_numpy()[:, ::-1]
        frame.loc[rows, ["effect_allele", "other_allele"]] = both
        frame.loc[rows, "beta"] *= -1
        frame.loc[rows, "eaf"] = 1 - frame.loc[rows, "eaf"]
        for column in ("effect_allele", "other_allele"):
            frame[column] = frame[column].str.lower()
        turned[name] = frame
    other = solved(tmp_path, turned)
    np.testing.assert_allclose(_answers(other), _answers(reference), **SAME)


def test_the_counted_allele_of_the_ld_may_be_the_other(
    made: Made, reference: Outcome, tmp_path: Path
) -> None:
    rows = np.arange(len(made.tables[META])) % 2 == 1
    sign = np.where(rows, -1.0, 1.0)
    r = sign[:, None] * made.tables[LD]["correlation"] * sign
    meta = made.tables[META].copy()
    meta.loc[rows, ["ref_allele", "alt_allele"]] = meta.loc[
        rows, ["alt_allele", "ref_allele"]
    ].to_numpy()
    other = solved(tmp_path, {**made.tables, META: meta, LD: {**made.tables[LD], "correlation": r}})
    np.testing.assert_allclose(_answers(other), _answers(reference), **SAME)


def test_units_are_only_units(made: Made, reference: Outcome, tmp_path: Path) -> None:
    factor = {"ln": np.log(10), "log2": np.log2(10), "log10": 1.0}
    units = dict(zip(EXPOSURES, ["ln", "log2", "log10", "ln"], strict=True))
    tables = dict(made.tables)
    for name, unit in units.items():
        frame = tables[name]
        tables[name] = frame.assign(
            beta=frame["beta"] * factor[unit], se=frame["se"] * factor[unit]
        )
    tables[WHAT] = tables[WHAT].assign(unit=[*units.values(), "log_or"])
    other = solved(tmp_path, tables)
    np.testing.assert_allclose(_answers(other), _answers(reference), **SAME)


def test_palindromes_without_eaf_are_set_aside(made: Made, tmp_path: Path) -> None:
    def only_maf(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(maf=np.minimum(frame["eaf"], 1 - frame["eaf"])).drop(columns="eaf")

    tables = dict(made.tables)
    for name in STUDIES:
        tables[name] = only_maf(tables[name])
    outcome = solved(tmp_path, tables)
    meta = tables[META]
    pairs = [
        PARTNER[ref] == alt for ref, alt in zip(meta["ref_allele"], meta["alt_allele"], strict=True)
    ]
    assert _facts(outcome, "orientation")["set_aside"] == {
        "ambiguous": sorted(meta.loc[pairs, "snp"])
    }
    assert "6 palindromic with a strand that frequencies do not tell" in outcome.reasoning
    assert np.abs(errors(outcome, made)).max() < TOLERANCE


def test_what_is_set_aside_is_counted_and_named(made: Made, tmp_path: Path) -> None:
    snp = made.tables[META]["snp"].tolist()
    plain = [j for j in range(len(snp)) if j % 10 != 4]
    tables = with_table(made.tables, DISEASE, lambda f: f.drop(index=plain[:3]))
    tables = with_cell(tables, EXPOSURES[0], plain[3], "beta", np.nan)
    tables = with_cell(tables, EXPOSURES[3], plain[4], "other_allele", "TTT")
    r = tables[LD]["correlation"].copy()
    r[plain[5]] = r[:, plain[5]] = np.nan
    tables = {**tables, LD: {**tables[LD], "correlation": r}}
    outcome = solved(tmp_path, tables)
    aside = _facts(outcome, "orientation")["set_aside"]
    assert aside["missing"] == sorted(snp[j] for j in plain[:3])
    assert aside["no estimate"] == [snp[plain[3]]]
    assert aside["incompatible"] == [snp[plain[4]]]
    assert aside["not in LD"] == [snp[plain[5]]]
    for words in (
        "3 absent from a file",
        f"1 without an effect or standard error ({snp[plain[3]]})",
        f"1 with other alleles than the list of variants ({snp[plain[4]]})",
        f"1 without LD ({snp[plain[5]]})",
    ):
        assert words in outcome.reasoning
    assert np.abs(errors(outcome, made)).max() < TOLERANCE


def test_p_values_too_small_to_write_are_zero(
    made: Made, reference: Outcome, tmp_path: Path
) -> None:
    tables = dict(made.tables)
    for name in STUDIES:
        tables[name] = tables[name].assign(pval=lambda f: f["pval"].where(f["pval"] > 1e-20, 0.0))
    assert solved(tmp_path, tables).answer == reference.answer


def test_ld_that_is_nearly_singular(tmp_path: Path) -> None:
    """Variants that repeat each other say nothing new."""
    made = make(6, variants=40, dirty=False)
    tables: Tables = {}
    for name, table in made.tables.items():
        if name == LD:
            twice = np.tile(np.arange(40), 2)
            snp = np.concatenate([table["snp"], [f"{s}b" for s in table["snp"]]])
            tables[name] = {"snp": snp, "correlation": table["correlation"][np.ix_(twice, twice)]}
        elif name in (*STUDIES, META):
            again = table.assign(snp=table["snp"] + "b", pos_bp=table["pos_bp"] + 1)
            tables[name] = pd.concat([table, again])
        else:
            tables[name] = table
    outcome = solved(tmp_path, tables)
    assert np.abs(errors(outcome, made)).max() < TOLERANCE


def test_ld_of_a_panel(tmp_path: Path) -> None:
    made = make(9, variants=50, dirty=False)
    r = made.tables[LD]["correlation"]
    rng = np.random.default_rng(0)
    people = rng.multivariate_normal(np.zeros(50), r, size=1500, method="cholesky")
    panel = {**made.tables[LD], "correlation": np.corrcoef(people.T)}
    outcome = solved(tmp_path, {**made.tables, LD: panel})
    assert np.abs(errors(outcome, made)).max() < TOLERANCE


@pytest.mark.parametrize("told", ["qc_pass", "batch_status", "both", "none"])
def test_failed_batches_with_and_without_labels(tmp_path: Path, told: str) -> None:
    made = make(3, failed={"b1": 3.0})
    frame = made.tables[MEASURED]
    bad = frame["batch"] == "b1"
    if told in ("qc_pass", "both"):
        frame = frame.assign(qc_pass=np.where(bad, "false", "true"))
    if told in ("batch_status", "both"):
        frame = frame.assign(batch_status=np.where(bad, "unusable", "usable"))
    outcome = solved(tmp_path, {**made.tables, MEASURED: frame})
    reason = "inflated" if told == "none" else "stated"
    for protein in ("PROTA", "PROTB"):
        assert _facts(outcome, "scale")[protein]["set_aside"] == {"b1": reason}
    assert np.abs(errors(outcome, made)).max() < TOLERANCE


def test_nothing_is_repaired_in_clean_cases(tmp_path: Path) -> None:
    repaired = 0
    for seed in range(20):
        made = make(seed, dirty=False, variants=40)
        outcome = solved(tmp_path / str(seed), made.tables)
        assert _facts(outcome, "orientation")["set_aside"] == {}
        scale, past = _facts(outcome, "scale"), _facts(outcome, "pleiotropy")
        repaired += sum(bool(scale[p]["set_aside"]) for p in ("PROTA", "PROTB"))
        repaired += bool(past["PROTA and PROTB"]["variants"])
    assert repaired <= 1


@pytest.mark.parametrize("spread", [False, True])
def test_direct_effects_are_found_with_their_shape(tmp_path: Path, spread: bool) -> None:
    made = make(8, direct=2, size=0.04, variants=80, jumps=0.04, spread=spread)
    outcome = solved(tmp_path, made.tables)
    found = _facts(outcome, "pleiotropy")["PROTA and PROTB"]
    assert set(made.direct) <= set(found["variants"])
    assert found["shape"] == ("ld" if spread else "variant")
    assert found["q_after"] < found["q_before"] / 3
    assert "2 variants act past the proteins" in outcome.reasoning


def test_no_instruments(made: Made, tmp_path: Path) -> None:
    tables = dict(made.tables)
    for name in EXPOSURES[::2]:
        tables[name] = tables[name].assign(beta=lambda f: f["beta"] / 1000)
    with pytest.raises(AnalysisError, match="largest"):
        solved(tmp_path, tables)


def test_one_instrument(made: Made, tmp_path: Path) -> None:
    tables = dict(made.tables)
    for name in EXPOSURES[::2]:
        weak = tables[name].assign(beta=lambda f: f["beta"] / 1000)
        weak.loc[3, "beta"] = 20 * weak.loc[3, "se"]
        tables[name] = weak
    with pytest.raises(AnalysisError, match="1 instruments cannot identify 2 exposures"):
        solved(tmp_path, tables)


def test_proteins_that_cannot_be_told_apart(made: Made, tmp_path: Path) -> None:
    """The second protein is the first one, measured with other errors."""
    tables, rng = dict(made.tables), np.random.default_rng(1)
    for first, second in zip(EXPOSURES[:2], EXPOSURES[2:], strict=True):
        frame = tables[first]
        noise = np.linalg.cholesky(made.tables[LD]["correlation"] + 1e-9 * np.eye(len(frame)))
        shift = (noise @ rng.normal(size=len(frame))) * frame["se"] * 0.5
        tables[second] = frame.assign(beta=frame["beta"] + shift)
    with pytest.raises(AnalysisError, match="do not tell PROTA and PROTB apart"):
        solved(tmp_path, tables)


def test_no_variant_in_all_files(made: Made, tmp_path: Path) -> None:
    tables = with_table(made.tables, EXPOSURES[1], lambda f: f.iloc[:20])
    tables = with_table(tables, DISEASE, lambda f: f.iloc[20:])
    with pytest.raises(AnalysisError, match="No variant of the locus can be used: .* missing"):
        solved(tmp_path, tables)


def test_evidence_is_about_this_case(reference: Outcome) -> None:
    said = {d.decision: d for d in reference.decisions}
    assert "60 variants have oriented effects" in said["orientation"].because
    assert "Of 6 palindromic variants" in said["orientation"].because
    assert said["selection"].facts["hits"].keys() == {"PROTA", "PROTB"}
    assert 0.5 < said["effects"].facts["phase2_over_phase1"]["PROTA"] < 1.05
    assert said["scale"].facts["PROTA"]["sd"] == pytest.approx(0.3, rel=0.05)
    assert "none of which stands out" in said["scale"].because
    assert said["ld"].facts["condition"] > 1
    assert said["joint"].facts["conditional_f"] > 10
    assert "no variant acts on the disease past the proteins" in said["pleiotropy"].because


def test_instruments_and_fits_are_reported(reference: Outcome) -> None:
    instruments = reference.diagnostics["instruments"]
    chosen = _facts(reference, "selection")["instruments"]
    assert [row["variant"] for row in instruments] == chosen
    fit = reference.diagnostics["fits"][0]
    assert fit["exposures"] == ["PROTA", "PROTB"]
    assert fit["conditional_f"] > 10
    assert 0 <= fit["q_p_value"] <= 1
    assert reference.diagnostics["implied_sd"][EXPOSURES[0]] == pytest.approx(0.3, rel=0.05)


def test_intervals_know_of_the_error_of_the_sd(made: Made, tmp_path: Path) -> None:
    few = with_table(made.tables, MEASURED, lambda f: f.iloc[::40])
    wide = solved(tmp_path / "few", few).intervals["theta_PROTA"]
    full = solved(tmp_path / "all", made.tables).intervals["theta_PROTA"]
    assert wide[1] - wide[0] > 1.5 * (full[1] - full[0])


@pytest.mark.parametrize(
    "wrong",
    [
        {"orientation": "as_reported"},
        {"effects": "phase1"},
        {"scale": "all_batches"},
        {"ld": "lead_variants"},
        {"joint": "univariable"},
    ],
    ids=lambda path: next(iter(path.values())),
)
def test_a_wrong_turn_is_recognised_by_its_answer(tmp_path: Path, wrong: dict[str, str]) -> None:
    made = make(5, failed={"b1": 3.0})
    answer = solved(tmp_path, made.tables, **wrong).answer
    found = explain(problem, tmp_path, answer, depth=1)
    assert found.candidates[0].deviations == wrong
    assert found.candidates[0].distance == 0


def test_a_clean_case_leaves_little_to_decide(tmp_path: Path) -> None:
    made = make(11, dirty=False, units=("sd", "sd", "sd", "sd"))
    reference = solved(tmp_path, made.tables)
    for path in (
        {"orientation": "as_reported"},
        {"scale": "no_conversion"},
        {"scale": "all_batches"},
        {"pleiotropy": "outliers_removed"},
    ):
        other = solved(tmp_path, made.tables, **path)
        np.testing.assert_allclose(_answers(other), _answers(reference), rtol=0, atol=1e-9)


def test_opened_cases_are_untouched(made: Made, tmp_path: Path) -> None:
    case = opened(tmp_path, made.tables)
    before = {p.name: p.read_bytes() for p in case.folder.iterdir()}
    solve_case(problem, case, {})
    assert {p.name: p.read_bytes() for p in case.folder.iterdir()} == before


def test_figures(reference: Outcome) -> None:
    import matplotlib.pyplot as plt

    drawn = problem.module("figures").figures(reference)
    assert list(drawn) == [
        "Associations along the locus",
        "Direct effects of variants",
        "Direct effects of the proteins",
    ]
    assert all(figure.axes[0].has_data() for figure in drawn.values())
    plt.close("all")
