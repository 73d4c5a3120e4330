"""Every kernel of the method held against the textbook."""

from __future__ import annotations

from collections.abc import Iterator

from refsolve.core.agreement import checked
from refsolve.methods.count_glm.self_check.core import CORE
from refsolve.methods.count_glm.self_check.mapping import MAPPING


def self_check() -> Iterator[tuple[str, float, float]]:
    """Check every kernel.

    Yields
    ------
    Qualified name of the kernel, largest absolute difference, and the difference that passes.
    """
    yield from checked((*CORE, *MAPPING))
