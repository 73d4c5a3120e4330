"""A run that saves every result and does only what is missing: FOLDER KIND [all|one].

With the last argument, all workers or one come to a task that hangs.
"""

from __future__ import annotations

import sys
from pathlib import Path

from refsolve.parallel import mapper
from tests.parallel.tasks import save, tell_and_hang

if __name__ == "__main__":
    folder, kind, *hanging = sys.argv[1:]
    missing = [x for x in range(8) if not Path(folder, f"result-{x}").exists()]
    fn = tell_and_hang if hanging else save
    if hanging == ["one"]:
        missing = missing[:2]  # and the other worker is idle
    with mapper(2, kind) as map_:
        for result in map_(fn, [(folder, x) for x in missing]):
            print(result, flush=True)
