"""What reading a released file gives, and the checks that every format shares."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refsolve.core.errors import Violation
from refsolve.core.schema import TableForm
from refsolve.io.cells import ABSENT, WRONG, Rule
from refsolve.io.domains import Mask, Place, domain_violations, type_violations
from refsolve.io.match import Match
from refsolve.io.parse import Columns
from refsolve.io.sniff import Found

ENTRIES = "rows count the entries of the array from 1"
CELLS = "rows count the cells from 1"
_NOTES = {".npz": ENTRIES, ".h5ad": CELLS}


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A released file that meets its schema.

    Attributes
    ----------
    name
        Stem of the file.
    path
        The file.
    form
        Index of the form that the file has.
    frame
        Columns of the schema that the file has, by canonical name, in the order of the schema;
        records in the order of the file. Whole numbers are int64, or float64 with NaN where they
        may be missing; truth values are bool, or nullable boolean; categories are Categorical.
        With matrices: the columns along the first axis of the first matrix. Of an AnnData file:
        the columns of `obs`, one record per cell. Of a JSON object: nothing.
    rows
        Line of the file (1-based) in which each record begins; in an archive of arrays and in an
        AnnData file the position counted from 1.
    matrices
        Matrices of an archive by canonical name, first axis by second axis as the schema says,
        whichever way round the file has them: int64, or float64 with NaN for missing entries.
    axes
        Labels of the axes of the matrices, by canonical name of the column, in the order of the
        file.
    groups
        Names of the columns that match a pattern, by the name of the pattern, in natural order.
    fields
        Values of a JSON object by canonical name: int, float, str, bool, a tuple of str for a
        list, or None where a value is missing or the field is absent.
    """

    name: str
    path: Path
    form: int
    frame: pd.DataFrame
    rows: NDArray[np.int64]
    matrices: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    axes: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def note(self) -> str:
        """What to know about row numbers."""
        return _NOTES.get(self.path.suffix, "")


def column_rules(match: Match, form: TableForm) -> dict[int, Rule]:
    """How to read the column at each position of a file.

    Parameters
    ----------
    match
        Where the columns are.
    form
        Form of the file.
    """
    rules = {}
    for spec in form.columns:
        for name in match.groups.get(spec.name, (spec.name,)):
            if name in match.positions:
                own = spec if name == spec.name else spec.model_copy(update={"name": name})
                may_miss = own.missing and name not in form.unique
                rules[match.positions[name]] = Rule(own, may_miss)
    return rules


def too_few(file: str, count: int, least: int) -> Iterator[Violation]:
    """Complain about a file with too few records.

    Parameters
    ----------
    file
        Name of the file.
    count
        How many it has.
    least
        How many make sense.
    """
    if count < least:
        found = Found(_records(count) if count else "no record")
        expected = f"at least {_records(least)}"
        yield Violation(file, "", None, found, expected, "export the table again")


def _records(count: int) -> str:
    return "1 record" if count == 1 else f"{count} records"


def value_violations(
    place: Place, form: TableForm, rules: Collection[Rule], columns: Columns
) -> Iterator[Violation]:
    """Values of columns of one length that break their schema.

    Parameters
    ----------
    place
        File and rows.
    form
        Form of the file.
    rules
        How the columns were read.
    columns
        What was read.
    """
    for rule in rules:
        if rule.spec.name in columns.flaws:
            flaw = columns.flaws[rule.spec.name]
            yield from type_violations(place, rule, flaw.texts, flaw.state)
    specs = [rule.spec for rule in rules]
    yield from domain_violations(place, specs, form.unique, columns.values, unusable(columns))


def unusable(columns: Columns) -> dict[str, Mask]:
    """Records without a usable value, for the columns that have any.

    Parameters
    ----------
    columns
        What was read.
    """
    return {
        name: (flaw.state == ABSENT) | (flaw.state == WRONG) for name, flaw in columns.flaws.items()
    }
