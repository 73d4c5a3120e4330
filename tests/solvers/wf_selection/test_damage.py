"""Which direction of misreading is inflated, against a table written by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.solvers.wf_selection.cases import PROBLEM, opened, plain

solver = PROBLEM.module("solve")

# ancestral, derived: which rate damage inflates. C is read as T, G as A, and nothing else happens.
INFLATED = {
    ("A", "C"): "neither",
    ("A", "G"): "e_da",
    ("A", "T"): "neither",
    ("C", "A"): "neither",
    ("C", "G"): "neither",
    ("C", "T"): "e_ad",
    ("G", "A"): "e_ad",
    ("G", "C"): "neither",
    ("G", "T"): "neither",
    ("T", "A"): "neither",
    ("T", "C"): "e_da",
    ("T", "G"): "neither",
}


def _polarised(folder: Path, ancestral: str, derived: str, *, ref_derived: bool, rate: float = 0.1):
    tables = plain()
    ref, alt = (derived, ancestral) if ref_derived else (ancestral, derived)
    tables["variant_info"] = tables["variant_info"].assign(ref=ref, alt=alt, ancestral=ancestral)
    tables["locus_A_timeseries"]["seq_error"] = rate
    return solver.orientation(solver.load(opened(folder, tables)).loci)


@pytest.mark.parametrize("ref_derived", [False, True])
@pytest.mark.parametrize("pair", INFLATED, ids="→".join)
def test_all_pairs_of_bases(tmp_path: Path, pair: tuple[str, str], ref_derived: bool) -> None:
    found = _polarised(tmp_path, *pair, ref_derived=ref_derived)
    assert (found.value["A"].ancestral, found.value["A"].derived) == pair
    rates = solver.error(found.value, 0.01).value["A"]
    expected = {"e_da": (0.19, 0.01), "e_ad": (0.01, 0.19), "neither": (0.1, 0.1)}
    e_da, e_ad = expected[INFLATED[pair]]
    np.testing.assert_allclose(rates.e_da, e_da, rtol=1e-12)
    np.testing.assert_allclose(rates.e_ad, e_ad, rtol=1e-12)


@pytest.mark.parametrize("ref_derived", [False, True])
def test_derived_reads_follow_the_outgroup(tmp_path: Path, ref_derived: bool) -> None:
    found = _polarised(tmp_path, "C", "T", ref_derived=ref_derived).value["A"]
    alt = np.array([12, 15, 20, 24, 0, 33, 35])
    total = np.array([40, 40, 40, 40, 0, 40, 40])
    np.testing.assert_array_equal(found.reads, total - alt if ref_derived else alt)


@pytest.mark.parametrize(
    "rate, e_da, e_ad",
    [
        (0.0, 0.0, 0.0),
        (0.0049, 0.0049, 0.0049),
        (0.005, 0.01, 0.0),
        (0.008, 0.01, 0.006),
        (0.01, 0.01, 0.01),
        (0.49, 0.01, 0.97),
    ],
)
def test_rates_average_to_seq_error_down_to_half_the_instrument_error(
    tmp_path: Path, rate: float, e_da: float, e_ad: float
) -> None:
    found = _polarised(tmp_path, "C", "T", ref_derived=True, rate=rate)
    rates = solver.error(found.value, 0.01).value["A"]
    np.testing.assert_allclose(rates.e_da, e_da, rtol=0, atol=1e-12)
    np.testing.assert_allclose(rates.e_ad, e_ad, rtol=0, atol=1e-12)
    np.testing.assert_allclose((rates.e_da + rates.e_ad) / 2, rate, rtol=0, atol=1e-12)


def test_the_instrument_error_is_a_parameter(tmp_path: Path) -> None:
    loci = _polarised(tmp_path, "G", "A", ref_derived=False).value
    rates = solver.error(loci, 0.04).value["A"]
    np.testing.assert_allclose([rates.e_da[0], rates.e_ad[0]], [0.04, 0.16], rtol=1e-12)


@pytest.mark.parametrize(
    "pair, rate, sentence",
    [
        ("CT", 0.1, "transition: the ancestral C is read as T at 2·seq_error − 0.01 = 0.19"),
        ("AG", 0.1, "transition: the derived G is read as A at 2·seq_error − 0.01 = 0.19"),
        ("CA", 0.1, "Locus A (C→A) is a transversion: both rates are seq_error, 0.1"),
        ("CT", 0.001, "Locus A (C→T) shows no damage: seq_error is below 0.005"),
    ],
)
def test_evidence_names_the_rates(tmp_path: Path, pair: str, rate: float, sentence: str) -> None:
    loci = _polarised(tmp_path, *pair, ref_derived=False, rate=rate).value
    assert sentence in solver.error(loci, 0.01).because
