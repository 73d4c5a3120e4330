"""What all figures share: colours, sizes, values by name, and the frame of a pair of axes.

Nothing here imports matplotlib: the axes come from the figure's own module.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from refsolve.core.check import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito: told apart with every kind of colour vision, and in grey.
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, YELLOW, GREY = "#E69F00", "#56B4E9", "#F0E442", "#595959"
FONT = 10
ABOVE: dict[str, Any] = {
    "frameon": False,
    "fontsize": FONT - 1,
    "loc": "lower left",
    "bbox_to_anchor": (0, 1),
}
"""Where legends stand: above the axes, where no data can be."""


def value_of(thing: object, name: str, default: Any = None) -> Any:
    """Attribute, or key of a mapping.

    Parameters
    ----------
    thing
        A result, or a mapping with the same names.
    name
        What is asked for.
    default
        Where there is none.
    """
    return thing.get(name, default) if isinstance(thing, Mapping) else getattr(thing, name, default)


def array_of(thing: object, name: str, default: float | None = None) -> FloatArray:
    """Attribute, or key of a mapping, as floats; ValueError where there is none.

    Parameters
    ----------
    thing
        A result, or a mapping with the same names.
    name
        What is asked for.
    default
        Where there is none.
    """
    value = value_of(thing, name, default)
    if value is None:
        raise ValueError(f"{type(thing).__name__} has no {name!r}; see the parameter's description")
    return np.asarray(value, dtype=np.float64)


def finish(ax: Axes, columns: int = 0) -> Axes:
    """Open frame and even fonts; returns the axes.

    Parameters
    ----------
    ax
        Axes of matplotlib.
    columns
        Columns of a legend above the axes; 0 leaves it out.
    """
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=FONT - 1)
    ax.xaxis.label.set_fontsize(FONT)
    ax.yaxis.label.set_fontsize(FONT)
    if columns:
        ax.legend(ncols=columns, **ABOVE)
    return ax
