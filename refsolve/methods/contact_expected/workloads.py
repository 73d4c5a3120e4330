"""Named pieces of work that show where the method spends its time."""

from __future__ import annotations

import numpy as np

from refsolve.core.workload import Workload
from refsolve.methods.contact_expected.estimator.balance import balance
from refsolve.methods.contact_expected.estimator.expected import expected_cis
from refsolve.methods.contact_expected.estimator.fitted import fit_expected
from refsolve.methods.contact_expected.estimator.pileups import pile_up
from refsolve.methods.contact_expected.estimator.strength import loop_strength
from refsolve.methods.contact_expected.estimator.stripes import find_stripes
from refsolve.methods.contact_expected.model.contacts import Contacts
from refsolve.methods.contact_expected.model.pairs import PairCells, aggregate_pairs
from refsolve.methods.contact_expected.model.table import ContactTable

BINS, REACH = 20_000, 150
LOOPS, FLANK = 2000, 10
ITERATIONS = 10
PAIRED = 14_200  # bins with 1e8 pairs
TERMS, ROUNDS = 4, 10  # of the log-linear model
NUMBER = 8  # bytes
PIXEL = 4 + 4  # bytes of a column and a count


def workloads() -> list[Workload]:
    """Expected, pile-up and balancing of one chromosome at 10 kb; counts of all its pairs.

    Returns
    -------
    Workloads of at most a few seconds.
    """
    contacts = _chromosome()
    maps = [_expected(contacts), _pile_up(contacts), _balance(contacts)]
    return [*maps, _aggregate(), _fit(), _loop()]


def _chromosome() -> Contacts:
    """Contacts up to a distance, falling with it."""
    row = np.arange(BINS)
    size = np.minimum(REACH, BINS - row)
    offset = np.append(0, np.cumsum(size))
    distance = np.arange(offset[-1]) - np.repeat(offset[:-1], size)
    bin2 = np.repeat(row, size) + distance
    count = 1 + 400 // (distance + 1) + (7 * bin2 + 3 * distance) % 5
    return Contacts(
        ("chr1",), np.array([0, BINS]), 10_000 * row, 10_000 * (row + 1), offset,
        bin2.astype(np.int32), count.astype(np.int32),
    )  # fmt: skip


def _weights() -> np.ndarray:
    weights = 1.0 + 0.1 * np.cos(np.arange(BINS))
    weights[::16] = np.nan
    return weights


def _expected(contacts: Contacts) -> Workload:
    weights = _weights()
    return Workload(
        name=f"expected of {contacts.n_pixels} pixels",
        run=lambda: expected_cis(contacts, weights=weights),
        flops=4.0 * contacts.n_pixels,
        bytes=float(PIXEL * contacts.n_pixels),
        unit="pixels",
        items=float(contacts.n_pixels),
    )


def _pile_up(contacts: Contacts) -> Workload:
    expected = expected_cis(contacts, weights=_weights())
    near = np.linspace(20, BINS - 200, LOOPS).astype(np.int64)
    pixels = LOOPS * (2 * FLANK + 1) ** 2
    return Workload(
        name=f"pile-up of {LOOPS} windows",
        run=lambda: pile_up(contacts, near, near + 60, flank=FLANK, expected=expected),
        flops=4.0 * pixels,
        bytes=float(PIXEL * pixels),
        unit="windows",
        items=float(LOOPS),
    )


def _balance(contacts: Contacts) -> Workload:
    return Workload(
        name=f"{ITERATIONS} iterations of balancing",
        run=lambda: balance(contacts, tol=0.0, max_iters=ITERATIONS),
        flops=4.0 * ITERATIONS * contacts.n_pixels,
        bytes=float(PIXEL * ITERATIONS * contacts.n_pixels),
        unit="pixels",
        items=float(ITERATIONS * contacts.n_pixels),
    )


def all_pairs(n_bins: int) -> PairCells:
    """All pairs of one chromosome of which few have contacts, in cells.

    Parameters
    ----------
    n_bins
        Length of the chromosome.
    """
    rng = np.random.default_rng(n_bins)
    gc = rng.choice([0.36, 0.4, 0.44, 0.48, 0.52], n_bins)
    row = np.repeat(np.arange(n_bins), REACH)
    column = row + np.tile(np.arange(1, REACH + 1), n_bins)
    row, column = row[column < n_bins], column[column < n_bins]
    count = rng.poisson(400.0 * np.exp(gc[row] + gc[column]) / (column - row))
    seen = count > 0
    pixels = (row[seen], column[seen], count[seen])
    return aggregate_pairs(
        [[pixels]],
        condition=["case"],
        covariates={"gc": gc},
        chrom_offset=[0, n_bins],
        longest=n_bins - 1,
    )


def small_maps(n_bins: int, n_samples: int) -> ContactTable:
    """Counts of two conditions with a stripe among the cases.

    Parameters
    ----------
    n_bins, n_samples
        Size of the maps, and samples of each condition.
    """
    rng = np.random.default_rng(n_bins)
    i, j = np.triu_indices(n_bins, 1)
    gc = rng.normal(0.45, 0.04, n_bins)
    mean = 300.0 * np.exp(gc[i] + gc[j]) / (j - i)
    stripe = np.where((i == 5) | (j == 5), 2.0, 1.0)
    means = np.repeat([mean * stripe, mean], n_samples, axis=0)
    condition = ("case",) * n_samples + ("control",) * n_samples
    return ContactTable(rng.poisson(means).astype(np.float64), i, j, condition, {"gc": gc})


def analyse(table: ContactTable, target: tuple[int, int]) -> object:
    """Stripes, expected, and strength of one loop.

    Parameters
    ----------
    table, target
        The counts, and the pixel.
    """
    used = table.without(pixels=[target])
    found = find_stripes(used)
    return loop_strength(fit_expected(used.without(masked=found.masked)), table, target)


def _aggregate() -> Workload:
    pairs = PAIRED * (PAIRED - 1) / 2
    return Workload(
        name=f"{pairs:.0e} pairs into cells",
        run=lambda: all_pairs(PAIRED),
        flops=3.0 * pairs,
        bytes=NUMBER * pairs,
        unit="pairs",
        items=pairs,
    )


def _fit() -> Workload:
    cells = all_pairs(PAIRED)
    number = float(cells.totals.size)
    return Workload(
        name=f"negative-binomial fit of {float(cells.pairs.sum()):.0e} pairs in {number:.0f} cells",
        run=lambda: fit_expected(cells),
        flops=ROUNDS * number * (TERMS**2 + 60.0),
        bytes=ROUNDS * number * NUMBER * (TERMS + 3),
        unit="pairs",
        items=float(cells.pairs.sum()),
    )


def _loop() -> Workload:
    n_bins, n_samples = 60, 4
    table = small_maps(n_bins, n_samples)
    passes = 60  # of the robust fits, over the pixels of each condition
    return Workload(
        name=f"stripes, expected and a loop of {2 * n_samples} samples of {n_bins} bins",
        run=lambda: analyse(table, (20, 40)),
        flops=2.0 * passes * (n_bins**3 / 3.0 + 30.0 * n_bins**2 / 2.0),
        bytes=2.0 * passes * NUMBER * n_bins**2,
        unit="data sets",
        items=1,
    )
