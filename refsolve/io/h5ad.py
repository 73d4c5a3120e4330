"""The annotation of the cells in an AnnData file as a table; the counts stay in the file."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refsolve.core.errors import InputError, Violation
from refsolve.core.extras import require
from refsolve.core.schema import TableForm, TableSchema
from refsolve.io.arrays import MISSING_TEXT, take_column
from refsolve.io.domains import Place
from refsolve.io.find import stem_of
from refsolve.io.match import match_columns
from refsolve.io.parse import Columns
from refsolve.io.sniff import Found, readable, refuse
from refsolve.io.table import CELLS, Table, column_rules, too_few, value_violations

EXTRA = "singlecell"
_MAGIC = b"\x89HDF\r\n\x1a\n"
_AGAIN = "write it again with a current anndata"


def read_h5ad(path: Path, schema: TableSchema) -> Table:
    """Check the annotation of cells, and that there are values to go with it.

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
    MissingDependencyError
        anndata is not installed.
    """
    obs, shapes = _load(path)
    match = match_columns(path.name, [str(name) for name in obs.columns], schema)
    form = schema.forms[match.form]
    rules = column_rules(match, form)
    columns = Columns({}, {})
    for position, rule in rules.items():
        take_column(_array(obs.iloc[:, position]), rule, columns)
    place = Place(path.name, np.arange(1, len(obs) + 1), CELLS)
    violations = [
        *match.violations,
        *_layer_violations(path.name, form, shapes, len(obs)),
        *too_few(path.name, len(obs), schema.min_rows),
        *value_violations(place, form, rules.values(), columns),
    ]
    if violations:
        raise InputError(violations)
    frame = pd.DataFrame(columns.values, index=range(len(obs)), copy=False)
    return Table(stem_of(path.name), path, match.form, frame, place.rows, groups=match.groups)


def _load(path: Path) -> tuple[pd.DataFrame, dict[str, tuple[int, ...]]]:
    """Annotation of the cells, and shapes of X and the layers that there are."""
    require("anndata", EXTRA)
    element, h5py = require("anndata.io", EXTRA), require("h5py", EXTRA)
    with readable(path), path.open("rb") as stream:
        magic = stream.read(len(_MAGIC))
    if magic != _MAGIC:
        refuse(path, "no HDF5 file", "an .h5ad file", "write it with anndata")
    try:
        with h5py.File(path, "r") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            obs = element.read_elem(file["obs"])
            layers = dict(file["layers"]) if "layers" in file else {}
            if "X" in file:
                layers["X"] = file["X"]
            shapes = {name: _shape(layer) for name, layer in layers.items() if _is_there(layer)}
    # Damaged files make h5py and anndata raise all kinds of exceptions.
    except Exception as failure:
        _refuse_damaged(path, str(failure).partition("\n")[0])
    if not isinstance(obs, pd.DataFrame):
        _refuse_damaged(path, "its obs is no data frame")
    return obs, shapes


def _refuse_damaged(path: Path, why: str) -> NoReturn:
    refuse(path, f"a damaged or very old file ({why})", "an .h5ad file", _AGAIN)


def _is_there(layer: Any) -> bool:
    return str(layer.attrs.get("encoding-type")) != "null"


def _shape(layer: Any) -> tuple[int, ...]:
    sparse = layer.attrs.get("shape", layer.attrs.get("h5sparse_shape"))
    return tuple(int(n) for n in (layer.shape if sparse is None else sparse))


def _layer_violations(
    file: str, form: TableForm, shapes: dict[str, tuple[int, ...]], cells: int
) -> Iterator[Violation]:
    if form.layer and form.layer not in shapes:
        there = f"there are {', '.join(sorted(shapes))}" if shapes else "there is none"
        yield Violation(file, form.layer, None, None, "a layer of this name", there)
    elif not shapes:
        yield Violation(file, "X", None, None, "values in X or in a layer", "write them too")
    for name, shape in shapes.items():
        if len(shape) != 2 or shape[0] != cells:
            found = Found(f"an array of shape {shape}")
            yield Violation(file, name, None, found, f"one row for each of {cells} cells", _AGAIN)


def _array(column: pd.Series[Any]) -> NDArray[Any]:
    if column.dtype.kind in "biuf" and isinstance(column.dtype, np.dtype):
        return column.to_numpy()
    return column.astype(object).where(column.notna(), MISSING_TEXT).to_numpy()
