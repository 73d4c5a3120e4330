"""Typed columns from one-dimensional arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refsolve.io.cells import GOOD, Rule, careful, finish, quick
from refsolve.io.parse import Columns, Flaw

MISSING_TEXT = "NA"


def take_column(array: NDArray[Any], rule: Rule, columns: Columns) -> None:
    """Add an array to the columns that were read.

    Parameters
    ----------
    array
        Numbers, truth values or text.
    rule
        How the column is read.
    columns
        What was read so far.
    """
    name = rule.spec.name
    if rule.spec.type in ("int", "float") and array.dtype.kind in "iuf":
        wide = np.int64 if array.dtype.kind in "iu" and array.dtype != np.uint64 else np.float64
        exact = array if array.dtype == np.uint64 else array.astype(wide)
        found = quick(pd.Series(exact), rule)
        if found is not None:
            columns.values[name] = finish([found], rule)
            return
    read_texts(as_texts(array), rule, columns)


def read_texts(texts: NDArray[np.object_], rule: Rule, columns: Columns) -> None:
    """Add a column of texts to the columns that were read.

    Parameters
    ----------
    texts
        One str per record.
    rule
        How the column is read.
    columns
        What was read so far.
    """
    values, state = careful(texts, rule)
    if (state != GOOD).any():
        columns.flaws[rule.spec.name] = Flaw(texts, state)
    columns.values[rule.spec.name] = finish([values], rule)


def as_texts(array: NDArray[Any]) -> NDArray[np.object_]:
    """Entries as they would stand in a text table.

    Parameters
    ----------
    array
        Numbers, truth values or text; one-dimensional.
    """
    if array.dtype.kind == "S":
        plain = [item.decode("utf-8", "replace") for item in array.tolist()]
    elif array.dtype.kind == "f":
        plain = ["NaN" if item != item else repr(float(item)) for item in array.tolist()]
    else:
        plain = [str(item) for item in array.tolist()]
    texts = np.empty(len(plain), dtype=object)
    texts[:] = plain
    return texts
