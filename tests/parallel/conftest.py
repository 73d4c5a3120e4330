from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from refsolve.parallel import Mapper, processes, serial, threads

Pool = Callable[[], AbstractContextManager[Mapper]]
KINDS: dict[str, Pool] = {
    "serial": serial,
    "threads": lambda: threads(2),
    "processes": lambda: processes(2),
}


@pytest.fixture(params=KINDS)
def pool(request: pytest.FixtureRequest) -> Pool:
    return KINDS[request.param]


def gone(pid: int, *, within: float) -> bool:
    """Whether the process ends in time; one that nobody has buried yet has ended."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False
