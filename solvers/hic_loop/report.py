"""What was measured on a case, as sentences and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from refsolve.methods.contact_expected import BinMask, ContactTable, ExpectedFit, Stripes

from .background import (
    Expectation,
    Mappable,
    Masked,
    Strength,
    View,
    leaving,
    measured,
    modelled,
)
from .tables import CONDITIONS, BoolArray, FloatArray, Matrix, Study

Facts = dict[str, Any]

LISTED = 8


def of_resolution(study: Study, view: View) -> tuple[str, Facts]:
    """Where the target is, what the tables hold, and whether the coarse one is the sum."""
    matrix, (i, j) = view.matrix, view.target
    bins = matrix.bins
    rows = np.searchsorted(bins.place, [i, j])
    starts = [f"{bins.chrom[k]}:{bins.start[k]:,}–{bins.end[k]:,}" for k in rows]
    samples = {word: int((matrix.condition == word).sum()) for word in CONDITIONS}
    each = " and ".join(f"{n} {word}" for word, n in samples.items())
    because = (
        f"The target is the pixel of bins {' and '.join(bins.names([i, j]))} ({starts[0]} and "
        f"{starts[1]}), {j - i} bins of {bins.size:,} bp apart, in {each} replicates of "
        f"{matrix.bin1.size} pixels each; {_aggregation(study)}. {_completeness(matrix)}"
    )
    facts = {
        "bins": bins.names([i, j]),
        "distance": j - i,
        "replicates": samples,
        "pixels": int(matrix.bin1.size),
        "chromosomes": len(set(bins.chrom.tolist())),
        "coarse_pixels_compared": study.differing[1],
        "coarse_pixels_differing": study.differing[0],
        **matrix.account,
    }
    return because, facts


def _aggregation(study: Study) -> str:
    differing, compared = study.differing
    size = f"{study.coarse.bins.size:,}"
    if compared == 0:
        return f"the table of {size} bp could not be compared with it"
    if differing == 0:
        return f"the table of {size} bp is its sum in all {compared} pixels compared"
    return (
        f"the table of {size} bp is not its sum in {differing} of {compared} pixels compared, "
        "which does not matter, because it is not used"
    )


def _completeness(matrix: Matrix) -> str:
    account = matrix.account
    zeros, lost = account["absent_taken_for_zero"], account["absent_not_measured"]
    if zeros + lost == 0:
        words = "The table lists every pixel of the upper triangle"
    elif lost == 0:
        words = (
            f"The table is the upper triangle without its zeros: {zeros} absent pixels count as 0"
        )
    else:
        words = (
            f"The table is incomplete: {lost} absent pixels cannot be zeros beside what is listed "
            f"and are left out, {zeros} count as 0"
        )
    found = [f"{words}."]
    for key, told in ASIDE.items():
        if account[key]:
            found.append(f"Set aside: {account[key]} {told}.")
    if not matrix.bins.regular:
        found.append("Starts lie on no grid, so that bins are counted one by one.")
    return " ".join(found)


ASIDE = {
    "missing_counts": "pixels whose count is missing",
    "diagonal_rows": "rows on the diagonal",
    "rows_between_chromosomes": "rows between chromosomes",
    "bins_without_contacts": "bins that no contact names",
    "pixels_beyond_all_contacts": "pixels farther apart than any contact",
    "pixels_on_other_chromosomes": "pixels on other chromosomes, where another background may hold",
}


@lru_cache(maxsize=2)  # the same along every path
def of_mappability(view: View, mask: BinMask) -> tuple[str, Facts]:
    """Edges of the gap, the bins below it, and what they would do to the target."""
    bins = view.matrix.bins
    values = bins.covariates["mappability"][bins.place]
    removed = mask.removed[bins.place]
    low, high = mask.edges
    names = bins.names(bins.place[removed])
    leaving = f"{_bins(names)} {'leave' if len(names) > 1 else 'leaves'} the training set"
    if mask.found:
        because = f"Mappability has a gap from {low:.3g} to {high:.3g}; below it {leaving}"
    else:
        lowest = f"its lowest value is {np.nanmin(values):.3g}"
        because = f"Mappability shows {mask.reason} ({lowest}), so that "
        if np.isfinite(mask.threshold):
            because += f"bins below {mask.threshold:.3g} would leave; "
            because += leaving if names else "there are none"
        else:
            because += f"only {leaving}" if names else "no bin leaves for it"
    rest = view.table.without(pixels=[view.target])
    moved = shift(view, rest, rest.without(masked=mask.removed)) if names else {}
    because += f", with {_share(view, mask.removed)}{_moved(moved)}." if names else "."
    missing = int(np.isnan(values).sum())
    if missing:
        verb = "have" if missing > 1 else "has"
        because += f" {missing} of them {verb} no value of mappability."
    own = bins.names([i for i in view.target if mask.removed[i]])
    if own:
        because += f" The target itself lies on {_bins(own)}: it may hold too few contacts."
    facts = {"gap": mask.found, "edges": [low, high], "threshold": mask.threshold, "bins": names}
    return because, {**facts, "shift_of_expected_if_kept": moved}


def _bins(names: Sequence[str]) -> str:
    shown = ", ".join(names[:LISTED])
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"bin{'s' if len(names) > 1 else ''} {shown}{more}"


def _share(view: View, removed: BoolArray) -> str:
    touched = removed[view.table.bin1] | removed[view.table.bin2]
    return f"{int(touched.sum())} of {touched.size} pixels"


def shift(view: View, kept: ContactTable, left: ContactTable) -> dict[str, float]:
    """Change of log2 expected at the target, mean per condition, when pixels are kept."""
    log2 = np.log2(modelled(view, kept).value / modelled(view, left).value)
    return {word: float(log2[view.matrix.condition == word].mean()) for word in CONDITIONS}


def _moved(moved: dict[str, float]) -> str:
    each = " and ".join(f"{moved[word]:+.3f} in {word}s" for word in CONDITIONS)
    return f"; kept, they would move log2 of what is expected of the target by {each}"


@lru_cache(maxsize=4)
def of_stripes(view: View, mappable: Mappable, stripes: Stripes) -> tuple[str, Facts]:
    """Bins that deviate, by condition, how clearly and how much."""
    bins, words, found = view.matrix.bins, [], {}
    leave = leaving(stripes)
    for c, word in enumerate(stripes.conditions):
        at = np.flatnonzero(leave[word])
        level, z = stripes.log2_level[c, at], stripes.z[c, at]
        names = bins.names(at)
        found[word] = {n: [float(a), float(b)] for n, a, b in zip(names, level, z, strict=True)}
        each = ", ".join(f"{n} ({2**a:.2f} ×, z = {b:.1f})" for n, (a, b) in found[word].items())
        words.append(f"in {word}s {each or 'none'}")
    rest = view.table.without(masked=mappable.leave, pixels=[view.target])
    because = f"Bins whose pixels deviate as a whole: {'; '.join(words)}."
    moved = {}
    if any(found.values()):
        moved = shift(view, rest, rest.without(masked=np.stack(list(leave.values()))))
        because += f" They leave the training set of that condition{_moved(moved)}."
    because += _target_stripes(view, stripes)
    others = np.abs(stripes.z[~np.stack(list(leave.values()))])
    largest = float(np.max(others[np.isfinite(others)], initial=0.0))
    facts = {"log2_level_and_z": found, "threshold": float(stripes.threshold)}
    return because, {**facts, "largest_other_z": largest, "shift_of_expected_if_kept": moved}


def _target_stripes(view: View, stripes: Stripes) -> str:
    told = ""
    for word, marks in leaving(stripes).items():
        own = [i for i in view.target if marks[i]]
        if own:
            names = _bins(view.matrix.bins.names(own))
            told += f" The target itself lies on {names}: its contacts in {word}s hold the stripe."
    return told


def of_target(view: View, table: ContactTable) -> tuple[str, Facts]:
    """How far the target stands out of the training set that it leaves."""
    k = view.matrix.pixel(*view.target)
    same = view.matrix.distance == view.matrix.distance[k]
    ratio = {}
    for word in CONDITIONS:
        rows = np.flatnonzero(view.matrix.condition == word)
        means = [table.counts[s, same & table.used[s]] for s in rows]
        each = [view.observed[s] / m.mean() for s, m in zip(rows, means, strict=True) if m.any()]
        ratio[word] = float(np.mean(each)) if each else None
    told = [f"{r:.2f} times in {word}s" for word, r in ratio.items() if r is not None]
    pixels = {w: _pixels_of(view, table, w) for w in CONDITIONS}
    sizes = " and ".join(f"{n} in {word}s" for word, n in pixels.items())
    because = f"The target leaves the training set, in which a replicate now has {sizes}"
    because += f"; it holds {' and '.join(told)} the mean of its diagonal there." if told else "."
    return because, {"over_mean_of_diagonal": ratio, "training_pixels": pixels}


def _pixels_of(view: View, table: ContactTable, word: str) -> int:
    rows = view.matrix.condition == word
    return round(float(table.used[rows].sum(axis=1).mean()))


def of_model(view: View, found: Expectation) -> tuple[str, Facts]:
    """Coefficients, dispersion, and what is expected of the target."""
    fit, value = found.fit, found.value
    if fit is None:
        return "", {}
    coefficients = dict(zip(fit.names, fit.coef.tolist(), strict=True))
    slopes = {n: c for n, c in coefficients.items() if not n.startswith("intercept")}
    words = ", ".join(f"{name} {c:+.3f}" for name, c in slopes.items())
    because = (
        f"A negative binomial model of {fit.n_pixels} counts ({fit.n_zero} of them 0), with a "
        f"depth per replicate, has the slopes {words} and the dispersion "
        f"{float(np.mean(fit.dispersion)):.3g}"
    )
    because += " (the limit of Poisson counts)" if fit.at_bound.all() else ""
    if fit.dropped:
        because += f"; {', '.join(map(str, fit.dropped))} vary too little to be told apart"
    each = [f"{word}s {_span(value[view.matrix.condition == word])}" for word in CONDITIONS]
    errors = _errors(view, fit)["se_of_expected"]
    known = " and ".join(f"{errors[word]:.4f} in {word}s" for word in CONDITIONS)
    because += f". Of the target it expects {' and '.join(each)} contacts; the mean of their log2 "
    because += f"has the standard error {known}."
    because += "" if fit.converged else " The fit has not converged."
    facts = {"coefficients": coefficients, "dispersion": fit.dispersion, "expected": value}
    return because, {
        **facts,
        "converged": fit.converged,
        "pearson": fit.pearson,
        "zeros": fit.n_zero,
    }


def _span(values: FloatArray) -> str:
    low, high = float(np.min(values)), float(np.max(values))
    return f"{low:,.1f}" if low == high else f"{low:,.1f}–{high:,.1f}"


def of_scale(view: View, value: FloatArray, log2: FloatArray) -> tuple[str, Facts]:
    """Strength of each replicate, and what pooling would say."""
    words, each, pooled = [], {}, {}
    for word in CONDITIONS:
        rows = view.matrix.condition == word
        names = view.matrix.replicate[rows].tolist()
        each[word] = dict(zip(names, log2[rows].tolist(), strict=True))
        pooled[word] = float(np.log2(view.observed[rows].sum() / value[rows].sum()))
        listed = ", ".join(f"{x:.3f}" for x in log2[rows][:LISTED])
        more = " …" if len(names) > LISTED else ""
        words.append(
            f"{word} replicates have log2(O/E) {listed}{more}, mean {log2[rows].mean():.4f}"
        )
    told = " and ".join(f"{pooled[w]:.4f} in {w}s" for w in CONDITIONS)
    because = f"{_first_up('; '.join(words))}; pooled counts would say {told}."
    return because, {"log2": each, "pooled": pooled}


def _first_up(text: str) -> str:
    return text[:1].upper() + text[1:]


def diagnostics(
    view: View, mappable: Mappable, masked: Masked, expectation: Expectation, strength: Strength
) -> Facts:
    """Plain numbers that an expert would want to see."""
    matrix = view.matrix
    samples = [
        {
            "condition": str(matrix.condition[k]),
            "replicate": str(matrix.replicate[k]),
            "observed": float(view.observed[k]),
            "expected": float(expectation.value[k]),
            "log2": float(strength.log2[k]),
        }
        for k in range(matrix.condition.size)
    ]
    found: Facts = {"samples": samples, "account": dict(matrix.account)}
    found["low_mappability"] = matrix.bins.names(np.flatnonzero(mappable.leave & _listed(matrix)))
    found["stripes"] = {
        word: matrix.bins.names(np.flatnonzero(mask)) for word, mask in masked.bins.items()
    }
    if expectation.fit is not None:
        found |= _errors(view, expectation.fit)
    return found


def _listed(matrix: Matrix) -> BoolArray:
    listed = np.zeros(len(matrix.bins.covariates["mappability"]), dtype=np.bool_)
    listed[matrix.bins.place] = True
    return listed


def _errors(view: View, fit: ExpectedFit) -> Facts:
    found = measured(view, fit)
    kinds = {"se_of_expected": found.se_expected, "se_of_counts": found.se_counts, "se": found.se}
    return {
        kind: dict(zip(found.conditions, values.tolist(), strict=True))
        for kind, values in kinds.items()
    }
