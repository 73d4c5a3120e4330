"""The released files as matrices of contacts, and checks that need more than one row or file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refsolve.contract.outcome import Case
from refsolve.core.errors import InputError, Violation
from refsolve.io import Table, read_tables

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

CONDITIONS = ("case", "control")
COVARIATES = ("gc_content", "mappability", "re_sites")
DENSE = 80.0  # counts of which even a quarter is never a zero by chance


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """Bins of one matrix, in order of position.

    Attributes
    ----------
    file
        Name of the file.
    name, chrom
        Identifier and chromosome of each bin (B,).
    start, end
        Base pairs (B,).
    place
        Number of each bin (B,); the difference within a chromosome is the distance in bins.
    size
        Base pairs of a bin.
    covariates
        Values by number of the bin, NaN where unknown: (max of `place` + 1,) each.
    regular
        Whether starts lie on a grid of `size`; otherwise bins are counted one by one.
    """

    file: str
    name: NDArray[np.object_]
    chrom: NDArray[np.object_]
    start: IntArray
    end: IntArray
    place: IntArray
    size: int
    covariates: dict[str, FloatArray]
    regular: bool

    def names(self, places: Any) -> list[str]:
        """Identifiers of some bins by their numbers."""
        wanted = np.atleast_1d(np.asarray(places, dtype=np.int64))
        return [str(n) for n in self.name[np.searchsorted(self.place, wanted)]]


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """Contacts of all replicates between the bins of one size.

    Attributes
    ----------
    bins
        The bins.
    condition, replicate
        Of each sample (S,): cases come first.
    bin1, bin2
        Numbers of the bins of each pixel (P,): all pairs on a chromosome, without the diagonal.
    counts
        Contacts (S, P); NaN where a pixel was not measured.
    account
        What was listed, what was not, and what became of it.
    """

    bins: Bins
    condition: NDArray[np.str_]
    replicate: NDArray[np.str_]
    bin1: IntArray
    bin2: IntArray
    counts: FloatArray
    account: dict[str, int]

    @property
    def distance(self) -> IntArray:
        """Distance in bins (P,)."""
        return self.bin2 - self.bin1

    def pixel(self, i: int, j: int) -> int:
        """Which pixel a pair of bins is."""
        return int(np.flatnonzero((self.bin1 == i) & (self.bin2 == j))[0])

    def on_chromosome_of(self, i: int) -> Matrix:
        """The matrix without pixels of other chromosomes, whose background need not be the same."""
        chrom = self.bins.chrom[np.searchsorted(self.bins.place, i)]
        mine = np.isin(self.bin1, self.bins.place[self.bins.chrom == chrom])
        counts = self.counts[:, mine]
        account = {**self.account, "pixels_on_other_chromosomes": int((~mine).sum())}
        return replace(
            self, bin1=self.bin1[mine], bin2=self.bin2[mine], counts=counts, account=account
        )


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """Everything the analyst is given.

    Attributes
    ----------
    fine, coarse
        Matrices of 20 and 40 kb.
    differing
        Coarse pixels that are not the sum of their fine ones, and all that were compared.
    """

    fine: Matrix
    coarse: Matrix
    differing: tuple[int, int]


def load(case: Case) -> Study:
    """Read the files of a case and check them against each other."""
    tables = read_tables(case.folder, case.spec.file)
    violations = [v for kb in ("20kb", "40kb") for v in _bin_violations(tables[f"bins_{kb}"])]
    if violations:
        raise InputError(violations)
    bins = {kb: _bins(tables[f"bins_{kb}"]) for kb in ("20kb", "40kb")}
    for kb, one in bins.items():
        violations += _contact_violations(tables[f"contacts_{kb}"], one)
    if violations:
        raise InputError(violations)
    fine, coarse = (_matrix(tables[f"contacts_{kb}"].frame, one) for kb, one in bins.items())
    return Study(fine, coarse, _differing(fine, coarse))


def _bin_violations(table: Table) -> Iterator[Violation]:
    file, frame = table.path.name, table.frame
    for i in np.flatnonzero((frame["end"] <= frame["start"]).to_numpy())[:1]:
        expected = f"more than the 'start' of the row, {frame['start'].iloc[i]}"
        value = int(frame["end"].iloc[i])
        yield Violation(file, "end", int(table.rows[i]), value, expected, "exchange the ends")
    twice = frame.duplicated(["chrom", "start"]).to_numpy()
    for i in np.flatnonzero(twice)[:1]:
        same = (frame[["chrom", "start"]] == frame[["chrom", "start"]].iloc[i]).all(axis=1)
        row = int(table.rows[int(np.argmax(same.to_numpy()))])
        expected = f"a start that no other bin of {frame['chrom'].iloc[i]} has"
        value = int(frame["start"].iloc[i])
        remedy = f"the bin in row {row} has the same; correct one of them"
        yield Violation(file, "start", int(table.rows[i]), value, expected, remedy)


def _bins(table: Table) -> Bins:
    frame = table.frame.sort_values(["chrom", "start"], ignore_index=True)
    chrom, start = frame["chrom"].to_numpy(dtype=object), frame["start"].to_numpy()
    first = np.r_[True, chrom[1:] != chrom[:-1]]
    steps = np.diff(start)[~first[1:]]
    widths = steps if steps.size else frame["end"].to_numpy() - start
    values, counted = np.unique(widths, return_counts=True)
    size = int(values[np.argmax(counted)])
    from_first = start - start[np.flatnonzero(first)][np.cumsum(first) - 1]
    regular = bool((from_first % size == 0).all())
    rank = np.arange(start.size)
    within = from_first // size if regular else rank - rank[first][np.cumsum(first) - 1]
    # Chromosomes follow each other; numbers that no bin has belong to bins that are not listed.
    lengths = np.r_[0, within[np.r_[first[1:], True]] + 1][:-1]
    place = within + np.cumsum(lengths)[np.cumsum(first) - 1]
    covariates = {}
    for name in COVARIATES:
        covariates[name] = np.full(place[-1] + 1, np.nan)
        covariates[name][place] = frame[name].to_numpy(np.float64)
    end, names = frame["end"].to_numpy(), frame["bin_id"].to_numpy(dtype=object)
    return Bins(table.path.name, names, chrom, start, end, place, size, covariates, regular)


def _located(frame: pd.DataFrame, bins: Bins) -> tuple[IntArray, IntArray, BoolArray]:
    """Numbers of the two bins of each row, and whether they are on one chromosome."""
    rows = pd.Series(np.arange(bins.name.size), index=bins.name)
    one, two = (frame[c].map(rows).to_numpy(dtype=np.int64) for c in ("bin1", "bin2"))
    return bins.place[one], bins.place[two], bins.chrom[one] == bins.chrom[two]


def _contact_violations(table: Table, bins: Bins) -> Iterator[Violation]:
    file, frame = table.path.name, table.frame
    there = set(frame["condition"])
    for word in CONDITIONS:
        if word not in there:
            expected = f"rows of condition {word!r}"
            remedy = f"the table holds {' and '.join(sorted(there))} only; add the replicates"
            yield Violation(file, "condition", None, None, expected, remedy)
    first, second, cis = _located(frame, bins)
    yield from _lower_triangle(table, cis & (first > second))


def _lower_triangle(table: Table, lower: BoolArray) -> Iterator[Violation]:
    frame = table.frame
    for i in np.flatnonzero(lower)[:1]:
        one, two = str(frame["bin1"].iloc[i]), str(frame["bin2"].iloc[i])
        expected = f"a bin that does not come before bin1 {one!r}: the table is an upper triangle"
        remedy = "exchange bin1 and bin2, or remove the row if the pixel stands there already"
        yield _blame(table, "bin2", lower, two, expected, remedy)


def _blame(
    table: Table, column: str, bad: BoolArray, value: object, expected: str, remedy: str
) -> Violation:
    more = int(bad.sum()) - 1
    tail = f"; {more} more row{'s are' if more > 1 else ' is'} wrong in the same way"
    row = int(table.rows[int(np.argmax(bad))])
    return Violation(table.path.name, column, row, value, expected, remedy + tail * bool(more))


def _matrix(frame: pd.DataFrame, bins: Bins) -> Matrix:
    first, second, cis = _located(frame, bins)
    bin1, bin2 = _pixels(bins, first, second, cis)
    labels = frame["condition"].astype(str).str.cat(frame["replicate"], sep="\t").to_numpy()
    samples = sorted(set(labels), key=_natural)
    width = int(bins.place[-1]) + 1
    code, used = bin1 * width + bin2, cis & (first != second)
    at = np.searchsorted(code, (first * width + second)[used])
    sample = pd.Series(range(len(samples)), index=samples)[labels].to_numpy()
    listed = np.zeros((len(samples), code.size), dtype=np.bool_)
    counts = np.full(listed.shape, np.nan)
    listed[sample[used], at] = True
    counts[sample[used], at] = frame["count"].to_numpy(np.float64)[used]
    zero = _absent_zeros(counts, listed, bin2 - bin1)
    seen = np.isin(bins.place, np.r_[first, second])
    in_each = np.unique(bins.chrom[seen].astype(str), return_counts=True)[1]
    account = {
        "rows": len(frame),
        "diagonal_rows": int((cis & (first == second)).sum()),
        "rows_between_chromosomes": int((~cis).sum()),
        "missing_counts": int((listed & np.isnan(counts)).sum()),
        "zeros_listed": int((counts == 0).sum()),
        "absent_taken_for_zero": int(zero.sum()),
        "absent_not_measured": int((~listed & ~zero).sum()),
        "bins_without_contacts": int((~seen).sum()),
        "pixels_beyond_all_contacts": int((in_each * (in_each - 1) // 2).sum() - bin1.size),
    }
    counts[zero] = 0
    condition, replicate = zip(*(label.split("\t") for label in samples), strict=True)
    names = (np.array(condition), np.array(replicate))
    return Matrix(bins, *names, bin1, bin2, counts, account)


def _natural(label: str) -> list[tuple[float, str]]:
    """Numbers of replicates by size, other names by letters; cases before controls."""
    condition, replicate = label.split("\t")
    number = pd.to_numeric(replicate, errors="coerce")
    return [(0.0, condition), (np.inf if np.isnan(number) else float(number), replicate)]


def _pixels(
    bins: Bins, first: IntArray, second: IntArray, cis: BoolArray
) -> tuple[IntArray, IntArray]:
    """All pairs on a chromosome of bins with contacts, up to the largest distance with contacts."""
    seen = np.isin(bins.place, np.r_[first, second])
    reach = int(np.abs(second - first)[cis].max(initial=0))
    place, chrom = bins.place[seen], bins.chrom[seen]
    pairs: list[IntArray] = [np.empty((2, 0), dtype=np.int64)]
    for step in range(1, place.size):
        near = (place[step:] - place[:-step] <= reach) & (chrom[step:] == chrom[:-step])
        if not (place[step:] - place[:-step] <= reach).any():
            break
        pairs.append(np.stack([place[:-step][near], place[step:][near]]))
    both = np.concatenate(pairs, axis=1)
    bin1, bin2 = both[:, np.lexsort(both[::-1])]
    return bin1, bin2


def _absent_zeros(counts: FloatArray, listed: BoolArray, distance: IntArray) -> BoolArray:
    """Absent pixels that are zeros: by chance possible, and not left out beside listed zeros."""
    zero = ~listed
    lists_zeros = (counts == 0).any(axis=1)
    zero &= ~(lists_zeros[:, None] & listed.any(axis=0))
    for k in np.flatnonzero(zero.any(axis=1)):
        here = pd.Series(counts[k]).groupby(distance).median()
        typical = here.ffill().reindex(np.unique(distance)).ffill()
        zero[k] &= ~(typical.loc[distance].to_numpy() >= DENSE)
    return zero


def _differing(fine: Matrix, coarse: Matrix) -> tuple[int, int]:
    """Coarse pixels off the diagonal that differ from the sum of their fine ones, of how many."""
    parents = _parents(fine.bins, coarse.bins)
    up1, up2 = parents[fine.bin1], parents[fine.bin2]
    used = (up1 >= 0) & (up2 >= 0) & (up1 != up2)
    width = int(coarse.bins.place[-1]) + 1
    keys, index = np.unique((up1 * width + up2)[used], return_inverse=True)
    there = np.isin(coarse.bin1 * width + coarse.bin2, keys)
    at = np.searchsorted(keys, (coarse.bin1 * width + coarse.bin2)[there])
    differing = compared = 0
    for k, (condition, replicate) in enumerate(zip(fine.condition, fine.replicate, strict=True)):
        same = np.flatnonzero((coarse.condition == condition) & (coarse.replicate == replicate))
        for row in same:
            sums = np.zeros(keys.size)
            np.add.at(sums, index, fine.counts[k, used])
            gap = sums[at] - coarse.counts[row, there]
            compared += int(np.isfinite(gap).sum())
            differing += int((np.abs(gap) > 0).sum())
    return differing, compared


def _parents(fine: Bins, coarse: Bins) -> IntArray:
    """Number of the coarse bin that holds each fine bin, -1 where there is none."""
    parents = np.full(len(fine.covariates["gc_content"]), -1, dtype=np.int64)
    for chrom in np.unique(fine.chrom.astype(str)):
        mine, theirs = fine.chrom == chrom, np.flatnonzero(coarse.chrom == chrom)
        if theirs.size == 0:
            continue
        at = np.searchsorted(coarse.start[theirs], fine.start[mine], side="right") - 1
        holder = theirs[np.maximum(at, 0)]
        inside = (at >= 0) & (fine.start[mine] < coarse.end[holder])
        parents[fine.place[mine]] = np.where(inside, coarse.place[holder], -1)
    return parents


def parent(study: Study, place: int) -> int:
    """Number of the coarse bin that holds a fine one, -1 where there is none."""
    return int(_parents(study.fine.bins, study.coarse.bins)[place])
