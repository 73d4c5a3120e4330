from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from refsolve.parallel import WorkerDied, processes
from tests.parallel import tasks
from tests.parallel.conftest import gone

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("how, said", [("kill", "killed by SIGKILL"), ("exit", "status 7")])
def test_a_dead_worker_is_an_error_that_says_how_to_go_on(how: str, said: str) -> None:
    with processes(2) as map_:
        with pytest.raises(WorkerDied, match=rf"{said}.*Finished results are kept.*resume"):
            list(map_(tasks.die, [how]))
        assert sorted(map_(tasks.square, range(4))) == [0, 1, 4, 9]


def test_what_was_finished_before_a_worker_died_is_given() -> None:
    seen: list[str] = []
    with processes(1) as map_, pytest.raises(WorkerDied) as caught:
        seen.extend(map_(tasks.die, ["a", "b", "kill", "c"]))
    assert seen == ["a", "b"]
    assert caught.value.exit_code == 3


def test_a_worker_killed_while_idle_is_replaced() -> None:
    with processes(2) as map_:
        workers = {process for _, process, _ in map_(tasks.place, range(4))}
        assert len(workers) == 2
        for worker in workers:  # not waited for: the pool may find them half dead
            os.kill(worker, signal.SIGKILL)
        assert sorted(map_(tasks.square, range(4))) == [0, 1, 4, 9]


def test_no_worker_outlives_its_block() -> None:
    with processes(2) as map_:
        workers = {process for _, process, _ in map_(tasks.place, range(4))}
        assert not any(gone(worker, within=0.1) for worker in workers)
    assert all(gone(worker, within=0.1) for worker in workers)


def test_an_error_of_the_caller_ends_workers_that_hang(tmp_path: Path) -> None:
    def use_and_fail() -> None:
        with processes(2) as map_:
            for _ in map_(tasks.tell_and_hang, [(str(tmp_path), x) for x in range(4)]):
                raise LookupError("of the caller")

    start = time.monotonic()
    with pytest.raises(LookupError, match="of the caller"):
        use_and_fail()
    assert time.monotonic() - start < 5.0
    assert all(gone(worker, within=0.1) for worker in workers_of(tmp_path))


@contextmanager
def running(folder: Path, kind: str, hanging: str) -> Iterator[subprocess.Popen[str]]:
    """A run in its own process group, of which a worker has come to a task that hangs."""
    command = [sys.executable, "-W", "error", "-m", "tests.parallel.interrupted_run"]
    with subprocess.Popen(
        [*command, str(folder), kind, hanging],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as run:
        try:
            assert run.stdout is not None
            assert run.stdout.readline() == "0\n"
            deadline = time.monotonic() + 20.0
            while not (folder / "hanging").exists() and time.monotonic() < deadline:
                time.sleep(0.02)
            yield run
        finally:
            run.kill()


def workers_of(folder: Path) -> list[int]:
    found = [int(path.name.removeprefix("pid-")) for path in folder.glob("pid-*")]
    assert found, "the check of these workers would pass vacuously"
    return found


@pytest.mark.parametrize("kind", ["threads", "processes"])
@pytest.mark.parametrize("everybody", [False, True], ids=["to the run", "Ctrl-C in a terminal"])
@pytest.mark.parametrize("hanging", ["all", "one"])
def test_an_interrupt_is_prompt_leaves_nobody_and_can_be_resumed(
    tmp_path: Path, kind: str, hanging: str, everybody: bool
) -> None:
    with running(tmp_path, kind, hanging) as run:
        start = time.monotonic()
        (os.killpg if everybody else os.kill)(run.pid, signal.SIGINT)
        _, errors = run.communicate(timeout=20)
    assert time.monotonic() - start < 5.0
    assert run.returncode == -signal.SIGINT
    assert errors.count("Traceback") == 1, errors
    assert errors.endswith("KeyboardInterrupt\n")
    assert all(gone(worker, within=0.1) for worker in workers_of(tmp_path))

    finished = {path.name for path in tmp_path.glob("result-*")}
    assert "result-0" in finished
    assert len(finished) < 8
    command = [sys.executable, "-m", "tests.parallel.interrupted_run", str(tmp_path), kind]
    again = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=True
    )
    assert {f"result-{x}" for x in again.stdout.split()} == {
        f"result-{x}" for x in range(8)
    } - finished


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_a_run_that_is_killed(tmp_path: Path, how: signal.Signals) -> None:
    with running(tmp_path, "processes", "all") as run:
        run.send_signal(how)
        run.wait(timeout=10)
        assert all(gone(worker, within=5.0) for worker in workers_of(tmp_path))


def test_a_script_without_a_main_guard_may_use_processes(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from refsolve.parallel import processes\n"
        "class Fit:\n"
        "    def __init__(self, x): self.x = x\n"
        "def fit(x): return Fit(x + 1)\n"
        "with processes(2) as map_:\n"
        "    fits = list(map_(fit, range(3)))\n"
        "print(sorted(f.x for f in fits), all(isinstance(f, Fit) for f in fits))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    run = subprocess.run(
        [sys.executable, "-W", "error", script],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (run.stdout, run.stderr) == ("[1, 2, 3] True\n", "")
