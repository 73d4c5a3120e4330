"""Counts of genes in donors, and the donors that have genotypes too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray, IntArray, refuse
from refsolve.core.errors import AnalysisError
from refsolve.methods.count_glm.model.design import count_data
from refsolve.methods.count_glm.model.totals import DonorTotals
from refsolve.methods.count_glm.model.variants import Source, Windows, label


class Data(NamedTuple):
    """Counts, exposure and ambient part (G or 1, D), and names."""

    y: FloatArray
    native: FloatArray
    ambient: FloatArray
    donors: tuple[str, ...] | None
    genes: NDArray[Any]

    def of(self, donors: IntArray) -> Data:
        """Some of the donors."""
        y, s, a = (np.ascontiguousarray(v[:, donors]) for v in self[:3])
        return Data(y, s, a, self.donors, self.genes)

    def rows(self, genes: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Counts, exposure and ambient part of some genes."""
        s, a = (v if len(v) == 1 else v[genes] for v in (self.native, self.ambient))
        return self.y[genes], s, a


class Chosen(NamedTuple):
    """Donors with both: their places in counts and genotypes; and the others."""

    rows: IntArray
    columns: IntArray
    without_genotypes: tuple[str, ...]
    without_counts: tuple[str, ...]


def gather(
    counts: ArrayLike | DonorTotals,
    exposure: ArrayLike | None,
    ambient: ArrayLike | None,
    donors: Sequence[object] | None,
    genes: Sequence[object] | None,
) -> Data:
    """Checked counts, with exposure, ambient part and names.

    Parameters
    ----------
    counts, exposure, ambient, donors, genes
        As in `map_cis`.
    """
    if isinstance(counts, DonorTotals):
        exposure = counts.exposure if exposure is None else exposure
        ambient = counts.ambient if ambient is None else ambient
        donors = tuple(counts.donors) if donors is None else donors
        genes = tuple(counts.genes) if genes is None else genes
        counts = counts.counts
    elif isinstance(counts, pd.DataFrame):
        donors, genes = _labels(counts.columns, donors), _labels(counts.index, genes)
    if ambient is not None and exposure is None:
        raise ValueError("ambient needs exposure: pass (1 - rho) times all counts of every donor")
    dense = counts.toarray() if hasattr(counts, "toarray") else counts
    y = np.ascontiguousarray(dense, np.float64)
    if y.ndim != 2:
        raise ValueError(f"counts have {y.ndim} dimensions; expected genes by donors")
    refuse(~(np.isfinite(y) & (y >= 0)), "counts", y, "must be a finite count", "pass raw counts")
    people = _people(donors, y.shape[1])
    names = np.array([str(v) for v in (range(len(y)) if genes is None else genes)], object)
    if names.size != len(y):
        raise ValueError(f"genes has {names.size} names for {len(y)} rows of counts")
    own = y.sum(axis=0) if exposure is None else by_name(exposure, people, "exposure")
    native = _matrix(own, "exposure", y.shape)
    refuse(~(native > 0), "exposure", native, "must be above zero", "leave the donor out")
    part = _matrix(np.zeros(y.shape[1]) if ambient is None else ambient, "ambient", y.shape)
    refuse(part < 0, "ambient", part, "must not be negative", "pass expected ambient counts")
    return Data(y, native, part, people, names)


def _labels(found: pd.Index[Any], given: Sequence[object] | None) -> Sequence[object] | None:
    """Names of a table, which must be those that are given, if both are."""
    if isinstance(found, pd.RangeIndex):
        return given
    names = [label(name) for name in found]
    if given is not None and [label(name) for name in given] != names:
        raise ValueError("names of counts are others, or in another order; align them first")
    return names


def _people(donors: Sequence[object] | None, n: int) -> tuple[str, ...] | None:
    if donors is None:
        return None
    people = tuple(label(name) for name in donors)
    if len(people) != n:
        raise ValueError(f"donors has {len(people)} names for {n} columns of counts")
    if len(set(people)) < len(people):
        raise ValueError("donors names a donor twice; add the counts of one donor up first")
    return people


