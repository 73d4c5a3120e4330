"""Contact maps in `.cool` and `.mcool` files, read in pieces and written whole.

A map is validated through cooler when it is opened. Pixels are then read from the arrays of the
file: columns and counts only, because the rows follow from the index of the file.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refsolve.core.extras import require
from refsolve.io.hdf5 import Column
from refsolve.io.sniff import readable, refuse

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Counts = NDArray[np.int32] | NDArray[np.float64]

EXTRA = "hic"
_MAGIC = b"\x89HDF\r\n\x1a\n"
_KIND = "a .cool or .mcool file"
_AGAIN = "write it again with a current cooler"
_LARGE = 2**31


@dataclass(frozen=True, slots=True, eq=False)
class CoolFile:
    """One contact map of a file; its pixels stay there until they are read.

    It can be sent to another process, which opens the file by itself.

    Attributes
    ----------
    path
        The file.
    group
        Where in the file the map is.
    names
        Chromosomes (C,).
    chrom_offset
        First bin of each chromosome, and the number of bins (C + 1,).
    start, end
        Ends of each bin (N,) in bp, half open.
    bin1_offset
        First pixel of each row, and the number of pixels (N + 1,).
    columns
        Names of the further columns of the bins.
    """

    path: Path
    group: str
    names: tuple[str, ...]
    chrom_offset: IntArray
    start: IntArray
    end: IntArray
    bin1_offset: IntArray
    columns: tuple[str, ...]

    def __repr__(self) -> str:
        place = "" if self.group == "/" else f"::{self.group}"
        return f"CoolFile({self.path.name}{place}, {self.n_bins} bins, {self.n_pixels} pixels)"

    @property
    def n_bins(self) -> int:
        """Number of bins."""
        return self.start.size

    @property
    def n_pixels(self) -> int:
        """Number of pixels with contacts."""
        return int(self.bin1_offset[-1])

    def read(self, low: int, high: int) -> tuple[NDArray[np.int32], Counts]:
        """Column and count of some pixels.

        Parameters
        ----------
        low, high
            The pixels, half open.

        Raises
        ------
        InputError
            They are damaged.
        """
        return next(self.read_many([(low, high)]))

    def read_many(
        self, ranges: Iterable[tuple[int, int]]
    ) -> Iterator[tuple[NDArray[np.int32], Counts]]:
        """Column and count of pixels of several ranges, one after the other.

        Parameters
        ----------
        ranges
            The pixels of each, half open; fastest in rising order.

        Raises
        ------
        InputError
            They are damaged.
        """
        with self._opened() as file:
            pixels = file[self.group]["pixels"]
            columns, counts = Column(pixels["bin2_id"], narrow=True), Column(pixels["count"])
            for low, high in ranges:
                try:
                    bin2, count = columns.read(low, high), counts.read(low, high)
                except (OSError, RuntimeError, ValueError, KeyError, zlib.error) as failure:
                    _damaged(self.path, str(failure).partition("\n")[0])
                if bin2.size and not 0 <= int(bin2.min()) <= int(bin2.max()) < self.n_bins:
                    _damaged(self.path, f"a pixel of a bin that is none of {self.n_bins}")
                yield bin2, self._plain(count)

    def _plain(self, count: NDArray[Any]) -> Counts:
        if count.dtype.kind == "f":
            if not (count >= 0.0).all():
                _damaged(self.path, "a count that is negative or missing")
            return count.astype(np.float64, copy=False)
        if count.size and int(count.min()) < 0:
            _damaged(self.path, "a negative count")
        if count.size and int(count.max()) >= _LARGE:
            return count.astype(np.float64)
        return count.astype(np.int32, copy=False)

    def column(self, name: str) -> NDArray[Any]:
        """A column of the bins (N,), such as `weight`.

        Weights that divide counts, as some programs write, are inverted.

        Parameters
        ----------
        name
            Its name.

        Raises
        ------
        InputError
            There is none of this name.
        """
        if name not in self.columns:
            there = f"there are {', '.join(self.columns)}" if self.columns else "there is none"
            refuse(
                self.path, f"no column {name!r} of the bins", f"one; {there}", "balance it first"
            )
        with self._opened() as file:
            found = file[self.group]["bins"][name]
            values, divisive = found[:], bool(found.attrs.get("divisive_weights", False))
        with np.errstate(divide="ignore"):
            return np.asarray(1.0 / values if divisive else values)

    def load(self) -> dict[str, Any]:
        """Everything in memory, as the arguments of `Contacts` of `contact_expected`."""
        bin2, count = self.read(0, self.n_pixels)
        kept = ("names", "chrom_offset", "start", "end", "bin1_offset")
        return {**{name: getattr(self, name) for name in kept}, "bin2": bin2, "count": count}

    def bins(self) -> pd.DataFrame:
        """Table of the bins: `chrom`, `start`, `end`, and the further columns as they are."""
        chrom = np.repeat(np.array(self.names, dtype=object), np.diff(self.chrom_offset))
        table = {"chrom": chrom, "start": self.start, "end": self.end}
        with self._opened() as file:
            found = file[self.group]["bins"]
            return pd.DataFrame(table | {name: found[name][:] for name in self.columns})

    def pixels(self, chromosome: str | None = None) -> pd.DataFrame:
        """Table of the pixels: `bin1`, `bin2`, `count`.

        Parameters
        ----------
        chromosome
            Pixels within one chromosome; by default all.
        """
        low, high = 0, self.n_bins
        if chromosome is not None:
            if chromosome not in self.names:
                raise ValueError(f"chromosome {chromosome!r} is none of {self.names}")
            c = self.names.index(chromosome)
            low, high = (int(b) for b in self.chrom_offset[c : c + 2])
        bin2, count = self.read(int(self.bin1_offset[low]), int(self.bin1_offset[high]))
        bin1 = np.repeat(np.arange(low, high), np.diff(self.bin1_offset[low : high + 1]))
        table = pd.DataFrame({"bin1": bin1, "bin2": bin2.astype(np.int64), "count": count})
        return table[table["bin2"] < high].reset_index(drop=True)

    def _opened(self) -> Any:
        h5py = require("h5py", EXTRA)
        with readable(self.path):
            return h5py.File(self.path, "r")


def open_cool(path: Path | str, resolution: int | None = None) -> CoolFile:
    """Open a contact map of a `.cool` or `.mcool` file.

    Parameters
    ----------
    path
        The file; `file.mcool::/resolutions/10000` names a map in it as cooler does.
    resolution
        Length of a bin in bp; needed where a file has several maps.

    Raises
    ------
    InputError
        The file is absent or damaged, or has no such map.
    MissingDependencyError
        cooler is not installed.

    Examples
    --------
    >>> from refsolve.io.cool import open_cool
    >>> from refsolve.methods.contact_expected import expected_cis
    >>> cool = open_cool("sample.mcool", 10_000)  # doctest: +SKIP
    >>> expected_cis(cool, weights=cool.column("weight")).to_frame()  # doctest: +SKIP
    """
    name, _, group = str(path).partition("::")
    file = Path(name)
    _require_hdf5(file)
    api = require("cooler", EXTRA)
    try:
        found = list(api.fileops.list_coolers(str(file)))
        place = _choose(file, found, group, resolution)
        return _load(file, place, api)
    # Damaged files make h5py and cooler raise all kinds of exceptions.
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError) as failure:
        _damaged(file, str(failure).partition("\n")[0])


def _damaged(path: Path, why: str) -> NoReturn:
    refuse(path, f"a damaged file ({why})", _KIND, _AGAIN)


def _require_hdf5(path: Path) -> None:
    with readable(path), path.open("rb") as stream:
        magic = stream.read(len(_MAGIC))
    if magic != _MAGIC:
        refuse(path, "no HDF5 file", _KIND, "convert it with cooler, or with hic2cool from .hic")


def _choose(path: Path, found: list[str], group: str, resolution: int | None) -> str:
    """The map that is meant."""
    if not found:
        refuse(path, "an HDF5 file without a contact map", _KIND, "write it with cooler")
    by_length = {int(m[1]): g for g in found if (m := re.fullmatch(r"/resolutions/(\d+)", g))}
    lengths = ", ".join(str(length) for length in sorted(by_length))
    if group:
        place = "/" + group.strip("/")
        if place not in found:
            refuse(path, f"no map {place!r}", f"one of {', '.join(found)}", "choose one of them")
        return place
    if len(found) == 1 and (resolution is None or not by_length):
        return found[0]
    if resolution is None:
        what = f"maps of {lengths} bp" if lengths else f"the maps {', '.join(found)}"
        refuse(path, what, "one map", "say which resolution is meant")
    if resolution not in by_length:
        refuse(path, f"no map of {resolution} bp", f"one of {lengths} bp", "choose one of them")
    return by_length[resolution]


def _load(path: Path, group: str, api: Any) -> CoolFile:
    clr = api.Cooler(f"{path}::{group}")
    if clr.storage_mode != "symmetric-upper":
        refuse(path, f"a {clr.storage_mode} map", "a symmetric one", "keep the upper triangle")
    with clr.open("r") as root:
        start, end = (root["bins"][name][:].astype(np.int64) for name in ("start", "end"))
        offset = root["indexes/chrom_offset"][:].astype(np.int64)
        bin1_offset = root["indexes/bin1_offset"][:].astype(np.int64)
        sizes = {name: root["pixels"][name].size for name in ("bin1_id", "bin2_id", "count")}
        columns = tuple(name for name in root["bins"] if name not in ("chrom", "start", "end"))
        names = tuple(str(name) for name in clr.chromnames)
    rising = offset[0] == 0 and bin1_offset[0] == 0
    rising &= bool((np.diff(offset) >= 0).all() and (np.diff(bin1_offset) >= 0).all())
    fits = offset.size == len(names) + 1 and bin1_offset.size == start.size + 1
    if not (rising and fits and offset[-1] == start.size):
        _damaged(path, "its index does not fit its bins")
    if set(sizes.values()) != {int(bin1_offset[-1])}:
        _damaged(path, f"columns of {sizes} pixels and an index of {bin1_offset[-1]}")
    return CoolFile(path, group, names, offset, start, end, bin1_offset, columns)
