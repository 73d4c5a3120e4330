"""Contacts of several samples on common pixels, with annotated bins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray, IntArray, refuse, whole_numbers
from refsolve.core.result import Result

BoolArray = NDArray[np.bool_]
LARGEST_COUNT = 100_000_000  # the likelihood walks through all smaller counts


@dataclass(frozen=True, slots=True, eq=False)
class ContactTable(Result):
    """Counts of samples (S,) on pixels (P,) between bins (B,) of one chromosome or region each.

    Attributes
    ----------
    counts
        Contacts (S, P); NaN where nothing was measured.
    bin1, bin2
        Bins of the pixels (P,), bin1 < bin2.
    condition
        Condition of every sample (S,).
    covariates
        Annotation of the bins, (B,) each; a pixel has the mean of its two bins.
    use
        What enters a fit (S, P).
    offset
        Known part of the log of the expected counts (S, P); zero when absent.
    """

    counts: FloatArray
    bin1: IntArray
    bin2: IntArray
    condition: tuple[str, ...]
    covariates: Mapping[str, FloatArray]
    use: BoolArray | None = None
    offset: FloatArray | None = None

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "counts", np.array(self.counts, dtype=np.float64, ndmin=2))
        for name in ("bin1", "bin2"):
            set_(self, name, whole_numbers(getattr(self, name), name, minimum=0))
        set_(self, "condition", tuple(str(c) for c in self.condition))
        kept = {k: np.array(v, dtype=np.float64) for k, v in self.covariates.items()}
        set_(self, "covariates", kept)
        use = np.isfinite(self.counts) if self.use is None else np.array(self.use, dtype=bool)
        set_(self, "use", np.broadcast_to(use, self.counts.shape))
        _refuse_shapes(self)
        _refuse_values(self)

    @property
    def used(self) -> BoolArray:
        """What enters a fit (S, P)."""
        return np.asarray(self.use)

    @property
    def n_bins(self) -> int:
        """Number of bins."""
        sizes = [v.size for v in self.covariates.values()]
        return sizes[0] if sizes else int(self.bin2.max()) + 1

    @property
    def conditions(self) -> tuple[str, ...]:
        """Conditions in the order of their first sample."""
        return tuple(dict.fromkeys(self.condition))

    @property
    def code(self) -> IntArray:
        """Number of the condition of every sample (S,)."""
        return np.array([self.conditions.index(c) for c in self.condition], dtype=np.int64)

    @property
    def log_distance(self) -> FloatArray:
        """Natural logarithm of the distance in bins (P,)."""
        return np.log((self.bin2 - self.bin1).astype(np.float64))

    def term(self, name: str) -> FloatArray:
        """Mean of a covariate over the two bins of every pixel (P,).

        Parameters
        ----------
        name
            The covariate.
        """
        return np.asarray(
            0.5 * (self.covariates[name][self.bin1] + self.covariates[name][self.bin2])
        )

    def pixel(self, i: int, j: int) -> int:
        """Index of the pixel of two bins.

        Parameters
        ----------
        i, j
            The bins, in any order.
        """
        found = np.flatnonzero((self.bin1 == min(i, j)) & (self.bin2 == max(i, j)))
        if found.size == 0:
            raise ValueError(f"pixel ({i}, {j}) is not in the table; add it with its counts")
        return int(found[0])

    def without(
        self,
        *,
        pixels: Iterable[tuple[int, int]] = (),
        masked: ArrayLike | Mapping[str, ArrayLike] | None = None,
    ) -> ContactTable:
        """The same table with fewer pixels in use.

        Parameters
        ----------
        pixels
            Pairs of bins that leave in all samples.
        masked
            Bins whose rows and columns leave: marks (B,) in all samples, (C, B) by condition, or
            the bins by the name of the condition.
        """
        use = self.used.copy()
        for i, j in pixels:
            use[:, self.pixel(i, j)] = False
        out = self._marks(masked)[self.code]
        return replace(self, use=use & ~(out[:, self.bin1] | out[:, self.bin2]))

    def _marks(self, masked: ArrayLike | Mapping[str, ArrayLike] | None) -> BoolArray:
        out = np.zeros((len(self.conditions), self.n_bins), dtype=bool)
        if masked is None:
            return out
        if isinstance(masked, Mapping):
            for name, bins in masked.items():
                if name not in self.conditions:
                    raise ValueError(f"masked names the condition {name!r}; the table has "
                                     f"{', '.join(self.conditions)}; correct the name")  # fmt: skip
                out[self.conditions.index(name), np.asarray(bins, dtype=np.int64)] = True
            return out
        marks = np.asarray(masked)
        if marks.dtype != np.bool_ or marks.shape not in (out.shape, out.shape[1:]):
            raise ValueError(f"masked has shape {marks.shape} and type {marks.dtype}; expected "
                             f"booleans of shape {out.shape} or {out.shape[1:]}")  # fmt: skip
        return np.array(np.broadcast_to(marks, out.shape))


def contact_table(
    sample: ArrayLike,
    bin1: ArrayLike,
    bin2: ArrayLike,
    count: ArrayLike,
    *,
    condition: Sequence[str],
    covariates: Mapping[str, ArrayLike],
    n_bins: int,
) -> ContactTable:
    """Complete upper triangle of one region; pixels that are not listed count as zero.

    Parameters
    ----------
    sample, bin1, bin2, count
        One entry per listed pixel of a sample; the diagonal is left out.
    condition
        Condition of every sample (S,).
    covariates
        Annotation of the bins, (B,) each.
    n_bins
        Number of bins.
    """
    rows = whole_numbers(sample, "sample", minimum=0)
    ends = np.sort([whole_numbers(bin1, "bin1", minimum=0), whole_numbers(bin2, "bin2")], axis=0)
    refuse(ends[1] >= n_bins, "bin2", ends[1], f"must be below {n_bins}", "correct n_bins")
    refuse(rows >= len(condition), "sample", rows, "has no condition", "lengthen condition")
    square = np.zeros((len(condition), n_bins, n_bins))
    listed = np.zeros(square.shape, dtype=np.int64)
    np.add.at(listed, (rows, *ends), 1)
    refuse(listed[rows, ends[0], ends[1]] > 1, "bin1", ends[0], "repeats a pixel", "sum it")
    square[rows, ends[0], ends[1]] = np.asarray(count, dtype=np.float64)
    first, second = np.triu_indices(n_bins, 1)
    kept = {name: np.asarray(v, dtype=np.float64) for name, v in covariates.items()}
    return ContactTable(square[:, first, second], first, second, tuple(condition), kept)


def refuse_uncountable(counts: FloatArray, name: str) -> None:
    """Refuse what is no number of contacts, or more of them than the likelihood can walk through.

    Parameters
    ----------
    counts
        The counts.
    name
        Argument name for the message.
    """
    whole = (counts >= 0.0) & (counts == np.rint(counts))
    refuse(~whole, name, counts, "is no whole number of contacts", "pass raw counts, not balanced")
    many = f"is above {LARGEST_COUNT:,} contacts"
    refuse(counts > LARGEST_COUNT, name, counts, many, "leave the pixel out, or correct it")


def _refuse_shapes(table: ContactTable) -> None:
    S, P = table.counts.shape
    expected = {"bin1": (P,), "bin2": (P,), "condition": (S,), "use": (S, P)}
    for name, shape in expected.items():
        found = np.shape(getattr(table, name))
        if found != shape:
            raise ValueError(f"{name} has shape {found}; expected {shape} as of counts")
    if table.offset is not None and table.offset.shape != (S, P):
        raise ValueError(f"offset has shape {table.offset.shape}; expected {(S, P)} as of counts")
    sizes = {name: v.shape for name, v in table.covariates.items()}
    if len(set(sizes.values())) > 1 or any(len(s) != 1 for s in sizes.values()):
        raise ValueError(f"covariates have the shapes {sizes}; expected one value per bin")


def _refuse_values(table: ContactTable) -> None:
    below = table.bin2 <= table.bin1
    refuse(below, "bin2", table.bin2, "must be above bin1", "swap the bins, drop the diagonal")
    refuse(table.bin2 >= table.n_bins, "bin2", table.bin2, "has no covariates", "add the bin")
    y, use = table.counts, table.used
    refuse(use & ~(y >= 0.0), "counts", y, "is used and no count", "leave it out through use")
    refuse_uncountable(np.where(use, y, 0.0), "counts")
    ends = np.unique(np.concatenate([table.bin1[use.any(axis=0)], table.bin2[use.any(axis=0)]]))
    for name, values in table.covariates.items():
        bad = np.zeros(values.size, dtype=bool)
        bad[ends] = ~np.isfinite(values[ends])
        refuse(bad, name, values, "is not finite in a bin that is used", "mask the bin")
