"""Stored values: exact Markov likelihoods, tracts 0.0.2 and msprime against the textbook."""

from __future__ import annotations

import csv
import math
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from refsolve.methods.tracts import (
    Tracts,
    count_lengths,
    count_paths,
    expected_histogram,
    fit_pulse,
    length_log_likelihood,
    migration_matrix,
    pulse_log_likelihood,
    pulses,
)
from refsolve.methods.tracts import textbook as tb

GOLD = Path(__file__).parents[2] / "gold" / "tracts"
CLOSED = {"rtol": 1e-11, "atol": 1e-8}

HISTORIES: dict[str, Any] = {
    "t3_m0.5": [(3, [0.5, 0.5])],
    "t10_m0.3": [(10, [0.3, 0.7])],
    "t20_m0.1": [(20, [0.1, 0.9])],
    "two_pulse_15_5": [(15, [0.3, 0.7]), (5, [0.1, 0.0])],
    "three_pop": [(12, [0.5, 0.5, 0.0]), (6, [0.0, 0.0, 0.2])],
}


def rows(name: str) -> list[dict[str, str]]:
    with (GOLD / name).open() as handle:
        found = list(csv.DictReader(handle))
    assert found
    return found


def paths(name: str) -> list[tb.Path]:
    data = np.load(GOLD / f"{name}.npz")
    code = data["hap"] * data["L"].size + data["chrom"]
    cuts = np.flatnonzero(np.diff(code)) + 1
    columns = (np.split(data[key], cuts) for key in ("start", "end", "anc"))
    found = [tb.Path(*one) for one in zip(*columns, strict=True)]
    assert len(found) == 2 * data["n"] * data["L"].size
    return found


def pooled(name: str) -> tb.Statistics:
    return tb.pool([tb.statistics(one) for one in paths(name)])


ORACLE = rows("tract_markov_oracle.csv")


@pytest.mark.parametrize("row", ORACLE, ids=lambda row: row["name"])
def test_sufficient_statistics_are_the_stored_ones(row: dict[str, str]) -> None:
    stats = pooled(f"tracts_{row['name']}")
    np.testing.assert_allclose(stats.exposure, [float(row["TA"]), float(row["TB"])], **CLOSED)
    assert stats.switches.tolist() == [[0, int(row["nAB"])], [int(row["nBA"]), 0]]
    assert stats.first.tolist() == [int(row["firstA"]), int(row["firstB"])]


@pytest.mark.parametrize("row", ORACLE, ids=lambda row: row["name"])
def test_log_likelihood_is_the_stored_one_everywhere(row: dict[str, str]) -> None:
    gold, stats = np.load(GOLD / "tract_markov_oracle.npz"), pooled(f"tracts_{row['name']}")
    got = [
        [tb.pulse_log_likelihood(stats, tb.rate_of_time(t, "founders"), m) for m in gold["m_grid"]]
        for t in gold["t_grid"]
    ]
    np.testing.assert_allclose(got, gold[f"ll_{row['name']}"], **CLOSED)


@pytest.mark.parametrize("row", ORACLE, ids=lambda row: row["name"])
def test_maximum_is_the_stored_one(row: dict[str, str]) -> None:
    stats = pooled(f"tracts_{row['name']}")
    fit = tb.fit_pulse(stats)
    t = tb.time_of_rate(fit.rate, "founders")
    # the stored maximum was found by a simplex that stops within 1e-7
    np.testing.assert_allclose(t, float(row["t_mle"]), rtol=0, atol=2e-7)
    np.testing.assert_allclose(fit.fraction, float(row["m_mle"]), rtol=0, atol=1e-8)
    np.testing.assert_allclose(fit.log_likelihood, float(row["ll_max"]), **CLOSED)
    fixed = tb.fit_rate(stats, float(row["frac_A_obs"]))
    n = stats.switches.sum()
    np.testing.assert_allclose(1 + fixed, float(row["t_mle_mfixed_at_frac"]), **CLOSED)
    np.testing.assert_allclose(fixed / np.sqrt(n), float(row["se_t_given_m"]), **CLOSED)


@pytest.mark.parametrize("name", ["n1_t20_m0.3", "n1_t6_m0.1"])
def test_likelihood_is_the_stored_product_of_small_steps(name: str) -> None:
    row = next(row for row in ORACLE if row["name"] == name)
    t, m = (float(part[1:]) for part in name.split("_")[1:])
    chain = tb.pulse_chain(tb.rate_of_time(t, "founders"), [m, 1 - m])
    got = sum(tb.aggregated_log_likelihood(one, chain) for one in paths(f"tracts_{name}"))
    np.testing.assert_allclose(got, float(row["ll_true"]), **CLOSED)
    # steps of 1e-5 Morgans: lengths are rounded, and each switch takes half a step
    brute = float(row["ll_true_bruteforce_dx1e-5"])
    np.testing.assert_allclose(
        got, brute, rtol=0, atol=1e-4 * pooled(f"tracts_{name}").switches.sum()
    )


