"""What was seen, reads or genotypes by generation, and its probability at a frequency, eq. (3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, xlogy

from refsolve.core.check import FloatArray, IntArray, refuse, whole_numbers, within

STIRLING = 30.0  # from here on four terms of Stirling's series are exact to rounding


@dataclass(frozen=True, slots=True)
class Samples:
    """Reads of the derived allele, one column per sample, optionally one row per locus.

    The frequency of derived reads is q = x(1 − e_da) + (1 − x) e_ad; reads are binomial, or
    beta-binomial with alpha = q · precision, beta = (1 − q) · precision.

    Parameters
    ----------
    generation
        Generation of each sample (K,), counted from the first generation of the analysis. A
        generation may appear twice.
    derived
        Reads that show the derived allele, (K,) or (L, K) for L loci.
    total
        All reads, same shape; 0 carries no information.
    e_da
        Probability that a derived allele is read as ancestral; a number or one per sample.
    e_ad
        Probability that an ancestral allele is read as derived.
    precision
        Precision of the beta-binomial; infinite for the binomial.
    """

    generation: IntArray
    derived: IntArray
    total: IntArray
    e_da: FloatArray = 0.0  # type: ignore[assignment]
    e_ad: FloatArray = 0.0  # type: ignore[assignment]
    precision: FloatArray = np.inf  # type: ignore[assignment]

    def __post_init__(self) -> None:
        generation = _generations(self.generation)
        total = _counts(self.total, "total", generation.size)
        derived = _counts(self.derived, "derived", generation.size)
        if derived.shape != total.shape:
            raise ValueError(
                f"derived has shape {derived.shape} and total {total.shape}; "
                "expected equal shapes; give both for the same samples and loci"
            )
        refuse(
            derived > total,
            "derived",
            derived,
            "exceeds total of the same sample",
            "swap the columns, or count reads of both alleles in total",
        )
        e_da = within(self.e_da, "e_da", 0.0, 1.0, open_high=True)
        e_ad = within(self.e_ad, "e_ad", 0.0, 1.0, open_high=True)
        e_da, e_ad = _per_sample(e_da, "e_da", derived), _per_sample(e_ad, "e_ad", derived)
        refuse(
            e_da + e_ad >= 1.0,
            "e_da",
            e_da,
            "plus e_ad must be below 1",
            "reads would say the opposite of the allele: exchange the alleles",
        )
        precision = np.asarray(self.precision, dtype=np.float64)
        refuse(
            ~(precision > 0.0),
            "precision",
            precision,
            "must be positive",
            "use inf for binomial reads",
        )
        precision = _per_sample(precision, "precision", derived)
        _assign(self, generation=generation, derived=derived, total=total)
        _assign(self, e_da=e_da, e_ad=e_ad, precision=precision)

    @property
    def n_loci(self) -> int:
        """Number of loci; 1 for one-dimensional counts."""
        return 1 if self.derived.ndim == 1 else self.derived.shape[0]

    @property
    def stacked(self) -> bool:
        """Whether counts have one row per locus, also when there is one row."""
        return self.derived.ndim == 2

    @property
    def sharpness(self) -> float:
        """Largest number of chromosomes seen in one sample."""
        return float(self.total.max(initial=0))

    def select(self, loci: slice | IntArray) -> Samples:
        """The same samples at some of the loci.

        Parameters
        ----------
        loci
            Rows to keep.
        """
        derived, total = np.atleast_2d(self.derived)[loci], np.atleast_2d(self.total)[loci]
        e_da, e_ad = np.atleast_2d(self.e_da)[loci], np.atleast_2d(self.e_ad)[loci]
        precision = np.atleast_2d(self.precision)[loci]
        return Samples(self.generation, derived, total, e_da, e_ad, precision)

    def mirrored(self) -> Samples:
        """The same reads with the two alleles exchanged."""
        return Samples(
            self.generation,
            self.total - self.derived,
            self.total,
            self.e_ad,
            self.e_da,
            self.precision,
        )

    def log_emission(self, k: int, x: FloatArray, y: FloatArray) -> FloatArray:
        """Log probability of sample k, (L, n), at frequencies x = 1 − y, (n,); eq. (3).

        Parameters
        ----------
        k
            Column of the sample.
        x, y
            Frequencies of the derived and of the ancestral allele.
        """
        n, d = np.atleast_2d(self.total)[:, k, None], np.atleast_2d(self.derived)[:, k, None]
        e_da, e_ad = np.atleast_2d(self.e_da)[:, k, None], np.atleast_2d(self.e_ad)[:, k, None]
        phi = np.atleast_2d(self.precision)[:, k, None]
        q = x * (1.0 - e_da) + y * e_ad
        p = x * e_da + y * (1.0 - e_ad)
        ways = gammaln(n + 1.0) - gammaln(d + 1.0) - gammaln(n - d + 1.0)
        binomial = xlogy(d, q) + xlogy(n - d, p)
        if not np.isfinite(phi).any():
            return np.asarray(ways + binomial)
        finite = np.where(np.isfinite(phi), phi, 1.0)
        overdispersed = _log_rising(q * finite, d) + _log_rising(p * finite, n - d)
        overdispersed = overdispersed - _log_rising(finite, n)
        return np.asarray(ways + np.where(np.isfinite(phi), overdispersed, binomial))


@dataclass(frozen=True, slots=True)
class Genotypes:
    """Called diploid genotypes, multinomial under Hardy–Weinberg proportions.

    Parameters
    ----------
    generation
        Generation of each sample (K,), counted from the first generation of the analysis.
    ancestral_hom
        Individuals with two ancestral alleles, (K,) or (L, K).
    het
        Heterozygous individuals.
    derived_hom
        Individuals with two derived alleles.
    """

    generation: IntArray
    ancestral_hom: IntArray
    het: IntArray
    derived_hom: IntArray

    def __post_init__(self) -> None:
        generation = _generations(self.generation)
        names = ("ancestral_hom", "het", "derived_hom")
        counts = {n: _counts(getattr(self, n), n, generation.size) for n in names}
        if len({c.shape for c in counts.values()}) > 1:
            shapes = ", ".join(f"{n} {c.shape}" for n, c in counts.items())
            raise ValueError(
                f"genotype counts have different shapes ({shapes}); expected equal shapes; "
                "give all three for the same samples and loci"
            )
        _assign(self, generation=generation, **counts)

    @property
    def n_loci(self) -> int:
        """Number of loci; 1 for one-dimensional counts."""
        return 1 if self.het.ndim == 1 else self.het.shape[0]

    @property
    def stacked(self) -> bool:
        """Whether counts have one row per locus, also when there is one row."""
        return self.het.ndim == 2

    @property
    def sharpness(self) -> float:
        """Largest number of chromosomes seen in one sample."""
        return 2.0 * float((self.ancestral_hom + self.het + self.derived_hom).max(initial=0))

    def select(self, loci: slice | IntArray) -> Genotypes:
        """The same samples at some of the loci.

        Parameters
        ----------
        loci
            Rows to keep.
        """
        counts = (self.ancestral_hom, self.het, self.derived_hom)
        return Genotypes(self.generation, *(np.atleast_2d(a)[loci] for a in counts))

    def mirrored(self) -> Genotypes:
        """The same individuals with the two alleles exchanged."""
        return Genotypes(self.generation, self.derived_hom, self.het, self.ancestral_hom)

    def log_emission(self, k: int, x: FloatArray, y: FloatArray) -> FloatArray:
        """Log probability of sample k, (L, n), at frequencies x = 1 − y, (n,); eq. (3).

        Parameters
        ----------
        k
            Column of the sample.
        x, y
            Frequencies of the derived and of the ancestral allele.
        """
        counts = (self.ancestral_hom, self.het, self.derived_hom)
        aa, ad, dd = (np.atleast_2d(a)[:, k, None].astype(np.float64) for a in counts)
        ways = gammaln(aa + ad + dd + 1.0) - gammaln(aa + 1) - gammaln(ad + 1) - gammaln(dd + 1)
        return np.asarray(ways + xlogy(2 * dd + ad, x) + xlogy(2 * aa + ad, y) + ad * np.log(2.0))


Observations = Samples | Genotypes


def _log_rising(a: FloatArray, n: IntArray) -> FloatArray:
    """Log of a(a+1)…(a+n−1); minus infinity for a = 0 < n."""
    # A difference of log-gammas has lost its digits where a is large; Stirling's series has not.
    large = np.maximum(a, STIRLING)
    by_series = (large - 0.5) * np.log1p(n / large) + n * (np.log(large + n) - 1.0)
    by_series += _correction(large + n) - _correction(large)
    small = np.where(a > 0.0, np.minimum(a, STIRLING), 1.0)
    value = np.where(a > STIRLING, by_series, gammaln(small + n) - gammaln(small))
    return np.where(n == 0, 0.0, np.where(a > 0.0, value, -np.inf))


def _correction(a: FloatArray) -> FloatArray:
    """Log-gamma beyond the leading terms of Stirling's series, for a above STIRLING."""
    r = 1.0 / (a * a)
    return np.asarray((1 / 12 - r * (1 / 360 - r * (1 / 1260 - r / 1680))) / a)


def _generations(values: ArrayLike) -> IntArray:
    generation = whole_numbers(values, "generation", minimum=0)
    if generation.ndim != 1 or generation.size == 0:
        raise ValueError(
            f"generation has shape {generation.shape}; expected one value per sample and at "
            "least one sample; pass a flat sequence"
        )
    return generation


def _counts(values: ArrayLike, name: str, n_samples: int) -> IntArray:
    counts = whole_numbers(values, name, minimum=0)
    if counts.ndim not in {1, 2} or counts.shape[-1] != n_samples or counts.size == 0:
        raise ValueError(
            f"{name} has shape {counts.shape}; expected ({n_samples},) or (loci, {n_samples}), "
            "one column per element of generation; transpose or complete it"
        )
    return counts


def _per_sample(values: FloatArray, name: str, like: IntArray) -> FloatArray:
    try:
        return np.array(np.broadcast_to(values, like.shape), dtype=np.float64)
    except ValueError:
        raise ValueError(
            f"{name} has shape {values.shape}, which does not fit derived {like.shape}; expected "
            "one number, one per sample, or one per locus and sample; repeat or cut it"
        ) from None


def _assign(target: object, **values: object) -> None:
    for name, value in values.items():
        object.__setattr__(target, name, value)
