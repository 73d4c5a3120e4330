"""Tables of the documentation that are written from the contract of a problem."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from refsolve.core.schema import ColumnSchema, MatrixSchema, TableForm, TableSchema

SOURCE = Path(__file__).resolve().parents[2] / "docs" / "_ext" / "fragments.py"


@pytest.fixture(scope="module")
def fragments() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fragments", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_files_show_columns_patterns_and_matrices(fragments: ModuleType) -> None:
    form = TableForm(
        columns=(
            ColumnSchema(name="line_id", aliases=("lines",), type="str"),
            ColumnSchema(name="f", pattern="F[0-9]+|G", min_columns=2, min=0, unit="cM"),
        ),
        matrices=(
            MatrixSchema(
                **{"name": "calls", "rows": "line_id", "columns": "line_id", "type": "int"},
                **{"max": 1, "missing": True, "missing_code": -1, "description": "alleles"},
            ),
        ),
    )
    table = TableSchema(name="lines", format="npz", forms=(form,), description="lines")
    described = {"question": "?", "parameters": [], "answer": [], "file": [table.model_dump()]}
    lines = fragments.contract(described).splitlines()
    assert "| `line_id` or `lines` | str |  |" in lines
    assert "| 2 or more columns that match `F[0-9]+\\|G` | float (cM) | at least 0 |" in lines
    assert "| matrix | rows × columns | type | meaning |" in lines
    calls = "| `calls` | `line_id` × `line_id` | int | alleles; at most 1; missing as NaN or -1 |"
    assert calls in lines
