"""refsolve: reference solvers for quantitative biology.

The verbs (`solve`, `grade`, `certify`, `explain`, …) live here and load what they need when they
are called; the analyses are in `refsolve.methods`.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_WHERE = {
    "list": ("refsolve.contract.catalogue", "list_problems"),
    "describe": ("refsolve.contract.catalogue", "describe"),
    "generate": ("refsolve.contract.generating", "generate"),
    "solve": ("refsolve.contract.solving", "solve"),
    "grade": ("refsolve.contract.grading", "grade"),
    "explain": ("refsolve.contract.explaining", "explain"),
    "certify": ("refsolve.contract.certifying", "certify"),
    "new": ("refsolve.contract.scaffold", "new"),
}

if TYPE_CHECKING:
    from refsolve.contract.catalogue import describe
    from refsolve.contract.catalogue import list_problems as list
    from refsolve.contract.certifying import certify
    from refsolve.contract.explaining import explain
    from refsolve.contract.generating import generate
    from refsolve.contract.grading import grade
    from refsolve.contract.scaffold import new
    from refsolve.contract.solving import solve

__all__ = ["certify", "describe", "explain", "generate", "grade", "list", "new", "solve"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'refsolve' has no attribute {name!r}")
    module, attribute = _WHERE[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> Sequence[str]:
    return sorted({*globals(), *__all__})
