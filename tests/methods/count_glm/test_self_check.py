"""Every kernel of the method is held against the textbook."""

from __future__ import annotations

from refsolve.core.jit import registered_kernels
from refsolve.methods.count_glm.self_check import self_check

METHOD = "refsolve.methods.count_glm."


def test_every_kernel_has_an_entry_that_passes() -> None:
    found = {name: (gap, limit) for name, gap, limit in self_check()}
    kernels = {name for name in registered_kernels() if name.startswith(METHOD)}
    assert set(found) >= kernels
    assert {name for name, (gap, limit) in found.items() if not gap <= limit} == set()
