"""Arrays of a NumPy archive."""

from __future__ import annotations

import io
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refsolve.core.errors import Violation
from refsolve.io.arrays import MISSING_TEXT
from refsolve.io.objects import read_objects
from refsolve.io.sniff import Found, read_bytes, refuse

_DIMENSIONS = {
    1: ("one dimension", "save one array per column"),
    2: ("two dimensions", "save it as rows by columns"),
}
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

    def load(self, position: int, name: str, *, dimensions: int) -> NDArray[Any] | Violation:
        """Read one array, or say why it is none.

        Parameters
        ----------
        position
            Where it is among `names`.
        name
            Canonical name, for messages.
        dimensions
            How many it should have.
        """
        try:
            array = self._array(self.names[position])
        except _DAMAGE:
            found = "an array that is damaged or holds Python objects other than text and numbers"
            remedy = "save it with a number or text type"
            return self._blame(name, found, "a readable array of numbers or text", remedy)
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "biufUS":
            remedy = "save it with a number or text type"
            return self._blame(name, "another kind of data", "an array of numbers or text", remedy)
        if array.ndim != dimensions:
            found = f"an array of shape {array.shape}"
            expected, remedy = _DIMENSIONS[dimensions]
            return self._blame(name, found, expected, remedy)
        return array

    def _array(self, name: str) -> NDArray[Any]:
        try:
            found: NDArray[Any] = self._arrays[name]
        except ValueError:  # NumPy does not open pickles here
            with self._arrays.zip.open(f"{name}.npy") as stream:
                return read_objects(stream, MISSING_TEXT)
        return found

    def _blame(self, name: str, found: str, expected: str, remedy: str) -> Violation:
        return Violation(self.path.name, name, None, Found(found), expected, remedy)
