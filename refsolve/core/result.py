"""What every result can do: summarise itself, become a table, become JSON.

A result is a frozen, slotted dataclass. It reports; it never computes, prints, or plots.
"""

from __future__ import annotations

import dataclasses
import html
import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


class Result:
    """Base of all result dataclasses."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain numbers, strings and lists, ready for JSON (NaN becomes None)."""
        return {f.name: jsonable(getattr(self, f.name)) for f in dataclasses.fields(self)}  # type: ignore[arg-type]

    def to_frame(self) -> pd.DataFrame:
        """One row: every field that is a single value."""
        import pandas as pd

        return pd.DataFrame(
            [{k: v for k, v in self.to_dict().items() if not isinstance(v, (list, dict))}]
        )

    def summary(self) -> str:
        """Fields in two columns, arrays by their shape."""
        shown = [(f.name, _short(getattr(self, f.name))) for f in dataclasses.fields(self)]  # type: ignore[arg-type]
        width = max(len(name) for name, _ in shown)
        title = type(self).__name__
        return "\n".join([title, "-" * len(title), *(f"{n:<{width}}  {v}" for n, v in shown)])

    def __str__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.summary())}</pre>"


def jsonable(value: Any) -> Any:
    """Value as JSON can hold it: arrays as lists, NaN and infinities as None.

    Parameters
    ----------
    value
        Number, string, array, mapping, sequence, dataclass, or None.
    """
    if isinstance(value, np.ndarray):
        return jsonable(value.tolist())
    if isinstance(value, np.generic):
        return jsonable(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: jsonable(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [
            jsonable(v) for v in (sorted(value) if isinstance(value, (set, frozenset)) else value)
        ]
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"array of shape {value.shape}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if (
        isinstance(value, tuple)
        and all(isinstance(v, (int, float)) for v in value)
        and len(value) < 5
    ):
        return "(" + ", ".join(_short(v) for v in value) + ")"
    if isinstance(value, Result):
        return type(value).__name__
    text = str(value)
    return text if len(text) < 80 else text[:77] + "..."