@pytest.mark.parametrize("name", HISTORIES)
def test_expected_histograms_are_those_of_tracts(name: str) -> None:
    gold, chain = (
        np.load(GOLD / "tracts_0.0.2_expected.npz"),
        tb.demography_chain(tb.pulses(HISTORIES[name])),
    )
    labels = np.unique(chain.label)
    for label in labels:
        got = tb.histogram(chain, label, gold["bins"], gold["L"], n_haplotypes=2)
        np.testing.assert_allclose(got, gold[f"{name}__pop{label}"], rtol=0, atol=1e-9)
    assert f"{name}__pop{labels.size}" not in gold


# tracts rounds its expected counts to about 1e-12. Where tracts were seen that its model all but
# excludes (less than 1e-6 expected), the logarithm makes more of it than 1e-6.
PEER_ROUNDING = 1e-12
PEER_OFF = {"n20_t8_m0.5": [float(t) for t in range(27, 41)]}


def binned(name: str) -> tuple[np.ndarray, list[np.ndarray], int]:
    edges = np.load(GOLD / "tracts_0.0.2_expected.npz")["bins"]
    data = np.load(GOLD / f"tracts_{name}.npz")
    length = data["end"] - data["start"]
    counts = [np.histogram(length[data["anc"] == k], edges)[0] for k in (0, 1)]
    return edges, counts, 2 * int(data["n"])


def expected_counts(name: str, t: float, m: float) -> list[np.ndarray]:
    edges, _, n_haplotypes = binned(name)
    lengths, rate = np.load(GOLD / f"tracts_{name}.npz")["L"], tb.rate_of_time(t, "founders")
    return [n_haplotypes * tb.pulse_histogram(edges, lengths, rate, x) for x in (m, 1 - m)]


@pytest.mark.parametrize("name", [row["name"] for row in ORACLE])
def test_histogram_likelihoods_are_those_of_tracts(name: str) -> None:
    _, counts, _ = binned(name)
    stored = [row for row in rows("tracts_0.0.2_loglik.csv") if row["data"] == name]
    assert len(stored) == 38
    off = []
    for row in stored:
        expected = expected_counts(name, float(row["t"]), float(row["m"]))
        gap = abs(tb.histogram_log_likelihood(counts, expected) - float(row["loglik"]))
        assert gap < 1e-6 + PEER_ROUNDING * np.sum(np.divide(counts, expected))
        off += [float(row["t"])] * (gap > 1e-6)
    assert off == PEER_OFF.get(name, [])


@pytest.mark.parametrize("t", [20.0, 28.0, 40.0])
def test_histogram_likelihoods_are_exact_where_tracts_is_not(t: float) -> None:
    name = "n20_t8_m0.5"
    edges, counts, n_haplotypes = binned(name)
    lengths = [Decimal(float(x)) for x in np.load(GOLD / f"tracts_{name}.npz")["L"]]
    m = float(next(r["m"] for r in rows("tracts_0.0.2_loglik.csv") if r["data"] == name))

    def tail(x: Decimal, share: Decimal) -> Decimal:
        a = Decimal(t - 1) * (1 - share)
        longer = [length for length in lengths if x <= length]
        return sum((share * (-a * x).exp() * (1 + a * (n - x)) for n in longer), Decimal(0))

    exact = Decimal(0)
    with localcontext(prec=45):
        for seen, share in zip(counts, (Decimal(m), 1 - Decimal(m)), strict=True):
            tails = [tail(Decimal(float(x)), share) for x in edges]
            for n, longer, less in zip(seen.tolist(), tails[:-1], tails[1:], strict=True):
                mean = n_haplotypes * (longer - less)
                exact += n * mean.ln() - mean - Decimal(math.factorial(n)).ln()
    got = tb.histogram_log_likelihood(counts, expected_counts(name, t, m))
    np.testing.assert_allclose(got, float(exact), rtol=0, atol=1e-9)


@pytest.mark.parametrize("t", [5, 20])
@pytest.mark.parametrize("model, convention", [("dtwf", "founders"), ("hudson", "coalescent")])
def test_each_convention_finds_the_pulse_of_its_simulator(
    model: str, convention: tb.Convention, t: int
) -> None:
    stats = pooled(f"msp_{model}_n20_t{t}")
    fit = tb.fit_pulse(stats)
    found = tb.time_of_rate(fit.rate, convention)
    # 10,000 diploids: independent to a good approximation. The other convention is 1 off.
    se = np.sqrt(np.linalg.inv(tb.pulse_information(stats, fit.rate, fit.fraction))[0, 0])
    assert abs(found - t) < 3 * se
    assert abs(found - t) < 0.5


