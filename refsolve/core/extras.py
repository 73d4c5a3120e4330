"""Optional packages, asked for where they are used."""

from __future__ import annotations

import importlib
from typing import Any

from refsolve.core.errors import MissingDependencyError


def require(module: str, extra: str) -> Any:
    """Import an optional module, or say which extra brings it.

    Parameters
    ----------
    module
        Name to import.
    extra
        Extra of refsolve that installs it.

    Returns
    -------
    The module.

    Raises
    ------
    MissingDependencyError
        The module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        raise MissingDependencyError(
            f"{missing.name or module} is needed for this and is not installed.",
            hint=f"Install it with: pip install 'refsolve[{extra}]'",
        ) from missing
