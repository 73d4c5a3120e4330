"""Replicates of simulated studies, the same for every mapper."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from refsolve.core.rng import spawn
from refsolve.parallel import Mapper


class Seeded(Protocol):
    """What has a seed of its own."""

    @property
    def seed(self) -> int: ...


Study = TypeVar("Study", bound=Seeded)
Replicate = TypeVar("Replicate")


def replicated(
    replicate: Callable[[Study, np.random.Generator], Replicate],
    studies: Sequence[Study],
    n: int,
    map_: Mapper,
    *,
    at_once: int,
) -> Iterator[tuple[Study, list[Replicate]]]:
    """Every study with n replicates, in order.

    Parameters
    ----------
    replicate
        Makes one, from a module, so that workers find it.
    studies, n
        What to simulate, and how often.
    map_
        Mapper over groups of replicates.
    at_once
        Replicates of a group.
    """
    for study in studies:
        seeds = spawn(study.seed, n)
        tasks = [(i, replicate, study, seeds[i : i + at_once]) for i in range(0, n, at_once)]
        done = dict(map_(_group, tasks))
        yield study, [one for i in sorted(done) for one in done[i]]


def _group(task: tuple[int, Callable[..., Any], Any, Sequence[Any]]) -> tuple[int, list[Any]]:
    first, replicate, study, seeds = task
    return first, [replicate(study, np.random.default_rng(seed)) for seed in seeds]
