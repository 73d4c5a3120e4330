"""What is refused, and how it is said."""

from __future__ import annotations

import numpy as np
import pytest

from refsolve.methods.founder_hmm import (
    diplotypes,
    dosage_likelihood,
    exchangeable,
    fit_founders,
    general_ril,
    insert_pseudomarkers,
    intensity_likelihood,
    intercross,
    outbred,
    read_likelihood,
    recombination,
    reconstruct,
    ril,
    step_weights,
)
from tests.methods.founder_hmm.lines import small


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"calls": [[0, 1, 3]]}, r"calls\[0, 2\] = 3 must be -1 \(missing\), 0, 1 or 2"),
        ({"calls": [[0, 1]]}, r"calls has shape \(1, 2\); expected \(lines, 3\)"),
        ({"founders": [[0, 2], [1, 0], [1, 1]]}, r"founders\[0, 1\] = 2 must be -1 \(missing\), 0"),
        ({"founders": [[0, 1], [1, 0]]}, "do not agree"),
        ({"position": [1.0, 4.0, 2.0]}, r"position\[2\] = 2.0 is before its neighbour"),
        ({"chromosome": ["a", "b", "a"]}, r"chromosome\[2\] = 'a' comes back"),
        ({"calls": None}, "calls or likelihood must be given"),
        ({"unknown": 1.0}, "unknown is 1.0; expected a probability"),
        ({"calls": None, "likelihood": np.ones((2, 3, 4))}, "expected \\(lines, 3, 2 or 3\\)"),
        ({"calls": None, "likelihood": np.zeros((2, 3, 2))}, "must be positive for one"),
        ({"calls": None, "likelihood": np.full((2, 3, 2), -1.0)}, "must be finite and not"),
    ],
)  # fmt: skip
def test_bad_genotypes_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**fields)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: ril(3), "n_founders = 3 must be 2, 4, 8 or 16"),
        (lambda: ril(8, "half"), "mating = 'half' is not known; choose one of 'self', 'sib'"),
        (lambda: ril(2, order="any"), "order = 'any' is not known"),
        (lambda: ril(2, order=[0, 0]), r"order \[0, 0\] must hold each of 0 ... 1 once"),
        (lambda: ril(2, order=[0, 1, 2]), r"order has shape \(3,\); expected \(2,\)"),
        (lambda: ril(2, map_function="x"), "map_function = 'x' is not known"),
        (lambda: ril(2, expansion=0.0), "expansion = 0.0 must be positive"),
        (lambda: exchangeable(1), "n_founders = 1 must be at least 2"),
        (lambda: general_ril(2, -1.0), "generations = -1.0 must not be negative"),
        (lambda: general_ril(2, 3.0, fractions=[0.5, 0.6]), "expected 2 with sum 1"),
        (lambda: general_ril(2, 3.0, fractions=[1.0, 0.0]), "must be positive"),
        (lambda: intercross(2, 1), "generations = 1 must be at least 2"),
        (lambda: outbred(0), "outbred needs generations >= 1"),
        (lambda: diplotypes(ril(8)), "tells orders of founders apart"),
        (lambda: recombination([-1.0]), "must not be negative"),
        (lambda: insert_pseudomarkers([0.0, 1.0], 0.0), "step = 0.0 must be positive"),
        (lambda: step_weights(exchangeable(2), np.zeros(2)), "the expansion of the design is not"),
        (lambda: read_likelihood([[1]], [[1]], 0.7), "error = 0.7 must lie in"),
        (lambda: read_likelihood([[1]], [[1, 2]]), "must both be"),
        (lambda: dosage_likelihood([0.5]), "expected \\(lines, markers\\)"),
        (lambda: dosage_likelihood([[0.5]], 0.0), "sd = 0.0 must be positive"),
        (lambda: intensity_likelihood([[0.5]], [[1.0, 1.0]], [[1.0]]), "do not agree"),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused(make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "run, message",
    [
        (lambda: reconstruct(small(), ril(4), 0.01), "founders has 2 founders and the design 4"),
        (lambda: reconstruct(small(), ril(2, order=[[0, 1]]), 0.01), "of 1 lines; there are 2"),
        (lambda: reconstruct(small(), ril(2), [0.1, 0.2]), r"error has shape \(2,\)"),
        (lambda: reconstruct(small(), ril(2), 0.7), r"must lie in \[0, 0.5\]"),
        (lambda: reconstruct(small(), ril(2), 0.1, storage="f4"), "storage = 'f4' is not known"),
        (lambda: reconstruct(small(), ril(2), 0.1, at={}, step=1.0), "leave one out"),
        (lambda: fit_founders(small(), ril(2), error="each"), "error = 'each' is not known"),
        (lambda: small().only("9"), "chromosome '9' is not among"),
        (
            lambda: reconstruct(small(unknown="peer"), diplotypes(intercross(2, 2)), 0.1),
            "unknown is 'peer', which is for inbred lines",
        ),
        (
            lambda: reconstruct(small(calls=None, likelihood=np.ones((2, 3, 3))), ril(2), 0.1),
            "likelihood has 3 genotypes; the design needs 2",
        ),
    ],
)  # fmt: skip
def test_bad_requests_are_refused(run, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        run()
