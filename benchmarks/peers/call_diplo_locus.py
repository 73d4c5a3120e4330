"""Adapter to diplo-locus (Gaussian bins of the diffusion): one constant diploid size, additive."""

from __future__ import annotations

import sys
import time


def main(request: str, reply: str) -> None:
    import diplo_locus
    import numpy as np
    from diplo_locus.likelihood import SelHmm

    asked = dict(np.load(request))
    sizes = asked["sizes"].astype(float)
    diploids = 1.0 / np.mean(2.0 / sizes)  # the constant size that is nearest to the schedule
    total, derived = asked["total"].astype(int), asked["derived"].astype(int)
    times = [0, *asked["generation"].tolist()]

    def one(s):
        chain = SelHmm(
            Ne=diploids,
            s1=s / 2,
            s2=s,
            mAlpha=0.0,
            mBeta=0.0,
            initCond="uniform",
            sampleSizesSet=set(total.ravel().tolist()),
        )
        return chain.computeLogLikelihood(times, total, derived)

    seconds = []
    for _ in range(max(1, int(asked["repeats"]))):  # nothing is compiled
        start = time.process_time()
        ll = np.array([one(float(s)) for s in asked["s"]]).T
        seconds.append(time.process_time() - start)
    version = getattr(diplo_locus, "__version__", "unknown")
    np.savez(reply, log_likelihood=ll, first=seconds[0], cpu=seconds, version=version)


if __name__ == "__main__":
    main(*sys.argv[1:])
