"""Where a released file is, whichever of the usual suffixes it has."""

from __future__ import annotations

from pathlib import Path

from refsolve.core.schema import TableFormat
from refsolve.io.match import near_miss
from refsolve.io.sniff import refuse

_TEXT = (".txt.gz", ".txt")
_USUAL: dict[TableFormat, tuple[str, ...]] = {
    "tsv": (".tsv.gz", ".tsv", *_TEXT),
    "csv": (".csv.gz", ".csv", *_TEXT),
    "npz": (".npz",),
    "json": (".json",),
    "h5ad": (".h5ad",),
}
SUFFIXES = tuple(dict.fromkeys(suffix for usual in _USUAL.values() for suffix in usual))
_APART = ("json", "h5ad")
_TABLES = tuple(suffix for suffix in SUFFIXES if suffix[1:] not in _APART)
# Written beside the released files, and none of them.
_TRUTH = "truth.json"


def find_table(folder: Path | str, name: str, kind: TableFormat | None = None) -> Path:
    """Path of a released table, whichever of the usual suffixes it has.

    Parameters
    ----------
    folder
        Where the released files are.
    name
        Stem of the file.
    kind
        Format that it should have; a complaint names its suffixes only.

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
    found = [name + suffix for suffix in _searched(kind) if name + suffix in present]
    if len(found) == 1:
        return where / found[0]
    stem = Path(name)
    if found:
        refuse(stem, "", f"one file, and there are {' and '.join(found)}", "keep one of them")
    tables = sorted(entry for entry in present - {_TRUTH} if entry.endswith(SUFFIXES))
    near = near_miss(name, [stem_of(entry) for entry in tables])
    guess = next((entry for entry in tables if stem_of(entry) == near), "")
    remedy = f"perhaps {guess!r} is meant" if guess else f"the tables there are {tables[:12]}"
    first, *others = SUFFIXES if kind is None else _USUAL[kind]
    expected = f"a file {name}{first}" + (f" (or {', '.join(others)})" if others else "")
    refuse(stem, "", expected, remedy)


def _searched(kind: TableFormat | None) -> tuple[str, ...]:
    # A table of another format is found to be refused; a note beside a table is left alone.
    if kind is None:
        return SUFFIXES
    return _USUAL[kind] if kind in _APART else _TABLES


def stem_of(file: str) -> str:
    """Name of a file without the suffix of its format.

    Parameters
    ----------
    file
        Name of the file.
    """
    return next((file.removesuffix(suffix) for suffix in SUFFIXES if file.endswith(suffix)), file)


def is_there(folder: Path | str, name: str, kind: TableFormat) -> bool:
    """Whether a released table is there at all.

    Parameters
    ----------
    folder
        Where the released files are.
    name
        Stem of the file.
    kind
        Format that it should have.
    """
    return any((Path(folder) / (name + suffix)).exists() for suffix in _searched(kind))
