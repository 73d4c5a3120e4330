"""Kernels of one gene held against the textbook, on two dozen rows of eight donors."""

from __future__ import annotations

import numpy as np
from scipy.special import digamma, gammaln

from refsolve.core.agreement import Check, gap
from refsolve.methods.count_glm.kernels import dispersion, likelihood, linear, mixed, native
from refsolve.methods.count_glm.kernels import regression as glm
from refsolve.methods.count_glm.kernels.linear import Array
from refsolve.methods.count_glm.model.marginal import gauss_hermite
from refsolve.methods.count_glm.textbook import likelihood as book
from refsolve.methods.count_glm.textbook import mixed as book_mixed

ROUNDING = 1e-9
DIFFERENCES = 1e-5  # of a likelihood, instead of its derivative
ITERATED = 1e-6

N, P, D, ALPHA, SD = 24, 3, 8, 0.3, 0.5
_rng = np.random.default_rng(7)
DONOR = np.repeat(np.arange(D), 3)
START = np.arange(0, N + 1, 3, dtype=np.int64)
X = np.column_stack([np.ones(N), np.tile([0.0, 1.0], N // 2), _rng.standard_normal(N)])
S = np.exp(_rng.normal(8.0, 0.4, N))
A = S * _rng.uniform(0.0, 2e-3, N)
BETA = np.array([-6.0, 0.4, 0.2])
M = S * np.exp(X @ BETA)
MU = A + M
Y = _rng.poisson(MU * _rng.gamma(3.0, 1.0 / 3.0, N)).astype(np.float64)
WEIGHT = _rng.gamma(5.0, 0.2, N)
POINTS, LOG_WEIGHTS = gauss_hermite(5)
H = 1e-5
LOG_FACTORIALS = float(gammaln(Y + 1.0).sum())


def _square() -> Array:
    out = np.empty((P, P))
    linear.weighted_square(X, WEIGHT, out)
    return out


def _factor() -> Array:
    out = np.zeros((P, P))
    linear.factorise(_square(), out)
    return out


def _weighted_square() -> float:
    return gap(_square(), (X.T * WEIGHT) @ X)


def _factorise() -> float:
    out = np.zeros((P, P))
    log_det = linear.factorise(_square(), out)
    same = gap(np.tril(out), np.linalg.cholesky(_square()))
    return max(same, abs(log_det - float(np.linalg.slogdet(_square())[1])))


def _substitute() -> float:
    b = np.ones(P)
    linear.substitute(_factor(), b)
    return gap(b, np.linalg.solve(_square(), np.ones(P)))


def _quadratic_form() -> float:
    v = np.array([1.0, -2.0, 0.5])
    want = float(v @ np.linalg.solve(_square(), v))
    return abs(linear.quadratic_form(_factor(), v, np.empty(P)) - want)


def _series() -> float:
    z = 20.0
    stirling = (z - 0.5) * np.log(z) - z + 0.5 * np.log(2.0 * np.pi)
    return float(abs(likelihood.series(z) - (gammaln(z) - stirling)))


def _rising() -> float:
    def want(y: float, alpha: float) -> float:
        return float(gammaln(y + 1 / alpha) - gammaln(1 / alpha) + y * np.log(alpha))

    pairs = ((3.0, 0.5), (2.5, 0.5), (30.0, 0.5), (30.0, 0.01), (0.0, 0.1))
    return max(abs(likelihood.rising(y, a) - want(y, a)) for y, a in pairs)


def _digamma() -> float:
    return max(abs(likelihood.digamma(z) - float(digamma(z))) for z in (0.3, 4.0, 40.0))


def _rising_slope() -> float:
    pairs = ((3.0, 0.5), (2.5, 0.5), (30.0, 0.5), (30.0, 0.01), (0.0, 0.1))
    return max(
        abs(likelihood.rising_slope(y, a) * 2 * H - _rise(y, a + H) + _rise(y, a - H)) / (2 * H)
        for y, a in pairs
    )


def _rise(y: float, alpha: float) -> float:
    return float(likelihood.rising(y, alpha))


def _log_likelihood() -> float:
    got = [likelihood.log_likelihood(Y, MU, a) - LOG_FACTORIALS for a in (0.0, ALPHA)]
    return gap(got, [book.log_likelihood(Y, MU, a) for a in (0.0, ALPHA)])


def _dispersion_slope() -> float:
    want = book.log_likelihood(Y, MU, ALPHA + H) - book.log_likelihood(Y, MU, ALPHA - H)
    return abs(likelihood.dispersion_slope(Y, MU, ALPHA) - want / (2.0 * H))


def _rows() -> Array:
    rows = np.empty((4, N))
    glm.means(X, BETA, S, A, rows[0], rows[1])
    glm.score_and_weight(Y, rows[0], rows[1], ALPHA, rows[2], rows[3])
    return rows


def _means() -> float:
    return gap(_rows()[:2], [M, MU])


def _score_and_weight() -> float:
    return gap(_rows()[2:], book.derivatives(Y, X, M, MU, ALPHA)[:2])


def _penalty(beta: Array) -> float:
    m, mu = book.mean(X @ beta, S, A)
    weight = book.derivatives(Y, X, m, mu, ALPHA)[1]
    return 0.5 * float(np.linalg.slogdet((X.T * weight) @ X)[1])


def _firth_term() -> float:
    information = np.linalg.inv((X.T * _rows()[3]) @ X)
    leverage = _rows()[3] * np.einsum("ij,jk,ik->i", X, information, X)
    each = [glm.firth_term(m, mu, ALPHA, h) for m, mu, h in zip(M, MU, leverage, strict=True)]
    steps = np.eye(P) * H
    want = [(_penalty(BETA + e) - _penalty(BETA - e)) / (2.0 * H) for e in steps]
    return gap(X.T @ np.array(each), want)


def _objective() -> float:
    value = glm.objective(
        Y, X, S, A, ALPHA, BETA, True, np.empty((4, N)), np.empty((P, P)), np.empty((P, P))
    )
    return abs(value - LOG_FACTORIALS - book.log_likelihood(Y, MU, ALPHA) - _penalty(BETA))


def _scoring_step() -> float:
    rows, factor, step = _rows(), np.empty((P, P)), np.empty(P)
    information = np.asarray((X.T * rows[3]) @ X)
    linear.factorise(information, factor)
    furthest = glm.scoring_step(X, ALPHA, False, rows, factor, step)
    want = np.linalg.solve(information, X.T @ rows[2])
    return max(gap(step, want), abs(furthest - float(np.abs(X @ want).max())))


def _newton_step() -> float:
    step = np.empty(P)
    furthest = glm.newton_step(Y, X, ALPHA, _rows(), step)
    scores = [
        X.T @ book.derivatives(Y, X, *book.mean(X @ (BETA + e), S, A), ALPHA)[0]
        for e in (*(H * np.eye(P)), *(-H * np.eye(P)))
    ]
    hessian = (np.array(scores[:P]) - np.array(scores[P:])) / (2.0 * H)
    want = -np.linalg.solve(hessian, X.T @ _rows()[2])
    return max(gap(step, want), abs(furthest - float(np.abs(X @ want).max())))


def _fit_mean() -> float:
    got = glm.fit_mean(Y, X, S, A, ALPHA, BETA, False)[0]
    return gap(got, book.fit(Y, X, S, A, ALPHA).beta)


def _log_det(alpha: float) -> float:
    one = book.fit(Y, X, S, A, alpha)
    return 0.5 * float(-np.linalg.slogdet(one.covariance)[1])


def _adjustment_slope() -> float:
    beta, information = glm.fit_mean(Y, X, S, A, ALPHA, BETA, False)[:2]
    rows = np.empty((4, N))
    glm.means(X, beta, S, A, rows[0], rows[1])
    glm.score_and_weight(Y, rows[0], rows[1], ALPHA, rows[2], rows[3])
    got = dispersion.adjustment_slope(Y, X, ALPHA, information, rows)
    return abs(got - (_log_det(ALPHA + 1e-4) - _log_det(ALPHA - 1e-4)) / 2e-4)


def _profile(log_alpha: float) -> float:
    alpha = float(np.exp(log_alpha))
    return book.fit(Y, X, S, A, alpha).log_likelihood - _log_det(alpha)


def _profile_slope() -> float:
    got = dispersion.profile_slope(Y, X, S, A, ALPHA, BETA.copy(), True)[0]
    at = np.log(ALPHA)
    return abs(got - (_profile(at + 1e-4) - _profile(at - 1e-4)) / 2e-4)


def _moment_dispersion() -> float:
    want = ((Y - MU) ** 2 - MU).sum() / (MU**2).sum()
    return float(abs(dispersion.moment_dispersion(Y, MU) - want))


def _bracket() -> float:
    a, b, fa, fb = dispersion.bracket(Y, X, S, A, ALPHA, BETA.copy(), True)
    best = np.log(book.dispersion(Y, X, S, A, adjusted=True))
    return 0.0 if a <= best <= b and fa > 0.0 >= fb else 1.0


def _fit_dispersion() -> float:
    got = [dispersion.fit_dispersion(Y, X, S, A, BETA, adjusted)[0] for adjusted in (True, False)]
    return gap(got, [book.dispersion(Y, X, S, A, adjusted=v) for v in (True, False)])


def _native_score(beta: Array, alpha: float) -> Array:
    m, mu = book.mean(X @ beta, S, A)
    return np.asarray(X.T @ (m * (Y - mu) / (mu + alpha * m**2)))


def _quasi_score() -> float:
    rows, step = np.empty((3, N)), np.empty(P)
    information, factor = np.empty((P, P)), np.empty((P, P))
    got = native.quasi_score(Y, X, S, A, ALPHA, BETA, rows, information, factor, step)
    score = _native_score(BETA, ALPHA)
    want = np.linalg.solve((X.T * (M**2 / (MU + ALPHA * M**2))) @ X, score)
    return max(gap(step, want), abs(got - float(score @ want)))


def _fit_native() -> float:
    beta = native.fit_native(Y, X, S, A, ALPHA, BETA)[0]
    return float(np.abs(_native_score(beta, ALPHA)).max())


def _pearson(beta: Array, alpha: float) -> float:
    m, mu = book.mean(X @ beta, S, A)
    return float(((Y - mu) ** 2 / (mu + alpha * m**2)).sum() - (N - P))


def _excess() -> float:
    got = native.excess(Y, X, S, A, ALPHA, BETA.copy(), True)
    return abs(got - _pearson(BETA, ALPHA))


def _fit_native_dispersion() -> float:
    alpha, beta = native.fit_native_dispersion(Y, X, S, A, BETA)[:2]
    return max(float(np.abs(_native_score(beta, alpha)).max()), abs(_pearson(beta, alpha)))


def _derivatives() -> float:
    def slopes(eta: float, alpha: float) -> list[float]:
        return list(mixed.derivatives(7.0, float(np.exp(eta)), 1.5, alpha))

    gaps = []
    for alpha in (0.0, ALPHA):
        up, down, at = slopes(1.0 + H, alpha), slopes(1.0 - H, alpha), slopes(1.0, alpha)
        gaps += [at[k + 1] - (up[k] - down[k]) / (2.0 * H) for k in (0, 1)]
        m = float(np.exp(1.0))
        gaps.append(at[0] - m * (7.0 - 1.5 - m) / ((1.5 + m) * (1.0 + alpha * (1.5 + m))))
    return float(np.abs(gaps).max())


def _value(scale: float, alpha: float) -> float:
    mu = A + scale * M
    constant = sum(_rise(v, alpha) for v in Y) if alpha > 0 else 0.0
    return book.log_likelihood(Y, mu, alpha) + LOG_FACTORIALS - constant


def _value_of_rows() -> float:
    got = [mixed.value_of_rows(Y, M, A, 1.2, a) for a in (0.0, ALPHA)]
    return gap(got, [_value(1.2, a) for a in (0.0, ALPHA)])


def _mode_of_all() -> float:
    return float(mixed.mode(Y, M, A, SD, ALPHA, 0.0))


def _joint(z: float) -> float:
    return _value(float(np.exp(SD * z)), ALPHA) - 0.5 * z * z


def _mode() -> float:
    z = _mode_of_all()
    return abs(_joint(z + H) - _joint(z - H)) / (2.0 * H)


def _at_mode() -> float:
    sums, above, below = np.empty(5), np.empty(5), np.empty(5)
    mixed.at_mode(Y, M, A, SD, ALPHA, 0.2, sums)
    mixed.at_mode(Y, M, A, SD, ALPHA + H, 0.2, above)
    mixed.at_mode(Y, M, A, SD, ALPHA - H, 0.2, below)
    each = [
        mixed.derivatives(y, np.exp(0.1) * m, a, ALPHA) for y, m, a in zip(Y, M, A, strict=True)
    ]
    return max(gap(sums[:3], np.sum(each, axis=0)), gap(sums[3:], (above - below)[:2] / (2.0 * H)))


def _node_weights() -> float:
    z, width, share = _mode_of_all(), 0.4, np.empty(POINTS.size)
    got = mixed.node_weights(Y, M, A, SD, ALPHA, z, width, POINTS, LOG_WEIGHTS, share)
    logs = np.array([_joint(z + width * t) for t in POINTS]) + LOG_WEIGHTS
    want = np.log(np.exp(logs - logs.max()).sum()) + logs.max()
    known = want + np.log(width) - 0.5 * np.log(2.0 * np.pi)
    return max(abs(got - float(known)), gap(share, np.exp(logs - want)))


def _node_slopes() -> float:
    share = np.full(POINTS.size, 1.0 / POINTS.size)
    each, out, z, width = np.empty(N), np.empty(4), 0.1, 0.3
    mixed.node_slopes(Y, M, A, SD, ALPHA, z, width, POINTS, share, each, out)
    v = z + width * POINTS
    slope = np.array([(_joint(t + H) - _joint(t - H)) / (2.0 * H) for t in v])
    want = [slope.mean(), (slope * POINTS).mean(), (v * (slope + v)).mean() / SD]
    return max(gap(out[:3], want), gap(each.sum(), ((slope + v) / SD).mean()))


def _native_means() -> float:
    out = np.empty(N)
    mixed.native_means(X, S, BETA, out)
    return gap(out, M)


def _one_donor() -> float:
    gradient, z = np.zeros(P + 2), _mode_of_all()
    got = mixed.one_donor(Y, X, M, A, SD, ALPHA, z, POINTS, LOG_WEIGHTS, gradient)
    one = book_mixed.marginal(Y, X @ BETA, S, A, np.zeros(N, np.int64), SD, ALPHA, POINTS.size)
    constant = sum(_rise(v, ALPHA) for v in Y)
    return abs(got + constant - LOG_FACTORIALS - one)


def _marginal() -> float:
    z, gradient = np.zeros(D), np.empty(P + 2)
    rest = (POINTS, LOG_WEIGHTS, z, gradient)
    got = mixed.marginal(Y, X, S, A, START, BETA, SD, ALPHA, *rest) - LOG_FACTORIALS
    theta = np.append(BETA, [SD, ALPHA])

    def want(t: Array) -> float:
        fixed = X @ t[:P]
        return book_mixed.marginal(Y, fixed, S, A, DONOR, t[P], t[P + 1], POINTS.size)

    slopes = [(want(theta + e) - want(theta - e)) / 2e-4 for e in 1e-4 * np.eye(P + 2)]
    return max(abs(got - want(theta)), gap(gradient, slopes))


CORE: tuple[Check, ...] = (
    (linear.weighted_square, _weighted_square, ROUNDING),
    (linear.factorise, _factorise, ROUNDING),
    (linear.substitute, _substitute, ROUNDING),
    (linear.quadratic_form, _quadratic_form, ROUNDING),
    (likelihood.series, _series, ROUNDING),
    (likelihood.rising, _rising, ROUNDING),
    (likelihood.digamma, _digamma, ROUNDING),
    (likelihood.rising_slope, _rising_slope, DIFFERENCES),
    (likelihood.log_likelihood, _log_likelihood, ROUNDING),
    (likelihood.dispersion_slope, _dispersion_slope, DIFFERENCES),
    (glm.means, _means, ROUNDING),
    (glm.score_and_weight, _score_and_weight, ROUNDING),
    (glm.firth_term, _firth_term, DIFFERENCES),
    (glm.objective, _objective, ROUNDING),
    (glm.scoring_step, _scoring_step, ROUNDING),
    (glm.newton_step, _newton_step, DIFFERENCES),
    (glm.fit_mean, _fit_mean, ITERATED),
    (dispersion.adjustment_slope, _adjustment_slope, DIFFERENCES),
    (dispersion.profile_slope, _profile_slope, DIFFERENCES),
    (dispersion.moment_dispersion, _moment_dispersion, ROUNDING),
    (dispersion.bracket, _bracket, ROUNDING),
    (dispersion.fit_dispersion, _fit_dispersion, ITERATED),
    (native.quasi_score, _quasi_score, ROUNDING),
    (native.fit_native, _fit_native, ITERATED),
    (native.excess, _excess, ROUNDING),
    (native.fit_native_dispersion, _fit_native_dispersion, ITERATED),
    (mixed.derivatives, _derivatives, DIFFERENCES),
    (mixed.value_of_rows, _value_of_rows, ROUNDING),
    (mixed.mode, _mode, DIFFERENCES),
    (mixed.at_mode, _at_mode, DIFFERENCES),
    (mixed.node_weights, _node_weights, ROUNDING),
    (mixed.node_slopes, _node_slopes, DIFFERENCES),
    (mixed.native_means, _native_means, ROUNDING),
    (mixed.one_donor, _one_donor, ROUNDING),
    (mixed.marginal, _marginal, DIFFERENCES),
)
