"""Cases of a locus that changes two proteins and a disease, with the truth.

Marginal effects are R·b for joint effects b of a few causal variants; estimates are drawn around
them with errors that the LD correlates, apart for screening, replication and disease.

Why every decision matters in the default case: files count either allele on either strand; most
causal variants are near the threshold of a small screening cohort, so that what it finds it
overstates; effects are per unit of log10 or ln concentration and one batch of measurements failed;
the two proteins are genetically correlated; and the variants that lead the screening of either
protein act on the disease past both, in the direction of their effect.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import erfc, sqrt
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refsolve.contract.outcome import GeneratedCase
from refsolve.core.errors import UsageError

Array = NDArray[np.float64]

PROTEINS = ("PROTA", "PROTB")
FILES = tuple(f"protein_{p}_phase{k}" for p in PROTEINS for k in (1, 2))
DISEASE = "disease_association"
PER_SD = {"log10": 1.0, "ln": float(np.log(10)), "log2": float(np.log2(10))}
STRAND = str.maketrans("ACGT", "TGCA")
PAIRS = tuple((a, b) for a in "ACGT" for b in "ACGT" if a != b)
PALINDROMES = tuple(pair for pair in PAIRS if pair[0].translate(STRAND) == pair[1])
PLAIN = tuple(pair for pair in PAIRS if pair not in PALINDROMES)


@dataclass(frozen=True)
class Knobs:
    """Settings of a case."""

    theta_a: float = field(default=0.55, metadata={"doc": "direct effect of PROTA"})
    theta_b: float = field(default=0.45, metadata={"doc": "direct effect of PROTB"})
    spread: float = field(default=0.1, metadata={"doc": "both are drawn from ± spread"})
    variants: int = field(default=400, metadata={"doc": "variants of the locus"})
    neighbours: float = field(
        default=0.3, metadata={"doc": "correlation of variants 2 kb apart, the usual distance"}
    )
    causal: int = field(default=100, metadata={"doc": "causal variants of each protein"})
    explained: float = field(
        default=0.6, metadata={"doc": "variance of each protein that the locus explains"}
    )
    shared: float = field(
        default=0.2, metadata={"doc": "genetic correlation of the two proteins at the locus"}
    )
    n_phase1: int = field(default=2500, metadata={"doc": "people in the screening cohort"})
    n_phase2: int = field(default=150_000, metadata={"doc": "people in the replication cohort"})
    n_disease: int = field(
        default=800_000,
        metadata={"doc": "people × share of cases × share of controls in the disease study"},
    )
    units: str = field(
        default="log10 log10 ln ln",
        metadata={
            "doc": "log10, ln, log2 or sd of PROTA in phase 1 and 2, then of PROTB; or random"
        },
    )
    sd_a: float = field(default=0.34, metadata={"doc": "SD of log10 concentration, PROTA"})
    sd_b: float = field(default=0.55, metadata={"doc": "SD of log10 concentration, PROTB"})
    samples: int = field(default=8000, metadata={"doc": "measurements of each protein"})
    batches: int = field(default=8, metadata={"doc": "batches of each protein"})
    failed: int = field(default=1, metadata={"doc": "batches of each protein that failed"})
    failed_spread: float = field(
        default=3.0, metadata={"doc": "SD of a failed batch over the SD of a good one"}
    )
    batch_shift: float = field(
        default=0.1, metadata={"doc": "SD of the means of batches, in SD of the concentration"}
    )
    qc: str = field(
        default="none", metadata={"doc": "none, qc_pass, batch_status or both tell what failed"}
    )
    pleiotropic: int = field(default=4, metadata={"doc": "variants that act past the proteins"})
    direct: float = field(
        default=0.05, metadata={"doc": "their effect on the disease, log odds per SD of the copies"}
    )
    shape: str = field(
        default="variant",
        metadata={"doc": "variant: the effect is on the variant alone; ld: on neighbours too"},
    )
    swapped: float = field(default=0.4, metadata={"doc": "share of rows that count ref"})
    flipped: float = field(default=0.05, metadata={"doc": "share of rows on the other strand"})
    palindromes: float = field(default=0.1, metadata={"doc": "share of palindromic variants"})
    frequency: str = field(
        default="eaf", metadata={"doc": "eaf, maf or both: which frequency files have"}
    )
    panel: int = field(
        default=0, metadata={"doc": "haplotypes behind the released LD; 0: the LD is exact"}
    )
    absent: float = field(default=0.01, metadata={"doc": "share of rows absent from a file"})
    missing: float = field(default=0.005, metadata={"doc": "share of rows without an estimate"})
    shuffle: bool = field(default=True, metadata={"doc": "rows and columns in random order"})
    lower_case: bool = field(default=False, metadata={"doc": "alleles in small letters"})
    extra_columns: bool = field(default=True, metadata={"doc": "columns nobody asked for"})
    aliases: bool = field(default=False, metadata={"doc": "other accepted names of columns"})
    clean: bool = field(
        default=False,
        metadata={"doc": "one strand, no failed batch, no pleiotropy, nothing missing"},
    )

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise UsageError(f"{name} is one of {', '.join(choices)}.")
        words = self.units.split()
        if words != ["random"] and (len(words) != len(FILES) or not {*words} <= {*PER_SD, "sd"}):
            raise UsageError("units has four words of log10, ln, log2 and sd, or is random.")
        if 2 * self.causal > self.variants:
            raise UsageError("Two proteins need variants of at least 2 times causal.")


CHOICES = {
    "shape": ("variant", "ld"),
    "qc": ("none", "qc_pass", "batch_status", "both"),
    "frequency": ("eaf", "maf", "both"),
}


@dataclass(frozen=True)
class Locus:
    """What is true of the variants: all effects are per SD of the copies of alt."""

    snp: list[str]
    position: NDArray[np.int64]
    alleles: list[tuple[str, str]]  # ref, alt
    frequency: Array  # of alt
    r: Array
    joint: Array  # (J, 2), on SD of each protein

    @property
    def allele_sd(self) -> Array:
        """SD of the copies of each variant."""
        return np.sqrt(2 * self.frequency * (1 - self.frequency))

    @property
    def palindromic(self) -> NDArray[np.bool_]:
        """Variants whose alleles are the same pair on either strand."""
        return np.array([pair in PALINDROMES for pair in self.alleles])

    @property
    def root(self) -> Array:
        """Cholesky factor of the LD, which may be nearly singular."""
        return np.linalg.cholesky(self.r + 1e-9 * np.eye(len(self.r)))


def generate(knobs: Knobs, rng: np.random.Generator) -> GeneratedCase:
    """Draw the locus, then every file from it."""
    theta = np.round([knobs.theta_a, knobs.theta_b] + knobs.spread * rng.uniform(-1, 1, 2), 4)
    locus = _locus(knobs, rng)
    words = knobs.units.split()
    units = list(rng.choice([*PER_SD, "sd"], 4)) if words == ["random"] else words
    sizes = dict(zip(FILES, [knobs.n_phase1, knobs.n_phase2] * 2, strict=True))
    sizes[DISEASE] = knobs.n_disease
    estimates, direct = _estimates(knobs, locus, theta, sizes, rng)
    factors = {DISEASE: 1.0}
    for k, (name, unit) in enumerate(zip(FILES, units, strict=True)):
        factors[name] = 1.0 if unit == "sd" else (knobs.sd_a, knobs.sd_b)[k // 2] * PER_SD[unit]
    tables: dict[str, Any] = {
        name: _association(knobs, locus, drawn, sizes[name], factors[name], rng)
        for name, drawn in estimates.items()
    }
    tables["variant_metadata"] = _metadata(knobs, locus, rng)
    tables["locus_correlation_EUR"] = _panel(knobs, locus, rng)
    tables["dataset_metadata"] = _datasets(knobs, sizes, units, rng)
    tables["protein_measurements"] = _measurements(knobs, rng)
    answer = {f"theta_{p}": float(t) for p, t in zip(PROTEINS, theta, strict=True)}
    past = {locus.snp[j]: float(direct[j]) for j in np.flatnonzero(direct)}
    return GeneratedCase(tables, answer, latent={"units": units, "direct": past})


def _estimates(
    knobs: Knobs, locus: Locus, theta: Array, sizes: dict[str, int], rng: np.random.Generator
) -> tuple[dict[str, Array], Array]:
    """Estimates per SD of the copies, by file, and the direct effects of variants."""
    true = locus.r @ locus.joint

    def seen(mean: Array, n: int) -> Array:
        return mean + locus.root @ rng.normal(size=mean.size) / np.sqrt(n)

    found = {name: seen(true[:, k // 2], sizes[name]) for k, name in enumerate(FILES)}
    screened = np.column_stack([found[name] for name in FILES[::2]])
    direct = _direct(knobs, locus, screened)
    spread = locus.r @ direct if knobs.shape == "ld" else direct
    found[DISEASE] = seen(true @ theta + spread, sizes[DISEASE])
    return found, direct


def _direct(knobs: Knobs, locus: Locus, screened: Array) -> Array:
    """Direct effects of the variants that lead the screening, in the direction of their effect."""
    direct = np.zeros(knobs.variants)
    if knobs.clean:
        return direct
    ranks = np.argsort(-np.abs(screened) * ~locus.palindromic[:, None], axis=0)
    chosen = list(dict.fromkeys(ranks.ravel().tolist()))[: knobs.pleiotropic]
    direct[chosen] = knobs.direct * np.sign((locus.r @ locus.joint)[chosen].sum(axis=1))
    return direct


def _locus(knobs: Knobs, rng: np.random.Generator) -> Locus:
    n = knobs.variants
    position = 10_000_000 + np.cumsum(rng.integers(500, 3500, n))
    frequency = rng.uniform(0.08, 0.92, n)
    distance = np.abs(position[:, None] - position) / 2000
    sign = rng.choice([-1.0, 1.0], n)  # the allele that is counted is anybody's choice
    r = knobs.neighbours**distance * np.outer(sign, sign)
    palindromic = np.zeros(n, bool)
    if not knobs.clean:
        palindromic[rng.choice(n, round(knobs.palindromes * n), replace=False)] = True
    pools = [PALINDROMES if p else PLAIN for p in palindromic]
    alleles = [pool[int(rng.integers(len(pool)))] for pool in pools]
    snp = [f"rs{k}" for k in rng.choice(9_000_000, n, replace=False) + 1_000_000]
    return Locus(snp, position, alleles, frequency, r, _joint(knobs, r, rng))


def _joint(knobs: Knobs, r: Array, rng: np.random.Generator) -> Array:
    """Joint effects with the variances and the correlation asked for, exactly."""
    n = knobs.variants
    causal = rng.choice(n, 2 * knobs.causal, replace=False).reshape(2, -1)
    b = np.zeros((n, 2))
    for k in range(2):
        b[causal[k], k] = rng.uniform(0.8, 1.2, knobs.causal) * rng.choice([-1, 1], knobs.causal)
    b[:, 0] /= np.sqrt(b[:, 0] @ r @ b[:, 0])
    b[:, 1] -= (b[:, 0] @ r @ b[:, 1]) * b[:, 0]
    b[:, 1] /= np.sqrt(b[:, 1] @ r @ b[:, 1])
    b[:, 1] = knobs.shared * b[:, 0] + np.sqrt(1 - knobs.shared**2) * b[:, 1]
    return b * np.sqrt(knobs.explained)


def _association(
    knobs: Knobs,
    locus: Locus,
    drawn: Array,
    n: int,
    factor: float,
    rng: np.random.Generator,
) -> pd.DataFrame:
    beta, se = drawn / locus.allele_sd, 1 / np.sqrt(n) / locus.allele_sd
    z = np.abs(beta / se)
    size = len(beta)
    swapped, flipped = (
        (rng.random(size) < (0 if knobs.clean else share))
        for share in (knobs.swapped, knobs.flipped)
    )
    pairs = [pair if s else pair[::-1] for pair, s in zip(locus.alleles, swapped, strict=True)]
    written = [
        tuple(a.translate(STRAND) if f else a for a in pair)
        for pair, f in zip(pairs, flipped, strict=True)
    ]
    seen = np.clip(locus.frequency + rng.normal(0, 0.004, size), 0.01, 0.99)
    frame = pd.DataFrame(
        {
            "snp": locus.snp,
            "pos_bp": locus.position,
            "effect_allele": [pair[0] for pair in written],
            "other_allele": [pair[1] for pair in written],
            "eaf": np.round(np.where(swapped, 1 - seen, seen), 4),
            "maf": np.round(np.minimum(seen, 1 - seen), 4),
            "beta": np.where(swapped, -beta, beta) * factor,
            "se": se * factor,
            "pval": [erfc(one / sqrt(2)) for one in z],
        }
    )
    return _released(knobs, frame, rng)


def _released(knobs: Knobs, frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """What the analyst gets of a file of associations."""
    if knobs.frequency != "both":
        frame = frame.drop(columns="maf" if knobs.frequency == "eaf" else "eaf")
    if knobs.lower_case:
        frame = frame.assign(**{c: frame[c].str.lower() for c in ("effect_allele", "other_allele")})
    if not knobs.clean:
        frame.loc[rng.random(len(frame)) < knobs.missing, ["beta", "se", "pval"]] = np.nan
        frame = frame[rng.random(len(frame)) >= knobs.absent]
    if knobs.extra_columns:
        frame = frame.assign(n_studies=rng.integers(3, 9, len(frame)))
    return _shuffled(knobs, frame, rng)


def _shuffled(knobs: Knobs, frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    if not knobs.shuffle:
        return frame
    return frame.sample(frac=1, random_state=rng).sample(frac=1, axis=1, random_state=rng)


def _metadata(knobs: Knobs, locus: Locus, rng: np.random.Generator) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "snp": locus.snp,
            "pos_bp": locus.position,
            "ref_allele": [ref for ref, _ in locus.alleles],
            "alt_allele": [alt for _, alt in locus.alleles],
        }
    )
    if knobs.extra_columns:
        frame["info"] = np.round(rng.uniform(0.85, 1, len(frame)), 3)
        frame["palindromic"] = [int(p) for p in locus.palindromic]
    if knobs.aliases:
        frame = frame.rename(columns={"ref_allele": "ref", "alt_allele": "alt"})
    return _shuffled(knobs, frame, rng)


def _panel(knobs: Knobs, locus: Locus, rng: np.random.Generator) -> dict[str, Any]:
    r = locus.r
    if knobs.panel:
        r = np.corrcoef(locus.root @ rng.normal(size=(knobs.variants, knobs.panel)))
    order = rng.permutation(knobs.variants) if knobs.shuffle else np.arange(knobs.variants)
    names = ("R", "snps") if knobs.aliases else ("correlation", "snp")
    arrays = (r[np.ix_(order, order)], np.array(locus.snp)[order])
    return dict(zip(names, arrays, strict=True))


def _datasets(
    knobs: Knobs, sizes: dict[str, int], units: list[str], rng: np.random.Generator
) -> pd.DataFrame:
    rows = [
        {
            "dataset": name,
            "protein": name.split("_")[1] if name != DISEASE else "disease",
            "phase": name[-1] if name != DISEASE else None,
            "n": sizes[name],
            "unit": unit,
            "ancestry": "EUR",
        }
        for name, unit in zip([*FILES, DISEASE], [*units, "log_or"], strict=True)
    ]
    frame = pd.DataFrame(rows)
    if knobs.aliases:
        frame = frame.rename(columns={"protein": "trait"})
    return _shuffled(knobs, frame, rng)


def _measurements(knobs: Knobs, rng: np.random.Generator) -> pd.DataFrame:
    parts = []
    for protein, sd in zip(PROTEINS, (knobs.sd_a, knobs.sd_b), strict=True):
        batch = rng.integers(knobs.batches, size=knobs.samples)
        failed = rng.permutation(knobs.batches) < (0 if knobs.clean else knobs.failed)
        spread = np.where(failed, knobs.failed_spread, 1.0)[batch]
        shift = rng.normal(0, 0.0 if knobs.clean else knobs.batch_shift, knobs.batches)[batch]
        value = 1.5 + sd * (shift + spread * rng.normal(size=knobs.samples))
        part = pd.DataFrame(
            {
                "sample_id": [f"S{i:05d}" for i in range(knobs.samples)],
                "protein": protein,
                "batch": [f"plate{b + 1:02d}" for b in batch],
                "log10_concentration": np.round(value, 5),
                "qc_pass": np.where(failed[batch], 0, 1),
                "batch_status": np.where(failed[batch], "fail", "pass"),
            }
        )
        parts.append(part)
    frame = pd.concat(parts, ignore_index=True)
    told = {"none": (), "both": ("qc_pass", "batch_status")}.get(knobs.qc, (knobs.qc,))
    frame = frame.drop(columns=[c for c in ("qc_pass", "batch_status") if c not in told])
    if knobs.aliases:
        frame = frame.rename(columns={"log10_concentration": "log10_conc"})
    return _shuffled(knobs, frame, rng)
