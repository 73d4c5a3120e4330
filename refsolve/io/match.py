"""Which column of a file is which column of the schema.

A name matches when it equals the canonical name or an alias. Where no name does, a name that
differs only in case is accepted, provided it is the only one and no other column could claim it.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from refsolve.core.errors import Violation
from refsolve.core.schema import ColumnSchema, TableForm, TableSchema

_LISTED = 12
# Comparing names is slow, and among more of them a likeness means little.
_COMPARED = 2000


@dataclass(frozen=True, slots=True)
class Match:
    """Form chosen for a file, and where its columns are.

    Attributes
    ----------
    form
        Index of the form in the schema.
    positions
        Position in the file of every column found, by canonical name, in the order of the schema.
    violations
        What keeps the file from having this form.
    missing
        Required columns that are absent.
    """

    form: int
    positions: dict[str, int]
    violations: tuple[Violation, ...]
    missing: int


def match_columns(file: str, names: Sequence[str], schema: TableSchema) -> Match:
    """Choose the first form whose required columns are all there, or else the nearest form.

    Parameters
    ----------
    file
        Name of the file, for messages.
    names
        Names that the file has.
    schema
        What it should have.
    """
    forms = [_match_form(file, names, form, k) for k, form in enumerate(schema.forms)]
    best = min(forms, key=lambda match: match.missing)
    repeated = sorted(name for name, count in Counter(names).items() if name and count > 1)
    violations = [
        Violation(file, name, None, None, "every name once in the header", "rename one of them")
        for name in repeated
    ]
    return Match(best.form, best.positions, (*violations, *best.violations), best.missing)


def _match_form(file: str, names: Sequence[str], form: TableForm, index: int) -> Match:
    positions: dict[str, int] = {}
    violations: list[Violation] = []
    missing = 0
    for column in form.columns:
        found = _find(names, column, form)
        distinct = {names[k] for k in found}
        if len(distinct) > 1:
            given = " and ".join(repr(names[k]) for k in found)
            remedy = f"remove or rename all but one of {given}"
            violations.append(Violation(file, column.name, None, None, "to be given once", remedy))
        if found:
            positions[column.name] = found[0]
        elif not column.optional:
            missing += 1
            violations.append(_absent(file, names, column, set(positions.values())))
    return Match(index, positions, tuple(violations), missing)


def _names_of(column: ColumnSchema) -> tuple[str, ...]:
    return (column.name, *column.aliases)


def _find(names: Sequence[str], column: ColumnSchema, form: TableForm) -> list[int]:
    exact = [k for k, name in enumerate(names) if name in _names_of(column)]
    if exact:
        return exact
    folded = {name.casefold() for name in _names_of(column)}
    others = [name for other in form.columns if other is not column for name in _names_of(other)]
    folded -= {name.casefold() for name in others}
    loose = [k for k, name in enumerate(names) if name.casefold() in folded]
    return loose if len(loose) == 1 else []


def _absent(file: str, names: Sequence[str], column: ColumnSchema, used: set[int]) -> Violation:
    expected = "a column of this name"
    if column.aliases:
        expected += f" (or {', '.join(column.aliases)})"
    free = [name for k, name in enumerate(names) if k not in used]
    there = ", ".join(repr(name) for name in names[:_LISTED])
    if len(names) > _LISTED:
        there += f" and {len(names) - _LISTED} more"
    near = near_miss(column.name, free) or next(
        (hit for alias in column.aliases if (hit := near_miss(alias, free))), ""
    )
    guess = f"perhaps {near!r} is meant; " if near else ""
    return Violation(file, column.name, None, None, expected, f"{guess}the columns are {there}")


def near_miss(name: str, candidates: Sequence[str]) -> str:
    """Candidate most like a name regardless of case, or nothing.

    Parameters
    ----------
    name
        What was looked for.
    candidates
        What is there.
    """
    near = candidates[:_COMPARED]
    folded = {candidate.casefold(): candidate for candidate in reversed(near)}
    hits = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return folded[hits[0]] if hits else ""
