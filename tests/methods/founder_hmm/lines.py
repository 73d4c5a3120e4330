"""Lines of eight founders for the tests of this method."""

from __future__ import annotations

from refsolve.methods.founder_hmm import (
    Genotypes,
    SimulatedCalls,
    SimulatedLines,
    ril,
    simulate_calls,
    simulate_map,
    simulate_ril,
)


def bred(n: int = 60, per: int = 30, chromosomes: int = 2, seed: int = 1) -> SimulatedLines:
    code, position = simulate_map(lengths=[60.0] * chromosomes, n_markers=per, rng=seed)
    return simulate_ril(
        n_lines=n, n_founders=8, position=position, chromosome=code, order="random", rng=seed
    )


def called(seed: int = 1, **settings: float) -> SimulatedCalls:
    return simulate_calls(bred(seed=seed), rng=seed, **settings)


DATA = called(founder_missing=0.05)
LINES = Genotypes(**DATA.observed)
DESIGN = ril(8, order=DATA.order)


def small(**fields: object) -> Genotypes:
    values: dict[str, object] = {
        "calls": [[0, 1, 1], [1, -1, 0]],
        "founders": [[0, 1], [1, 0], [1, -1]],
        "position": [1.0, 2.0, 4.0],
    }
    return Genotypes(**(values | fields))  # type: ignore[arg-type]
