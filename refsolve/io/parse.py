"""Typed columns from the records of a text table."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refsolve.io.cells import GOOD, MISSING, Rule, careful, finish, quick
from refsolve.io.lines import Body

# Fields parsed at a time: bounds what the parser holds beside the result.
_FIELDS = 1 << 22
# Before pandas 3.1 the parser is exact only on demand; from there on it always is, and says so.
_ALWAYS_EXACT = tuple(int(part) for part in pd.__version__.split(".")[:2]) >= (3, 1)
_EXACT: dict[str, Any] = {} if _ALWAYS_EXACT else {"float_precision": "round_trip"}


@dataclass(frozen=True, slots=True)
class Flaw:
    """Column with fields that are missing or of another type where they may not be.

    Attributes
    ----------
    texts
        Fields as they stand in the file.
    state
        Good, absent or wrong, for each.
    """

    texts: NDArray[np.object_]
    state: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Columns:
    """What was read of a file.

    Attributes
    ----------
    values
        Typed values by canonical name; a flawed column has fillers where it is flawed.
    flaws
        Columns that are not clean.
    """

    values: dict[str, Any]
    flaws: dict[str, Flaw]


def parse_columns(body: Body, rules: Mapping[int, Rule]) -> Columns:
    """Read columns of a text table.

    Parameters
    ----------
    body
        The records.
    rules
        How to read the column at each position.
    """
    values: dict[str, Any] = {}
    flaws: dict[str, Flaw] = {}
    parts = _quick_parts(body, rules)
    for position, rule in rules.items():
        name = rule.spec.name
        pieces = parts.pop(position)
        if pieces is None:
            texts = _texts(body, position)
            found, state = careful(texts, rule)
            pieces = [found]
            if (state != GOOD).any():
                flaws[name] = Flaw(texts, state)
        values[name] = finish(pieces, rule)
    return Columns(values, flaws)


def _quick_parts(body: Body, rules: Mapping[int, Rule]) -> dict[int, list[Any] | None]:
    parts: dict[int, list[Any] | None] = {position: [] for position in rules}
    if not (rules and body.rows.size):
        return parts
    types = {position: rule.parser_type for position, rule in rules.items() if rule.parser_type}
    for chunk in _chunks(body, list(rules), types, list(MISSING)):
        for position, rule in rules.items():
            pieces = parts[position]
            if pieces is not None:
                piece = quick(chunk[position], rule)
                parts[position] = None if piece is None else [*pieces, piece]
    return parts


def _texts(body: Body, position: int) -> NDArray[np.object_]:
    chunks = _chunks(body, [position], {position: "str"}, [])
    return np.concatenate([chunk[position].to_numpy(dtype=object) for chunk in chunks])


def _chunks(
    body: Body, positions: list[int], types: dict[int, str], missing: list[str]
) -> Iterator[pd.DataFrame]:
    stream = io.BytesIO(body.data)
    stream.seek(body.start)
    reader = pd.read_csv(
        stream,
        sep=body.delimiter,
        header=None,
        names=range(body.width),
        index_col=False,
        usecols=positions,
        dtype=types,
        na_values=missing,
        keep_default_na=False,
        na_filter=bool(missing),
        skip_blank_lines=False,
        low_memory=False,
        engine="c",
        chunksize=max(1 << 12, _FIELDS // body.width),
        **_EXACT,
    )
    with reader:
        yield from reader
