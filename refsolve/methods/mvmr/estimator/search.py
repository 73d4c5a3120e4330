"""Search for the variants whose direct effects explain the residuals of one shape."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from refsolve.core.check import FloatArray
from refsolve.methods.mvmr.kernels.robust import additions
from refsolve.methods.mvmr.model.pleiotropy import Shape, shift_columns
from refsolve.methods.mvmr.model.summary import Summary, Whitened

Index = NDArray[np.int64]
Price = Callable[[int], float]

LARGEST_SHARE = 0.4  # of the variants that may have direct effects: a majority identifies θ
MOST = 30  # direct effects in all: the time of a search grows with their fourth power
PATIENCE = 4  # larger sets tried after the best one
OUTSTANDING = 4.0  # standard deviations of a residual with which a variant enters a start


@dataclass(frozen=True, slots=True)
class Rows:
    """Whitened rows and the columns that direct effects of one shape can add to the outcome.

    Attributes
    ----------
    white
        Rows of the regression.
    columns
        Candidates (J, M); with `ld` the neighbours of the instruments follow these.
    variance
        Of a row's residual without direct effects, at effects that these cannot spoil.
    thetas
        Such effects (S, K).
    """

    white: Whitened
    columns: FloatArray
    variance: float
    thetas: FloatArray

    @property
    def scaled(self) -> FloatArray:
        """Outcome and exposures (J, K+1) over the standard deviation of a residual."""
        both = np.column_stack([self.white.y, self.white.x])
        return np.asarray(both / math.sqrt(self.variance), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Found:
    """A set of direct effects.

    Attributes
    ----------
    members
        Columns (m,), ascending.
    criterion
        Its price and deviance.
    """

    members: Index
    criterion: float


def rows_of(
    data: Summary, white: Whitened, shape: Shape, starts: tuple[FloatArray, FloatArray]
) -> Rows:
    """Rows with the candidates of a shape.

    Parameters
    ----------
    data, white
        Instruments, plain and whitened.
    shape
        Of the direct effects.
    starts
        Robust estimates of the effects, rough and refined (S, K); the latter give the variance.
    """
    columns = np.linalg.solve(white.root, shift_columns(data, shape))
    variance = np.median([1.0 + theta @ white.mean_noise @ theta for theta in starts[1]])
    thetas = np.concatenate(starts)
    return Rows(white, np.ascontiguousarray(columns, dtype=np.float64), float(variance), thetas)


def extended_price(rows: int, candidates: int, m: int) -> float:
    """Price of m of the candidates: the BIC's, and twice the log number of such sets.

    Parameters
    ----------
    rows
        Observations.
    candidates
        Variants that may have a direct effect.
    m
        How many have one.
    """
    sets = gammaln(candidates + 1) - gammaln(m + 1) - gammaln(candidates - m + 1)
    return m * math.log(rows) + 2.0 * float(sets)


def search(rows: Rows, price: Price, *, scaled: bool = True) -> Found:
    """The set with the smallest criterion that additions, removals and exchanges lead to.

    They begin with the best set on the greedy path, and with the variants that stand out at robust
    effects, as a greedy path cannot leave a set in which neighbours stand for each other.

    Parameters
    ----------
    rows
        Regression and candidates.
    price
        Of a set of a given size.
    scaled
        Whether the variance may exceed that of the noise by a common factor.
    """
    trial = _trial(rows, price, scaled)
    starts = {
        tuple(members.tolist()) for members in (trial.greedy(), *_outstanding(rows, trial.most))
    }
    found = [trial.improved(np.array(start, dtype=np.int64)) for start in sorted(starts)]
    return min(found, key=lambda one: one.criterion)


def _outstanding(rows: Rows, most: int) -> list[Index]:
    """Columns that stand out at each of several robust estimates of the effects."""
    sets = []
    # On these rows one direct effect touches one element.
    own = np.linalg.inv(rows.columns[:, : rows.white.y.size])
    sd = np.sqrt((own**2).sum(axis=1) * rows.variance)
    for theta in rows.thetas:
        score = np.abs(own @ (rows.white.y - rows.white.x @ theta)) / sd
        order = np.argsort(-score)[:most]
        sets.append(np.sort(order[score[order] > OUTSTANDING]).astype(np.int64))
    return sets


def _trial(rows: Rows, price: Price, scaled: bool) -> _Trial:
    x, y, columns = rows.white.x, rows.white.y, rows.columns
    j, k = x.shape
    basis = np.linalg.qr(x)[0]
    free = columns - basis @ (basis.T @ columns)
    e = (y - basis @ (basis.T @ y)) / math.sqrt(rows.variance)
    return _Trial(
        products=np.ascontiguousarray(free.T @ free),
        outcome=free.T @ e,
        before=(columns**2).sum(axis=0),
        total=float(e @ e),
        rows=j,
        most=max(0, min(int(LARGEST_SHARE * j), MOST, j - k - 1)),
        price=price,
        scaled=scaled,
    )


@dataclass(frozen=True, slots=True)
class _Trial:
    """The criterion of sets of columns; products are of what the exposures leave."""

    products: FloatArray
    outcome: FloatArray
    before: FloatArray
    total: float
    rows: int
    most: int
    price: Price
    scaled: bool

    def additions(self, members: Index) -> tuple[float, FloatArray]:
        return additions(self.products, self.outcome, self.before, self.total, members)

    def criterion(self, q: float, size: int) -> float:
        if size > self.most:
            return math.inf
        return deviance(q, self.rows, self.scaled) + self.price(size)

    def greedy(self) -> Index:
        """The best set on the path of growing sets."""
        members = np.empty(0, dtype=np.int64)
        best, lowest, worse = members, math.inf, 0
        while worse < PATIENCE and members.size <= self.most:
            q, after = self.additions(members)
            criterion = self.criterion(q, members.size)
            worse = 0 if criterion < lowest else worse + 1
            if worse == 0:
                best, lowest = members, criterion
            members = np.append(members, np.argmin(after))
        return np.sort(best)

    def improved(self, members: Index) -> Found:
        """The set after the best addition, removal or exchange, again and again."""
        q, after = self.additions(members)
        lowest = self.criterion(q, members.size)
        while True:
            moves: list[tuple[float, Index, FloatArray | None]]
            moves = [(self.criterion(float(after.min()), members.size + 1), members, after)]
            for position in range(members.size):
                fewer = np.delete(members, position)
                q, others = self.additions(fewer)
                moves.append((self.criterion(q, fewer.size), fewer, None))
                moves.append((self.criterion(float(others.min()), members.size), fewer, others))
            criterion, base, choice = min(moves, key=lambda move: move[0])
            if not criterion < lowest - 1e-9:
                return Found(np.sort(members), lowest)
            members = base if choice is None else np.append(base, np.argmin(choice))
            lowest, after = criterion, self.additions(members)[1]


def deviance(q: float, j: int, scaled: bool = True) -> float:
    """Twice the negative log-likelihood at the best variance factor of at least one.

    Parameters
    ----------
    q
        Squared residuals in units of their variance.
    j
        Rows.
    scaled
        Whether there is such a factor.
    """
    factor = max(1.0, q / j) if scaled else 1.0
    return j * math.log(factor) + q / factor
