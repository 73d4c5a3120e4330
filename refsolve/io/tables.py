"""The one reader of released tables.

A table is read against its schema: it comes back typed and clean, or not at all, and then every
place that breaks the schema is named at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refsolve.core.errors import InputError, Violation
from refsolve.core.schema import TableForm, TableSchema
from refsolve.io import npz
from refsolve.io.cells import ABSENT, WRONG, Rule
from refsolve.io.domains import Place, domain_violations, type_violations
from refsolve.io.lines import find_records, header_fields, read_header
from refsolve.io.match import Match, match_columns, near_miss
from refsolve.io.parse import Columns, parse_columns
from refsolve.io.references import reference_violations
from refsolve.io.sniff import Found, read_text, refuse

SUFFIXES = (".tsv.gz", ".tsv", ".csv.gz", ".csv", ".txt.gz", ".txt", ".npz")
_DELIMITERS = {"tsv": "\t", "csv": ","}
_WORDS = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar", " ": "blank"}


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table that meets its schema.

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
    rows
        Line of the file (1-based) in which each record begins; in an archive of arrays the
        position counted from 1.
    """

    name: str
    path: Path
    form: int
    frame: pd.DataFrame
    rows: NDArray[np.int64]

    @property
    def note(self) -> str:
        """What to know about row numbers."""
        return npz.NOTE if self.path.suffix == ".npz" else ""


def find_table(folder: Path | str, name: str) -> Path:
    """Path of a released table, whichever of the usual suffixes it has.

    Parameters
    ----------
    folder
        Where the released files are.
    name
        Stem of the file.

    Raises
    ------
    InputError
        There is no such file, or more than one.
    """
    where = Path(folder)
    try:
        present = {entry.name for entry in where.iterdir()}
    except OSError as failure:
        why = failure.strerror or str(failure)
        refuse(where, why, "a folder with the released files", "check the path")
    found = [name + suffix for suffix in SUFFIXES if name + suffix in present]
    if len(found) == 1:
        return where / found[0]
    stem = Path(name)
    if found:
        refuse(stem, "", f"one file, and there are {' and '.join(found)}", "keep one of them")
    tables = sorted(entry for entry in present if entry.endswith(SUFFIXES))
    near = near_miss(name, [_stem(entry) for entry in tables])
    guess = next((entry for entry in tables if _stem(entry) == near), "")
    remedy = f"perhaps {guess!r} is meant" if guess else f"the tables there are {tables[:12]}"
    refuse(stem, "", f"a file {name}.tsv.gz (or {', '.join(SUFFIXES[1:])})", remedy)


def _stem(file: str) -> str:
    return next((file.removesuffix(suffix) for suffix in SUFFIXES if file.endswith(suffix)), file)


def read_table(path: Path | str, schema: TableSchema) -> Table:
    """Read one file against its schema.

    Parameters
    ----------
    path
        The file.
    schema
        What it should hold.

    Raises
    ------
    InputError
        Everything in the file that breaks the schema. Of many fields that are wrong in the same
        way, the first is named and the others are counted.
    """
    file = Path(path)
    if (file.suffix == ".npz") != (schema.format == "npz"):
        kind = "an .npz archive" if schema.format == "npz" else f"{_kind(schema)} text"
        refuse(file, f"a {file.suffix or 'nameless'} file", kind, "export it in that format")
    return _read_npz(file, schema) if schema.format == "npz" else _read_text(file, schema)


def _kind(schema: TableSchema) -> str:
    return f"{_WORDS[_DELIMITERS[schema.format]]}-separated"


def _rules(match: Match, schema: TableSchema) -> dict[int, Rule]:
    form = schema.forms[match.form]
    return {
        match.positions[spec.name]: Rule(spec, spec.missing and spec.name not in form.unique)
        for spec in form.columns
        if spec.name in match.positions
    }


