"""Adapter to cooltools and cooler: expected, pile-up, balancing, each from a file to its result.

REQUEST  path, work ("expected", "pileup" or "balance"), repeats; for a pile-up bin1 and bin2 (L,)
         and flank; for balancing iterations (K,), the largest number of each run
REPLY    cpu (repeats,) or (K,), first, memory (peak MB), version, and what was computed: expected
         (E,) with n_valid (E,), mean (W, W), or weight (N,)
"""

from __future__ import annotations

import re
import sys
import time
import warnings
from pathlib import Path


def main(request: str, reply: str) -> None:
    warnings.simplefilter("ignore")
    import cooler
    import cooltools
    import numpy as np

    asked = dict(np.load(request))
    clr = cooler.Cooler(str(asked["path"]))
    work = {"expected": expected, "pileup": pileup, "balance": balance}[str(asked["work"])]
    seconds, found = work(clr, asked)
    # The peak that getrusage states begins with that of the process that started this one.
    memory = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024
    version = f"{cooltools.__version__}, cooler {cooler.__version__}"
    np.savez(
        reply, first=seconds[0], cpu=np.array(seconds), memory=memory, version=version, **found
    )


def timed(work, repeats):
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        found = work()
        seconds.append(time.process_time() - start)
    return seconds, found


def expected(clr, asked):
    import cooltools

    def run():
        return cooltools.expected_cis(clr, smooth=False, aggregate_smoothed=False)

    seconds, table = timed(run, int(asked["repeats"]))
    return seconds, {
        "expected": table["balanced.avg"].to_numpy(),
        "n_valid": table["n_valid"].to_numpy(),
    }


def pileup(clr, asked):
    import cooltools
    import numpy as np
    import pandas as pd

    table = cooltools.expected_cis(clr, smooth=False, aggregate_smoothed=False)
    bins = clr.bins()[:]
    ends = []
    for number in ("1", "2"):
        there = bins.iloc[asked["bin" + number]][["chrom", "start", "end"]]
        ends.append(there.reset_index(drop=True).add_suffix(number))
    loops = pd.concat(ends, axis=1)
    flank = int(asked["flank"]) * int(clr.binsize)

    def run():
        return cooltools.pileup(clr, loops, expected_df=table, flank=flank)

    seconds, stack = timed(run, int(asked["repeats"]))
    side = 2 * int(asked["flank"]) + 1
    axis = 0 if stack.shape[1:] == (side, side) else 2
    return seconds, {"mean": np.nanmean(stack, axis=axis)}


def balance(clr, asked):
    import cooler

    seconds = []
    for iterations in asked["iterations"]:

        def run(iterations=iterations):
            return cooler.balance_cooler(clr, tol=0.0, max_iters=int(iterations))

        (once,), (weight, _) = timed(run, 1)
        seconds.append(once)
    return seconds, {"weight": weight}


if __name__ == "__main__":
    main(*sys.argv[1:])
