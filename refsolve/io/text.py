"""Tables of text, tab- or comma-separated."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from refsolve.core.errors import InputError
from refsolve.core.schema import TableSchema
from refsolve.io.domains import Place
from refsolve.io.find import stem_of
from refsolve.io.lines import find_records, header_fields, read_header
from refsolve.io.match import Match, match_columns
from refsolve.io.parse import parse_columns
from refsolve.io.sniff import read_text, refuse
from refsolve.io.table import Table, column_rules, too_few, value_violations

_DELIMITERS = {"tsv": "\t", "csv": ","}
_WORDS = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar", " ": "blank"}


def kind_of_text(schema: TableSchema) -> str:
    """How the text of a table is separated, in words.

    Parameters
    ----------
    schema
        Schema of a text table.
    """
    return f"{_WORDS[_DELIMITERS[schema.format]]}-separated"


def read_text_table(path: Path, schema: TableSchema) -> Table:
    """Read a text table against its schema.

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
    form = schema.forms[match.form]
    rules = column_rules(match, form)
    columns = parse_columns(body, rules)
    violations = [
        *match.violations,
        *too_few(path.name, len(body.rows), schema.min_rows),
        *value_violations(Place(path.name, body.rows), form, rules.values(), columns),
    ]
    if violations:
        raise InputError(violations)
    frame = pd.DataFrame(columns.values, copy=False)
    return Table(stem_of(path.name), path, match.form, frame, body.rows, groups=match.groups)


def _refuse_other_delimiter(path: Path, data: bytes, schema: TableSchema, match: Match) -> None:
    used = _DELIMITERS[schema.format]
    for delimiter, word in _WORDS.items():
        if delimiter != used:
            other = match_columns(path.name, header_fields(data, delimiter), schema)
            if len(other.positions) > len(match.positions) and not other.missing:
                found, kind = f"what looks {word}-separated", kind_of_text(schema)
                refuse(path, found, f"{kind} text", f"re-export it {kind}")
