"""Droplets for the speed of ambient: in memory, and in a file."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

TYPES, RHO, MARKER = 8, 0.1, 0.02
CELLS_IN = 50  # of a file one droplet in so many holds a cell


class Droplets(NamedTuple):
    """Cells before empty droplets, and the type of each cell."""

    counts: csr_array
    cells: csr_array
    types: NDArray[np.int64]


def profiles(genes: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], ...]:
    """Shares of the genes in each type (types, genes), and in the ambient RNA.

    The first gene is a marker that no cell makes.
    """
    level = rng.normal(-1.0, 2.0, genes) + 0.25 * rng.normal(size=(TYPES, genes))
    share = np.exp(level)
    special = rng.permutation(np.arange(1, genes))[: TYPES * (genes // 40)].reshape(TYPES, -1)
    for k, mine in enumerate(special):
        share[:, mine] *= 0.01
        share[k, mine] *= 800.0
    share[:, 0] = 0.0
    share /= share.sum(axis=1, keepdims=True)
    ambient = share.mean(axis=0) * (1.0 - MARKER)
    ambient[0] = MARKER
    return share, ambient


def drawn(
    size: NDArray[np.int64], share: NDArray[np.float64], rng: np.random.Generator
) -> csr_array:
    """Droplets of the sizes given from one composition."""
    table = np.cumsum(share)
    table /= table[-1]
    places = np.searchsorted(table, rng.random(int(size.sum()))).astype(np.int32)
    starts = np.append(0, np.cumsum(size)).astype(np.int32)
    ones = np.ones(places.size, np.float32)
    out = csr_array((ones, places, starts), shape=(size.size, share.size))
    out.sum_duplicates()
    return out


def in_memory(cells: int, genes: int) -> Droplets:
    """Cells of about 2,000 counts, a tenth of them ambient, and as many empty droplets."""
    rng = np.random.default_rng(1)
    share, ambient = profiles(genes, rng)
    types = np.sort(rng.integers(0, TYPES, cells))
    size = np.exp(rng.normal(np.log(2000), 0.4, cells)).astype(np.int64)
    parts = [
        drawn(size[types == k], (1.0 - RHO) * share[k] + RHO * ambient, rng) for k in range(TYPES)
    ]
    full = csr_array(vstack(parts, format="csr"))
    empty = drawn(rng.poisson(rng.gamma(4.0, 7.5, cells)), ambient, rng)
    return Droplets(csr_array(vstack([full, empty], format="csr")), full, types)


def write_file(path: Path, droplets: int, genes: int, block: int = 50_000) -> None:
    """AnnData of raw droplets, one in fifty with a cell of about 3,000 counts."""
    rng = np.random.default_rng(2)
    share, ambient = profiles(genes, rng)
    text = h5py.string_dtype()
    with h5py.File(path, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        for name, n in (("obs", droplets), ("var", genes)):
            frame = file.create_group(name)
            frame.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.2.0"})
            frame.attrs["_index"] = "_index"
            frame.attrs.create("column-order", [], dtype=text)
            index = frame.create_dataset("_index", data=np.arange(n).astype(bytes), dtype=text)
            index.attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})
        x = file.create_group("X")
        x.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0"})
        x.attrs["shape"] = (droplets, genes)
        for name, kind in (("data", "f4"), ("indices", "i4")):
            x.create_dataset(name, (0,), kind, maxshape=(None,), chunks=(2**18,))
        starts = x.create_dataset("indptr", (droplets + 1,), "i8")
        for at in range(0, droplets, block):
            _append(x, starts, at, _mixed(min(block, droplets - at), share, ambient, rng))


def _mixed(
    n: int, share: NDArray[np.float64], ambient: NDArray[np.float64], rng: np.random.Generator
) -> csr_array:
    full = max(n // CELLS_IN, 1)
    size = np.exp(rng.normal(np.log(3000), 0.4, full)).astype(np.int64)
    mix = (1.0 - RHO) * share[rng.integers(TYPES)] + RHO * ambient
    empty = drawn(rng.poisson(rng.gamma(4.0, 15.0, n - full)), ambient, rng)
    return csr_array(vstack([drawn(size, mix, rng), empty], format="csr"))


def _append(x: h5py.Group, starts: h5py.Dataset, at: int, block: csr_array) -> None:
    before = x["data"].shape[0]
    for name, values in (("data", block.data), ("indices", block.indices)):
        x[name].resize((before + values.size,))
        x[name][before:] = values
    starts[at + 1 : at + 1 + block.shape[0]] = block.indptr[1:].astype(np.int64) + before