# --- the compiled estimators ---------------------------------------------------------------------


def stored_tracts(name: str) -> Tracts:
    data = np.load(GOLD / f"{name}.npz")
    return Tracts(data["hap"], data["chrom"], data["start"], data["end"], data["anc"], data["L"])


@pytest.mark.parametrize("row", ORACLE, ids=lambda row: row["name"])
def test_fit_and_curve_are_the_stored_ones(row: dict[str, str]) -> None:
    tracts, gold = stored_tracts(f"tracts_{row['name']}"), np.load(GOLD / "tract_markov_oracle.npz")
    fit = fit_pulse(tracts, by="all", convention="founders")
    np.testing.assert_allclose(fit.time, [float(row["t_mle"])], rtol=0, atol=2e-7)
    np.testing.assert_allclose(fit.fraction, [float(row["m_mle"])], rtol=0, atol=1e-8)
    np.testing.assert_allclose(fit.log_likelihood, [float(row["ll_max"])], **CLOSED)
    t, m = np.meshgrid(gold["t_grid"], gold["m_grid"], indexing="ij")
    got = pulse_log_likelihood(count_paths(tracts, by="all"), t, m, convention="founders")
    want = gold[f"ll_{row['name']}"]
    np.testing.assert_allclose(np.reshape(got, want.shape), want, **CLOSED)


@pytest.mark.parametrize("name", HISTORIES)
def test_compiled_histograms_are_those_of_tracts(name: str) -> None:
    gold = np.load(GOLD / "tracts_0.0.2_expected.npz")
    demography = migration_matrix(tb.pulses(HISTORIES[name]))
    got = expected_histogram(demography, gold["L"], gold["bins"], n_haplotypes=2)
    want = [gold[f"{name}__pop{k}"] for k in range(len(HISTORIES[name][0][1]))]
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", [row["name"] for row in ORACLE])
def test_compiled_histogram_likelihoods_are_those_of_tracts(name: str) -> None:
    edges, counts, _ = binned(name)
    seen = count_lengths(stored_tracts(f"tracts_{name}"), edges)
    for row in rows("tracts_0.0.2_loglik.csv"):
        if row["data"] != name:
            continue
        t, m = float(row["t"]), float(row["m"])
        got = length_log_likelihood(seen, pulses([(t, [m, 1 - m])], convention="founders"))
        rounding = PEER_ROUNDING * np.sum(np.divide(counts, expected_counts(name, t, m)))
        assert abs(got - float(row["loglik"])) < 1e-6 + rounding


@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.parametrize("convention", ["founders", "coalescent"])
def test_msprime_has_the_rate_of_its_convention(convention: tb.Convention) -> None:
    msprime = pytest.importorskip("msprime")
    t, m, length, rate = 12, 0.3, 2.0, 1e-8
    discrete = convention == "founders"
    model = msprime.DiscreteTimeWrightFisher() if discrete else msprime.StandardCoalescent()
    demography = msprime.Demography()
    for name in ("A", "B", "X"):
        demography.add_population(name=name, initial_size=10_000)
    demography.add_admixture(time=t, derived="X", ancestral=["A", "B"], proportions=[m, 1 - m])
    demography.add_census(time=t + (0.5 if discrete else 1e-6))
    several = []
    for seed in range(1, 11):
        trees = msprime.sim_ancestry(
            {"X": 10},
            demography=demography,
            sequence_length=int(length / rate),
            recombination_rate=rate,
            random_seed=seed,
            model=model,
            end_time=t + 1,
        )
        several += [tb.statistics(one) for one in recorded(trees, msprime, rate)]
    fit = tb.fit_pulse(tb.pool(several))
    # 200 haplotypes of 2 Morgans: standard error 0.25
    np.testing.assert_allclose(tb.time_of_rate(fit.rate, convention), t, rtol=0, atol=0.8)


def recorded(trees: Any, msprime: Any, rate: float) -> list[tb.Path]:
    """Local ancestry of every sample at the census."""
    tables = trees.tables
    census = np.flatnonzero(tables.nodes.flags & msprime.NODE_IS_CEN_EVENT).astype(np.int32)
    edges = tables.link_ancestors(trees.samples(), census)
    found = []
    for sample in trees.samples():
        mine = np.flatnonzero(edges.child == sample)
        mine = mine[np.argsort(edges.left[mine])]
        label = tables.nodes.population[edges.parent[mine]].astype(np.int64)
        one = tb.Path(edges.left[mine] * rate, edges.right[mine] * rate, label)
        found.append(tb.merge_islands(one, np.zeros(mine.size, dtype=bool)))
    return found
