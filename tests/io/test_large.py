"""Ten million rows: read whole, in reasonable time and memory, with every record in its place."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from refsolve.core.schema import ColumnSchema
from refsolve.io import read_table
from tests.io.samples import columns_schema, single

SHAPE = columns_schema(
    ColumnSchema(name="generation", type="int", min=0),
    ColumnSchema(name="alt_reads", type="int", min=0, at_most="total_reads"),
    ColumnSchema(name="total_reads", type="int", min=0),
    ColumnSchema(name="seq_error", min=0, below=0.5),
    ColumnSchema(name="sample_year", type="int"),
)
HEADER = "\t".join(column.name for column in SHAPE.forms[0].columns) + "\n"
BLOCK = 100_000


def block() -> tuple[np.ndarray, str]:
    rng = np.random.default_rng(1)
    total = rng.integers(0, 200, BLOCK)
    alt = rng.binomial(total, 0.3)
    error = rng.uniform(0, 0.5, BLOCK)
    year = rng.integers(-9000, 2000, BLOCK)
    generation = rng.integers(0, 1000, BLOCK)
    columns = (generation, alt, total, error, year)
    lines = zip(*(column.tolist() for column in columns), strict=True)
    return np.column_stack(columns), "".join("\t".join(map(repr, line)) + "\n" for line in lines)


def test_ten_million_rows(tmp_path: Path) -> None:
    repeats = 100
    values, text = block()
    path = tmp_path / "t.tsv.gz"
    member = gzip.compress(text.encode(), 1)
    path.write_bytes(gzip.compress(HEADER.encode()) + member * repeats)
    table = read_table(path, SHAPE)
    assert len(table.frame) == table.rows.size == BLOCK * repeats
    assert (np.diff(table.rows) == 1).all()
    assert table.rows[0] == 2
    for k, name in enumerate(table.frame.columns):
        found = table.frame[name].to_numpy().reshape(repeats, BLOCK)
        assert (found == values[:, k]).all()


def test_one_wrong_field_among_a_million(tmp_path: Path) -> None:
    _, text = block()
    path = tmp_path / "t.tsv"
    path.write_text(HEADER + text * 9 + "7\t1\t2\t0.1\t1x\n" + text)
    found = single(path, SHAPE)
    assert (found.column, found.row, found.value) == ("sample_year", 9 * BLOCK + 2, "1x")
