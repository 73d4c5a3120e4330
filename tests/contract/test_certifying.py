"""The run of a certification: what is done, kept, resumed, and by whom."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from refsolve.contract.certifying import Task, certify, run_task
from refsolve.contract.ledger import NULL, path_of, path_text
from refsolve.core.errors import UsageError
from refsolve.parallel import cluster, processes, threads

RUN = Path(__file__).with_name("certifying_run.py")


def numbers(certificate) -> dict:
    """Everything but the times."""
    rows = tuple(replace(row, seconds=0.0) for row in certificate.rows)
    plain = json.dumps(replace(certificate, rows=rows, seconds=0.0).to_dict())
    return json.loads(plain)


@pytest.fixture(scope="module")
def alone(coin_module):
    return numbers(certify(coin_module, seeds=4))


@pytest.fixture(scope="module")
def coin_module():
    from refsolve.contract.discovery import Problem

    return Problem(RUN.parent / "toy" / "coin")


@pytest.mark.parametrize("pool", [threads, processes], ids=["threads", "processes"])
def test_numbers_do_not_depend_on_the_workers(coin, alone, pool):
    with pool(2) as map_:
        assert numbers(certify(coin, seeds=4, map_=map_)) == alone


def test_numbers_do_not_depend_on_the_order_of_results(coin, alone):
    def backwards(fn, tasks):
        return map(fn, reversed(list(tasks)))

    assert numbers(certify(coin, seeds=4, map_=backwards)) == alone


def test_a_dask_cluster_gives_the_same_numbers(coin, alone):
    distributed = pytest.importorskip("distributed")
    settings = {"n_workers": 2, "threads_per_worker": 1, "processes": True}
    with (
        distributed.LocalCluster(**settings, dashboard_address=None) as local,
        cluster(local.scheduler_address) as map_,
    ):
        assert numbers(certify(coin, seeds=4, map_=map_)) == alone


def test_every_path_of_every_seed_is_solved_and_told(coin):
    calls = []
    certificate = certify(
        coin, seeds=3, progress=lambda done, planned: calls.append((done, planned))
    )
    paths = [path_text(d) for level in range(3) for d in coin.lattice.deviations(level)] + [NULL]
    assert [row.path for row in certificate.rows] == paths
    assert {row.n for row in certificate.rows} == {3}
    assert calls[0] == (0, 3 * len(paths))
    assert calls[-1] == (3 * len(paths), 3 * len(paths))
    assert [done for done, _ in calls] == sorted({done for done, _ in calls})
    assert len(certify(coin, seeds=1, depth=1).rows) == 8
    assert len(certify(coin, seeds=1, depth=3).rows) == 28


def test_a_path_and_its_text_are_the_same(coin):
    for level in range(4):
        for deviations in coin.lattice.deviations(level):
            assert path_of(path_text(deviations)) == deviations


@pytest.mark.parametrize("how", [{"seeds": 0}, {"seeds": -3}, {"depth": 0}])
def test_nothing_to_do_is_refused(coin, how):
    with pytest.raises(UsageError, match="certify needs at least one seed and depth 1"):
        certify(coin, **how)


def test_the_folder_holds_certificate_table_and_figure(coin, tmp_path):
    certificate = certify(coin, seeds=2, out=tmp_path / "deep" / "out")
    out = tmp_path / "deep" / "out"
    assert sorted(os.listdir(out)) == [
        "certificate.json",
        "pass_rates.svg",
        "paths.tsv",
        "work.sqlite",
    ]
    told = json.loads((out / "certificate.json").read_text())
    assert told == json.loads(json.dumps(certificate.to_dict(), allow_nan=False))
    lines = (out / "paths.tsv").read_text().splitlines()
    assert len(lines) == 1 + len(certificate.rows)
    head = lines[0].split("\t")
    assert {"path", "rate", "low", "high", "bias_rmse", "bias_coverage", "seconds", "verdict"} <= {
        *head
    }
    assert lines[1].startswith("reference\treference\t2\t2\t1\t")
    svg = ElementTree.parse(out / "pass_rates.svg").getroot()
    texts = [item.text for item in svg.iter("{http://www.w3.org/2000/svg}text")]
    singles = {path_text(d) for d in coin.lattice.deviations(1)}
    assert singles | {"reference", NULL} <= set(texts)


def test_work_is_resumed_and_extended_but_never_repeated(coin, tmp_path):
    def refuse(fn, tasks):
        assert not list(tasks), "finished work was done again"
        return iter(())

    first = certify(coin, seeds=2, depth=1, out=tmp_path)
    again = certify(coin, seeds=2, depth=1, out=tmp_path, resume=True, map_=refuse)
    assert numbers(again) == numbers(first)
    more = certify(coin, seeds=3, depth=2, out=tmp_path, resume=True)
    assert numbers(more) == numbers(certify(coin, seeds=3, depth=2))
    fewer = certify(coin, seeds=2, depth=1, out=tmp_path, resume=True, map_=refuse)
    assert numbers(fewer) == numbers(first)


def test_work_of_other_knobs_or_sources_is_refused(variant, tmp_path):
    problem = variant()
    certify(problem, seeds=1, depth=1, out=tmp_path / "out")
    with pytest.raises(UsageError, match="holds earlier work"):
        certify(problem, seeds=1, depth=1, out=tmp_path / "out")
    with pytest.raises(UsageError, match="other knobs, or other sources"):
        certify(problem, seeds=1, out=tmp_path / "out", resume=True, knobs={"long": 50})
    edited = variant(("solve.py", "bias > 0.5", "bias >= 0.5"))
    with pytest.raises(UsageError, match="other knobs, or other sources"):
        certify(edited, seeds=1, out=tmp_path / "out", resume=True)
    certify(variant(), seeds=1, depth=1, out=tmp_path / "out", resume=True)


def test_knobs_as_texts_are_the_same_knobs(coin, tmp_path):
    certify(coin, seeds=1, depth=1, out=tmp_path, knobs={"long": 50})
    again = certify(coin, seeds=1, depth=1, out=tmp_path, resume=True, knobs={"long": "50"})
    assert again.knobs == {"long": 50}


def test_an_interrupt_keeps_what_is_finished(coin, tmp_path):
    def interrupt(done, planned):
        if done >= 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        certify(coin, seeds=4, out=tmp_path, progress=interrupt)
    assert not (tmp_path / "certificate.json").exists()
    assert 20 <= len(done_cells(tmp_path)) < 80
    assert numbers(certify(coin, seeds=4, out=tmp_path, resume=True)) == numbers(
        certify(coin, seeds=4)
    )


def done_cells(out: Path) -> set[tuple[int, str]]:
    if not (out / "work.sqlite").exists():
        return set()
    # Not read-only: the journal of a killed writer has to be rolled back first.
    base = sqlite3.connect(out / "work.sqlite", timeout=30)
    try:
        made = base.execute("select count(*) from sqlite_master where name = 'cell'").fetchone()[0]
        return set(base.execute("select seed, path from cell")) if made else set()
    finally:
        base.close()


def kill_while_it_works(command: list[str], out: Path, delay: float) -> int:
    """Kill a run some time after it has finished more; how it ended."""
    known = len(done_cells(out))
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(RUN.parents[2])})
    deadline = time.monotonic() + 60
    while process.poll() is None and len(done_cells(out)) <= known:
        assert time.monotonic() < deadline, "the run does nothing"
        time.sleep(0.01)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    return process.wait()


def test_a_kill_at_any_moment_loses_no_finished_work(coin, tmp_path):
    seeds, rng = 24, random.Random(2)
    command = [sys.executable, "-W", "error", str(RUN), str(coin.folder.parent)]
    command += [str(tmp_path / "out"), str(seeds)]
    before: set[tuple[int, str]] = set()
    killed = 0
    for _ in range(3):
        killed += kill_while_it_works(command, tmp_path / "out", rng.uniform(0, 0.1)) < 0
        cells = done_cells(tmp_path / "out")
        assert before < cells, "finished work was lost, or none was done"
        before = cells
        written = tmp_path / "out" / "certificate.json"
        assert not written.exists() or json.loads(written.read_text())
    assert killed, "the runs were too short to be killed"
    resumed = certify(coin, seeds=seeds, depth=1, out=tmp_path / "out", resume=True)
    assert numbers(resumed) == numbers(certify(coin, seeds=seeds, depth=1))


def test_a_worker_finds_the_problem_by_name_where_the_folder_is_not(coin):
    task = Task("coin", str(coin.folder), coin.fingerprint(), 1000, (), ("", NULL))
    here, there = run_task(task), run_task(replace(task, folder="/nonexistent/coin"))
    assert [replace(c, seconds=0.0) for c in here] == [replace(c, seconds=0.0) for c in there]


def test_a_worker_with_other_sources_is_refused(coin, variant):
    other = variant(("solve.py", "bias > 0.5", "bias >= 0.5"))
    task = Task("coin", str(other.folder), coin.fingerprint(), 1000, (), ("",))
    with pytest.raises(UsageError, match="A worker has other sources of coin or of refsolve"):
        run_task(task)


def test_nothing_is_left_in_the_temporary_folder(coin, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    certify(coin, seeds=1, depth=1)
    assert os.listdir(tmp_path) == []
