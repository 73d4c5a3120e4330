"""Bring every study and the LD matrix to one counted allele and one order of variants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refsolve.core.check import FloatArray
from refsolve.core.result import Result
from refsolve.methods.mvmr.model.alleles import (
    DRIFT,
    PRIOR,
    SURE,
    frequency_variance,
    relation,
    strand_log_odds,
    strand_rate,
)
from refsolve.methods.mvmr.model.ld import align_ld

Names = NDArray[Any]
BoolArray = NDArray[np.bool_]

SIZE = 10_000.0  # people of a study of unstated size, for the sampling error of a frequency
CONFLICT = 4.0  # standard deviations between frequencies that name the same allele
CLEAR = 3  # studies that a median of frequencies needs

SAME, SWAPPED = "same", "swapped"
COMPLEMENTED, BOTH = "complemented", "complemented and swapped"
MISSING, NO_ESTIMATE, INCOMPATIBLE = "missing", "no estimate", "incompatible"
AMBIGUOUS, CONFLICTING, DUPLICATE = "ambiguous", "conflict", "duplicate"
NOT_IN_LD = "not in LD"
REASONS = {
    MISSING: "the study has no such variant",
    NO_ESTIMATE: "effect or standard error is missing or not positive",
    INCOMPATIBLE: "the study's alleles are not those of the reference on either strand",
    AMBIGUOUS: "palindromic, and frequencies do not tell the strand",
    CONFLICTING: "the frequency of the same allele differs between studies beyond sampling",
    DUPLICATE: "the variant matches more than one row",
    NOT_IN_LD: "the LD matrix has no correlations of it",
}


@dataclass(frozen=True, slots=True)
class Harmonised(Result):
    """Studies on one counted allele, in order of position, and what happened to every variant.

    Attributes
    ----------
    variant, position, counted, other
        Variants that are complete (J,); effects are per counted allele.
    studies
        Names, in the order of the columns of the next three.
    beta, se, frequency
        (J, S); frequency of the counted allele, NaN where a study does not tell it.
    ld
        Correlations of the counted alleles (J, J), or None.
    strand_rate
        Share of the other strand among the clear variants of each study.
    table
        One row per variant of the reference and study: `outcome`, `palindromic`, `log_odds` of the
        other strand, `frequency`, whether the variant is `kept`, and the `reason` if not.
    """

    variant: Names
    position: FloatArray
    counted: Names
    other: Names
    studies: tuple[str, ...]
    beta: FloatArray
    se: FloatArray
    frequency: FloatArray
    ld: FloatArray | None
    strand_rate: dict[str, float]
    table: pd.DataFrame

    def column(self, study: str) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Effects, standard errors and frequencies of one study.

        Parameters
        ----------
        study
            Its name.
        """
        if study not in self.studies:
            raise ValueError(
                f"study {study!r} was not harmonised; expected one of {', '.join(self.studies)}"
            )
        s = self.studies.index(study)
        return self.beta[:, s], self.se[:, s], self.frequency[:, s]

    def counts(self) -> dict[str, int]:
        """How often each outcome occurred, over variants and studies."""
        return dict(Counter(self.table["outcome"]))

    @property
    def set_aside(self) -> tuple[str, ...]:
        """Variants of the reference that are not kept."""
        return tuple(dict.fromkeys(self.table.loc[~self.table["kept"], "variant"]))


@dataclass(slots=True)
class _Study:
    """One study in the rows of the reference."""

    name: str
    size: float
    outcome: NDArray[np.object_]
    sign: FloatArray
    beta: FloatArray
    se: FloatArray
    frequency: FloatArray
    log_odds: FloatArray
    rate: float = field(default=0.5)

    @property
    def usable(self) -> BoolArray:
        return np.asarray(self.sign != 0.0)


def harmonise(
    studies: Mapping[str, pd.DataFrame],
    reference: pd.DataFrame,
    *,
    ld: tuple[FloatArray, Sequence[str]] | None = None,
    sizes: Mapping[str, float] | None = None,
) -> Harmonised:
    """Express all effects per counted allele of the reference and align the LD matrix with them.

    Swapped alleles change the sign, other strands are complemented, palindromic variants are
    oriented by the frequencies of all studies together with the share of other-strand variants of
    each study. Variants that are incomplete, incompatible, not orientable or that disagree in
    frequency are set aside in all studies. Only the signs of effects change, never those of the LD
    matrix, whose rows must count the reference's alternate allele.

    Parameters
    ----------
    studies
        Tables with `snp`, `effect_allele`, `other_allele`, `beta`, `se`, optional `eaf` (frequency
        of the effect allele). A minor-allele frequency orients nothing and is not used. A variant
        may have several rows when their alleles differ.
    reference
        `snp`, `pos_bp`, `ref_allele`, `alt_allele` (counted), optional `alt_frequency`.
    ld
        Matrix and the variants of its rows.
    sizes
        People of each study; 10,000 where not given.

    Returns
    -------
    Complete variants in order of position.
    """
    ref, repeated = _reference(reference)
    people = dict(sizes or {})
    parts = [_matched(n, f, ref, people.get(n, SIZE)) for n, f in studies.items()]
    if not parts:
        raise ValueError("studies is empty; expected at least one table of effects")
    palindromic = _palindromes(ref)
    _orient_palindromes(parts, palindromic, _given_frequency(ref))
    _mark_conflicts(parts, _given_frequency(ref))
    kept = np.all([part.usable for part in parts], axis=0) & ~repeated
    matrix = None
    in_ld = np.ones(kept.size, dtype=bool)
    if ld is not None:
        matrix, in_ld = align_ld(ld[0], ld[1], list(ref["snp"]), kept)
        kept &= in_ld
    return _harmonised(ref, parts, palindromic, kept, in_ld, repeated, matrix)


