"""The pixel that the question is about."""

from __future__ import annotations

import re
from typing import NoReturn

import numpy as np

from refsolve.core.errors import AnalysisError, InputError, UsageError, Violation
from refsolve.methods.contact_expected import BinMask

from .tables import Bins, FloatArray, Matrix, Study, parent

SHOWN = 6
OTHERS = "Name other bins with --set bin1=ID --set bin2=ID."


def located(matrix: Matrix, *names: str) -> tuple[int, int]:
    """Numbers of two bins by their identifiers, in order of position.

    Parameters
    ----------
    matrix
        The matrix that holds the target.
    names
        Identifiers; where no bin has one, the only bin that ends in this number is meant.

    Raises
    ------
    InputError
        There is no such bin.
    UsageError
        The bins are the same, or on two chromosomes.
    """
    bins = matrix.bins
    rows = [_row(bins, name, f"bin{k}") for k, name in enumerate(names, start=1)]
    one, two = sorted(rows)
    shown = " and ".join(names)
    if one == two:
        raise UsageError(f"The target bins {shown} are the same bin.", hint=OTHERS)
    if bins.chrom[one] != bins.chrom[two]:
        raise UsageError(
            f"The target bins {shown} lie on {bins.chrom[rows[0]]} and {bins.chrom[rows[1]]}, "
            "between which there is no distance.",
            hint=OTHERS,
        )
    return int(bins.place[one]), int(bins.place[two])


def _row(bins: Bins, name: str, parameter: str) -> int:
    exact = np.flatnonzero(bins.name == name)
    if exact.size:
        return int(exact[0])
    ends = re.compile(rf"(?:.*\D)?0*{name}") if name.isdecimal() else None
    alike = [k for k, one in enumerate(bins.name) if ends is not None and ends.fullmatch(str(one))]
    if len(alike) == 1:
        return alike[0]
    some = ", ".join(str(one) for one in bins.name[:SHOWN])
    more = f" and {bins.name.size - SHOWN} more" if bins.name.size > SHOWN else ""
    expected = f"bin {name!r}, which the parameter {parameter} names as a bin of the target"
    remedy = f"the bins there are {some}{more}; choose one with --set {parameter}=ID"
    raise InputError([Violation(bins.file, "bin_id", None, None, expected, remedy)])


def refuse_unmeasured(matrix: Matrix, target: tuple[int, int]) -> None:
    """Stop where the target has no count, no positive count, no annotation, or nothing beside it.

    Parameters
    ----------
    matrix
        The matrix.
    target
        Numbers of the two bins.
    """
    bins, names = matrix.bins, "–".join(matrix.bins.names(target))
    for i in target:
        for column in ("gc_content", "re_sites"):
            if not np.isfinite(bins.covariates[column][i]):
                _stop(f"{bins.file}: {column} of bin {bins.names(i)[0]} of the target is missing")
    at = np.flatnonzero((matrix.bin1 == target[0]) & (matrix.bin2 == target[1]))
    if at.size == 0:
        _stop(f"No replicate has contacts as far apart as the target pixel {names}")
    rest = np.nansum(np.delete(matrix.counts, at[0], axis=1), axis=1)
    for k, count in enumerate(matrix.counts[:, at[0]]):
        if not count > 0:
            found = "no contact and log2(0) is not a number" if count == 0 else "no count"
            _stop(f"The target pixel {names} has {found} in {_sample(matrix, k)}")
        if not rest[k] > 0:
            raise AnalysisError(
                f"No pixel but the target has contacts in {_sample(matrix, k)}: what is expected "
                "of it is not identified.",
                hint="Leave the replicate out.",
            )


def refuse_unknown(matrix: Matrix, mappability: FloatArray) -> None:
    """Stop where no bin has a value of mappability.

    Parameters
    ----------
    matrix
        The matrix.
    mappability
        Values by number of the bin.
    """
    if np.isnan(mappability).all():
        raise AnalysisError(
            f"{matrix.bins.file}: mappability of every bin is missing: which bins can be trusted "
            "to say what is expected is not known.",
            hint="Fill in the column mappability.",
        )


def refuse_poor(matrix: Matrix, target: tuple[int, int], mask: BinMask) -> None:
    """Stop where a bin of the target lies below a clear gap in mappability.

    Parameters
    ----------
    matrix
        The matrix.
    target
        Numbers of the two bins.
    mask
        Poorly mappable bins by number.
    """
    bins = matrix.bins
    for i in target:
        if mask.removed[i]:
            value = bins.covariates["mappability"][i]
            found = f"the mappability {value:.3g}" if np.isfinite(value) else "no mappability"
            _stop(
                f"{bins.file}: bin {bins.names(i)[0]} of the target has {found}, and bins below "
                f"{mask.threshold:.3g} are masked"
            )


def coarse_pixel(study: Study, target: tuple[int, int]) -> tuple[int, int]:
    """Numbers of the coarse bins that hold the target.

    Parameters
    ----------
    study
        Both matrices.
    target
        Numbers of the two fine bins.
    """
    one, two = (parent(study, i) for i in target)
    if one < 0 or one == two:
        _stop(f"The table of {study.coarse.bins.size:,} bp has no pixel off the diagonal for it")
    return one, two


def _sample(matrix: Matrix, k: int) -> str:
    return f"{matrix.condition[k]} replicate {matrix.replicate[k]}"


def _stop(reason: str) -> NoReturn:
    raise AnalysisError(f"{reason}: its strength is not identified.", hint=OTHERS)
