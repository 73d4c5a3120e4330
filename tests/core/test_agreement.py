import math

import numpy as np

from refsolve.core.agreement import checked, gap


def kernel() -> None: ...


def test_the_gap_is_the_largest_difference_and_nan_is_not_hidden():
    assert gap([1.0, 2.0], [1.5, 1.0]) == 1.0
    assert math.isnan(gap([1.0, np.nan], [1.0, 0.0]))


def test_checks_run_one_after_the_other():
    run = checked([(kernel, lambda: 0.25, 1e-3), (kernel, lambda: 1 / 0, 1.0)])
    assert next(run) == (f"{__name__}.kernel", 0.25, 1e-3)
