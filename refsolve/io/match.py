"""Which column of a file is which column of the schema.

A name matches when it equals the canonical name or an alias. Where no name does, a name that
differs only in case is accepted, provided it is the only one and no other column could claim it.
What no name claims is left to the patterns, in the order of the schema.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from refsolve.core.errors import Violation
from refsolve.core.schema import ColumnSchema, MatrixSchema, TableForm, TableSchema
from refsolve.io.sniff import Found

_LISTED = 12
# Comparing names is slow, and among more of them a likeness means little.
_COMPARED = 2000
Entry = ColumnSchema | MatrixSchema


@dataclass(frozen=True, slots=True)
class Match:
    """Form chosen for a file, and where its columns are.

    Attributes
    ----------
    form
        Index of the form in the schema.
    positions
        Position in the file of every column and matrix found, by canonical name, in the order of
        the schema; columns of a pattern by their own names, in natural order.
    groups
        Columns that match a pattern, by the name of the pattern.
    violations
        What keeps the file from having this form.
    missing
        Required columns and matrices that are absent.
    """

    form: int
    positions: dict[str, int]
    groups: dict[str, tuple[str, ...]]
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
    source = _Source(file, tuple(names), "field" if schema.format == "json" else "column")
    forms = [_match_form(source, form, k) for k, form in enumerate(schema.forms)]
    best = min(forms, key=lambda match: match.missing)
    violations = (*source.repeated(), *best.violations)
    return dataclasses.replace(best, violations=violations)


def _match_form(source: _Source, form: TableForm, index: int) -> Match:
    found = {entry.name: _find(source.names, entry, form) for entry in _entries(form)}
    taken = {source.names[k] for positions in found.values() for k in positions}
    free = [name for name in dict.fromkeys(source.names) if name not in taken]
    first = {name: k for k, name in reversed(list(enumerate(source.names)))}
    match = Match(index, {}, {}, (), 0)
    for entry in _entries(form):
        if isinstance(entry, ColumnSchema) and entry.pattern is not None:
            group = match.groups[entry.name] = _find_group(entry, free)
            match.positions.update((name, first[name]) for name in group)
            free = [name for name in free if name not in match.positions]
            lacks = len(group) < entry.min_columns and not (entry.optional and not group)
            wrong = [source.too_few(entry, len(group))] if lacks else []
        else:
            at = found[entry.name]
            match.positions.update((entry.name, k) for k in at[:1])
            lacks = not at and not entry.optional
            wrong = [source.absent(entry, free)] if lacks else source.ambiguous(entry, at)
        violations = (*match.violations, *wrong)
        match = dataclasses.replace(match, violations=violations, missing=match.missing + lacks)
    return match


def _find_group(column: ColumnSchema, free: Sequence[str]) -> tuple[str, ...]:
    for flags in (re.NOFLAG, re.IGNORECASE):
        pattern = re.compile(column.pattern or "", flags)
        hits = [name for name in free if name and pattern.fullmatch(name)]
        if hits:
            return tuple(sorted(hits, key=_natural))
    return ()


def _natural(name: str) -> list[tuple[int, str]]:
    """Order in which F2 comes before F10."""
    key = [(0, part) for part in re.split(r"([0-9]+)", name)]
    digits = [part.lstrip("0") for _, part in key[1::2]]
    key[1::2] = [(len(part), part) for part in digits]
    return [*key, (0, name)]


def _entries(form: TableForm) -> tuple[Entry, ...]:
    return (*form.columns, *form.matrices)


def _names_of(column: Entry) -> tuple[str, ...]:
    return (column.name, *column.aliases)


def _find(names: Sequence[str], column: Entry, form: TableForm) -> list[int]:
    if isinstance(column, ColumnSchema) and column.pattern is not None:
        return []
    exact = [k for k, name in enumerate(names) if name in _names_of(column)]
    if exact:
        return exact
    folded = {name.casefold() for name in _names_of(column)}
    others = [name for other in _entries(form) if other is not column for name in _names_of(other)]
    folded -= {name.casefold() for name in others}
    loose = [k for k, name in enumerate(names) if name.casefold() in folded]
    return loose if len(loose) == 1 else []


@dataclass(frozen=True, slots=True)
class _Source:
    """The names of a file, and what can be wrong with them."""

    file: str
    names: tuple[str, ...]
    noun: str

    def repeated(self) -> Iterator[Violation]:
        counts = Counter(self.names)
        for name in sorted(name for name, count in counts.items() if name and count > 1):
            where = " in the header" if self.noun == "column" else ""
            yield self._blame(name, f"every name once{where}", "rename one of them")

    def ambiguous(self, entry: Entry, at: Sequence[int]) -> list[Violation]:
        if len({self.names[k] for k in at}) < 2:
            return []
        given = " and ".join(repr(self.names[k]) for k in at)
        remedy = f"remove or rename all but one of {given}"
        return [self._blame(entry.name, "to be given once", remedy)]

    def too_few(self, column: ColumnSchema, count: int) -> Violation:
        least = f"{column.min_columns} {self.noun}{'s' if column.min_columns > 1 else ''}"
        found = Found(f"{count} of them") if count else None
        expected = f"at least {least} whose name matches {column.pattern}"
        return Violation(self.file, column.name, None, found, expected, self._there())

    def absent(self, entry: Entry, free: Sequence[str]) -> Violation:
        noun = "matrix" if isinstance(entry, MatrixSchema) else self.noun
        aliases = f" (or {', '.join(entry.aliases)})" if entry.aliases else ""
        near = next((hit for name in _names_of(entry) if (hit := near_miss(name, free))), "")
        guess = f"perhaps {near!r} is meant; " if near else ""
        return self._blame(entry.name, f"a {noun} of this name{aliases}", guess + self._there())

    def _there(self) -> str:
        there = ", ".join(repr(name) for name in self.names[:_LISTED])
        more = len(self.names) - _LISTED
        return f"the {self.noun}s are {there}{f' and {more} more' if more > 0 else ''}"

    def _blame(self, name: str, expected: str, remedy: str) -> Violation:
        return Violation(self.file, name, None, None, expected, remedy)


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
