"""Pages and examples are executed again when anything that they run has changed."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "docs" / "_build"
CACHE, STAMP = BUILD / "executed", BUILD / "sources.sha256"
RUN = ("refsolve/**/*", "solvers/**/*", "tests/gold/**/*")
KEPT = {".py", ".toml", ".npz", ".csv", ".json"}


def fingerprint() -> str:
    """Digest of everything that pages and examples run or read."""
    paths = {path for pattern in RUN for path in ROOT.glob(pattern) if path.suffix in KEPT}
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def forget_if_stale() -> bool:
    """Delete stored outputs that other sources made; says whether the sources are others."""
    stale = not STAMP.is_file() or STAMP.read_text(encoding="utf-8") != fingerprint()
    if stale:
        shutil.rmtree(CACHE, ignore_errors=True)
    return stale


def remember(app: object, trouble: Exception | None) -> None:
    """Note which sources the outputs come from, once all of them are made."""
    if trouble is None:
        STAMP.write_text(fingerprint(), encoding="utf-8")
