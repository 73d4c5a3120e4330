from __future__ import annotations

import math
import sqlite3

import pytest

from refsolve.contract.ledger import Cell, Ledger
from refsolve.core.errors import UsageError

IDENTITY = {"problem": "coin", "sources": "abc", "knobs": {}}


def cell(seed: int, path: str = "", **changes) -> Cell:
    values = {"errors": {"x": 0.1}, "covered": {"x": True}, "tolerances": 2.0, "seconds": 0.5}
    return Cell(seed, path, False, **(values | changes))


def test_cells_come_back_as_they_were_in_order(tmp_path):
    cells = [cell(2), cell(1, "b=c"), cell(1, seconds=math.nan, trouble="no"), cell(10)]
    with Ledger(tmp_path, IDENTITY, resume=False) as ledger:
        ledger.add(cells[:1])
        ledger.add(cells[1:])
    with Ledger(tmp_path, IDENTITY, resume=True) as ledger:
        assert ledger.done() == {(1, ""), (1, "b=c"), (2, ""), (10, "")}
        again = ledger.cells([1, 2])
    assert [(c.seed, c.path) for c in again] == [(1, ""), (1, "b=c"), (2, "")]
    assert again[2] == cells[0]
    assert math.isnan(again[0].seconds)


def test_a_cell_done_twice_is_kept_once():
    with Ledger(None, IDENTITY, resume=False) as ledger:
        ledger.add([cell(1, tolerances=1.0)])
        ledger.add([cell(1, tolerances=3.0)])
        assert [c.tolerances for c in ledger.cells([1])] == [3.0]


def test_a_batch_is_kept_whole_or_not_at_all(tmp_path):
    with Ledger(tmp_path, IDENTITY, resume=False) as ledger:
        with pytest.raises(TypeError):
            ledger.add([cell(1), cell(2, errors={"x": object()})])
        assert ledger.done() == set()


@pytest.mark.parametrize(
    "other", [{"sources": "abd"}, {"knobs": {"n": 1}}, {"problem": "dice"}], ids=str
)
def test_work_of_something_else_is_not_mixed_in(tmp_path, other):
    Ledger(tmp_path, IDENTITY, resume=False).__exit__(None, None, None)
    with pytest.raises(UsageError, match="other knobs, or other sources. Name a new folder"):
        Ledger(tmp_path, IDENTITY | other, resume=True)


def test_earlier_work_is_not_used_unasked(tmp_path):
    Ledger(tmp_path, IDENTITY, resume=False).__exit__(None, None, None)
    with pytest.raises(UsageError, match="holds earlier work. Pass --resume"):
        Ledger(tmp_path, IDENTITY, resume=False)


def test_a_kill_between_creation_and_identity_does_not_lock_the_folder(tmp_path):
    sqlite3.connect(tmp_path / "work.sqlite").close()
    with Ledger(tmp_path, IDENTITY, resume=True) as ledger:
        ledger.add([cell(1)])
    with Ledger(tmp_path, IDENTITY, resume=True) as ledger:
        assert ledger.done() == {(1, "")}


def test_a_file_that_is_no_ledger_is_named(tmp_path):
    (tmp_path / "work.sqlite").write_text("not a database, but long enough to be looked at" * 50)
    with pytest.raises(UsageError, match="work.sqlite is not the work of a certification"):
        Ledger(tmp_path, IDENTITY, resume=True)
