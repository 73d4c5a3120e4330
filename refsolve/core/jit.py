"""The one numba switch.

Every compiled function of refsolve passes through `kernel`, which fixes the options once: the GIL
is released, division follows NumPy, and there is no fastmath (it deletes NaN checks).

Numba decides whether a cached function is stale by looking at the file of that function only: an
edit in a callee of another file goes unnoticed, even across an upgrade of the package. Therefore
the cache folder is named after a hash of the numba version and of every source that a kernel may
import (kernels, `numerics` and `core`; the import rules hold it to these), so that any change of
one of them starts from an empty cache, and a change of anything else does not.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core import config

F = TypeVar("F", bound=Callable[..., Any])

_KERNELS: dict[str, Any] = {}


@cache
def fingerprint() -> str:
    """Hash of every source that a kernel may import, the numba version, and its bounds check.

    Returns
    -------
    Sixteen hexadecimal digits.
    """
    package = Path(__file__).resolve().parent.parent
    # Numba would reuse a kernel compiled without the bounds check where the check is asked for.
    checked = getattr(config, "BOUNDSCHECK", None)
    digest = hashlib.sha256(f"{numba.__version__} {checked}".encode())
    for source in sorted(package.rglob("*.py")):
        place = source.relative_to(package)
        if place.parts[0] in ("core", "numerics") or "kernels" in place.with_suffix("").parts:
            digest.update(place.as_posix().encode())
            digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


@cache
def cache_folder() -> Path | None:
    """Folder of compiled kernels, or None where nothing is writable.

    `REFSOLVE_CACHE_DIR` overrides the user's cache folder.

    Returns
    -------
    An existing, writable folder that belongs to exactly these sources.
    """
    for base in _candidates():
        folder = base / "refsolve" / "numba" / fingerprint()
        if _writable(folder):
            return folder
    return None


def _candidates() -> list[Path]:
    chosen = os.environ.get("REFSOLVE_CACHE_DIR")
    if chosen:
        return [Path(chosen)]
    home = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    shared = Path(tempfile.gettempdir()) / f"refsolve-{os.getuid()}"
    # A user without a home keeps the tilde. In a shared folder, somebody else's cache is code.
    return [folder for folder in (home, shared) if folder.is_absolute() and _own(folder, shared)]


def _own(folder: Path, shared: Path) -> bool:
    if folder != shared:
        return True
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def kernel(fn: F) -> F:
    """Compile `fn` on its first call; the Python original stays at `.py_func`.

    Parameters
    ----------
    fn
        A function of arrays and numbers in the subset of Python that numba compiles.

    Returns
    -------
    The compiled function, or `fn` itself when `NUMBA_DISABLE_JIT` is set.
    """
    folder = cache_folder()
    # The cache locator reads the folder while it decorates; other packages keep their own setting.
    before = getattr(config, "CACHE_DIR")  # noqa: B009  set at run time, unknown to type checkers
    setattr(config, "CACHE_DIR", str(folder) if folder else before)  # noqa: B010
    try:
        compiled = numba.njit(fn, cache=folder is not None, nogil=True, error_model="numpy")
    finally:
        setattr(config, "CACHE_DIR", before)  # noqa: B010
    _KERNELS[f"{fn.__module__}.{fn.__name__}"] = compiled
    return compiled  # type: ignore[no-any-return]


def registered_kernels() -> dict[str, Any]:
    """Kernels of all modules imported so far, by qualified name."""
    return dict(_KERNELS)
