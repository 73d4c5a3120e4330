"""Paths and histories for tests of the textbook."""

from __future__ import annotations

from typing import Any

import numpy as np

from refsolve.methods.tracts import textbook as tb

ROUNDING = {"rtol": 1e-11, "atol": 1e-12}
COUNTS = tb.Statistics(np.array([2.1, 5.4]), np.array([[0, 9], [7, 0]]), np.array([3, 2]))
HISTORIES: dict[str, Any] = {
    "one pulse": tb.pulses([(8, [0.3, 0.7])]),
    "two pulses": tb.pulses([(15, [0.3, 0.7]), (5, [0.1, 0.0])]),
    "three sources": tb.pulses([(12, [0.5, 0.5, 0.0]), (6, [0.0, 0.0, 0.2])]),
    "continuous": tb.continuous(7, 2, [0.4, 0.6], [0.05, 0.02]),
    "latest possible": tb.pulses([(4, [0.4, 0.6]), (1, [0.2, 0.0])]),
}
CONVENTIONS: list[tb.Convention] = ["founders", "coalescent"]


def path(*tracts: tuple[float, float, int]) -> tb.Path:
    start, end, label = zip(*tracts, strict=True)
    return tb.Path(np.array(start), np.array(end), np.array(label))


def long_path(rate: float, m: float, length: float, seed: int) -> tb.Path:
    """Alternating exponential tracts: nothing but the holding times of the chain."""
    rng = np.random.default_rng(seed)
    mean = np.array([1 / (rate * (1 - m)), 1 / (rate * m)])
    label = np.arange(int(3 * length / mean.sum())) % 2
    end = np.cumsum(rng.exponential(mean[label]))
    kept = end < length
    end = end[kept]
    return tb.Path(np.concatenate([[0], end[:-1]]), end, label[kept])