def _read_npz(path: Path, schema: TableSchema) -> Table:
    archive = npz.Archive(path)
    match = match_columns(path.name, archive.names, schema)
    rules = _rules(match, schema)
    try:
        columns, size = archive.columns(rules)
    except InputError as failure:
        raise InputError([*match.violations, *failure.violations]) from None
    place = Place(path.name, np.arange(1, size + 1), npz.NOTE)
    return _checked(path, schema, match, rules, columns, place)


def _read_text(path: Path, schema: TableSchema) -> Table:
    data = read_text(path)
    delimiter = _DELIMITERS[schema.format]
    header = read_header(path, data, delimiter)
    match = match_columns(path.name, header.names, schema)
    if match.missing:
        _refuse_other_delimiter(path, data, schema, match)
    try:
        body = find_records(path, data, header, delimiter)
    except InputError as failure:
        raise InputError([*match.violations, *failure.violations]) from None
    del data
    rules = _rules(match, schema)
    place = Place(path.name, body.rows)
    return _checked(path, schema, match, rules, parse_columns(body, rules), place)


def _refuse_other_delimiter(path: Path, data: bytes, schema: TableSchema, match: Match) -> None:
    used = _DELIMITERS[schema.format]
    for delimiter, word in _WORDS.items():
        if delimiter != used:
            other = match_columns(path.name, header_fields(data, delimiter), schema)
            if len(other.positions) > len(match.positions) and not other.missing:
                found = f"what looks {word}-separated"
                refuse(path, found, f"{_kind(schema)} text", f"re-export it {_kind(schema)}")


def _checked(
    path: Path,
    schema: TableSchema,
    match: Match,
    rules: dict[int, Rule],
    columns: Columns,
    place: Place,
) -> Table:
    violations = list(match.violations)
    if len(place.rows) < schema.min_rows:
        found = Found(_records(len(place.rows)) if len(place.rows) else "no record")
        expected = f"at least {_records(schema.min_rows)}"
        violations.append(Violation(path.name, "", None, found, expected, "export the table again"))
    for rule in rules.values():
        if rule.spec.name in columns.flaws:
            flaw = columns.flaws[rule.spec.name]
            violations += type_violations(place, rule, flaw.texts, flaw.state)
    bad = {name: _unusable(flaw.state) for name, flaw in columns.flaws.items()}
    form: TableForm = schema.forms[match.form]
    violations += domain_violations(place, form, columns.values, bad)
    if violations:
        raise InputError(violations)
    frame = pd.DataFrame(columns.values, copy=False)
    return Table(_stem(path.name), path, match.form, frame, place.rows)


def _records(count: int) -> str:
    return "1 record" if count == 1 else f"{count} records"


def _unusable(state: NDArray[np.uint8]) -> NDArray[np.bool_]:
    unusable: NDArray[np.bool_] = (state == ABSENT) | (state == WRONG)
    return unusable


def read_tables(folder: Path | str, schemas: Iterable[TableSchema]) -> dict[str, Table]:
    """Read all released files, then check the references between them.

    Parameters
    ----------
    folder
        Where the files are.
    schemas
        What they should hold.

    Returns
    -------
    Tables by stem; optional files that are absent are left out.

    Raises
    ------
    InputError
        Everything in all files that breaks the contract, file by file.
    """
    tables: dict[str, Table] = {}
    owners: dict[str, TableSchema] = {}
    violations: list[Violation] = []
    for schema in schemas:
        for stem in schema.files:
            try:
                if schema.optional and not _exists(folder, stem):
                    continue
                tables[stem] = read_table(find_table(folder, stem), schema)
            except InputError as failure:
                violations += failure.violations
            else:
                owners[stem] = schema
    violations += reference_violations(tables, owners)
    if violations:
        raise InputError(violations)
    return tables


def _exists(folder: Path | str, stem: str) -> bool:
    return any((Path(folder) / (stem + suffix)).exists() for suffix in SUFFIXES)
