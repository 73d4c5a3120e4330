"""doctor, warmup and profile: what they look at, and that they notice."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from refsolve.cli import announced, compiling, machine, packages, timing
from refsolve.core import jit
from refsolve.core.workload import Workload

TOY = Path(__file__).resolve().parents[1] / "contract" / "toy"


def methods() -> list[str]:
    folder = Path(announced.METHODS)
    return sorted(path.parent.name for path in folder.glob("*/__init__.py"))


def test_there_are_methods() -> None:
    assert methods()


@pytest.mark.parametrize("name", methods())
def test_every_kernel_of_a_method_is_checked(name: str) -> None:
    for path in (announced.METHODS / name).glob("*.py"):
        importlib.import_module(f"refsolve.methods.{name}.{path.stem}")
    checks = [c for c in announced.checks() if c.kernel.startswith(f"refsolve.methods.{name}.")]
    registered = {k for k in jit.registered_kernels() if k.startswith(f"refsolve.methods.{name}.")}
    assert len(checks) == len({check.kernel for check in checks})
    assert registered
    assert {check.kernel for check in checks} == registered
    assert [check for check in checks if not check.passed] == []


@pytest.mark.parametrize("name", methods())
def test_tolerances_are_tight(name: str) -> None:
    module = importlib.import_module(f"refsolve.methods.{name}.self_check")
    assert [t for _, _, t in module.self_check() if not 0 < t <= 1e-4] == []


def test_a_kernel_without_check_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    known = jit.registered_kernels()
    monkeypatch.setattr(jit, "registered_kernels", lambda: {**known, "refsolve.a.b": None})
    *_, last = announced.checks()
    assert last.kernel == "refsolve.a.b"
    assert not last.passed


def test_a_check_that_breaks_off_is_a_finding(
    monkeypatch: pytest.MonkeyPatch, document: Any
) -> None:
    module = importlib.import_module("refsolve.methods.wright_fisher.self_check")

    def broken() -> Iterator[tuple[str, float, float]]:
        yield "a.b", 0.0, 1e-9
        raise IndexError("out of bounds")

    monkeypatch.setattr(module, "self_check", broken)
    findings, code = doctor(document)
    assert code == 1
    assert findings["kernels", "a.b"]["state"] == "ok"
    broke_off = findings["kernels", "refsolve.methods.wright_fisher"]
    assert broke_off["value"] == "IndexError: out of bounds"


def doctor(document: Any, *arguments: object) -> tuple[dict[tuple[str, str], Any], int]:
    content, code = document("doctor", *arguments)
    assert content["ok"] == (code == 0)
    return {(f["topic"], f["name"]): f for f in content["findings"]}, code


def test_doctor_looks_at_everything(document: Any) -> None:
    findings, _ = doctor(document)
    assert {topic for topic, _ in findings} >= {
        "packages", "extras", "machine", "cache", "solvers", "kernels",
    }  # fmt: skip
    assert findings["packages", "numpy"]["value"].startswith(metadata.version("numpy"))
    assert findings["solvers", "coin"]["value"].startswith("3 decisions, 9 choices, 7 knobs")
    assert {(f["state"], bool(f["remedy"])) for f in findings.values()} <= {
        ("ok", False), ("note", True), ("bad", True),
    }  # fmt: skip


def test_doctor_notices_a_broken_solver(tmp_path: Path, document: Any, run: Any) -> None:
    shutil.copytree(TOY / "coin", tmp_path / "more" / "broken")
    (tmp_path / "more" / "broken" / "solve.py").write_text("import no_such_module\n")
    spec = tmp_path / "more" / "broken" / "problem.toml"
    spec.write_text(spec.read_text().replace('name = "coin"', 'name = "broken"', 1))
    findings, code = doctor(document, "--solvers", tmp_path / "more")
    assert code == 1
    assert "no_such_module" in findings["solvers", "broken"]["value"]
    said = run("doctor", "--solvers", tmp_path / "more")
    assert said.exit_code == 1
    assert "findings are bad" in said.stdout


def test_doctor_notices_a_wrong_kernel(monkeypatch: pytest.MonkeyPatch, document: Any) -> None:
    monkeypatch.setattr(announced, "checks", lambda: iter([announced.Check("a.b", 1.0, 1e-9)]))
    findings, code = doctor(document)
    assert code == 1
    assert findings["kernels", "a.b"]["state"] == "bad"


def test_doctor_without_solvers(monkeypatch: pytest.MonkeyPatch, document: Any) -> None:
    monkeypatch.setattr("refsolve.contract.discovery.discover", lambda _: {})
    findings, code = doctor(document)
    assert code == 1
    assert findings["solvers", "none"]["state"] == "bad"


def test_doctor_reports_broken_plugins(monkeypatch: pytest.MonkeyPatch, document: Any) -> None:
    broken = {"other": "No module named 'x'"}
    monkeypatch.setattr("refsolve.contract.discovery.broken_plugins", lambda: broken)
    findings, _ = doctor(document)
    assert findings["plug-ins", "other"]["state"] == "note"
    assert findings["plug-ins", "other"]["value"] == "No module named 'x'"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache" / "current"
    for name in ("current", "stale"):
        (folder.parent / name).mkdir(parents=True)
        (folder.parent / name / "kernel.nbi").write_bytes(b"x" * 1000)
    monkeypatch.setattr(jit, "cache_folder", lambda: folder)
    return folder


def test_stale_kernels_are_purged_on_request(cache: Path) -> None:
    (_, stale) = machine.kernel_cache(purge=False)
    assert stale.value.startswith("1 folders")
    assert stale.remedy == "refsolve doctor --purge"
    assert (cache.parent / "stale").is_dir()
    (_, gone) = machine.kernel_cache(purge=True)
    assert gone.value.startswith("1 deleted")
    assert [folder.name for folder in cache.parent.iterdir()] == ["current"]
    (kept,) = machine.kernel_cache(purge=False)
    assert "1 kernels" in kept.value


def test_no_cache_is_noted(monkeypatch: pytest.MonkeyPatch, document: Any, run: Any) -> None:
    monkeypatch.setattr(jit, "cache_folder", lambda: None)
    (finding,) = machine.kernel_cache(purge=False)
    assert finding.state == "note"
    assert "REFSOLVE_CACHE_DIR" in finding.remedy
    content, _ = document("warmup")
    assert content["cache"] is None
    result = run("warmup")
    assert "not kept" in result.stdout
    assert "compiling kernels (first run only)" in result.stderr


def test_compilation_is_announced_once(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compiling.announce_if_cold()
    assert capsys.readouterr().err == ""
    (cache / "kernel.nbi").unlink()
    compiling.announce_if_cold()
    assert "first run only" in capsys.readouterr().err


def test_little_memory_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "LITTLE_MEMORY", 1e9)
    memory = next(f for f in machine.machine() if f.name == "memory")
    assert (memory.state, memory.remedy) == ("note", "Use fewer --workers.")


def test_missing_libraries_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "GOMP", "libno_such_library.so.1")
    monkeypatch.setattr(machine, "LAYERS", {"none": "no_such_module"})
    findings = {f.name: f for f in machine.machine()}
    assert findings["libgomp"].state == "note"
    assert findings["numba layers"].value.startswith("none")


def test_packages_out_of_range_are_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = packages.Asked(">=99", ["numpy>=99", "no-such-package>=1"], {"more": ["absent>=2"]})
    monkeypatch.setattr(packages, "asked", lambda: asked)
    findings = {f.name: f for f in packages.packages()}
    for name in ("Python", "numpy", "no-such-package"):
        assert findings[name].state == "bad"
        assert findings[name].remedy
    assert findings["more"].state == "note"
    assert findings["more"].remedy == "pip install 'refsolve[more]'"


def test_requirements_of_an_installed_package(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = {
        "Requires-Dist": [
            "numpy>=2.0",
            'dask>=1; extra == "dask"',
            'other>=1; extra == "dask" and python_version < "3"',
        ],
        "Provides-Extra": ["dask", "dev"],
    }
    monkeypatch.setattr(packages.refsolve, "__file__", "/nowhere/refsolve/__init__.py")
    monkeypatch.setattr(packages.metadata, "metadata", lambda _: Metadata(lines))
    asked = packages.asked()
    assert asked.python == ">=3.11"
    assert asked.core == ["numpy>=2.0"]
    assert asked.extras == {"dask": ['dask>=1; extra == "dask"'], "dev": []}


class Metadata:
    """As `importlib.metadata` gives it."""

    def __init__(self, lines: dict[str, list[str]]) -> None:
        self.lines = lines

    def get_all(self, name: str) -> list[str] | None:
        return self.lines.get(name)

    def __getitem__(self, name: str) -> str:
        assert name == "Requires-Python"
        return ">=3.11"


def test_warmup_names_what_fails(monkeypatch: pytest.MonkeyPatch, document: Any, run: Any) -> None:
    monkeypatch.setattr(announced, "checks", lambda: iter([announced.Check("a.b", 1.0, 1e-9)]))
    content, code = document("warmup")
    assert (code, content["failed"]) == (1, ["a.b"])
    assert "a.b does not agree" in run("warmup").stdout


@pytest.mark.compiled
def test_after_warmup_nothing_is_compiled() -> None:
    """What workloads call was compiled, with the same types, by the checks."""
    assert all(check.passed for check in announced.checks())
    before = signatures()
    for method in announced.methods_with("workloads"):
        for work in announced.workloads(method):
            work.run()
    assert signatures() == before


def signatures() -> dict[str, int]:
    return {name: len(k.signatures) for name, k in jit.registered_kernels().items()}


def test_workloads_are_well_described() -> None:
    for method in announced.methods_with("workloads"):
        listed = announced.workloads(method)
        assert len({work.name for work in listed}) == len(listed) >= 3
        for work in listed:
            assert min(work.flops, work.bytes, work.items) > 0
            assert work.unit


def test_workloads_of_wright_fisher_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same work in sizes that need no compilation; what is counted grows with what is done."""
    module = importlib.import_module("refsolve.methods.wright_fisher.workloads")
    monkeypatch.setattr(module, "GENERATIONS", 4)
    monkeypatch.setattr(module, "SAMPLES", 3)
    monkeypatch.setattr(module, "SIZE", 50)
    for make, sizes, shape in (
        (module._one_locus, (3, 32), (1, 3)),
        (module._many_loci, (2, 3, 32), (2, 3)),
        (module._exact, (20, 2), (1, 2)),
    ):
        small, large = make(*sizes), make(2 * sizes[0], *sizes[1:])
        likelihoods = small.run()
        assert likelihoods.shape == shape
        assert np.isfinite(likelihoods).all()
        assert small.items == likelihoods.size
        assert small.flops < large.flops
        assert small.bytes < large.bytes