def _reference(reference: pd.DataFrame) -> tuple[pd.DataFrame, BoolArray]:
    """The reference in order of position, and marks of variants that it names more than once."""
    ref = reference.sort_values(["pos_bp", "snp"], kind="stable").reset_index(drop=True)
    for column in ("ref_allele", "alt_allele"):
        ref[column] = ref[column].astype(str).str.strip().str.upper()
    return ref, ref["snp"].duplicated(keep=False).to_numpy(dtype=bool)


def _given_frequency(ref: pd.DataFrame) -> FloatArray:
    if "alt_frequency" in ref.columns:
        return ref["alt_frequency"].to_numpy(dtype=np.float64)
    return np.full(len(ref), np.nan)


def _palindromes(ref: pd.DataFrame) -> BoolArray:
    pairs = zip(ref["alt_allele"], ref["ref_allele"], strict=True)
    relations = [relation(alt, base, alt, base) for alt, base in pairs]
    return np.array([r is not None and r.palindromic for r in relations], dtype=bool)


def _matched(name: str, frame: pd.DataFrame, ref: pd.DataFrame, size: float) -> _Study:
    """Rows of a study beside those of the reference; strands of clear variants settled."""
    n = len(ref)
    study = _Study(
        name=name,
        size=size,
        outcome=np.full(n, MISSING, dtype=object),
        sign=np.zeros(n),
        beta=np.full(n, np.nan),
        se=np.full(n, np.nan),
        frequency=np.full(n, np.nan),
        log_odds=np.full(n, np.nan),
    )
    rows: dict[str, list[int]] = {}
    for i, snp in enumerate(frame["snp"].to_numpy()):
        rows.setdefault(snp, []).append(i)
    columns = {c: frame[c].to_numpy() for c in ("effect_allele", "other_allele", "beta", "se")}
    columns["eaf"] = (
        frame["eaf"].to_numpy() if "eaf" in frame.columns else np.full(len(frame), np.nan)
    )
    clear, complemented = 0, 0
    for j, (snp, alt, base) in enumerate(
        zip(ref["snp"], ref["alt_allele"], ref["ref_allele"], strict=True)
    ):
        found = _place(study, j, rows.get(snp, []), columns, alt, base)
        clear += found is not None and not found[1]
        complemented += found is not None and found[0]
    study.rate = strand_rate(complemented, clear)
    return study


def _place(
    study: _Study,
    j: int,
    rows: Sequence[int],
    columns: Mapping[str, NDArray[np.generic]],
    alt: str,
    base: str,
) -> tuple[bool, bool] | None:
    """Put the row that matches variant j into the study; (complemented, palindromic) if it fits."""
    fits = []
    for i in rows:
        names = (columns["effect_allele"][i], columns["other_allele"][i])
        effect, other = (str(a).strip().upper() for a in names)
        match = relation(effect, other, alt, base)
        if match is not None:
            fits.append((i, match))
    if len(fits) != 1:
        if rows:
            study.outcome[j] = DUPLICATE if fits else INCOMPATIBLE
        return None
    i, match = fits[0]
    study.beta[j], study.se[j] = float(columns["beta"][i]), float(columns["se"][i])
    eaf = float(columns["eaf"][i])
    study.frequency[j] = 1.0 - eaf if match.swapped else eaf
    if not (np.isfinite(study.beta[j]) and study.se[j] > 0.0 and np.isfinite(study.se[j])):
        study.outcome[j] = NO_ESTIMATE
        return None
    study.sign[j] = -1.0 if match.swapped else 1.0
    study.outcome[j] = _named(match.swapped, match.complemented)
    return match.complemented, match.palindromic


def _named(swapped: bool, complemented: bool) -> str:
    if complemented:
        return BOTH if swapped else COMPLEMENTED
    return SWAPPED if swapped else SAME


