from __future__ import annotations

import inspect
import os
import sys
import threading
import time
import types
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from refsolve.core.errors import UsageError
from refsolve.core.rng import spawn
from refsolve.parallel import mapper, processes, serial, threads
from tests.parallel import numeric_tasks, tasks
from tests.parallel.conftest import KINDS, Pool


@pytest.mark.parametrize("n", [0, 1, 2, 3, 250])
def test_every_result_exactly_once(pool: Pool, n: int) -> None:
    with pool() as map_:
        assert Counter(map_(tasks.square, range(n))) == Counter(x * x for x in range(n))


def test_falsy_tasks_and_results_are_tasks_and_results(pool: Pool) -> None:
    things = [None, 0, "", b"", [], False]
    with pool() as map_:
        results = list(map_(repr, things))
        assert sorted(results) == sorted(map(repr, things))
        assert list(map_(bool, [0, 0])) == [False, False]


def test_a_mapper_serves_several_functions_in_turn(pool: Pool) -> None:
    with pool() as map_:
        assert sorted(map_(tasks.square, range(5))) == [0, 1, 4, 9, 16]
        assert sorted(map_(abs, [-1, -5])) == [1, 5]
        assert sorted(map_(tasks.square, range(5))) == [0, 1, 4, 9, 16]


def test_a_map_inside_a_map(pool: Pool) -> None:
    with pool() as map_:
        rows = [sorted(map_(tasks.square, range(x))) for x in map_(abs, range(4))]
    assert sorted(rows) == [[], [0], [0, 1], [0, 1, 4]]


def test_breaking_off_an_inner_map_leaves_the_outer_one(pool: Pool) -> None:
    with pool() as map_:
        seen = []
        for x in map_(tasks.square, range(6)):
            seen.append(x)
            next(iter(map_(tasks.square, range(100))))
    assert sorted(seen) == [0, 1, 4, 9, 16, 25]


def test_tasks_are_taken_as_results_are(pool: Pool) -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    with pool() as map_:
        results = map_(tasks.square, endless())
        for received in range(1, 40):
            next(results)
            time.sleep(0.001)
            assert taken <= received + 4
        if inspect.isgenerator(results):
            results.close()


def test_nothing_is_begun_before_a_result_is_asked_for(pool: Pool) -> None:
    taken = []
    with pool() as map_:
        results = map_(tasks.square, (taken.append(n) or n for n in range(3)))
        time.sleep(0.05)
        assert taken == []
        assert sorted(results) == [0, 1, 4]
    assert taken == [0, 1, 2]


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_two_workers_share_the_work(kind: str) -> None:
    with KINDS[kind]() as map_:
        placed = list(map_(tasks.place, range(12)))
    workers = Counter((process, thread) for _, process, thread in placed)
    assert len(workers) == 2
    assert min(workers.values()) >= 2


def test_results_are_the_same_bits_for_any_kind_and_number_of_workers() -> None:
    work = list(enumerate(spawn(2024, 24)))
    with serial() as map_:
        expected = dict(map_(numeric_tasks.simulate, work))
    assert len(set(expected.values())) == len(work)
    for workers, kind in [(2, "threads"), (3, "threads"), (2, "processes")]:
        with mapper(workers, kind) as map_:
            assert dict(map_(numeric_tasks.simulate, work)) == expected, (workers, kind)


def test_an_error_keeps_its_type_and_message(pool: Pool) -> None:
    with pool() as map_:
        with pytest.raises(KeyError) as caught:
            list(map_(tasks.fail_at_three, range(100)))
        assert caught.value.args == ("three",)
        assert sorted(map_(tasks.square, range(3))) == [0, 1, 4]


def test_an_error_of_a_process_shows_where_it_happened() -> None:
    with processes(2) as map_, pytest.raises(KeyError) as caught:
        list(map_(tasks.fail_at_three, range(10)))
    assert "in fail_at_three" in "".join(caught.value.__notes__)


def test_an_error_that_cannot_be_rebuilt_keeps_its_name_and_message() -> None:
    with processes(2) as map_, pytest.raises(RuntimeError, match=r"^Stubborn: x=0\n"):
        list(map_(tasks.fail_stubbornly, [0]))


