"""A named piece of work that a method is profiled and benchmarked with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Workload:
    """One typical use of a method.

    Attributes
    ----------
    name
        What is done, with its sizes.
    run
        Does it once.
    flops
        Floating-point operations that the algorithm needs.
    bytes
        Bytes that it must move between memory and processor: inputs, outputs, operators once.
    unit
        What throughput is counted in.
    items
        How many of these units one run does.
    """

    name: str
    run: Callable[[], object]
    flops: float
    bytes: float
    unit: str
    items: float
