"""Contact maps written as `.cool` and `.mcool` files; a reader never sees half of one."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from refsolve.core.extras import require
from refsolve.core.files import renamed
from refsolve.io.cool import EXTRA, open_cool

_NAMES = ("chrom", "start", "end")
_LARGE = 2**31  # whole counts are stored in four bytes


def write_cool(
    path: Path | str, bins: pd.DataFrame, pixels: pd.DataFrame | Iterable[pd.DataFrame]
) -> Path:
    """Write a contact map.

    Parameters
    ----------
    path
        Where to.
    bins
        Columns `chrom`, `start`, `end`, and any further ones, such as `weight`.
    pixels
        Columns `bin1`, `bin2`, `count`, bin1 <= bin2, in order; or pieces of such a table, one
        after the other, so that it need not fit into memory.
    """
    with renamed(path) as part:
        _create(str(part), bins, pixels)
    return Path(path)


def write_mcool(
    path: Path | str,
    maps: Mapping[int, tuple[pd.DataFrame, pd.DataFrame | Iterable[pd.DataFrame]]],
) -> Path:
    """Write contact maps of several resolutions into one file.

    Parameters
    ----------
    path
        Where to.
    maps
        By the length of a bin in bp: bins and pixels as in `write_cool`.
    """
    if not maps:
        raise ValueError("maps is empty; give at least one resolution")
    h5py = require("h5py", EXTRA)
    with renamed(path) as part:
        for resolution, (bins, pixels) in sorted(maps.items()):
            _create(f"{part}::/resolutions/{int(resolution)}", bins, pixels)
        with h5py.File(part, "r+") as file:
            file.attrs["format"], file.attrs["format-version"] = "HDF5::MCOOL", 2
    return Path(path)


def write_weights(
    path: Path | str,
    weights: ArrayLike,
    *,
    resolution: int | None = None,
    name: str = "weight",
    facts: Mapping[str, Any] | None = None,
) -> Path:
    """Put balancing weights into a map, in place of any of this name.

    Parameters
    ----------
    path
        The file; it is copied, changed and renamed.
    weights
        One per bin (N,), NaN where a bin has none. They multiply counts.
    resolution
        Which map, as in `open_cool`.
    name
        Name of the column.
    facts
        How they were made, kept beside them: `tol`, `var`, `converged`, ....
    """
    cool = open_cool(path, resolution)
    values = np.asarray(weights, np.float64)
    if values.shape != (cool.n_bins,):
        raise ValueError(f"weights has shape {values.shape}; expected ({cool.n_bins},)")
    if name in _NAMES:
        raise ValueError(f"name = {name!r} is a column that the map needs; choose another name")
    h5py = require("h5py", EXTRA)
    with renamed(cool.path) as part:
        shutil.copyfile(cool.path, part)
        with h5py.File(part, "r+") as file:
            bins = file[cool.group]["bins"]
            if name in bins:
                del bins[name]
            column = bins.create_dataset(name, data=values, compression="gzip")
            column.attrs.update({"divisive_weights": False, **(facts or {})})
    return cool.path


def _create(uri: str, bins: pd.DataFrame, pixels: pd.DataFrame | Iterable[pd.DataFrame]) -> None:
    cooler = require("cooler", EXTRA)
    absent = [name for name in _NAMES if name not in bins.columns]
    if absent:
        raise ValueError(f"bins lacks the columns {absent}; name them chrom, start, end")
    table = bins.reset_index(drop=True)
    chrom = table["chrom"].astype(str)
    table["chrom"] = pd.Categorical(chrom, categories=list(dict.fromkeys(chrom)))
    whole = [pixels] if isinstance(pixels, pd.DataFrame) else pixels
    first, pieces = _peeked(whole)
    kind = np.float64 if first["count"].dtype.kind == "f" else np.int32
    check = _in_order(len(table))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cooler.create_cooler(
            uri, table, map(check, pieces), dtypes={"count": kind}, ordered=True, mode="a",
            triucheck=False, dupcheck=False, boundscheck=False,
        )  # fmt: skip


def _storable(count: pd.Series[Any]) -> NDArray[Any]:
    """Counts, if the file can hold them."""
    values = count.to_numpy()
    largest = np.inf if values.dtype.kind == "f" else _LARGE
    wrong = ~((values >= 0) & (values < largest))
    if wrong.any():
        raise ValueError(
            f"count {values[int(np.argmax(wrong))]} must be finite, at least 0 and, if whole, "
            f"below {_LARGE:,}; correct it, or give counts as floating point numbers"
        )
    return values


def _peeked(pieces: Iterable[pd.DataFrame]) -> tuple[pd.DataFrame, Iterator[pd.DataFrame]]:
    """The first piece, and all of them."""
    rest = iter(pieces)
    first = next(rest, None)
    if first is None:
        first = pd.DataFrame({"bin1": [], "bin2": [], "count": []}, dtype=np.int64)

    def again() -> Iterator[pd.DataFrame]:
        yield first
        yield from rest

    return first, again()


def _in_order(n_bins: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Check of one piece after the other: upper triangle, rising, of known bins."""
    last = -1

    def check(piece: pd.DataFrame) -> pd.DataFrame:
        nonlocal last
        i, j = piece["bin1"].to_numpy(np.int64), piece["bin2"].to_numpy(np.int64)
        key = np.append(last, i * n_bins + j)
        wrong = (i < 0) | (j >= n_bins) | (i > j) | (np.diff(key) <= 0)
        if wrong.any():
            k = int(np.argmax(wrong))
            raise ValueError(
                f"pixel ({i[k]}, {j[k]}) must be of the upper triangle of {n_bins} bins and come "
                "after the pixel before it; sort by bin1 and bin2, and add what occurs twice"
            )
        last = int(key[-1])
        return pd.DataFrame({"bin1_id": i, "bin2_id": j, "count": _storable(piece["count"])})

    return check
