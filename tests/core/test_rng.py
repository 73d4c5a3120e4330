from __future__ import annotations

import numpy as np
import pytest

from refsolve.core.rng import as_generator, spawn


def test_a_seed_names_its_numbers_and_a_generator_is_taken_as_it_is():
    assert as_generator(3).random() == as_generator(np.random.SeedSequence(3)).random()
    generator = np.random.default_rng(1)
    assert as_generator(generator) is generator
    assert as_generator(None).random() != as_generator(None).random()


def test_a_task_keeps_its_seed_when_more_tasks_follow():
    few, many = spawn(5, 3), spawn(5, 10)
    assert [s.generate_state(4).tolist() for s in few] == [
        s.generate_state(4).tolist() for s in many[:3]
    ]
    assert len({tuple(s.generate_state(4)) for s in many}) == len(many)
    assert spawn(5, 0) == []


@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_spawned_streams_are_not_correlated(seed):
    draws = np.array([as_generator(s).standard_normal(4000) for s in spawn(seed, 6)])
    off = np.corrcoef(draws)[np.triu_indices(6, 1)]
    assert np.abs(off).max() < 5 / np.sqrt(4000)
