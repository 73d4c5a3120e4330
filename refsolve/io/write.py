"""Tables written so that the reader returns them bit by bit, and the same bytes every time."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pandas as pd

from refsolve.core.files import write_atomic
from refsolve.io.cells import MISSING


def write_table(path: Path | str, frame: pd.DataFrame) -> Path:
    """Write a table: arrays for `.npz`, comma-separated for `.csv`, else tab-separated.

    Text is compressed for `.gz`; numbers are written with the digits that identify them, missing
    values as `NA`. The same frame gives the same bytes.

    Parameters
    ----------
    path
        Where to; the suffixes decide the format.
    frame
        Columns with distinct names; the index is not written.

    Returns
    -------
    The path written.

    Raises
    ------
    ValueError
        A value would not be read back: infinite, text that means missing, or text with a NUL or a
        carriage return.
    """
    target = Path(path)
    if target.suffix == ".npz":
        return write_atomic(target, _arrays(frame))
    packed = target.suffix == ".gz"
    plain = target.with_suffix("") if packed else target
    names = [str(name) for name in frame.columns]
    if len(set(names)) != len(names) or any(name != name.strip() or not name for name in names):
        raise ValueError(f"column names {names} must be distinct and not blank; rename the columns")
    exact = pd.DataFrame({name: _writable(frame.iloc[:, k], name) for k, name in enumerate(names)})
    delimiter = "," if plain.suffix == ".csv" else "\t"
    text = exact.to_csv(sep=delimiter, index=False, na_rep="NA", lineterminator="\n")
    data = text.encode()
    return write_atomic(target, _gzip(data) if packed else data)


def _writable(column: pd.Series, name: str) -> pd.Series:
    if column.dtype.kind == "f":
        numbers = column.astype(np.float64)
        if np.isinf(numbers).any():
            raise ValueError(f"column {name!r} holds an infinite value; write it as missing")
        return numbers
    if pd.api.types.is_numeric_dtype(column):
        return column
    texts = column[column.notna()].astype(str)
    lost = texts[texts.isin(MISSING) | texts.str.contains("[\0\r]", regex=True)]
    if len(lost):
        raise ValueError(
            f"column {name!r} holds {lost.iloc[0]!r}, which cannot be read back; rename it"
        )
    return column


def _arrays(frame: pd.DataFrame) -> bytes:
    # numpy writes archive members with a fixed date.
    packed = io.BytesIO()
    columns = {str(name): frame[name].to_numpy() for name in frame.columns}
    texts = {name: values.astype(str) for name, values in columns.items() if values.dtype == object}
    np.savez_compressed(packed, allow_pickle=False, **{**columns, **texts})
    return packed.getvalue()


def _gzip(data: bytes) -> bytes:
    packed = io.BytesIO()
    # An empty name and time zero: the bytes depend on the table alone.
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, compresslevel=6, mtime=0) as stream:
        stream.write(data)
    return packed.getvalue()
