"""`./run`: installs once, passes arguments through, refuses what it cannot do in plain words."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT

# A Python that only pretends: `venv` makes the folder, `pip` writes down that it was called.
PYTHON = """#!/bin/sh
case "$*" in
    -V) echo "Python $VERSION" ;;
    -c*) [ "$VERSION" != 3.10.2 ] ;;
    *install*) echo "$*" >>installed ;;
    *venv*) mkdir -p .venv/bin
            cp "$0" .venv/bin/python
            printf '#!/bin/sh\\necho "refsolve $*"\\n' >.venv/bin/refsolve
            chmod +x .venv/bin/refsolve ;;
    *pytest*) echo "$*" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("run", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    program(tmp_path / "fake", PYTHON)
    program(tmp_path / "tools" / "uv", "#!/bin/sh\nexit 1\n")
    return tmp_path


def program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def run(
    checkout: Path, *arguments: str, version: str = "3.11.2"
) -> subprocess.CompletedProcess[str]:
    path = f"{checkout / 'tools'}:/usr/bin:/bin"
    tools = {"PATH": path, "PYTHON": str(checkout / "fake"), "VERSION": version}
    return subprocess.run(
        ["./run", *arguments],
        cwd=checkout,
        env={**os.environ, **tools},
        capture_output=True,
        text=True,
        check=False,
    )


def installations(checkout: Path) -> list[str]:
    log = checkout / "installed"
    return log.read_text().splitlines() if log.exists() else []


def test_demo_installs_the_core_once_and_passes_arguments(checkout: Path) -> None:
    for _ in range(2):
        done = run(checkout, "demo", "--seed", "3")
        assert (done.returncode, done.stdout) == (0, "refsolve demo --seed 3\n"), done.stderr
    (call,) = installations(checkout)
    assert call.endswith("-c constraints.txt -e .")


@pytest.mark.parametrize("changed", ["pyproject.toml", "constraints.txt"])
def test_changed_requirements_are_installed(checkout: Path, changed: str) -> None:
    run(checkout, "demo")
    with (checkout / changed).open("a") as stream:
        stream.write("# changed\n")
    run(checkout, "demo")
    assert len(installations(checkout)) == 2


def test_moved_checkout_is_installed_again(checkout: Path) -> None:
    run(checkout, "demo")
    moved = checkout.rename(checkout.with_name("moved"))
    run(moved, "demo")
    assert len(installations(moved)) == 2


def test_tests_include_the_core(checkout: Path) -> None:
    done = run(checkout, "test", "-k", "two words")
    assert done.stdout == "-m pytest -q -k two words\n"
    run(checkout, "demo")
    (call,) = installations(checkout)
    assert call.endswith("-e .[test]")


def test_uv_is_used_where_it_works(checkout: Path) -> None:
    program(checkout / "tools" / "uv", '#!/bin/sh\necho "uv $*" >>installed\n')
    run(checkout, "demo")
    (call,) = installations(checkout)
    assert call.startswith("uv pip install")


def test_old_python_is_named(checkout: Path) -> None:
    done = run(checkout, "demo", version="3.10.2")
    assert done.returncode == 2
    assert "needs Python 3.11 or newer" in done.stderr
    assert "Python 3.10.2" in done.stderr
    assert not (checkout / ".venv").exists()


def test_unknown_job_is_refused(checkout: Path) -> None:
    done = run(checkout, "demmo")
    assert done.returncode == 2
    assert "unknown job 'demmo'" in done.stderr
    assert installations(checkout) == []
