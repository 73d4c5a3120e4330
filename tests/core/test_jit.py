from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from refsolve.core import jit

PACKAGE = Path(jit.__file__).resolve().parents[1]
CALLEE = "from refsolve.core.jit import kernel\n\n\n@kernel\ndef inner(x):\n    return x + {}\n"
CALLER = (
    "from refsolve.core.jit import kernel\nfrom refsolve.numerics.probe_inner import inner\n\n\n"
    "@kernel\ndef outer(x):\n    return 2.0 * inner(x)\n"
)
ASK = (
    "from refsolve.numerics.probe_outer import outer\n"
    "value, counts = outer(1.0), outer.stats\n"
    "print(value, sum(counts.cache_hits.values()), sum(counts.cache_misses.values()))\n"
)


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The cache folder is chosen anew, and again after the test."""
    jit.cache_folder.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    jit.cache_folder.cache_clear()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A package of its own with one kernel that calls another."""
    package = tmp_path / "site" / "refsolve"
    shutil.copytree(PACKAGE / "core", package / "core", ignore=shutil.ignore_patterns("__pyc*"))
    shutil.copy(PACKAGE / "__init__.py", package)
    numerics = package / "numerics"
    numerics.mkdir()
    (numerics / "probe_inner.py").write_text(CALLEE.format("9.0"))
    (numerics / "probe_outer.py").write_text(CALLER)
    return package


def ask(package: Path, program: str = ASK, **settings: str) -> list[str]:
    env = {**os.environ, "PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(
        command, env=env | settings, cwd=package.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.compiled
def test_an_edit_in_another_file_is_seen_by_the_next_process(copy, tmp_path):
    cache = str(tmp_path / "cache")
    assert ask(copy, REFSOLVE_CACHE_DIR=cache) == ["20.0", "0", "1"]
    assert ask(copy, REFSOLVE_CACHE_DIR=cache) == ["20.0", "1", "0"]
    (copy / "numerics" / "probe_inner.py").write_text(CALLEE.format("504.0"))
    assert ask(copy, REFSOLVE_CACHE_DIR=cache) == ["1010.0", "0", "1"]


@pytest.mark.compiled
def test_without_a_writable_place_kernels_compile_and_are_not_kept(copy, tmp_path):
    (tmp_path / "file").touch()
    settings = {"REFSOLVE_CACHE_DIR": str(tmp_path / "file" / "below")}
    assert ask(copy, **settings)[0] == "20.0"
    program = "from refsolve.core.jit import cache_folder\nprint(cache_folder())"
    assert ask(copy, program, **settings) == ["None"]
    assert not list(copy.parent.rglob("*.nbi")), "numba kept its own cache beside the sources"


def test_the_fingerprint_follows_every_source_that_a_kernel_may_import(copy, monkeypatch):
    def fingerprint() -> str:
        return jit.fingerprint.__wrapped__()

    monkeypatch.setattr(jit, "__file__", str(copy / "core" / "jit.py"))
    seen = [fingerprint()]
    (copy / "core" / "rng.py").write_text("X = 1\n")
    seen.append(fingerprint())
    method = copy / "methods" / "mine"
    (method / "kernels").mkdir(parents=True)
    (method / "kernels" / "new.py").touch()
    seen.append(fingerprint())
    (method / "kernels" / "new.py").rename(method / "kernels.py")
    seen.append(fingerprint())
    monkeypatch.setattr(jit.numba, "__version__", "0.0")
    seen.append(fingerprint())
    assert len(set(seen)) == 5
    (copy / "core" / "notes.md").touch()
    (method / "estimator.py").touch()
    assert fingerprint() == seen[-1]


def test_the_chosen_folder_comes_first_and_is_the_only_one(fresh, tmp_path):
    fresh.setenv("REFSOLVE_CACHE_DIR", str(tmp_path / "chosen"))
    folder = jit.cache_folder()
    assert folder == tmp_path / "chosen" / "refsolve" / "numba" / jit.fingerprint()
    assert folder.is_dir()
    assert not any(folder.iterdir()), "the probe was left behind"


def test_a_home_that_cannot_be_written_gives_way_to_a_private_temporary_folder(fresh, tmp_path):
    (tmp_path / "file").touch()
    fresh.delenv("REFSOLVE_CACHE_DIR", raising=False)
    fresh.setenv("XDG_CACHE_HOME", str(tmp_path / "file" / "below"))
    fresh.setattr(jit.tempfile, "gettempdir", lambda: str(tmp_path))
    own = tmp_path / f"refsolve-{os.getuid()}"
    assert jit.cache_folder() == own / "refsolve" / "numba" / jit.fingerprint()
    assert stat.S_IMODE(own.stat().st_mode) == 0o700


@pytest.mark.parametrize("trap", ["open to all", "a link", "a file"])
def test_a_temporary_folder_of_somebody_else_is_not_trusted(fresh, tmp_path, trap):
    # Cached kernels are code: whoever can write them runs it.
    own = tmp_path / f"refsolve-{os.getuid()}"
    if trap == "open to all":
        own.mkdir()
        own.chmod(0o777)
    elif trap == "a link":
        (tmp_path / "theirs").mkdir()
        own.symlink_to(tmp_path / "theirs")
    else:
        own.touch()
    (tmp_path / "file").touch()
    fresh.delenv("REFSOLVE_CACHE_DIR", raising=False)
    fresh.setenv("XDG_CACHE_HOME", str(tmp_path / "file" / "below"))
    fresh.setattr(jit.tempfile, "gettempdir", lambda: str(tmp_path))
    assert jit.cache_folder() is None


def test_a_user_without_a_home_has_no_folder_called_tilde(fresh, tmp_path):
    def nobody(_uid):
        raise KeyError

    for name in ("REFSOLVE_CACHE_DIR", "XDG_CACHE_HOME", "HOME"):
        fresh.delenv(name, raising=False)
    fresh.setattr(pwd, "getpwuid", nobody)
    fresh.setattr(jit.tempfile, "gettempdir", lambda: str(tmp_path))
    fresh.chdir(tmp_path)
    assert jit.cache_folder().is_relative_to(tmp_path / f"refsolve-{os.getuid()}")
    assert not (tmp_path / "~").exists()


def test_kernels_are_registered_and_agree_with_their_originals(fresh, tmp_path):
    fresh.setenv("REFSOLVE_CACHE_DIR", str(tmp_path))
    fresh.setattr(jit, "_KERNELS", {})
    setting = jit.config.CACHE_DIR
    compiled = jit.kernel(_share)
    assert jit.registered_kernels() == {f"{__name__}._share": compiled}
    jit.registered_kernels().clear()
    assert jit.registered_kernels(), "the registry was handed out itself"
    assert jit.config.CACHE_DIR == setting, "other packages lost their own cache folder"
    values = np.array([1.0, 3.0])
    assert compiled(values, 4.0) == getattr(compiled, "py_func", compiled)(values, 4.0) == 1.0


@pytest.mark.compiled
def test_kernels_divide_like_numpy_and_keep_nan(fresh, tmp_path):
    fresh.setenv("REFSOLVE_CACHE_DIR", str(tmp_path))
    fresh.setattr(jit, "_KERNELS", {})
    compiled = jit.kernel(_share)
    assert compiled(np.array([1.0]), 0.0) == np.inf
    assert np.isnan(compiled(np.array([1.0, np.nan]), 1.0))
    assert compiled.targetoptions["nogil"]
    assert "fastmath" not in compiled.targetoptions


def _share(values, total):
    s = 0.0
    for k in range(values.size):
        s += values[k]
    return s / total
