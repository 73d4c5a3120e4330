from __future__ import annotations

import importlib
import itertools
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from refsolve.core.errors import MissingDependencyError, UsageError
from refsolve.core.rng import spawn
from refsolve.parallel import WorkerDied, cluster, mapper, serial
from tests.parallel import numeric_tasks, tasks

distributed = pytest.importorskip("distributed", reason="the dask extra is not installed")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as local:
        yield local.scheduler_address


def test_every_result_exactly_once(address: str) -> None:
    with mapper(scheduler=address) as map_:
        for n in (0, 1, 100):
            assert Counter(map_(tasks.square, range(n))) == Counter(x * x for x in range(n))


def test_results_are_the_bits_of_a_serial_run(address: str) -> None:
    work = list(enumerate(spawn(2024, 24)))
    with serial() as map_:
        expected = dict(map_(numeric_tasks.simulate, work))
    with cluster(address) as map_:
        assert dict(map_(numeric_tasks.simulate, work)) == expected
        placed = Counter(process for _, process, _ in map_(tasks.place, range(12)))
    assert len(placed) == 2


def test_tasks_are_taken_as_results_are_and_none_after_the_end(address: str) -> None:
    taken = itertools.count()
    with cluster(address) as map_:
        results = map_(tasks.square, taken)
        assert next(taken) == 0
        for _ in range(30):
            next(results)
        results.close()
        assert next(taken) <= 30 + 2 * 8 + 1
        assert sorted(map_(tasks.square, range(3))) == [0, 1, 4]


def test_an_error_keeps_its_type_and_message(address: str) -> None:
    with cluster(address) as map_:
        with pytest.raises(KeyError) as caught:
            list(map_(tasks.fail_at_three, range(100)))
        assert caught.value.args == ("three",)
        assert sorted(map_(tasks.square, range(3))) == [0, 1, 4]


def test_breaking_off_cancels_what_is_pending(address: str, tmp_path: Path) -> None:
    with cluster(address) as map_:
        results = map_(tasks.mark, ((str(tmp_path), x) for x in range(4, 1000)))
        next(results)
        results.close()
        time.sleep(0.3)
        begun = len(list(tmp_path.iterdir()))
        time.sleep(0.3)
        assert len(list(tmp_path.iterdir())) == begun < 20


def test_tasks_of_a_killed_worker_are_done_by_another(address: str, tmp_path: Path) -> None:
    with cluster(address) as map_:
        results = map_(tasks.die_once, [(str(tmp_path), x) for x in range(20)])
        assert sorted(results) == list(range(20))
    assert (tmp_path / "died").exists()


def test_a_task_that_keeps_killing_workers_is_given_up(address: str) -> None:
    with cluster(address) as map_:
        with pytest.raises(WorkerDied, match=r"keeps losing its worker.*resume"):
            list(map_(tasks.die, ["exit"]))
        assert sorted(map_(tasks.square, range(3))) == [0, 1, 4]


def test_a_client_that_was_handed_in_stays_open(address: str) -> None:
    with distributed.Client(address, set_as_default=False) as client:
        with cluster(client) as map_:
            assert sorted(map_(tasks.square, range(3))) == [0, 1, 4]
        assert client.submit(abs, -3).result() == 3


def test_tasks_run_on_one_blas_thread(address: str) -> None:
    with cluster(address) as map_:
        assert set.union(*map_(numeric_tasks.blas_threads, range(8))) == {1}


@pytest.mark.parametrize("wrong", ["tcp://127.0.0.1:1", "nowhere", "carrier-pigeon://x:1"])
def test_an_address_where_no_scheduler_is(wrong: str) -> None:
    start = time.monotonic()
    with pytest.raises(UsageError, match="No Dask scheduler answers at"), cluster(wrong):
        pass
    assert time.monotonic() - start < 5.0


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def absent(name: str, *rest: Any) -> Any:
        if name == "distributed":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", absent)
    wanted = pytest.raises(MissingDependencyError, match=r"pip install 'refsolve\[dask\]'")
    with wanted, mapper(scheduler="tcp://127.0.0.1:1"):
        pass
