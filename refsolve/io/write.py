"""Tables written so that the reader returns them bit by bit, and the same bytes every time."""

from __future__ import annotations

import gzip
import io
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refsolve.core.files import write_atomic
from refsolve.core.result import jsonable
from refsolve.io.cells import MISSING

if TYPE_CHECKING:
    from anndata import AnnData


def write_table(path: Path | str, content: pd.DataFrame | Mapping[str, Any] | AnnData) -> Path:
    """Write a released file: what the suffix says, else tab-separated text.

    Text is compressed for `.gz`; numbers are written with the digits that identify them, missing
    values as `NA`. The same content gives the same bytes.

    Parameters
    ----------
    path
        Where to; the suffixes decide the format.
    content
        Columns with distinct names, the index is not written. For `.npz` also arrays by name:
        columns and the matrices that they label. For `.json` values by name. For `.h5ad` an
        AnnData object.

    Returns
    -------
    The path written.

    Raises
    ------
    ValueError
        A value would not be read back: infinite, text that means missing, text with a NUL or a
        carriage return, or an array of Python objects; or the content is not for this format.
    """
    target = Path(path)
    write = _WRITERS.get(target.suffix, _text)
    return write_atomic(target, write(target, content))


def _unfit(target: Path, wanted: str) -> ValueError:
    return ValueError(f"{target.name} cannot hold what was given; give {wanted}")


def _json(target: Path, content: Any) -> bytes:
    if not isinstance(content, Mapping):
        raise _unfit(target, "values by name")
    lost = [name for name, value in content.items() if isinstance(value, str) and value in MISSING]
    if lost:
        raise ValueError(f"{lost[0]!r} holds text that means missing; write None")
    return (json.dumps(jsonable(dict(content)), indent=2) + "\n").encode()


def _h5ad(target: Path, content: Any) -> bytes:
    if not hasattr(content, "write_h5ad"):
        raise _unfit(target, "an AnnData object")
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / target.name
        content.write_h5ad(made)
        return made.read_bytes()


def _text(target: Path, frame: Any) -> bytes:
    if not isinstance(frame, pd.DataFrame):
        raise _unfit(target, "a DataFrame")
    packed = target.suffix == ".gz"
    plain = target.with_suffix("") if packed else target
    names = [str(name) for name in frame.columns]
    if len(set(names)) != len(names) or any(name != name.strip() or not name for name in names):
        raise ValueError(f"column names {names} must be distinct and not blank; rename the columns")
    exact = pd.DataFrame({name: _writable(frame.iloc[:, k], name) for k, name in enumerate(names)})
    delimiter = "," if plain.suffix == ".csv" else "\t"
    text = exact.to_csv(sep=delimiter, index=False, na_rep="NA", lineterminator="\n")
    return _gzip(text.encode()) if packed else text.encode()


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


def _archive(target: Path, content: Any) -> bytes:
    if not isinstance(content, (pd.DataFrame, Mapping)):
        raise _unfit(target, "a DataFrame or arrays by name")
    # numpy writes archive members with a fixed date.
    packed = io.BytesIO()
    arrays = {str(name): _array(str(name), values) for name, values in content.items()}
    np.savez_compressed(packed, allow_pickle=False, **arrays)
    return packed.getvalue()


def _array(name: str, values: Any) -> NDArray[Any]:
    array = np.asarray(values)
    if array.ndim == 1:
        return _column(pd.Series(array.astype(str) if array.dtype.kind == "S" else values), name)
    if array.dtype.kind not in "biufUS":
        raise ValueError(f"{name!r} is no array of numbers or text; convert it first")
    if array.dtype.kind == "f" and np.isinf(array).any():
        raise ValueError(f"{name!r} holds an infinite value; write it as missing")
    return array


def _column(column: pd.Series, name: str) -> NDArray[Any]:
    array = _writable(column, name).to_numpy()
    if array.dtype != object:
        return array
    return np.array(
        ["NA" if absent else str(value) for value, absent in zip(array, column.isna(), strict=True)]
    )


def _gzip(data: bytes) -> bytes:
    packed = io.BytesIO()
    # An empty name and time zero: the bytes depend on the table alone.
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, compresslevel=6, mtime=0) as stream:
        stream.write(data)
    return packed.getvalue()


_WRITERS = {".npz": _archive, ".json": _json, ".h5ad": _h5ad}
