"""The two shapes of a direct effect of a variant on the outcome."""

from __future__ import annotations

from typing import Literal

import numpy as np

from refsolve.core.check import FloatArray
from refsolve.methods.mvmr.model.ld import ridged
from refsolve.methods.mvmr.model.summary import Summary, Whitened

Shape = Literal["variant", "ld"]
SHAPES: tuple[Shape, ...] = ("variant", "ld")


def spread_of(white: Whitened, shape: Shape) -> FloatArray:
    """Variance that balanced direct effects of variance one add to each row (J,).

    Parameters
    ----------
    white
        In the eigenbasis.
    shape
        `variant`: on the marginal effect of the variant itself, an error of single variants;
        `ld`: on its joint effect, which spreads to the variants in LD with it.
    """
    check_shape(shape)
    return white.spectrum if shape == "ld" else 1.0 / white.spectrum


def shift_columns(data: Summary, shape: Shape) -> FloatArray:
    """What a direct effect of every candidate adds to the outcome's z-scores, column-wise.

    The instruments themselves (J, J); where effects spread through LD also their neighbours.

    Parameters
    ----------
    data
        Instruments.
    shape
        As in `spread_of`.
    """
    check_shape(shape)
    if shape == "variant":
        return np.eye(data.n_variants)
    beyond = (1.0 - data.ridge) * data.neighbour_ld
    return np.hstack([ridged(data.ld, data.ridge), beyond])


def check_shape(shape: str) -> None:
    """Raise ValueError unless the shape is known.

    Parameters
    ----------
    shape
        To be checked.
    """
    if shape not in SHAPES:
        raise ValueError(f"shape = {shape!r} is unknown; expected one of {', '.join(SHAPES)}")