def _orient_palindromes(parts: Sequence[_Study], palindromic: BoolArray, given: FloatArray) -> None:
    """Strand of every palindrome in every study, from all frequencies of it together."""
    prior = np.clip([0.0, *(part.rate for part in parts)], *PRIOR)
    prior[0] = 0.0  # the reference is on its own strand
    sizes = np.array([SIZE, *(part.size for part in parts)])
    for j in np.flatnonzero(palindromic).tolist():
        f = np.array([given[j], *(p.frequency[j] if p.usable[j] else np.nan for p in parts)])
        odds = strand_log_odds(f, frequency_variance(f, sizes, DRIFT), prior)[1:]
        for part, log_odds in zip(parts, odds, strict=True):
            if part.usable[j]:
                part.log_odds[j] = log_odds
                _settle(part, j, float(log_odds))


def _settle(part: _Study, j: int, log_odds: float) -> None:
    if not abs(log_odds) > SURE:
        part.sign[j], part.outcome[j] = 0.0, AMBIGUOUS
        return
    if log_odds > 0.0:
        # Complementing a palindrome turns "same" into "swapped" and back.
        part.outcome[j] = _named(part.sign[j] > 0.0, complemented=True)
        part.sign[j] *= -1.0
        part.frequency[j] = 1.0 - part.frequency[j]


def _mark_conflicts(parts: Sequence[_Study], given: FloatArray) -> None:
    """Set aside what differs in frequency from the reference, or from the other studies."""
    seen = np.array([np.where(p.usable, p.frequency, np.nan) for p in parts])
    beside = [np.isfinite(given), np.isfinite(seen).sum(axis=0) >= CLEAR]
    centre = np.where(beside[0], given, _median(seen))
    sizes = np.array([part.size for part in parts])[:, None]
    gaps = seen - centre
    clear = np.isfinite(gaps) & (beside[0] | beside[1])
    drift = np.array([_drift(gap[known]) for gap, known in zip(gaps, clear, strict=True)])[:, None]
    variance = frequency_variance(seen, sizes, drift) + 0.5 * drift**2
    bad = clear & (gaps**2 > CONFLICT**2 * variance)
    # Of two that disagree, neither can be believed.
    pair = ~(beside[0] | beside[1]) & (np.isfinite(seen).sum(axis=0) == 2)
    spread = np.nanmax(np.where(pair, seen, 0.0), axis=0) - np.nanmin(
        np.where(pair, seen, 0.0), axis=0
    )
    both = pair & (spread**2 > CONFLICT**2 * np.nansum(variance, axis=0))
    for part, mark in zip(parts, bad | (both & np.isfinite(seen)), strict=True):
        part.outcome[mark], part.sign[mark] = CONFLICTING, 0.0


def _median(seen: FloatArray) -> FloatArray:
    known = np.isfinite(seen).any(axis=0)
    out = np.full(seen.shape[1], np.nan)
    out[known] = np.nanmedian(seen[:, known], axis=0)
    return out


def _drift(gaps: FloatArray) -> float:
    """SD of the frequency differences of a study, robust, at least that of one ancestry."""
    return max(DRIFT, 1.4826 * float(np.median(np.abs(gaps)))) if gaps.size else DRIFT


def _harmonised(
    ref: pd.DataFrame,
    parts: Sequence[_Study],
    palindromic: BoolArray,
    kept: BoolArray,
    in_ld: BoolArray,
    repeated: BoolArray,
    matrix: FloatArray | None,
) -> Harmonised:
    table = pd.concat(
        [_rows(ref, part, palindromic, kept, in_ld, repeated) for part in parts], ignore_index=True
    )
    return Harmonised(
        variant=ref["snp"].to_numpy(dtype=str)[kept],
        position=ref["pos_bp"].to_numpy(dtype=np.float64)[kept],
        counted=ref["alt_allele"].to_numpy(dtype=str)[kept],
        other=ref["ref_allele"].to_numpy(dtype=str)[kept],
        studies=tuple(part.name for part in parts),
        beta=np.stack([(part.sign * part.beta)[kept] for part in parts], axis=1),
        se=np.stack([part.se[kept] for part in parts], axis=1),
        frequency=np.stack([part.frequency[kept] for part in parts], axis=1),
        ld=matrix,
        strand_rate={part.name: part.rate for part in parts},
        table=table,
    )


def _rows(
    ref: pd.DataFrame,
    part: _Study,
    palindromic: BoolArray,
    kept: BoolArray,
    in_ld: BoolArray,
    repeated: BoolArray,
) -> pd.DataFrame:
    outcome = part.outcome.copy()
    outcome[repeated] = DUPLICATE
    outcome[part.usable & ~repeated & ~in_ld] = NOT_IN_LD
    lost = ["another study lacks it" if not k else "" for k in kept]
    return pd.DataFrame(
        {
            "variant": ref["snp"],
            "study": part.name,
            "outcome": outcome,
            "palindromic": palindromic,
            "log_odds": part.log_odds,
            "frequency": part.frequency,
            "kept": kept,
            "reason": [REASONS.get(o, why) for o, why in zip(outcome, lost, strict=True)],
        }
    )
