"""What every test relies on: one thread, no display, no global random state."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# numpy's BLAS reads these once, when numpy is imported: not before this line.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ["MPLBACKEND"] = "Agg"

# A run in the background starts with Ctrl-C ignored, and so would every program that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "refsolve",
    deadline=None,  # the first example of a kernel includes its compilation
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("refsolve")

COMPILED = os.environ.get("NUMBA_DISABLE_JIT", "0") in {"", "0"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if COMPILED:
        return
    skip = pytest.mark.skip(reason="about compiled code, and NUMBA_DISABLE_JIT=1")
    for item in items:
        if "compiled" in item.keywords:
            item.add_marker(skip)


def _global_random_state() -> str:
    import numpy as np

    name, key, position, *_ = np.random.get_state()  # noqa: NPY002
    return f"{name}:{position}:{hashlib.blake2b(np.asarray(key).tobytes()).hexdigest()}"


@pytest.fixture(autouse=True)
def global_random_state_is_left_alone() -> Iterator[None]:
    """Fail a test that draws from, or seeds, the generator all of numpy shares."""
    before = _global_random_state()
    yield
    assert _global_random_state() == before, "the test used numpy's global random state"