def test_after_an_error_no_pending_task_is_begun(pool: Pool, tmp_path: Path) -> None:
    with pool() as map_, pytest.raises(ZeroDivisionError, match="at three"):
        list(map_(tasks.mark, ((str(tmp_path), x) for x in range(100))))
    time.sleep(0.1)
    assert len(list(tmp_path.iterdir())) <= 6


def test_results_that_are_finished_come_before_the_error_of_the_task_source(pool: Pool) -> None:
    def source() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("no more tasks")

    seen: list[int] = []
    with pool() as map_, pytest.raises(OSError, match="no more tasks"):
        seen.extend(map_(tasks.square, source()))
    assert seen
    assert set(seen) <= {1, 4}


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_breaking_off_is_prompt_and_begins_nothing_more(kind: str, tmp_path: Path) -> None:
    hanging = [(str(tmp_path), x) for x in (0, 1, 3, 2, 4)]
    start = time.monotonic()
    with KINDS[kind]() as map_:
        for _ in map_(tasks.tell_and_hang, hanging):
            break
        if kind == "processes":
            assert sorted(map_(tasks.square, range(3))) == [0, 1, 4]
    assert time.monotonic() - start < 5.0
    assert [path.name for path in tmp_path.glob("result-*")] == ["result-0"]


def test_threads_end_with_their_work() -> None:
    before = threading.active_count()
    with threads(3) as map_:
        assert sorted(map_(tasks.square, range(4))) == [0, 1, 4, 9]
        with pytest.raises(KeyError):
            list(map_(tasks.fail_at_three, range(9)))
        next(iter(map_(tasks.square, range(9))))
    deadline = time.monotonic() + 5.0
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_processes_take_functions_that_no_module_has() -> None:
    offset = 10
    with processes(2) as map_:
        assert sorted(map_(lambda x: x + offset, range(3))) == [10, 11, 12]


def test_what_cannot_be_sent_is_an_error_of_the_sender() -> None:
    with processes(2) as map_:
        with pytest.raises(TypeError, match="lock"):
            list(map_(tasks.square, [threading.Lock()]))
        with pytest.raises(TypeError, match="lock"):
            list(map_(lambda _: threading.Lock(), [1]))


def test_a_function_that_workers_cannot_import_is_an_error_not_a_dead_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = types.ModuleType("not_installed_anywhere")
    exec("def absent(x): return x", module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with processes(2) as map_, pytest.raises(ModuleNotFoundError, match=module.__name__):
        list(map_(module.absent, [1]))


def test_large_tasks_and_results_do_not_jam() -> None:
    blocks = [bytes([x]) * 3_000_000 for x in range(8)]
    with processes(2) as map_:
        assert Counter(map_(bytes.upper, blocks)) == Counter(blocks)


def test_tasks_run_on_one_blas_thread_and_the_setting_is_restored(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for library in ("OMP", "OPENBLAS", "MKL"):
        monkeypatch.setenv(f"{library}_NUM_THREADS", "2")
    with threadpool_limits(limits=2):
        before = threadpool_info()
        assert {library["num_threads"] for library in before} == {2}
        with pool() as map_:
            assert set.union(*map_(numeric_tasks.blas_threads, range(4))) == {1}
        assert threadpool_info() == before


@pytest.mark.parametrize("workers", [0, -2, 1.5, "2", None])
def test_a_number_of_workers_that_makes_no_sense(workers: int) -> None:
    with pytest.raises(UsageError, match=r"number of workers .* at least 1"):
        mapper(workers)
    for kind in (threads, processes):
        with pytest.raises(UsageError, match="at least 1"), kind(workers):
            pass


def test_an_unknown_kind_of_worker_is_answered_with_the_kinds() -> None:
    with pytest.raises(UsageError, match=r"'greenlets'.*processes, threads"):
        mapper(2, "greenlets")


def test_one_worker_is_this_thread() -> None:
    with mapper(1) as map_:
        [(_, process, thread)] = map_(tasks.place, [0])
    assert (process, thread) == (os.getpid(), threading.get_ident())


def test_processes_are_of_no_use_after_the_end_of_their_block() -> None:
    with processes(2) as map_:
        pass
    with pytest.raises(UsageError, match="outside of its with block"):
        next(map_(tasks.square, [1]))
