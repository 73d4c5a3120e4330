"""What the contamination does to an effect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from refsolve.methods.count_glm.estimator.mixed import fit_donors
from refsolve.methods.count_glm.estimator.regression import fit_counts
from refsolve.methods.count_glm.model.design import count_data
from refsolve.methods.count_glm.model.exposure import Exposure
from refsolve.methods.count_glm.model.results import CountFit, MixedFit, Sensitivity


def ambient_sensitivity(
    y: ArrayLike,
    x: ArrayLike,
    exposure: Exposure,
    coefficient: str | int,
    *,
    factors: Sequence[float] | ArrayLike = (0.0, 1.0, 2.0),
    donor: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    level: float = 0.95,
    **options: Any,
) -> Sensitivity:
    """An effect if all contamination were none, as given, and twice as much.

    Parameters
    ----------
    y, x, names, level
        As in `fit_counts`.
    exposure
        From `ambient_exposure`.
    coefficient
        Name or position.
    factors
        What all contamination is multiplied by.
    donor
        Labels of donors that have an intercept of their own; calls `fit_donors`.
    **options
        Further arguments of `fit_counts` or `fit_donors`.

    Returns
    -------
    Effects with their intervals.
    """
    if not isinstance(exposure, Exposure):
        raise ValueError("exposure must come from ambient_exposure; counts alone have no ambient")
    data = count_data(y, x, exposure, names)
    k, shared = data.position(coefficient), {"names": data.names, "level": level, **options}

    def fitted(factor: float) -> CountFit | MixedFit:
        rows = exposure.scaled(factor)
        if donor is None:
            return fit_counts(data.y, data.x, rows, **shared)
        return fit_donors(data.y, data.x, rows, donor, **shared)

    multiples = np.asarray(factors, np.float64)
    fits = [fitted(float(factor)) for factor in multiples]
    return Sensitivity(
        coefficient=data.names[k],
        factors=multiples,
        effect=np.array([fit.effect[k] for fit in fits]),
        se=np.array([fit.se[k] for fit in fits]),
        interval=np.array([fit.interval[k] for fit in fits]),
        level=level,
    )
