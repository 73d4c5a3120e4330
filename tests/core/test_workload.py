from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from refsolve.core.workload import Workload


def test_a_workload_is_run_and_not_changed():
    done: list[int] = []
    work = Workload("append", lambda: done.append(1), flops=1.0, bytes=8.0, unit="calls", items=1)
    work.run()
    assert done == [1]
    with pytest.raises(FrozenInstanceError):
        work.flops = 2.0
