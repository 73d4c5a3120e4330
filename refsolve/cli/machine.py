"""The machine under refsolve: cores, memory, BLAS, numba's layers, and the cache of kernels."""

from __future__ import annotations

import ctypes
import importlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from refsolve.cli.finding import Finding
from refsolve.cli.options import cores

LITTLE_MEMORY = 1.0  # GB
LAYERS = {"omp": "omppool", "tbb": "tbbpool", "workqueue": "workqueue"}
GOMP = "libgomp.so.1"


def machine() -> Iterator[Finding]:
    """Cores, memory, linear algebra and threads."""
    yield Finding("machine", "cores", str(cores()))
    yield _memory()
    yield from _blas()
    yield from _threads()


def _memory() -> Finding:
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    entries = dict(line.split(":", 1) for line in lines)
    free, total = (int(entries[key].split()[0]) / 2**20 for key in ("MemAvailable", "MemTotal"))
    value = f"{free:.1f} of {total:.1f} GB available"
    if free < LITTLE_MEMORY:
        return Finding("machine", "memory", value, "note", "Use fewer --workers.")
    return Finding("machine", "memory", value)


def _blas() -> Iterator[Finding]:
    import scipy.linalg  # noqa: F401 - brings a BLAS of its own
    from threadpoolctl import threadpool_info

    for pool in threadpool_info():
        if pool["user_api"] == "blas":
            owner = Path(pool["filepath"]).parent.name.removesuffix(".libs")
            name = f"{pool['internal_api']} {pool.get('version') or ''}".strip()
            value = f"{name}, {pool['num_threads']} threads, kernels {pool.get('architecture')}"
            yield Finding("machine", f"BLAS of {owner}", value)


def _threads() -> Iterator[Finding]:
    layers = [name for name, module in LAYERS.items() if _imports(f"numba.np.ufunc.{module}")]
    yield Finding("machine", "numba layers", ", ".join(layers) or "none (kernels need none)")
    try:
        ctypes.CDLL(GOMP)
    except OSError:
        remedy = "Nothing of refsolve needs it; other packages may: apt install libgomp1"
        yield Finding("machine", "libgomp", "absent", "note", remedy)
    else:
        yield Finding("machine", "libgomp", GOMP)


def _imports(module: str) -> bool:
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True


def kernel_cache(purge: bool) -> Iterator[Finding]:
    """The folder of compiled kernels, and folders that other sources left behind.

    Parameters
    ----------
    purge
        Delete the folders left behind.
    """
    from refsolve.core.jit import cache_folder

    folder = cache_folder()
    if folder is None:
        remedy = "Set REFSOLVE_CACHE_DIR to a folder that you may write."
        yield Finding("cache", "folder", "none: every run compiles", "note", remedy)
        return
    kept = sum(1 for _ in folder.rglob("*.nbi"))
    yield Finding("cache", "folder", f"{folder} ({kept} kernels, {_size(folder):.1f} MB)")
    stale = sorted(other for other in folder.parent.iterdir() if other != folder)
    size = sum(map(_size, stale))
    if purge:
        for other in stale:
            shutil.rmtree(other)
        yield Finding("cache", "of other versions", f"{len(stale)} deleted ({size:.1f} MB)")
    elif stale:
        value = f"{len(stale)} folders ({size:.1f} MB)"
        yield Finding("cache", "of other versions", value, "note", "refsolve doctor --purge")


def _size(folder: Path) -> float:
    """Megabytes below a folder."""
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e6
