r"""Selection from an allele-frequency time series: the equations in plain NumPy.

Written to be read, not to be fast; the compiled twins are tested against these functions.

Model
-----
A population of :math:`M_t` haploid chromosomes (diploids: :math:`M = 2N`) reproduces in discrete
generations :math:`t = 0, \dots, T`. :math:`X_t` chromosomes carry the derived allele; its
frequency is :math:`x = X_t / M_t`.

(1) Selection moves the frequency to

.. math::

    g(x) = \frac{x\,w_D}{x\,w_D + (1-x)\,w_A}, \qquad
    \begin{aligned}
    &\text{haploid:} & w_D &= 1+s, & w_A &= 1 \\
    &\text{diploid:} & w_D &= (1-x)(1+hs) + x(1+s), & w_A &= (1-x) + x(1+hs)
    \end{aligned}

where :math:`w_D, w_A` are the (marginal) fitnesses of the alleles. The diploid form is random
mating with fitness :math:`1, 1+hs, 1+s` for zero, one and two derived copies.
Equivalently :math:`x(1+s)/(1+sx)` and :math:`x(1+hs+s(1-h)x)/(1+2hsx+s(1-2h)x^2)`.

(2) Drift is binomial with the size of the generation that is *produced*:

.. math:: X_{t+1} \mid X_t \sim \mathrm{Binomial}\{M_{t+1},\, g(X_t/M_t)\}

(3) Reads are miscalled in two directions, :math:`e_{DA} = P(\text{derived read as ancestral})`
and :math:`e_{AD} = P(\text{ancestral read as derived})`:

.. math::

    q = x(1-e_{DA}) + (1-x)e_{AD}, \qquad
    P(d \mid n, x) = \binom{n}{d}
    \frac{\prod_{i<d}(q + i/\varphi)\,\prod_{i<n-d}(1-q+i/\varphi)}{\prod_{i<n}(1+i/\varphi)}

which is the beta-binomial with :math:`\alpha = q\varphi, \beta = (1-q)\varphi`, and the binomial
at precision :math:`\varphi = \infty`. No reads (:math:`n = 0`) gives 1 at every frequency: no
information. Called genotypes are multinomial under Hardy–Weinberg, with probabilities
:math:`(1-x)^2, 2x(1-x), x^2`. Several samples of one generation multiply.

(4) The likelihood sums over all frequency paths. With :math:`e_t(x)` the product of the emissions
of generation :math:`t`, the forward and backward recursions are

.. math::

    f_0 = \pi\,e_0, \quad f_{t+1} = (f_t P_t)\,e_{t+1}, \quad L = \textstyle\sum_x f_T(x)

    u_T = e_T, \quad u_t = e_t\,(P_t u_{t+1}), \quad L = \textstyle\sum_x \pi(x)\,u_0(x)

(5) The posterior of the path at generation :math:`t` is proportional to
:math:`(f_{t-1}P_{t-1})(x)\,u_t(x)`.

(6) Start distributions :math:`\pi` over the counts :math:`0..M_0`: uniform; uniform over the
segregating counts :math:`1..M_0-1`; a point; and the neutral stationary one, :math:`M_0` draws from
:math:`x \sim \mathrm{Beta}(\theta_D, \theta_A)`, hence beta-binomial, where :math:`\theta = 2M\mu`
is the scaled mutation rate towards the allele named.

(7) Kimura's probability that an allele at frequency :math:`p` is fixed, in the diffusion limit:

.. math::

    \frac{\int_0^p G}{\int_0^1 G}, \qquad
    G(x) = \begin{cases} e^{-2Msx} & \text{haploid} \\
    e^{-Ms\,[2hx + (1-2h)x^2]} & \text{diploid}\end{cases}

(8) The test of neutrality compares :math:`\Lambda = 2\,\{\max_s \ln L(s) - \ln L(0)\}` with its
distribution at :math:`s = 0`. Where :math:`\pi` is given nothing else is unknown there: from
:math:`\Lambda_1..\Lambda_n` of neutral data the p value is
:math:`(1 + \#\{\Lambda_i \ge \Lambda\})/(n+1)`, which is exact (Davison and Hinkley 1997, ch. 4).

Arguments, the same in every function
-------------------------------------
``x`` frequency of the derived allele · ``s`` selection coefficient, above -1 · ``h`` dominance,
without effect in haploids · ``ploidy`` which fitness scheme · ``sizes`` :math:`M_0..M_T` ·
``e_da``, ``e_ad`` error rates · ``precision`` :math:`\varphi` · ``emissions`` :math:`e_t(x)`, one
array of length :math:`M_t+1` per generation · ``start`` :math:`\pi`, of length :math:`M_0+1`.

Identifying assumption
----------------------
The sizes :math:`M_t` and the error rates are known. Selection is what remains of the change in
frequency when drift of the stated size and miscalls of the stated rates have been allowed for.

Assumptions that make the answer wrong when they fail
-----------------------------------------------------
* Sizes too large: drift is mistaken for selection, intervals are too narrow. What counts is the
  variance-effective number of chromosomes of each generation, not the census.
* Error rates wrong or averaged over directions: the level of the frequency is shifted, and with it
  the odds from which :math:`s` is read (`simulate` gives the formulas).
* Alleles polarised the wrong way round: the fit is of :math:`-s/(1+s)` and :math:`1-h` instead.
* Migration, admixture, structure, linked selection: all change is credited to :math:`s` here.
* :math:`s` or :math:`h` changing with time; overlapping generations; reads that are not independent
  draws from the population (relatives; two reads from one chromosome).
* The locus was chosen because it changed: :math:`|s|` is overestimated. It was chosen because it
  still segregates: :math:`s` is too high when rare, too low when common. Neither is conditioned on.
* Mutation during the series: here a lost allele stays lost.

Deviations from published software
----------------------------------
Exact chain and :math:`g`, sizes that change, directional error: see docs/methods/wright_fisher.md.

References
----------
Wright S (1931) Evolution in Mendelian populations. doi:10.1093/genetics/16.2.97
Kimura M (1962) On the probability of fixation of mutant genes. doi:10.1093/genetics/47.6.713
Williamson EG, Slatkin M (1999) Estimating population size. doi:10.1093/genetics/152.2.755
Bollback JP, York TL, Nielsen R (2008) Estimation of 2Nes. doi:10.1534/genetics.107.085019
Steinrücken M, Bhaskar A, Song YS (2014) A novel spectral method for inferring general diploid
selection from time series genetic data. doi:10.1214/14-AOAS764
Ewens WJ (2004) Mathematical Population Genetics I. doi:10.1007/978-0-387-21822-9
Davison AC, Hinkley DV (1997) Bootstrap Methods and their Application. doi:10.1017/CBO9780511802843
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln, gammaln

FloatArray = NDArray[np.float64]
Ploidy = Literal["haploid", "diploid"]


def select(
    x: ArrayLike, s: ArrayLike, h: ArrayLike = 0.5, ploidy: Ploidy = "haploid"
) -> FloatArray:
    """Frequency after selection, eq. (1)."""
    x, s, h = (np.asarray(a, dtype=np.float64) for a in (x, s, h))
    if ploidy == "haploid":
        derived, ancestral = 1 + s, np.ones_like(x)
    else:
        derived = (1 - x) * (1 + h * s) + x * (1 + s)
        ancestral = (1 - x) + x * (1 + h * s)
    return np.asarray(x * derived / (x * derived + (1 - x) * ancestral))


def frequencies(size: int) -> FloatArray:
    """All frequencies that `size` chromosomes can have: 0, 1/size, ..., 1."""
    return np.asarray(np.arange(size + 1) / size)


def transition_matrix(
    parents: int, offspring: int, s: float, h: float = 0.5, ploidy: Ploidy = "haploid"
) -> FloatArray:
    """Drift, eq. (2): row = count among `parents`, column = count among `offspring` chromosomes."""
    from scipy.stats import binom  # a quarter of a second, which a solve can do without

    p = select(frequencies(parents), s, h, ploidy)
    return np.asarray(binom.pmf(np.arange(offspring + 1), offspring, p[:, np.newaxis]))


def read_probability(x: ArrayLike, e_da: ArrayLike = 0.0, e_ad: ArrayLike = 0.0) -> FloatArray:
    """Probability q that a read shows the derived allele, eq. (3)."""
    x = np.asarray(x, dtype=np.float64)
    return np.asarray(x * (1 - np.asarray(e_da)) + (1 - x) * np.asarray(e_ad))


def emission(
    x: ArrayLike,
    derived: int,
    total: int,
    e_da: float = 0.0,
    e_ad: float = 0.0,
    precision: float = np.inf,
) -> FloatArray:
    """Probability of `derived` among `total` reads at each frequency, eq. (3)."""
    q = read_probability(x, e_da, e_ad)[..., np.newaxis]
    i = np.arange(total) / precision
    with np.errstate(divide="ignore"):  # log 0 = -inf: an impossible observation
        log_p = np.log(q + i[:derived]).sum(-1) + np.log(1 - q + i[: total - derived]).sum(-1)
    return np.asarray(np.exp(log_ways(derived, total - derived) + log_p - np.log1p(i).sum()))


def log_ways(*counts: ArrayLike) -> FloatArray:
    """Log of the multinomial coefficient: the orders in which `counts` can come."""
    total = np.sum(np.broadcast_arrays(*counts), axis=0)
    return np.asarray(gammaln(total + 1) - sum(gammaln(np.asarray(c) + 1) for c in counts))


def genotype_emission(x: ArrayLike, ancestral_hom: int, het: int, derived_hom: int) -> FloatArray:
    """Probability of the three genotype counts under Hardy–Weinberg at each frequency, eq. (3)."""
    x = np.asarray(x, dtype=np.float64)
    cells = (1 - x) ** (2 * ancestral_hom) * (2 * x * (1 - x)) ** het * x ** (2 * derived_hom)
    return np.asarray(np.exp(log_ways(ancestral_hom, het, derived_hom)) * cells)


def emission_table(
    sizes: Sequence[int],
    generation: ArrayLike,
    derived: ArrayLike,
    total: ArrayLike,
    e_da: ArrayLike = 0.0,
    e_ad: ArrayLike = 0.0,
    precision: ArrayLike = np.inf,
) -> list[FloatArray]:
    """e_t(x) per generation: 1, times the emission of each sample taken from it.

    The arguments have one entry per sample (scalars broadcast); a generation may repeat.
    """
    table = [np.ones(m + 1) for m in sizes]
    for t, d, n, *rest in np.broadcast(generation, derived, total, e_da, e_ad, precision):
        table[int(t)] *= emission(frequencies(sizes[int(t)]), int(d), int(n), *rest)
    return table


def genotype_table(
    sizes: Sequence[int],
    generation: ArrayLike,
    ancestral_hom: ArrayLike,
    het: ArrayLike,
    derived_hom: ArrayLike,
) -> list[FloatArray]:
    """e_t(x) per generation from genotype counts, one entry per sample."""
    table = [np.ones(m + 1) for m in sizes]
    for t, *counts in np.broadcast(generation, ancestral_hom, het, derived_hom):
        table[int(t)] *= genotype_emission(frequencies(sizes[int(t)]), *map(int, counts))
    return table


def start_uniform(size: int) -> FloatArray:
    """Every count 0..size equally likely, eq. (6)."""
    return np.ones(size + 1) / (size + 1)


def start_segregating(size: int) -> FloatArray:
    """Every count 1..size-1 equally likely, eq. (6)."""
    return np.asarray(np.pad(start_uniform(size - 2), 1))


def start_point(size: int, frequency: float) -> FloatArray:
    """All mass on the count nearest to a frequency, eq. (6)."""
    return np.asarray(np.arange(size + 1) == round(frequency * size), dtype=np.float64)


def start_stationary(size: int, theta_ancestral: float, theta_derived: float) -> FloatArray:
    """Neutral mutation–drift balance, eq. (6), with rates towards the allele named."""
    k = np.arange(size + 1)
    beta = betaln(k + theta_derived, size - k + theta_ancestral)
    return np.asarray(np.exp(log_ways(k, size - k) + beta - betaln(theta_derived, theta_ancestral)))


def transitions(
    sizes: Sequence[int], s: float, h: float = 0.5, ploidy: Ploidy = "haploid"
) -> list[FloatArray]:
    """P_0 .. P_{T-1} of eq. (4); a pair of sizes that comes back is computed once."""
    pairs = list(itertools.pairwise(int(m) for m in sizes))
    matrices = {pair: transition_matrix(*pair, s, h, ploidy) for pair in set(pairs)}
    return [matrices[pair] for pair in pairs]


def forward(
    emissions: Sequence[FloatArray], steps: Sequence[FloatArray], start: FloatArray
) -> tuple[list[FloatArray], float]:
    """Forward recursion of eq. (4), rescaled in every generation.

    Gives each generation given the samples *before* it, and the log-likelihood; -inf below 1e-308.
    """
    predicted, log_likelihood = [start], 0.0
    for t, e in enumerate(emissions):
        f = predicted[t] * e
        if f.sum() == 0:
            return predicted, -np.inf
        log_likelihood += float(np.log(f.sum()))
        if t < len(steps):
            predicted.append(f / f.sum() @ steps[t])
    return predicted, log_likelihood


def backward(
    emissions: Sequence[FloatArray], steps: Sequence[FloatArray]
) -> tuple[list[FloatArray], FloatArray]:
    """Backward recursion of eq. (4): v_t and c_t with u_t = v_t exp(c_t) and max v_t = 1."""
    u, log_scale = [np.ones_like(emissions[-1])], np.zeros(len(emissions) + 1)
    for t in reversed(range(len(emissions))):
        value = emissions[t] * (steps[t] @ u[0] if t < len(steps) else u[0])
        log_scale[t] = log_scale[t + 1] + np.log(value.max())
        u.insert(0, value / value.max())
    return u[:-1], log_scale[:-1]


def log_likelihood(
    emissions: Sequence[FloatArray],
    sizes: Sequence[int],
    s: float,
    start: FloatArray,
    h: float = 0.5,
    ploidy: Ploidy = "haploid",
) -> float:
    """Log-likelihood, eq. (4).

    Examples
    --------
    >>> sizes = [100] * 11
    >>> reads = emission_table(sizes, [0, 10], derived=[4, 16], total=[20, 20])
    >>> [round(log_likelihood(reads, sizes, s, start_uniform(100)), 2) for s in (0.0, 0.2)]
    [-9.07, -5.62]
    """
    return forward(emissions, transitions(sizes, s, h, ploidy), start)[1]


def log_likelihood_by_paths(
    emissions: Sequence[FloatArray],
    sizes: Sequence[int],
    s: float,
    start: FloatArray,
    h: float = 0.5,
    ploidy: Ploidy = "haploid",
) -> float:
    """Log-likelihood as a sum over every single path: no recursion, for a few chromosomes."""
    steps = transitions(sizes, s, h, ploidy)
    likelihood = 0.0
    for path in itertools.product(*(range(m + 1) for m in sizes)):
        probability = start[path[0]]
        for step, parent, child in zip(steps, path[:-1], path[1:], strict=True):
            probability *= step[parent, child]
        for e, count in zip(emissions, path, strict=True):
            probability *= e[count]
        likelihood += probability
    return float(np.log(likelihood)) if likelihood > 0 else -np.inf


def posterior(
    emissions: Sequence[FloatArray],
    sizes: Sequence[int],
    s: float,
    start: FloatArray,
    h: float = 0.5,
    ploidy: Ploidy = "haploid",
) -> list[FloatArray]:
    """Distribution of the count in each generation given all samples, eq. (5)."""
    steps = transitions(sizes, s, h, ploidy)
    predicted, _ = forward(emissions, steps, start)
    values, _ = backward(emissions, steps)
    joint = [f * u for f, u in zip(predicted, values, strict=True)]
    return [p / p.sum() for p in joint]


def null_distribution(
    sizes: Sequence[int], times: ArrayLike, total: Sequence[int], start: FloatArray, s: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Statistics of eq. (8), largest over `s`, and probabilities of all reads of haploids."""
    steps = [transitions(sizes, value) for value in (0.0, *s)]
    reads = itertools.product(*(range(n + 1) for n in total))
    tables = [emission_table(sizes, times, derived, total) for derived in reads]
    curves = np.array([[forward(table, step, start)[1] for step in steps] for table in tables])
    return 2 * (curves.max(axis=1) - curves[:, 0]), np.exp(curves[:, 0])


