"""Alleles, strands, frequencies and LD brought to one counted allele; scale; batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from refsolve.methods.mvmr import (
    choose_ridge,
    harmonise,
    implied_sd,
    ld_mismatch,
    repair_ld,
    strand_log_odds,
    unit_factor,
    within_batch_sd,
)
from refsolve.methods.mvmr.model.alleles import relation
from refsolve.methods.mvmr.textbook import alleles

OTHER = str.maketrans("ACGT", "TGCA")


def reference(n: int = 40, seed: int = 0, **extra: Any) -> pd.DataFrame:
    """Clear and palindromic variants by turns."""
    pairs = [("A", "G"), ("A", "T"), ("C", "A"), ("G", "C")]
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "snp": [f"rs{j}" for j in range(n)],
            "pos_bp": np.arange(n) * 100 + 7,
            "ref_allele": [pairs[j % 4][0] for j in range(n)],
            "alt_allele": [pairs[j % 4][1] for j in range(n)],
            "f": rng.uniform(0.08, 0.38, n),
            "b": rng.normal(size=n),
            **extra,
        }
    )


def study(
    ref: pd.DataFrame, seed: int, swap: float = 0.5, strand: float = 0.0
) -> tuple[pd.DataFrame, np.ndarray]:
    """A study in which alleles are swapped and complemented at random, and where they are."""
    rng = np.random.default_rng(seed)
    swapped, other = rng.random(len(ref)) < swap, rng.random(len(ref)) < strand
    f = np.clip(ref["f"] + 0.01 * rng.normal(size=len(ref)), 0.01, 0.99)
    effect = np.where(swapped, ref["ref_allele"], ref["alt_allele"])
    base = np.where(swapped, ref["alt_allele"], ref["ref_allele"])
    effect = [a.translate(OTHER) if o else a for a, o in zip(effect, other, strict=True)]
    base = [a.translate(OTHER) if o else a for a, o in zip(base, other, strict=True)]
    table = pd.DataFrame(
        {
            "snp": ref["snp"],
            "effect_allele": effect,
            "other_allele": base,
            "beta": np.where(swapped, -ref["b"], ref["b"]),
            "se": 0.1,
            "eaf": np.where(swapped, 1 - f, f),
        }
    )
    return table.sample(frac=1, random_state=seed), other


@pytest.mark.parametrize("strand", [0.0, 0.3])
def test_every_study_comes_to_the_same_effects(strand: float) -> None:
    ref = reference()
    studies = {f"s{i}": study(ref, i, strand=strand)[0] for i in range(5)}
    found = harmonise(studies, ref.sample(frac=1, random_state=3))
    truth = ref.set_index("snp").loc[found.variant, "b"].to_numpy()
    assert_allclose(found.beta, np.repeat(truth[:, None], 5, axis=1), rtol=1e-12)
    assert np.all(np.diff(found.position) > 0)
    # With every study often on the other strand, they may all be: palindromes stay ambiguous.
    assert found.variant.size >= (36 if strand == 0.0 else 20)
    assert set(found.set_aside) | set(found.variant) == set(ref["snp"])


def test_strand_rates_are_those_of_clear_variants() -> None:
    ref = reference(200)
    table, other = study(ref, 1, strand=0.25)
    found = harmonise({"a": table, "b": study(ref, 2)[0], "c": study(ref, 3)[0]}, ref)
    clear = np.arange(200) % 2 == 0
    want = alleles.strand_prior(int(other[clear].sum()), int(clear.sum()))
    assert_allclose(found.strand_rate["a"], want, rtol=1e-12)
    assert found.strand_rate["b"] < 0.01


def test_a_minor_allele_frequency_orients_no_palindrome() -> None:
    ref = reference()
    table = study(ref, 1)[0]
    table["maf"] = np.minimum(table["eaf"], 1 - table["eaf"])
    found = harmonise({"a": table.drop(columns="eaf"), "b": study(ref, 2)[0]}, ref)
    assert set(found.set_aside) == {f"rs{j}" for j in range(1, 40, 2)}
    assert found.counts()["ambiguous"] == 40


def test_near_one_half_a_palindrome_stays_ambiguous() -> None:
    ref = reference(21)
    ref.loc[1, "f"] = 0.5
    found = harmonise({f"s{i}": study(ref, i)[0] for i in range(5)}, ref)
    assert "rs1" in found.set_aside


def test_a_strand_rate_alone_orients_nothing() -> None:
    ref = reference(400)
    ref.loc[1, "f"] = 0.5
    studies = {f"s{i}": study(ref, i)[0] for i in range(2)}
    for table in studies.values():
        table.loc[table["snp"] == "rs1", "eaf"] = 0.5
    assert harmonise(studies, ref).set_aside == ("rs1",)


def test_what_cannot_be_used_is_named() -> None:
    ref = reference(30)
    tables = [study(ref, i, swap=0.0)[0].sort_index() for i in range(3)]
    first = tables[0]
    first.loc[0, ["effect_allele", "other_allele"]] = ["T", "G"]
    first.loc[2, "beta"] = np.nan
    first.loc[4, "se"] = 0.0
    first = first.drop(index=6)
    first = pd.concat([first, first.loc[[8]]])
    first.loc[10, "eaf"] = 0.95
    found = harmonise(dict(zip("abc", [first, *tables[1:]], strict=True)), ref)
    table = found.table[found.table["study"] == "a"].set_index("variant")
    want = {
        "rs0": "incompatible", "rs2": "no estimate", "rs4": "no estimate", "rs6": "missing",
        "rs8": "duplicate", "rs10": "conflict",
    }  # fmt: skip
    assert {v: table.loc[v, "outcome"] for v in want} == want
    assert set(found.set_aside) == set(want)
    assert (table.loc[list(want), "reason"].str.len() > 10).all()
    others = found.table[(found.table["study"] == "b") & ~found.table["kept"]]
    assert set(others["reason"]) == {"another study lacks it"}


def test_a_multiallelic_site_uses_the_row_with_the_alleles_of_the_reference() -> None:
    ref = reference(12)
    table = study(ref, 1, swap=0.0)[0]
    decoy = table[table["snp"] == "rs0"].assign(effect_allele="C", beta=99.0)
    found = harmonise({"a": pd.concat([decoy, table]), "b": study(ref, 2)[0]}, ref)
    assert_allclose(found.column("a")[0], found.column("b")[0], rtol=1e-12)


def test_ld_follows_the_variants() -> None:
    ref = reference(12)
    tables = {"a": study(ref, 1)[0], "b": study(ref, 2)[0]}
    kept = harmonise(tables, ref).variant
    rng = np.random.default_rng(1)
    order = rng.permutation(12)
    R = np.corrcoef(rng.normal(size=(12, 50)))
    R[3, 5] = R[5, 3] = np.nan
    found = harmonise(tables, ref, ld=(R[np.ix_(order, order)], [f"rs{j}" for j in order]))
    assert found.ld is not None
    rows = [int(v[2:]) for v in found.variant]
    assert_allclose(found.ld, R[np.ix_(rows, rows)], rtol=1e-12)
    lost = set(kept) - set(found.variant)
    assert len(lost & {"rs3", "rs5"}) == len({"rs3", "rs5"} & set(kept)) - 1
    assert set(found.table.loc[found.table["variant"].isin(lost), "outcome"]) == {"not in LD"}


@given(st.permutations(list("ACGT")), st.booleans(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_relation_is_the_textbook_one(bases: list[str], swapped: bool, other: bool) -> None:
    counted, uncounted = bases[:2]
    pair = (uncounted, counted) if swapped else (counted, uncounted)
    if other:
        pair = pair[0].translate(OTHER), pair[1].translate(OTHER)
    got = relation(*pair, counted, uncounted)
    word = alleles.relation(*pair, counted, uncounted)
    assert got is not None
    assert got.palindromic == word.startswith("palindrome")
    assert got.swapped == word.endswith("swapped")
    assert got.complemented == word.startswith("strand")


def test_strand_of_two_studies_is_the_pairwise_formula() -> None:
    f = np.array([0.3, 0.66])
    v = np.array([4e-4, 6e-4])
    got = strand_log_odds(f, v, np.array([0.0, 0.1]))
    total = v.sum()
    want = np.log(0.1 / 0.9) - ((f[1] - 0.7) ** 2 - (f[1] - 0.3) ** 2) / (2 * total)
    assert_allclose(got[1], want, rtol=1e-6)
    assert got[0] == -np.inf


def test_mistakes_are_refused() -> None:
    ref = reference(6)
    with pytest.raises(ValueError, match="studies is empty"):
        harmonise({}, ref)
    tables = {"a": study(ref, 1)[0]}
    names = list(ref["snp"])
    with pytest.raises(ValueError, match=r"expected \(6, 6\)"):
        harmonise(tables, ref, ld=(np.eye(5), names))
    with pytest.raises(ValueError, match="occurs twice"):
        harmonise(tables, ref, ld=(np.eye(6), [*names[:5], names[0]]))
    with pytest.raises(ValueError, match="is not a correlation"):
        harmonise(tables, ref, ld=(2.0 * np.eye(6), names))
    uneven = np.eye(6)
    uneven[0, 1] = 0.5
    with pytest.raises(ValueError, match="mirror"):
        harmonise(tables, ref, ld=(uneven, names))
    with pytest.raises(ValueError, match="study 'z' was not harmonised"):
        harmonise(tables, ref).column("z")


# LD


def test_repair_leaves_a_good_matrix_alone() -> None:
    R = 0.5 ** np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
    found = repair_ld(R)
    assert found.ridge == 0.0
    assert_allclose(found.ld, R, rtol=0, atol=0)


def test_repair_makes_a_singular_matrix_definite() -> None:
    R = np.ones((4, 4))
    found = repair_ld(R)
    assert_allclose(np.linalg.eigvalsh(found.ld)[0], 1e-6, rtol=1e-3)
    assert 0 < found.ridge < 1e-5


def test_the_ridge_is_chosen_by_the_noise() -> None:
    rng = np.random.default_rng(4)
    R = 0.9 ** np.abs(np.subtract.outer(np.arange(40), np.arange(40)))
    root = np.linalg.cholesky(R)
    noise = (root @ rng.normal(size=(40, 4))).T
    exact = choose_ridge(R, noise)
    assert exact.ridge < 0.02
    small = root @ rng.normal(size=(40, 60))
    panel = np.corrcoef(small)
    chosen = choose_ridge(panel, noise)
    assert chosen.ridge > 0.02
    assert chosen.gain > 2.0
    with pytest.raises(ValueError, match="noise has 3 columns"):
        choose_ridge(R, np.ones((2, 3)))


def test_a_flipped_sign_is_suspect() -> None:
    rng = np.random.default_rng(2)
    R = 0.9 ** np.abs(np.subtract.outer(np.arange(20), np.arange(20)))
    z = R @ np.where(np.arange(20) == 8, 12.0, 0.0) + np.linalg.cholesky(R) @ rng.normal(size=20)
    assert not ld_mismatch(z, R).suspect.any()
    z[9] *= -1.0
    assert np.flatnonzero(ld_mismatch(z, R).suspect).tolist()[:1] in ([8], [9])
    assert ld_mismatch(z, R).suspect[9]


# Scale


def test_units() -> None:
    assert unit_factor("sd", 0.3) == 1.0
    assert_allclose(unit_factor("log10", 0.25), 4.0, rtol=1e-12)
    # One SD of 0.25 log10 units is 0.25 ln 10 natural ones.
    assert_allclose(unit_factor("ln", 0.25), 1 / (0.25 * np.log(10)), rtol=1e-12)
    assert_allclose(unit_factor("log2", 0.25), 1 / (0.25 * np.log2(10)), rtol=1e-12)
    with pytest.raises(ValueError, match="unit = 'mg' is unknown"):
        unit_factor("mg", 0.25)
    with pytest.raises(ValueError, match="must be positive"):
        unit_factor("ln", 0.0)


def test_the_unit_shows_in_standard_errors() -> None:
    f = np.array([0.1, 0.3, np.nan])
    se = 0.4 / np.sqrt(2 * f * (1 - f) * 5000)
    assert_allclose(implied_sd(se, f, 5000), 0.4, rtol=1e-12)
    assert np.isnan(implied_sd(se[2:], f[2:], 5000))


def batches(sds: list[float], n: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    value = [3.0 * b + sd * rng.normal(size=n) for b, sd in enumerate(sds)]
    return np.concatenate(value), np.repeat([f"b{b}" for b in range(len(sds))], n)


@pytest.mark.parametrize("factor, word", [(2.0, "inflated"), (0.4, "compressed")])
def test_a_failed_batch_is_found(factor: float, word: str) -> None:
    value, batch = batches([0.3, 0.3, 0.3 * factor, 0.3])
    found = within_batch_sd(value, batch)
    assert found.used.tolist() == [True, True, False, True]
    assert found.reason[2] == word
    assert_allclose(found.sd, 0.3, rtol=0.1)
    assert abs(found.sd - 0.3) < 4 * found.sd_se
    assert found.edges[0] < 1.2 < found.edges[1]
    assert found.sd_total > 1.0


def test_clean_batches_are_all_used() -> None:
    lost = sum(not within_batch_sd(*batches([1.0] * 6, 15, seed)).used.all() for seed in range(200))
    assert lost <= 4


def test_stated_quality_is_honoured() -> None:
    value, batch = batches([0.3, 0.9, 0.9])
    usable = batch == "b0"
    found = within_batch_sd(value, batch, usable)
    assert found.reason.tolist() == ["used", "stated", "stated"]
    assert_allclose(found.sd, value[:200].std(ddof=1), rtol=1e-12)
    assert np.isnan(found.edges[1])


def test_the_scale_follows_the_values_and_ignores_shifts() -> None:
    value, batch = batches([0.3, 0.3, 0.8])
    plain = within_batch_sd(value, batch)
    moved = within_batch_sd(10.0 * value + 4.0, batch)
    assert_allclose(moved.sd, 10.0 * plain.sd, rtol=1e-10)
    assert_allclose(moved.sd_se, 10.0 * plain.sd_se, rtol=1e-10)


def test_missing_values_and_tiny_batches() -> None:
    value, batch = batches([0.3, 0.3])
    value[:5] = np.nan
    found = within_batch_sd(np.r_[value, 1.0, 2.0], np.append(batch, ["c", "c"]))
    assert found.n.tolist() == [195, 200, 2]
    assert found.reason.tolist() == ["used", "used", "too few"]
    with pytest.raises(ValueError, match="no batch has 3 usable values"):
        within_batch_sd([1.0, 2.0], ["a", "b"])
    with pytest.raises(ValueError, match="batch has 1 elements"):
        within_batch_sd([1.0, 2.0], ["a"])