def by_name(values: ArrayLike, donors: Sequence[str] | None, name: str) -> ArrayLike:
    """Rows in the order of the donors, where they have names.

    Parameters
    ----------
    values
        A table or a column that is indexed by donors, or values in their order.
    donors
        Names, or None where they have none.
    name
        For the message.
    """
    if not isinstance(values, (pd.DataFrame, pd.Series)) or donors is None:
        return values
    known = pd.Index([label(row) for row in values.index])
    absent = [donor for donor in donors if donor not in known]
    if isinstance(values.index, pd.RangeIndex):
        if not absent and list(known) != list(donors):
            raise ValueError(
                f"the numbers of the rows of {name} are names of donors too, in another order; "
                "index it by the donors, or pass its values in the order of the counts"
            )
        return values.to_numpy()
    if not absent and known.is_unique:
        return values.set_axis(known).loc[list(donors)].to_numpy()
    what = f"has no {absent[0]!r}" if absent else "has a donor twice"
    raise ValueError(f"the index of {name} {what}; index it by the donors of the counts")


def _matrix(values: ArrayLike, name: str, shape: tuple[int, ...]) -> FloatArray:
    out = np.ascontiguousarray(np.atleast_2d(np.asarray(values, np.float64)))
    if out.shape not in (shape, (1, shape[1])):
        raise ValueError(f"{name} has the shape {out.shape}; expected {shape} or {shape[1]} donors")
    refuse(~np.isfinite(out), name, out, "must be finite", "leave the donor out")
    return out


def covariate_rows(
    covariates: ArrayLike, n: int, donors: Sequence[str] | None = None
) -> FloatArray:
    """Covariates (n, p).

    Parameters
    ----------
    covariates
        Numbers, the intercept among them.
    n
        Donors or cells.
    donors
        Names of the rows.
    """
    x = np.ascontiguousarray(by_name(covariates, donors, "covariates"), np.float64)
    if x.ndim != 2 or len(x) != n:
        raise ValueError(f"covariates have the shape {x.shape}; expected {n} rows by columns")
    refuse(~np.isfinite(x), "covariates", x, "must be finite", "remove or impute the donor")
    return x


def require_spare(x: FloatArray, n_donors: int) -> None:
    """Raise AnalysisError unless variants can be tested beside the covariates.

    Parameters
    ----------
    x
        Covariates of the rows.
    n_donors
        Number of donors.
    """
    count_data(np.ones(len(x)), x, np.ones(len(x)))
    if n_donors < x.shape[1] + 2:
        raise AnalysisError(
            f"{n_donors} donors cannot tell a variant beside {x.shape[1]} covariates.",
            hint="Add donors or leave out covariates.",
        )


def align(n: int, donors: Sequence[str] | None, genotypes: Source) -> Chosen:
    """Donors that have both counts and genotypes, in the order of the counts.

    Parameters
    ----------
    n, donors
        Donors with counts: how many, and their names.
    genotypes
        Of donors in another order, or without names in the same one.
    """
    if genotypes.sample is None:
        width = genotypes.take(np.arange(min(1, genotypes.position.size))).shape[1]
        if width != n:
            raise ValueError(f"{width} donors have genotypes and {n} counts; name them to align")
        return Chosen(np.arange(n), np.arange(n), (), ())
    if donors is None:
        raise ValueError("the genotypes have names of donors; pass donors to align the counts")
    place = {label(name): k for k, name in enumerate(genotypes.sample)}
    if len(place) < len(genotypes.sample):
        raise ValueError("the genotypes name a donor twice; leave one of the two out")
    rows = np.array([k for k, name in enumerate(donors) if name in place], np.int64)
    if rows.size == 0:
        raise ValueError(
            f"no donor has both: counts have {donors[0]!r}, genotypes "
            f"{str(genotypes.sample[0])!r}; use the same names"
        )
    columns = np.array([place[donors[k]] for k in rows], np.int64)
    others = tuple(name for name in donors if name not in place)
    known = set(donors)
    return Chosen(rows, columns, others, tuple(name for name in place if name not in known))


def same_genes(windows: Windows, genes: NDArray[Any]) -> None:
    """Raise ValueError unless there is a window for every gene.

    Parameters
    ----------
    windows, genes
        What must agree.
    """
    if windows.start.size != genes.size:
        raise ValueError(
            f"gene_position has {windows.start.size} genes and counts have {genes.size}; align them"
        )
