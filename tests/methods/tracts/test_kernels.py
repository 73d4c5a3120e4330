"""Compiled kernels against the textbook, on drawn tracts, and against their Python originals."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refsolve.methods.tracts import Tracts, count_paths, pulses, textbook
from refsolve.methods.tracts import chain_log_likelihood as exact
from refsolve.methods.tracts.kernels import chains, labels, paths, pulse
from refsolve.methods.tracts.model.demography import chain
from refsolve.methods.tracts.model.pulse import statistics
from refsolve.methods.tracts.self_check import self_check
from refsolve.methods.tracts.textbook.pulse import exchanged

LENGTHS = (1.4, 0.9, 2.1)
NO_LABEL, NO_LENGTH = np.zeros(0, np.int8), np.zeros(0)


def draw(seed: int, *, rate: float = 6.0, m: float = 0.3, haplotypes: int = 2, lose: float = 0.0,
         ancestries: int = 2) -> Tracts:  # fmt: skip
    """Tracts of one pulse, of which a share is lost so that gaps remain."""
    rng = np.random.default_rng(seed)
    columns: list[list[float]] = [[], [], [], [], []]
    law = [m, *[(1.0 - m) / (ancestries - 1)] * (ancestries - 1)]
    for h in range(haplotypes):
        for c, length in enumerate(LENGTHS):
            cuts = np.sort(rng.uniform(0.0, length, rng.poisson(rate * length)))
            edges = np.concatenate(([0.0], cuts, [length]))
            for low, high in pairwise(edges):
                if rng.random() >= lose:
                    row = (h, c, low, high, rng.choice(ancestries, p=law))
                    for column, value in zip(columns, row, strict=True):
                        column.append(value)
    h, c, start, end, ancestry = (np.array(column) for column in columns)
    tracts = Tracts(
        h.astype(int), c.astype(int), start, end, ancestry.astype(int), LENGTHS,
        n_haplotypes=haplotypes, n_ancestries=ancestries,
    )  # fmt: skip
    return tracts.joined()


def textbook_paths(tracts: Tracts) -> dict[tuple[int, int], textbook.Path]:
    out = {}
    for h in range(tracts.n_haplotypes):
        for c in range(tracts.n_chromosomes):
            here = (tracts.haplotype == h) & (tracts.chromosome == c)
            if here.any():
                label = tracts.ancestry[here].astype(np.int64)
                out[h, c] = textbook.Path(tracts.start[here], tracts.end[here], label)
    return out


def flat(stats: textbook.Statistics) -> np.ndarray:
    n = stats.switches
    return np.array([*stats.exposure, n[0, 1], n[1, 0], *stats.first], np.float64)


def test_every_self_check_passes() -> None:
    found = {name: (gap, limit) for name, gap, limit in self_check()}
    assert found
    assert {name: pair for name, pair in found.items() if not pair[0] <= pair[1]} == {}


@pytest.mark.parametrize("gaps", ["carry", "cut"])
@pytest.mark.parametrize("ancestries", [2, 4])
def test_counts_are_those_of_the_textbook(gaps: str, ancestries: int) -> None:
    tracts = draw(3, lose=0.2, ancestries=ancestries)
    counts = count_paths(tracts, by="cell", gaps=gaps)
    for (h, c), path in textbook_paths(tracts).items():
        want = textbook.statistics(path, ancestries, gaps)  # type: ignore[arg-type]
        row = h * tracts.n_chromosomes + c
        np.testing.assert_allclose(counts.exposure[row], want.exposure, rtol=1e-12)
        np.testing.assert_array_equal(counts.switches[row], want.switches)
        np.testing.assert_array_equal(counts.first[row], want.first)


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), s=st.floats(0.5, 60.0), m=st.floats(0.02, 0.98))
def test_likelihood_with_gaps_is_that_of_the_aggregated_chain(
    seed: int, s: float, m: float
) -> None:
    tracts = draw(seed, lose=0.3, haplotypes=1)
    if tracts.n_tracts < 2:
        return
    counts = count_paths(tracts, by="all", gaps="integrate")
    out = np.empty(6)
    sides = (counts.gap_from, counts.gap_to, counts.gap_length, 0, counts.gap_length.size)
    got = pulse.log_likelihood(s, m, statistics(counts)[0], *sides, out)
    links = textbook.pulse_chain(s, [m, 1.0 - m])
    want = sum(
        textbook.aggregated_log_likelihood(p, links) for p in textbook_paths(tracts).values()
    )
    assert got == pytest.approx(want, rel=1e-9, abs=1e-9)


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_maximum_and_intervals_are_those_of_the_textbook(seed: int) -> None:
    tracts = draw(seed)
    stats = textbook.pool([textbook.statistics(p) for p in textbook_paths(tracts).values()])
    if not stats.switches.any():
        return
    drop, fits = 0.5 * 3.841458820694124, np.empty((1, 9))
    none = (NO_LABEL, NO_LABEL, NO_LENGTH, np.zeros(2, np.int64))
    pulse.fit_groups(flat(stats)[None], *none, drop, fits)
    best = textbook.fit_pulse(stats)
    np.testing.assert_allclose(fits[0, :2], best[:2], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(fits[0, 5:7], textbook.profile_interval(stats), rtol=1e-7)
    ends = textbook.profile_interval(stats, parameter="fraction")
    np.testing.assert_allclose(fits[0, 7:], ends, rtol=1e-7, atol=1e-9)


def test_score_vanishes_at_the_maximum_with_gaps() -> None:
    counts = count_paths(draw(5, lose=0.3), by="haplotype", gaps="integrate")
    x, out = statistics(counts), np.empty(6)
    for g in range(2):
        ends = (counts.gap_start[g], counts.gap_start[g + 1])
        sides = (counts.gap_from, counts.gap_to, counts.gap_length, *ends)
        s, m = pulse.joint_maximum(x[g], *sides, out)
        pulse.log_likelihood(s, m, x[g], *sides, out)
        np.testing.assert_allclose(out[1:3], 0.0, rtol=0, atol=1e-7)
        assert out[3] * out[5] > out[4] ** 2
        assert out[3] < 0


def cells(seed: int, inverted: np.ndarray, m: tuple[float, float] = (0.15, 0.75)) -> Any:
    rng = np.random.default_rng(seed)
    out = []
    for fraction in m:
        row = []
        for turn in inverted:
            cuts = np.sort(rng.uniform(0, 1.5, rng.poisson(9.0)))
            edges = np.concatenate(([0.0], cuts, [1.5]))
            label = (rng.random(edges.size - 1) >= fraction).astype(int)
            path = textbook.Path(edges[:-1], edges[1:], label)
            stats = textbook.statistics(path)
            row.append(exchanged(stats) if turn else stats)
        out.append(row)
    return out


@pytest.mark.parametrize("seed", range(12))
def test_search_without_prior_finds_the_best_of_all_configurations(seed: int) -> None:
    inverted = np.arange(7) < seed % 4
    stats = cells(seed, inverted)
    x = np.array([[flat(s) for s in row] for row in stats])
    np.testing.assert_array_equal(
        labels.likeliest_configuration(x, 0.0), textbook.best_inversions(stats)
    )


def test_log_ratios_come_from_the_other_chromosomes() -> None:
    inverted = np.array([False, True, False, False, False])
    stats = cells(2, inverted)
    x = np.array([[flat(s) for s in row] for row in stats])
    got = labels.log_ratios(x, inverted)
    for h, row in enumerate(stats):
        turned = [exchanged(s) if i else s for s, i in zip(row, inverted, strict=True)]
        for c in range(5):
            rate, m = textbook.fit_pulse(textbook.pool(turned[:c] + turned[c + 1 :]))[:2]
            want = textbook.inversion_log_ratio(row[c], rate, m)
            assert got[h, c] == pytest.approx(want, rel=1e-9)


def test_log_ratios_are_finite_where_the_others_have_one_ancestry() -> None:
    one = np.array([[[0.0, 1.0, 0.0, 0.0, 0.0, 1.0], [0.5, 0.5, 1.0, 0.0, 1.0, 0.0]]])
    assert np.isfinite(labels.log_ratios(one, np.zeros(2, np.bool_))).all()
    assert np.isfinite(labels.log_ratios(one[:, :1], np.zeros(1, np.bool_))).all()


@pytest.mark.parametrize("ancestries", [2, 3])
@pytest.mark.parametrize("convention", ["founders", "coalescent"])
def test_chain_likelihood_is_that_of_the_textbook(ancestries: int, convention: Any) -> None:
    tracts = draw(11, lose=0.2, ancestries=ancestries)
    founding = np.full(ancestries, 1.0 / ancestries)
    later = np.zeros(ancestries)
    later[-1] = 0.15
    events = [(9, founding), (6, 0.5 * later), (3, later)]
    links = textbook.demography_chain(textbook.pulses(events), convention)
    want = sum(
        textbook.aggregated_log_likelihood(p, links) for p in textbook_paths(tracts).values()
    )
    got = exact(tracts, pulses(events, convention=convention))
    assert got == pytest.approx(want, rel=1e-10)


def test_chain_of_one_pulse_is_the_pulse() -> None:
    tracts = draw(7, lose=0.1)
    counts = count_paths(tracts, by="all", gaps="integrate")
    out = np.empty(6)
    sides = (counts.gap_from, counts.gap_to, counts.gap_length, 0, counts.gap_length.size)
    want = pulse.log_likelihood(6.0, 0.3, statistics(counts)[0], *sides, out)
    assert exact(tracts, pulses([(7, [0.3, 0.7])])) == pytest.approx(want, rel=1e-12)


@pytest.mark.compiled
def test_python_originals_agree() -> None:
    tracts = draw(9, lose=0.2)
    c = chain(pulses([(9, [0.4, 0.6]), (3, [0.1, 0.0])]))
    arguments = (
        tracts.haplotype, tracts.chromosome, tracts.start, tracts.end, tracts.ancestry, 1e-6,
        c.decay, c.begin, c.across, c.whole_decay, c.whole,
    )  # fmt: skip
    compiled = chains.chain_log_likelihood(*arguments)
    assert chains.chain_log_likelihood.py_func(*arguments) == pytest.approx(compiled, rel=1e-12)
    x = statistics(count_paths(tracts, by="cell")).reshape(2, -1, 6)
    np.testing.assert_array_equal(
        labels.likeliest_configuration.py_func(x, 1.0), labels.likeliest_configuration(x, 1.0)
    )
    after = np.full(3, -1, np.int64)
    few = tracts.kept(np.arange(tracts.n_tracts) < 4)
    columns = (few.haplotype, few.chromosome, few.start, few.end)
    paths.list_gaps.py_func(*columns, 1e-6, after)
    again = np.full(3, -1, np.int64)
    paths.list_gaps(*columns, 1e-6, again)
    np.testing.assert_array_equal(after, again)