def test_every_method_has_both_files() -> None:
    assert announced.methods_with("self_check") == methods()
    assert announced.methods_with("workloads") == methods()


def test_timing_of_a_workload(quick_work: Workload) -> None:
    timed = timing.time_workload(quick_work, 0.01)
    assert timed.runs >= 3
    assert 0 < timed.least <= timed.median
    assert timed.throughput == pytest.approx(20_000 / timed.least)
    assert (timed.cache_hits, timed.cache_misses) == (0, 0)
    assert any("count_to" in where for where in timed.functions)
    best = timing.Machine(bandwidth=1e5 / timed.least, arithmetic=4e4 / timed.least)
    shares = {"bandwidth_share": 1.0, "arithmetic_share": 0.5}
    assert timed.against(best) == pytest.approx(shares)


def test_machine_is_measured(quick_work: Workload) -> None:
    measured = timing.measure_machine()
    assert 1e8 < measured.bandwidth < 1e13
    assert 1e7 < measured.arithmetic < 1e13


def test_profile_adds_up(quick_work: Workload, document: Any) -> None:
    content, code = document("profile", "wright_fisher", "--seconds", 0.01)
    assert code == 0
    (timed,) = content["workloads"]
    share = timed["bytes_rate"] / content["machine"]["bandwidth"]
    assert timed["bandwidth_share"] == pytest.approx(share)
    assert sum(timed["functions"].values()) <= 1.0 + 1e-9


@pytest.mark.compiled
def test_profile_of_a_method(document: Any) -> None:
    content, code = document("profile", "wright_fisher", "--seconds", 0.01)
    assert code == 0
    for timed in content["workloads"]:
        assert timed["cache_hits"] + timed["cache_misses"] >= 0
        assert 0 < timed["arithmetic_share"] < 1
