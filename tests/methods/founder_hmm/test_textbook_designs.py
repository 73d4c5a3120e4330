"""Designs of the textbook against closed forms, recursions and relabelling."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from refsolve.methods.founder_hmm import textbook as tb

ROUNDING = {"rtol": 1e-12, "atol": 1e-14}
FRACTIONS = [0.0, 1e-6, 0.01, 0.1, 0.37, 0.5]
FUNNELS = [(k, mating) for k in (2, 4, 8, 16) for mating in ("self", "sib")]
ORDER = [2, 5, 3, 4, 7, 6, 0, 1]
DESIGNS: dict[str, Callable[[], tb.Design]] = {
    **{f"{k}-way {m}": lambda k=k, m=m: tb.ril(k, m) for k, m in FUNNELS},  # type: ignore[misc]
    "own order": lambda: tb.ril(8, "self", ORDER),
    "unknown order": lambda: tb.over_orders(tb.ril(8)),
    "general": lambda: tb.general_ril([0.5, 0.3, 0.2], 6),
    "exchangeable": lambda: tb.exchangeable(5, 3.3),
    "two-way intercross": lambda: tb.intercross(2, 10),
    "heterogeneous stock": lambda: tb.intercross(8, 40),
    "outbred": lambda: tb.outbred(7),
    "pairs of a stock": lambda: tb.diplotypes(tb.intercross(8, 12)),
    "pairs of the outbred": lambda: tb.diplotypes(tb.outbred(20)),
    "pairs of unequal founders": lambda: tb.diplotypes(tb.general_ril([0.6, 0.3, 0.1], 4)),
}


def recombinant(design: tb.Design, r: float) -> float:
    """Probability of different founders at two loci of a haplotype."""
    return float(1 - design.initial @ np.diag(design.step(r)))


# --- map functions -------------------------------------------------------------------------------


def test_map_functions_have_their_closed_forms() -> None:
    d = np.array([0.0, 1e-7, 1.0, 20.0, 130.0])
    np.testing.assert_allclose(tb.recombination(d), (1 - np.exp(-d / 50)) / 2, **ROUNDING)
    e = np.exp(d / 25)
    np.testing.assert_allclose(tb.recombination(d, "kosambi"), (e - 1) / (e + 1) / 2, **ROUNDING)
    np.testing.assert_allclose(tb.recombination(d, "morgan"), [0, 1e-9, 0.01, 0.2, 0.5], **ROUNDING)


@pytest.mark.parametrize("name", ["haldane", "kosambi", "carter-falconer", "morgan"])
def test_distance_undoes_recombination(name: tb.MapFunction) -> None:
    d = np.array([0.0, 1e-6, 0.3, 4.0, 25.0, 48.0])
    np.testing.assert_allclose(tb.distance(tb.recombination(d, name), name), d, rtol=1e-11, atol=0)


def test_interference_orders_the_map_functions() -> None:
    d = np.linspace(1, 49, 25)
    r = [tb.recombination(d, m) for m in ("haldane", "kosambi", "carter-falconer", "morgan")]
    assert (np.diff(r, axis=0) > 0).all()
    # interference of Carter and Falconer: r = d - 16 d^5 / 5 + ..., nearly complete at short range
    np.testing.assert_allclose(tb.recombination(5.0, "carter-falconer"), 0.05 - 16 * 0.05**5 / 5,
                               rtol=1e-7)  # fmt: skip


# --- every design --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("r", FRACTIONS)
def test_steps_are_probabilities_that_keep_the_start(name: str, r: float) -> None:
    design = DESIGNS[name]()
    step = design.step(r)
    assert (step >= 0).all()
    np.testing.assert_allclose(step.sum(axis=1), 1, **ROUNDING)
    np.testing.assert_allclose(design.initial.sum(), 1, **ROUNDING)
    np.testing.assert_allclose(design.initial @ step, design.initial, **ROUNDING)
    joint = design.initial[:, np.newaxis] * step
    np.testing.assert_allclose(joint, joint.T, **ROUNDING)


@pytest.mark.parametrize("name", DESIGNS)
def test_no_recombination_is_no_change(name: str) -> None:
    design = DESIGNS[name]()
    np.testing.assert_allclose(design.step(0.0), np.eye(len(design.states)), **ROUNDING)


# --- recombinant inbred lines --------------------------------------------------------------------

BROMAN = {
    (2, "self"): lambda r: 2 * r / (1 + 2 * r),
    (2, "sib"): lambda r: 4 * r / (1 + 6 * r),
    (4, "self"): lambda r: 3 * r / (1 + 2 * r),
    (4, "sib"): lambda r: 6 * r / (1 + 6 * r),
    (8, "self"): lambda r: r * (4 - r) / (1 + 2 * r),
    (8, "sib"): lambda r: 7 * r / (1 + 6 * r),
}


@pytest.mark.parametrize("funnel", BROMAN)
@pytest.mark.parametrize("r", FRACTIONS)
def test_recombinant_lines_are_those_of_haldane_waddington_and_broman(
    funnel: tuple[int, tb.Mating], r: float
) -> None:
    got = recombinant(tb.ril(*funnel), r)
    np.testing.assert_allclose(got, BROMAN[funnel](r), **ROUNDING)


def test_the_partner_of_eight_founders_by_selfing_stands_out() -> None:
    r, q = 0.1, 1.2
    row = tb.ril(8).step(r)[0]
    np.testing.assert_allclose(row, np.array([0.81, 0.09, *[0.05] * 6]) / q, **ROUNDING)
    row = tb.ril(8, "sib").step(r)[0]
    np.testing.assert_allclose(row, np.array([0.9, *[0.1] * 7]) / 1.6, **ROUNDING)


def test_sixteen_founders_have_four_levels() -> None:
    r, q = 0.1, 1.2
    row = tb.ril(16).step(r)[0]
    levels = [0.729, 0.081, *[0.045] * 2, *[0.025] * 12]
    np.testing.assert_allclose(row, np.array(levels) / q, **ROUNDING)
    row = tb.ril(16, "sib").step(r)[0]
    np.testing.assert_allclose(row, np.array([0.81, 0.09, *[0.05] * 14]) / 1.6, **ROUNDING)


@pytest.mark.parametrize("k, mating", FUNNELS)
def test_density_of_changes_at_short_range(k: int, mating: tb.Mating) -> None:
    """Meioses of the funnel and of inbreeding each add changes: 4 and 7 for eight founders."""
    levels = int(np.log2(k))
    expected = levels + 1 if mating == "self" else 4 + 2 * (k > 2) + max(levels - 2, 0)
    got = recombinant(tb.ril(k, mating), 1e-7) / 1e-7
    np.testing.assert_allclose(got, expected, rtol=1e-5)


@pytest.mark.parametrize("k", [2, 4, 8, 16])
@pytest.mark.parametrize("r", [0.02, 0.3])
def test_inbreeding_ends_in_the_closed_form(k: int, r: float) -> None:
    for two, mating in (
        (tb.two_locus_self(k, 400, r), "self"),
        (tb.two_locus_sib(k, 800, r), "sib"),
    ):
        same = tb.ril(k, mating).step(r)[0, 0]
        np.testing.assert_allclose([two.within, two.between], same, rtol=1e-10)


def test_sib_mating_decays_with_the_published_roots() -> None:
    r, root = 0.2, np.sqrt((1 - 0.4) * (5 - 0.4))
    slow, fast = (0.6 + root) / 4, (0.6 - root) / 4
    s = np.array([tb.two_locus_sib(8, k, r).within for k in range(4)])
    end = tb.ril(8, "sib").step(r)[0, 0]
    a, b = np.linalg.solve([[1, 1], [slow, fast]], s[:2] - end)
    np.testing.assert_allclose(s[2:], end + a * slow ** np.array([2, 3]) + b * fast ** np.array(
        [2, 3]), rtol=1e-12)  # fmt: skip


def test_first_generation_of_selfing_and_sib_mating() -> None:
    r = 0.1
    assert tb.two_locus_self(2, 0, r)[:2] == (1.0, 0.0)
    np.testing.assert_allclose(tb.two_locus_self(2, 1, r)[:2], [0.9, 0.5], **ROUNDING)
    np.testing.assert_allclose(tb.two_locus_sib(2, 1, r), [1.0, 0.0, 0.5], **ROUNDING)
    np.testing.assert_allclose(tb.two_locus_sib(8, 1, r), [0.81, 0.0, 0.225], **ROUNDING)


def test_order_names_the_places_of_the_funnel() -> None:
    r = 0.07
    plain, named = tb.ril(8).step(r), tb.ril(8, "self", ORDER).step(r)
    np.testing.assert_allclose(named[np.ix_(ORDER, ORDER)], plain, **ROUNDING)
    partner = {frozenset(p) for p in ((2, 5), (3, 4), (7, 6), (0, 1))}
    level = r * (1 - r) / (1 + 2 * r)
    found = {
        frozenset((i, j)) for i, j in np.argwhere(np.isclose(named, level, rtol=1e-12, atol=0))
    }
    assert found == partner


def test_turning_the_funnel_over_changes_nothing() -> None:
    for k, mating in FUNNELS:
        mirrored = tb.ril(k, mating, range(k - 1, -1, -1)).step(0.2)
        np.testing.assert_allclose(mirrored, tb.ril(k, mating).step(0.2), **ROUNDING)


def test_unknown_order_is_the_mean_over_orders() -> None:
    rng, r = np.random.default_rng(1), 0.15
    mean = np.mean([tb.ril(8, "self", rng.permutation(8)).step(r) for _ in range(4000)], axis=0)
    np.testing.assert_allclose(mean, tb.over_orders(tb.ril(8)).step(r), rtol=0, atol=2e-3)


@pytest.mark.parametrize("k", [1, 3, 6, 32])
def test_a_funnel_needs_a_power_of_two(k: int) -> None:
    with pytest.raises(ValueError, match="a funnel has 2, 4, 8 or 16 founders"):
        tb.ril(k)


# --- random mating -------------------------------------------------------------------------------


@pytest.mark.parametrize("t", [2, 3, 9])
@pytest.mark.parametrize("r", [0.0, 0.03, 0.5])
def test_two_founders_are_the_intercross_of_darvasi_and_soller(t: int, r: float) -> None:
    expected = (1 - (1 - r) ** (t - 2) * (1 - 2 * r)) / 2
    np.testing.assert_allclose(recombinant(tb.intercross(2, t), r), expected, **ROUNDING)


def test_random_mating_recombines_step_by_step() -> None:
    r = 0.12
    for make, first in ((lambda t: tb.intercross(8, t), 2), (tb.outbred, 1)):
        same = [1 - recombinant(make(t), r) for t in range(first, first + 6)]
        again = [(1 - r) * s + r / 8 for s in same[:-1]]
        np.testing.assert_allclose(same[1:], again, **ROUNDING)


def test_outbred_of_fresh_progenitors_is_one_more_meiosis() -> None:
    r = 0.1
    # the pair that founds a line: S = 1 - r and T = 0 in its members
    got = 1 - recombinant(tb.outbred(1, {0: 1.0}), r)
    np.testing.assert_allclose(got, (1 - r) ** 2, **ROUNDING)
    # fully inbred progenitors: their gametes are the inbred lines
    got = recombinant(tb.outbred(1, {500: 1.0}), r)
    np.testing.assert_allclose(got, 7 * r / (1 + 6 * r), rtol=1e-9)


def test_generations_before_the_first_recombination_are_refused() -> None:
    with pytest.raises(ValueError, match="generation 2 is the first to recombine"):
        tb.intercross(4, 1)
    with pytest.raises(ValueError, match="generation 1 are the first crosses"):
        tb.outbred(0)


# --- any number of founders ----------------------------------------------------------------------


def test_general_lines_keep_their_fractions() -> None:
    step = tb.general_ril([0.5, 0.3, 0.2], 4).step(0.1)
    stay = 0.9**4
    np.testing.assert_allclose(step[1], [0.5 * (1 - stay), stay + 0.3 * (1 - stay),
                                         0.2 * (1 - stay)], **ROUNDING)  # fmt: skip


def test_changes_per_morgan_are_a_chain_in_distance() -> None:
    """Chapman and Kolmogorov hold for exchangeable founders, and for no inbred line."""
    one, two = tb.recombination([7.0, 12.0])
    both = float(tb.recombination(19.0))
    for design, holds in ((tb.exchangeable(8, 4.0), True), (tb.ril(8), False)):
        product = design.step(float(one)) @ design.step(float(two))
        assert np.allclose(product, design.step(both), rtol=1e-10, atol=0) == holds
    got = recombinant(tb.exchangeable(8, 4.0), float(tb.recombination(1e-5))) / 1e-7
    np.testing.assert_allclose(got, 4.0, rtol=1e-5)


# --- two haplotypes ------------------------------------------------------------------------------


def test_thirty_six_pairs_in_their_order() -> None:
    design = tb.diplotypes(tb.intercross(8, 5))
    names = ["".join("ABCDEFGH"[f] for f in pair) for pair in design.states]
    assert names[:6] == ["AA", "AB", "BB", "AC", "BC", "CC"]
    assert len(set(names)) == 36
    assert names[-1] == "HH"
    np.testing.assert_allclose(design.initial[:2], [1 / 64, 2 / 64], **ROUNDING)


@pytest.mark.parametrize("haplotype", [tb.intercross(3, 4), tb.general_ril([0.6, 0.3, 0.1], 3)])
def test_pairs_are_the_lumped_product_of_two_haplotypes(haplotype: tb.Design) -> None:
    k, design = haplotype.n_founders, tb.diplotypes(haplotype)
    t = haplotype.step(0.2)
    ordered = np.kron(t, t)
    member = np.array([[{a, b} == set(s.tolist()) for s in design.states] for a in range(k)
                       for b in range(k)]).astype(float)  # fmt: skip
    lumped = ordered @ member
    for s, pair in enumerate(design.states):
        for a, b in {tuple(pair.tolist()), tuple(pair[::-1].tolist())}:
            np.testing.assert_allclose(lumped[a * k + b], design.step(0.2)[s], **ROUNDING)
    start = np.outer(haplotype.initial, haplotype.initial).ravel() @ member
    np.testing.assert_allclose(start, design.initial, **ROUNDING)
