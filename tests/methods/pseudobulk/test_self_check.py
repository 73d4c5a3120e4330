"""Every kernel of the method is held against the textbook."""

from __future__ import annotations

import numpy as np
import pytest

from refsolve.core.jit import registered_kernels
from refsolve.methods.pseudobulk.kernels import cells, linear, lowess, posterior
from refsolve.methods.pseudobulk.self_check import self_check

METHOD = "refsolve.methods.pseudobulk."


@pytest.mark.slow
def test_every_kernel_has_an_entry_that_passes() -> None:
    found = {name: (gap, limit) for name, gap, limit in self_check()}
    kernels = {name for name in registered_kernels() if name.startswith(METHOD)}
    assert kernels
    assert set(found) == kernels
    assert {name for name, (gap, limit) in found.items() if not gap <= limit} == set()


@pytest.mark.slow
@pytest.mark.compiled
def test_compiled_kernels_are_their_python_originals() -> None:
    rng = np.random.default_rng(0)
    y, x = rng.normal(size=(3, 6)), np.column_stack([np.ones(6), np.repeat([0.0, 1.0], 3)])
    w, count = rng.gamma(5.0, 0.2, (3, 6)), 1.0 + rng.poisson(20.0, (3, 6))
    mark, mean = np.arange(6) % 2 == 0, np.full((3, 6), 20.0)
    pointer, row = np.arange(4) * 6, np.tile(np.arange(6), 3)
    cases = [
        (linear.weighted_fits, (y, x, w, np.eye(6))),
        (linear.sample_precisions, (y, x, w, 10.0)),
        (lowess.robust_line, (np.sort(y[0]), y[1], 0.7, 2)),
        (posterior.ridge_fits, (count, x, np.ones(6), w[:, 0], np.zeros((3, 2)), 1e-6)),
        (posterior.modes, (count, x, mean, np.full(3, -2.0), 0.5, -8.0, 2.0)),
        (cells.rank_sums, (pointer, row, y.ravel(), mark)),
    ]
    for kernel, arguments in cases:
        got, want = kernel(*arguments), kernel.py_func(*arguments)
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
