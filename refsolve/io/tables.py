"""The one reader of released tables.

A table is read against its schema: it comes back typed and clean, or not at all, and then every
place that breaks the schema is named at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from refsolve.core.errors import InputError, Violation
from refsolve.core.schema import TableSchema
from refsolve.io.archive import read_archive
from refsolve.io.fields import read_fields
from refsolve.io.find import find_table, is_there
from refsolve.io.h5ad import read_h5ad
from refsolve.io.references import reference_violations
from refsolve.io.sniff import refuse
from refsolve.io.table import Table
from refsolve.io.text import kind_of_text, read_text_table

# Every other format is text.
_READERS: dict[str, Callable[[Path, TableSchema], Table]] = {
    "npz": read_archive,
    "json": read_fields,
    "h5ad": read_h5ad,
}

_KINDS = {"npz": "an .npz archive", "json": "a .json file", "h5ad": "an .h5ad file"}


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
    suffix = f".{schema.format}" if schema.format in _READERS else ""
    if suffix != (file.suffix if file.suffix.removeprefix(".") in _READERS else ""):
        kind = _KINDS.get(schema.format) or f"{kind_of_text(schema)} text"
        refuse(file, f"a {file.suffix or 'nameless'} file", kind, "export it in that format")
    return _READERS.get(schema.format, read_text_table)(file, schema)


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
                if schema.optional and not is_there(folder, stem, schema.format):
                    continue
                tables[stem] = read_table(find_table(folder, stem, schema.format), schema)
            except InputError as failure:
                violations += failure.violations
            else:
                owners[stem] = schema
    violations += reference_violations(tables, owners)
    if violations:
        raise InputError(violations)
    return tables
