"""What a result was measured on: versions, processor, cores. No path and no name of a host."""

from __future__ import annotations

import os
import platform
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("numpy", "scipy", "numba", "llvmlite")


def environment() -> dict[str, Any]:
    """Versions and machine, ready for JSON."""
    import refsolve

    versions = {name: metadata.version(name) for name in PACKAGES}
    python = platform.python_version()
    return {
        "versions": {"refsolve": refsolve.__version__, "python": python, **versions},
        "machine": {
            "processor": processor(),
            "cores": len(os.sched_getaffinity(0)),
            "load": round(os.getloadavg()[0], 1),
            "system": f"{sys.platform} {platform.machine()}",
        },
    }


def processor() -> str:
    """Model of the processor."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE)
        if found:
            return found[1].strip()
    return platform.processor() or "unknown"
