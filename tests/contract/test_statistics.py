from __future__ import annotations

import math
import statistics as library

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from refsolve.contract import statistics

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)


@given(st.integers(1, 3000), st.data())
def test_wilson_is_that_of_statsmodels(n, data):
    passed = data.draw(st.integers(0, n))
    low, high = proportion_confint(passed, n, alpha=0.05, method="wilson")
    assert statistics.wilson(passed, n) == pytest.approx((low, high), abs=1e-12)


def test_wilson_of_nothing_is_everything():
    assert statistics.wilson(0, 0) == (0.0, 1.0)
    assert statistics.wilson(0, 5)[0] == 0.0
    assert statistics.wilson(5, 5)[1] == 1.0


@given(NUMBERS, st.floats(0, 1))
def test_the_others_are_those_of_numpy(values, level):
    size = max(abs(v) for v in values)
    close = {"rel": 1e-9, "abs": 1e-12 * size}
    assert statistics.mean(values) == pytest.approx(np.mean(values), **close)
    assert statistics.median(values) == pytest.approx(library.median(values), **close)
    assert statistics.quantile(values, level) == pytest.approx(np.quantile(values, level), **close)
    squares = np.sqrt(np.mean(np.square(values)))
    assert statistics.root_mean_square(values) == pytest.approx(squares, **close)


def test_nothing_has_no_statistics():
    for function in (statistics.mean, statistics.median, statistics.root_mean_square):
        assert math.isnan(function([]))
    assert math.isnan(statistics.quantile([], 0.5))