def fixation_probability(
    x: float, size: int, s: float, h: float = 0.5, ploidy: Ploidy = "haploid"
) -> float:
    """Kimura's probability that the derived allele is fixed, eq. (7)."""
    from scipy.integrate import quad

    def g(y: float) -> float:
        power = y if ploidy == "haploid" else h * y + (1 - 2 * h) * y**2 / 2
        return float(np.exp(-2 * size * s * power))

    return float(quad(g, 0, x)[0] / quad(g, 0, 1)[0])


def simulate_path(
    sizes: ArrayLike,
    s: ArrayLike,
    start: ArrayLike,
    rng: np.random.Generator,
    h: ArrayLike = 0.5,
    ploidy: Ploidy = "haploid",
) -> FloatArray:
    """Frequencies of generations 0..T from the frequency `start`, eqs. (1) and (2).

    One binomial draw per generation, none where the size is infinite. Arrays of `s` and `start`
    are independent loci; generations are the last axis of the result.
    """
    path = [np.asarray(start, dtype=np.float64)]
    for m in np.asarray(sizes, dtype=np.float64)[1:]:
        p = select(path[-1], s, h, ploidy)
        path.append(p if np.isinf(m) else np.asarray(rng.binomial(int(m), p) / m))
    return np.stack(path, axis=-1)


def simulate_reads(
    x: ArrayLike,
    total: ArrayLike,
    rng: np.random.Generator,
    e_da: ArrayLike = 0.0,
    e_ad: ArrayLike = 0.0,
    precision: float = np.inf,
) -> NDArray[np.int64]:
    """Derived reads among `total`, eq. (3): all beta draws (if any), then all binomial draws."""
    q = read_probability(x, e_da, e_ad)
    if np.isfinite(precision):
        inside = (q > 0) & (q < 1)
        q[inside] = rng.beta(q[inside] * precision, (1 - q[inside]) * precision)
    return np.asarray(rng.binomial(np.asarray(total, dtype=np.int64), q), dtype=np.int64)
