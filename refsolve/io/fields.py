"""A flat JSON object as fields of the types that columns have."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refsolve.core.errors import InputError, Violation
from refsolve.core.schema import TableForm, TableSchema
from refsolve.io.arrays import MISSING_TEXT, read_texts
from refsolve.io.cells import MISSING, Rule
from refsolve.io.domains import Place, shorten
from refsolve.io.find import stem_of
from refsolve.io.match import match_columns
from refsolve.io.parse import Columns
from refsolve.io.sniff import Found, read_text, refuse
from refsolve.io.table import Table, column_rules, value_violations

_REMEDY = 'write {"name": value, …}'


class _Object(list[tuple[str, Any]]):
    """Pairs of a JSON object, so that no repeated name is lost."""


def read_fields(path: Path, schema: TableSchema) -> Table:
    """Read a flat JSON object against its schema.

    Parameters
    ----------
    path
        The file.
    schema
        What it should hold.

    Raises
    ------
    InputError
        Everything in the file that breaks the schema.
    """
    pairs = _parse(path)
    match = match_columns(path.name, [name for name, _ in pairs], schema)
    form = schema.forms[match.form]
    rules = column_rules(match, form)
    given = {rule: pairs[position][1] for position, rule in rules.items()}
    values, violations = _values(path.name, form, given)
    if match.violations or violations:
        raise InputError([*match.violations, *violations])
    fields = {
        name: values.get(name)
        for spec in form.columns
        for name in match.groups.get(spec.name, (spec.name,))
    }
    return Table(
        stem_of(path.name),
        path,
        match.form,
        pd.DataFrame(),
        np.zeros(0, np.int64),
        groups=match.groups,
        fields=fields,
    )


def _values(
    file: str, form: TableForm, given: Mapping[Rule, Any]
) -> tuple[dict[str, Any], list[Violation]]:
    columns = Columns({}, {})
    values: dict[str, Any] = {}
    violations: list[Violation] = []
    for rule, value in given.items():
        try:
            if rule.spec.type == "list":
                values[rule.spec.name] = _texts(file, rule, value)
            else:
                read_texts(_one_text(file, rule, value), rule, columns)
        except InputError as failure:
            violations += failure.violations
    single = [rule for rule in given if rule.spec.name in columns.values]
    violations += _value_violations(file, form, single, columns)
    values |= {rule.spec.name: _plain(columns, rule) for rule in single}
    return values, violations


def _parse(path: Path) -> _Object:
    text = read_text(path).decode()
    try:
        found = json.loads(text, object_pairs_hook=_Object)
    except json.JSONDecodeError as failure:
        told = f"text that is not JSON ({failure.msg})"
        refuse(path, told, "a JSON object", _REMEDY, failure.lineno)
    except (ValueError, RecursionError) as failure:
        refuse(path, f"JSON that cannot be read ({failure})", "a JSON object", _REMEDY)
    if not isinstance(found, _Object):
        refuse(path, _kind(found), "a JSON object", _REMEDY)
    return found


def _kind(value: Any) -> str:
    if isinstance(value, _Object):
        return "an object"
    return "a list" if isinstance(value, list) else shorten(repr(value))


def _one_text(file: str, rule: Rule, value: Any) -> NDArray[np.object_]:
    if isinstance(value, list):
        found, told = Found(_kind(value)), "one value, no list or object"
        raise InputError([Violation(file, rule.spec.name, None, found, told)])
    return np.array([_as_text(value)], dtype=object)


def _as_text(value: Any) -> str:
    if value is None or value != value:
        return MISSING_TEXT
    return value if isinstance(value, str) else repr(value)


def _texts(file: str, rule: Rule, value: Any) -> tuple[str, ...] | None:
    name = rule.spec.name
    absent = value is None or (isinstance(value, str) and value in MISSING)
    if absent and rule.may_miss:
        return None
    if not isinstance(value, list) or isinstance(value, _Object):
        found = Found("no value" if absent else _kind(value))
        remedy = 'write ["A", "B"]'
        raise InputError([Violation(file, name, None, found, "a list of texts", remedy)])
    for k, item in enumerate(value, 1):
        text = isinstance(item, str) and item not in MISSING
        if not text and (isinstance(item, bool) or not isinstance(item, int)):
            found = Found(f"{_kind(item)} as entry {k}")
            raise InputError([Violation(file, name, None, found, "a list of texts")])
    return tuple(str(item) for item in value)


def _value_violations(
    file: str, form: TableForm, rules: list[Rule], columns: Columns
) -> Iterator[Violation]:
    # An object has no records to tell apart, and its fields stand in no particular line.
    bare = form.model_copy(update={"unique": ()})
    for violation in value_violations(Place(file, np.ones(1, np.int64)), bare, rules, columns):
        yield dataclasses.replace(violation, row=None)


def _plain(columns: Columns, rule: Rule) -> Any:
    value: Any = pd.Series(columns.values[rule.spec.name]).tolist()[0]
    if pd.isna(value):
        return None
    return int(value) if rule.spec.type == "int" else value
