"""Columns of an HDF5 file, read in ranges without the detours of its filter pipeline."""

from __future__ import annotations

import sys
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Column:
    """A one-dimensional array of a file.

    Compressed pieces, as cooler writes them, are unpacked here: many short ranges cost little more
    than one long one. Arrays stored otherwise are left to HDF5.

    Parameters
    ----------
    data
        The array as h5py shows it.
    narrow
        Return 64-bit whole numbers with 32 bits: those that are known to fit, such as numbers of
        bins. Where they are shuffled, the bytes beyond are not even unpacked.
    """

    def __init__(self, data: Any, *, narrow: bool = False) -> None:
        self._data = data
        self._kind, self._shuffled = data.dtype, bool(data.shuffle)
        self._narrow = narrow and self._kind == np.dtype("<i8")
        self._piece = int(data.chunks[0]) if _is_plain(data) else 0
        self._last: tuple[int, NDArray[Any]] = (-1, np.zeros(0))

    def read(self, low: int, high: int) -> NDArray[Any]:
        """Values low, ..., high - 1.

        Parameters
        ----------
        low, high
            The range, half open.
        """
        n = self._piece
        if n == 0 or low >= high:
            return self._shortened(self._data[low:high])
        first = low // n
        parts = [self._unpacked(k) for k in range(first, -(-high // n))]
        whole = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return whole[low - first * n : high - first * n]

    def _unpacked(self, k: int) -> NDArray[Any]:
        """Piece k, kept because the next range may begin in it."""
        if self._last[0] != k:
            self._last = (k, self._unpack(k))
        return self._last[1]

    def _unpack(self, k: int) -> NDArray[Any]:
        n, kind = self._piece, self._kind
        skipped, packed = self._data.id.read_direct_chunk((k * n,))
        if skipped:  # a filter was left out for this piece
            return self._shortened(self._data[k * n : (k + 1) * n])
        # All first bytes, then all second ones, ...: those of short numbers are the first half.
        wanted = n * (4 if self._narrow and self._shuffled else kind.itemsize)
        raw = zlib.decompressobj().decompress(packed, wanted)
        if len(raw) < wanted:
            raise ValueError("a piece that is cut off")
        if not self._shuffled:
            return self._shortened(np.frombuffer(raw, kind))
        if kind.kind != "i" or (kind.itemsize != 4 and not self._narrow):
            planes = np.frombuffer(raw, np.uint8).reshape(kind.itemsize, n)
            return self._shortened(np.ascontiguousarray(planes.T).view(kind).ravel())
        return _joined(raw, n)

    def _shortened(self, values: NDArray[Any]) -> NDArray[Any]:
        if not self._narrow:
            return values
        if values.size and not -(2**31) <= int(values.min()) <= int(values.max()) < 2**31:
            raise ValueError("a number that has more than 32 bits")
        return values.astype(np.int32)


def _is_plain(data: Any) -> bool:
    """Whether pieces are packed with gzip, shuffled or not, and by nothing else."""
    others = data.fletcher32 or data.scaleoffset is not None
    ordered = data.dtype.kind in "iuf" and data.dtype.byteorder in "=<|"
    return bool(
        data.chunks
        and data.compression == "gzip"
        and not others
        and ordered
        and sys.byteorder == "little"
    )


def _joined(raw: bytes, n: int) -> NDArray[np.int32]:
    """Whole numbers of four bytes each, from all first bytes, all second ones, and so on."""
    out, zeros = np.frombuffer(raw, np.uint8, n).astype(np.int32), bytes(n)
    for k in (1, 2, 3):
        if raw[k * n : (k + 1) * n] != zeros:
            out |= np.frombuffer(raw, np.uint8, n, k * n).astype(np.int32) << 8 * k
    return out
