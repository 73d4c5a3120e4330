"""Every example runs as a plain script, with warnings as errors."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
assert len(EXAMPLES) >= 4, "no examples found: the test below would pass vacuously"


@pytest.mark.slow
@pytest.mark.parametrize("script", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_and_says_something(script: Path, tmp_path: Path) -> None:
    settings = {"MPLBACKEND": "Agg", "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=tmp_path, env=os.environ | settings, capture_output=True, text=True, check=False,
        timeout=240,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip()
    assert not list(tmp_path.iterdir())
