"""What takes part in an expected, and with which weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray
from refsolve.methods.contact_expected.model.combine import Mask, mask_of
from refsolve.methods.contact_expected.model.contacts import Pixels, finite_weights


def taking_part(
    pixels: Pixels, weights: ArrayLike | None, mask: Mask | ArrayLike | None
) -> tuple[Mask, FloatArray]:
    """The mask without bins that have no weight, and the weights: zero for these, or all ones.

    Parameters
    ----------
    pixels
        The contacts.
    weights
        Weight of each bin (N,), NaN where it has none; None for raw contacts.
    mask
        Bins and pixels that take part.
    """
    n_bins = pixels.start.size
    used = mask_of(mask, n_bins)
    if weights is None:
        return used, np.ones(n_bins)
    weight = finite_weights(weights, n_bins)
    known = ~np.isnan(weight)
    return Mask(used.valid & known, used.rectangles, used.account), np.where(known, weight, 0.0)
