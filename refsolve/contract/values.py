"""`KEY=VALUE` given as text becomes a value of the type that is expected."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any

from refsolve.core.errors import UsageError


def parse_assignments(items: Sequence[str], what: str) -> dict[str, str]:
    """Split `KEY=VALUE` texts.

    Parameters
    ----------
    items
        The texts.
    what
        Name of the option for messages.
    """
    pairs: dict[str, str] = {}
    for item in items:
        key, sign, value = item.partition("=")
        if not sign or not key.strip():
            raise UsageError(f"{what} {item!r} is not of the form KEY=VALUE.")
        pairs[key.strip()] = value.strip()
    return pairs


def coerce(given: Mapping[str, Any], defaults: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Values of the types of their defaults.

    Parameters
    ----------
    given
        Texts or values by key.
    defaults
        All known keys.
    what
        What a key is called in messages.

    Raises
    ------
    UsageError
        Unknown key, or a value of another type.
    """
    import difflib

    clean: dict[str, Any] = {}
    for key, value in given.items():
        if key not in defaults:
            near = difflib.get_close_matches(key, defaults, n=1)
            hint = (
                f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(defaults) or 'none'}."
            )
            raise UsageError(f"Unknown {what} {key!r}.", hint=hint)
        clean[key] = _as_type_of(defaults[key], value, f"{what} {key}")
    return clean


def _as_type_of(default: Any, value: Any, where: str) -> Any:
    kind = type(default)
    if type(value) is kind and kind is not float:
        return value
    try:
        if kind is bool:
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[
                str(value).lower()
            ]
        if kind is str and not isinstance(value, bool):
            return str(value) if isinstance(value, str) else str(operator.index(value))
        if kind is int and not isinstance(value, bool):
            return int(value) if isinstance(value, str) else operator.index(value)
        if kind is float and not isinstance(value, bool):
            number = float(value)
            if math.isfinite(number):
                return number
    except (ValueError, TypeError, KeyError, OverflowError):
        pass
    raise UsageError(f"{where}: {value!r} is not a valid {kind.__name__}.")
