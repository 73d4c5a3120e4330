"""What methods announce by a module of a fixed name: `self_check` and `workloads`."""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import refsolve

if TYPE_CHECKING:
    from refsolve.core.workload import Workload

METHODS = Path(refsolve.__file__).parent / "methods"


@dataclass(frozen=True, slots=True)
class Check:
    """A kernel held against its textbook.

    Attributes
    ----------
    kernel
        Qualified name; that of the method where its self-check broke off.
    error
        Largest absolute difference; NaN where there is none.
    tolerance
        Largest difference that passes.
    trouble
        Why there is no difference.
    """

    kernel: str
    error: float
    tolerance: float
    trouble: str = ""

    @property
    def passed(self) -> bool:
        """Whether the difference is within the tolerance."""
        return self.error <= self.tolerance


def methods_with(module: str) -> list[str]:
    """Methods that have a module of this name, which is a file or a folder.

    Parameters
    ----------
    module
        Its name.
    """
    files = METHODS.glob(f"*/{module}.py")
    folders = (path.parent for path in METHODS.glob(f"*/{module}/__init__.py"))
    return sorted(path.parent.name for path in (*files, *folders))


def workloads(method: str) -> list[Workload]:
    """Workloads of a method.

    Parameters
    ----------
    method
        One of `methods_with("workloads")`.
    """
    listed: list[Workload] = importlib.import_module(
        f"refsolve.methods.{method}.workloads"
    ).workloads()
    return listed


def checks() -> Iterator[Check]:
    """Check every kernel of every method; a kernel without a check comes last and does not pass."""
    from refsolve.core.jit import registered_kernels

    seen = set()
    for method in methods_with("self_check"):
        for check in _checks_of(method):
            seen.add(check.kernel)
            yield check
    # Kernels of the user's own code are the user's to check.
    own = {kernel for kernel in registered_kernels() if kernel.startswith("refsolve.")}
    for kernel in sorted(own - seen):
        yield Check(kernel, math.nan, 0.0, "not checked")


def _checks_of(method: str) -> Iterator[Check]:
    name = f"refsolve.methods.{method}"
    try:
        module: Any = importlib.import_module(f"{name}.self_check")
        for kernel, error, tolerance in module.self_check():
            yield Check(kernel, float(error), float(tolerance))
    except Exception as broken:  # whatever a broken kernel raises is the finding
        yield Check(name, math.nan, 0.0, f"{type(broken).__name__}: {broken}")


def timed_checks() -> tuple[list[Check], float]:
    """All checks and the seconds they took, compilation included."""
    start = time.perf_counter()
    done = list(checks())
    return done, time.perf_counter() - start
