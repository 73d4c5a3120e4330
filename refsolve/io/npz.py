"""Typed columns from the arrays of a NumPy archive."""

from __future__ import annotations

import io
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refsolve.core.errors import InputError, Violation
from refsolve.io.cells import GOOD, Rule, careful, finish, quick
from refsolve.io.parse import Columns, Flaw
from refsolve.io.sniff import Found, read_bytes, refuse

NOTE = "rows count the entries of the array from 1"
# What zipfile and numpy raise on damaged archives and on arrays that need unpickling.
_DAMAGE = (
    ValueError,
    OSError,
    EOFError,
    KeyError,
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
    MemoryError,
    SyntaxError,
    tokenize.TokenError,
)


class Archive:
    """Arrays of an `.npz` file, loaded when asked for.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    InputError
        It cannot be read or is not such an archive.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        data = read_bytes(path)
        if not data.startswith(b"PK"):
            refuse(path, "no zip archive", "an .npz archive of arrays", "write it with numpy.savez")
        try:
            self._arrays = np.load(io.BytesIO(data), allow_pickle=False)
        except _DAMAGE:
            remedy = "copy or export it again"
            refuse(path, "a damaged archive", "an .npz archive of arrays", remedy)
        self.names: tuple[str, ...] = tuple(self._arrays.files)

    def columns(self, rules: Mapping[int, Rule]) -> tuple[Columns, int]:
        """Read arrays as columns.

        Parameters
        ----------
        rules
            How to read the array at each position of `names`.

        Returns
        -------
        The columns, and how many entries each has.

        Raises
        ------
        InputError
            An array cannot be read, is not one-dimensional, or differs in length from another.
        """
        loaded = {position: self._load(position, rule) for position, rule in rules.items()}
        broken = [item for item in loaded.values() if isinstance(item, Violation)]
        arrays = {p: item for p, item in loaded.items() if not isinstance(item, Violation)}
        broken += self._uneven(arrays, rules)
        if broken:
            raise InputError(broken)
        columns = Columns({}, {})
        for position, rule in rules.items():
            _take(arrays[position], rule, columns)
        return columns, next((array.size for array in arrays.values()), 0)

    def _load(self, position: int, rule: Rule) -> NDArray[Any] | Violation:
        name = self.names[position]
        try:
            array: NDArray[Any] = self._arrays[name]
        except _DAMAGE:
            found = "an array that is damaged or holds Python objects"
            remedy = "save it with a number or text type"
            return self._blame(rule, found, "a readable array of numbers or text", remedy)
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "biufUS":
            remedy = "save it with a number or text type"
            return self._blame(rule, "another kind of data", "an array of numbers or text", remedy)
        if array.ndim != 1:
            found = f"an array of shape {array.shape}"
            return self._blame(rule, found, "one dimension", "save one array per column")
        return array

    def _uneven(
        self, arrays: Mapping[int, NDArray[Any]], rules: Mapping[int, Rule]
    ) -> list[Violation]:
        sizes = {rules[position].spec.name: array.size for position, array in arrays.items()}
        first = next(iter(sizes), "")
        return [
            Violation(
                self.path.name,
                name,
                None,
                Found(f"{size} entries"),
                f"{sizes[first]} as in {first!r}",
            )
            for name, size in sizes.items()
            if size != sizes[first]
        ]

    def _blame(self, rule: Rule, found: str, expected: str, remedy: str) -> Violation:
        return Violation(self.path.name, rule.spec.name, None, Found(found), expected, remedy)


def _take(array: NDArray[Any], rule: Rule, columns: Columns) -> None:
    name = rule.spec.name
    if rule.spec.type in ("int", "float") and array.dtype.kind in "iuf":
        wide = np.int64 if array.dtype.kind in "iu" and array.dtype != np.uint64 else np.float64
        exact = array if array.dtype == np.uint64 else array.astype(wide)
        found = quick(pd.Series(exact), rule)
        if found is not None:
            columns.values[name] = finish([found], rule)
            return
    texts = _texts(array)
    values, state = careful(texts, rule)
    if (state != GOOD).any():
        columns.flaws[name] = Flaw(texts, state)
    columns.values[name] = finish([values], rule)


def _texts(array: NDArray[Any]) -> NDArray[np.object_]:
    if array.dtype.kind == "S":
        plain = [item.decode("utf-8", "replace") for item in array.tolist()]
    elif array.dtype.kind == "f":
        plain = ["NaN" if item != item else repr(float(item)) for item in array.tolist()]
    else:
        plain = [str(item) for item in array.tolist()]
    texts = np.empty(len(plain), dtype=object)
    texts[:] = plain
    return texts
