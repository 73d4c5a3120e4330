"""Adapter to bmws (beta mixtures with spikes): haploid sizes, additive selection, s/2 per copy."""

from __future__ import annotations

import os
import sys
import time

THREADS = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
COMPONENTS = 100  # the default of bmws


def main(request: str, reply: str) -> None:
    os.environ["XLA_FLAGS"] = THREADS
    import bmws
    import jax
    import numpy as np

    jax.config.update("jax_enable_x64", True)
    from bmws.betamix import BetaMixture, loglik

    asked = dict(np.load(request))
    T = int(asked["generation"].max())
    # From the latest generation to the first, as bmws orders time.
    sizes = asked["sizes"].astype(float)[1 : T + 1][::-1]
    prior = BetaMixture.uniform(COMPONENTS)

    def one(s, observed):
        return loglik(jax.numpy.full(T, s), sizes, observed, prior)

    curve = jax.jit(jax.vmap(one, in_axes=(0, None)))
    observed = np.zeros((asked["derived"].shape[0], T + 1, 2))
    # Samples of one generation are added: a product of binomials, up to a constant of theirs.
    for k, t in enumerate(asked["generation"]):
        observed[:, T - t, 0] += asked["total"][:, k]
        observed[:, T - t, 1] += asked["derived"][:, k]

    def run():
        return np.array([np.asarray(curve(asked["s"], locus)) for locus in observed])

    seconds = []
    for _ in range(1 + int(asked["repeats"])):
        start = time.process_time()
        ll = run()
        seconds.append(time.process_time() - start)
    version = getattr(bmws, "__version__", "unknown")
    np.savez(reply, log_likelihood=ll, first=seconds[0], cpu=seconds[1:], version=version)


if __name__ == "__main__":
    main(*sys.argv[1:])
