"""A certification in a process of its own, to be killed: solvers, folder, seeds."""

from __future__ import annotations

import sys

from refsolve.contract.certifying import certify

if __name__ == "__main__":
    solvers, out, seeds = sys.argv[1:]
    certify("coin", seeds=int(seeds), out=out, resume=True, depth=1, solvers=[solvers])
