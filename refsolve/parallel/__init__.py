"""Maps that use several cores or machines; everything else of refsolve takes a `map_`.

A mapper is called like the builtin `map`, which is itself a valid one: `map_(fn, tasks)` yields the
result of every task exactly once, in *any* order, and takes tasks only as fast as they are done.
A result therefore carries its own identity, and a task its own `SeedSequence`, so that results do
not depend on how many workers there are or of which kind.

>>> from refsolve.parallel import threads
>>> with threads(2) as map_:
...     sorted(map_(abs, [-3, 1, -2]))
[1, 2, 3]
"""

from __future__ import annotations

from refsolve.parallel.choice import mapper
from refsolve.parallel.errors import WorkerDied
from refsolve.parallel.local import serial, threads
from refsolve.parallel.mapping import Mapper
from refsolve.parallel.pool import processes
from refsolve.parallel.remote import cluster

__all__ = ["Mapper", "WorkerDied", "cluster", "mapper", "processes", "serial", "threads"]
