"""Designs: which columns they get, and which comparisons cannot be made."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from refsolve.core.errors import AnalysisError
from refsolve.methods.pseudobulk import Design, formula_design, make_design
from refsolve.methods.pseudobulk.model.design import as_design, independent_columns, null_basis

ARMS = {"reference": "healthy", "test": "ill"}


def table(**columns: object) -> pd.DataFrame:
    start: dict[str, object] = {
        "donor": [f"d{i}" for i in range(8)],
        "condition": ["healthy"] * 4 + ["ill"] * 4,
        "batch": [1, 2, 1, 2, 1, 2, 1, 2],
        "sex": ["f", "f", "m", "m"] * 2,
        "age": [30.0, 40.0, 51.0, 47.0, 62.0, 33.0, 45.0, 58.0],
    }
    return pd.DataFrame({**start, **columns})


def test_columns_of_a_design() -> None:
    found = make_design(table(), "condition", **ARMS, covariates=["sex", "age"], donor="donor")
    assert found.names == ("Intercept", "sex[m]", "age", "condition[ill]")
    assert found.condition == "condition[ill]"
    assert not found.paired
    assert found.left_out == ()
    assert found.residual_df == 4
    np.testing.assert_array_equal(found.matrix[:, -1], [0] * 4 + [1] * 4)
    assert found.matrix[:, 2].mean() == pytest.approx(0.0, abs=1e-12)


def test_fewer_than_two_donors_in_a_group_is_an_error() -> None:
    one = table().iloc[:5]
    with pytest.raises(AnalysisError, match=r"condition 'ill' has 1 donor:.*fewer than 2"):
        make_design(one, "condition", **ARMS)
    same = table(donor=["a", "b", "c", "d", "e", "e", "e", "e"])
    with pytest.raises(AnalysisError, match="has 1 donor"):
        make_design(same, "condition", **ARMS, donor="donor")
    assert make_design(same, "condition", **ARMS).names[-1] == "condition[ill]"


def test_a_condition_aliased_with_its_batch_is_an_error() -> None:
    aliased = table(batch=["x"] * 4 + ["y"] * 4)
    with pytest.raises(AnalysisError, match="condition is aliased with batch"):
        make_design(aliased, "condition", **ARMS, covariates=["batch"])
    found = make_design(aliased, "condition", **ARMS, optional=["batch"])
    assert found.left_out == (("batch", "aliased with condition"),)


def test_covariates_that_together_stand_for_the_condition() -> None:
    """Neither batch nor plate alone is the condition; their sum is."""
    both = table(batch=[0, 0, 1, 1, 0, 0, 1, 1], plate=[0, 0, 1, 1, 1, 1, 0, 0])
    both["batch"], both["plate"] = both["batch"].astype(str), both["plate"].astype(str)
    found = make_design(both, "condition", **ARMS, covariates=["batch", "plate"])
    assert found.matrix.shape == (8, 4)
    three = both.assign(run=[f"{b}{p}" for b, p in zip(both["batch"], both["plate"], strict=True)])
    with pytest.raises(AnalysisError, match="aliased with run"):
        make_design(three, "condition", **ARMS, covariates=["run"])


def test_a_donor_in_both_conditions_is_a_block() -> None:
    pairs = table(donor=list("abcdabcd"))
    found = make_design(pairs, "condition", **ARMS, donor="donor", optional=["sex"])
    assert found.paired
    assert found.names == ("Intercept", "donor[b]", "donor[c]", "donor[d]", "condition[ill]")
    assert found.left_out == (("sex", "constant or determined by other covariates"),)
    with pytest.raises(AnalysisError, match=r"4 donors, 'a' first.*not independent"):
        make_design(pairs, "condition", **ARMS, donor="donor", paired=False)
    with pytest.raises(AnalysisError, match="No donor gave samples of both"):
        make_design(table(), "condition", **ARMS, donor="donor", paired=True)


def test_covariates_that_do_not_vary_are_left_out() -> None:
    found = make_design(table(batch="only"), "condition", **ARMS, covariates=["batch"])
    assert found.left_out == (("batch", "constant"),)
    assert found.names == ("Intercept", "condition[ill]")


def test_optional_covariates_do_not_use_up_the_samples() -> None:
    few = table().iloc[[0, 1, 4, 5]]
    found = make_design(few, "condition", **ARMS, optional=["batch", "age"])
    assert found.left_out == (("age", "leaves no residual degrees of freedom"),)
    with pytest.raises(AnalysisError, match="leave no residual"):
        make_design(few, "condition", **ARMS, covariates=["batch", "age"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"condition": ["healthy"] * 4 + ["ill"] * 3 + ["dead"]}, "'dead' beside 'healthy'"),
        ({"batch": [1, 2, None, 2, 1, 2, 1, 2]}, "missing in row 2"),
    ],
)
def test_values_that_a_design_cannot_take(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_design(table(**change), "condition", **ARMS, covariates=["batch"])


def test_columns_that_are_not_there() -> None:
    with pytest.raises(ValueError, match="no column 'arm'"):
        make_design(table(), "arm", **ARMS)
    with pytest.raises(ValueError, match="no column 'lane'"):
        make_design(table(), "condition", **ARMS, covariates=["lane"])


def test_contrasts() -> None:
    design = Design(np.eye(4)[[0, 0, 1, 1, 2, 2]][:, :3], ("a", "b", "c"), "")
    np.testing.assert_array_equal(design.contrast("c - a"), [-1.0, 0.0, 1.0])
    np.testing.assert_array_equal(design.contrast(), [0.0, 0.0, 1.0])
    np.testing.assert_array_equal(design.contrast([1, -1, 0]), [1.0, -1.0, 0.0])
    with pytest.raises(ValueError, match="names no column; choose from a, b, c"):
        design.contrast("d")
    with pytest.raises(ValueError, match="expected 3 rows"):
        design.contrast([1.0, 2.0])
    with pytest.raises(ValueError, match="contrast is zero"):
        design.contrast([0.0, 0.0, 0.0])


@pytest.mark.parametrize("contrast", [[[0.0], [0.0], [1.0]], [[1.0], [-1.0], [0.5]]])
def test_what_is_left_when_a_contrast_is_zero(contrast: list[list[float]]) -> None:
    basis = null_basis(np.array(contrast))
    assert basis.shape == (3, 2)
    assert np.linalg.matrix_rank(basis) == 2
    np.testing.assert_allclose(np.array(contrast).T @ basis, 0.0, rtol=0, atol=1e-12)


def test_plain_matrices_are_checked() -> None:
    one = np.ones(6)
    with pytest.raises(AnalysisError, match="depend on each other"):
        as_design(np.column_stack([one, one]), 6)
    with pytest.raises(ValueError, match="6 rows for 5 samples"):
        as_design(np.column_stack([one]), 5)
    with pytest.raises(ValueError, match="not finite"):
        as_design(np.full((3, 1), np.nan), 3)
    with pytest.raises(AnalysisError, match="no residual"):
        as_design(np.eye(3), 3)
    np.testing.assert_array_equal(
        independent_columns(np.column_stack([one, 2 * one, np.arange(6)])), [0, 2]
    )


def test_formulas() -> None:
    pytest.importorskip("formulaic")
    found = formula_design("~ batch + condition", table())
    assert found.condition == "condition[T.ill]"
    by_hand = make_design(table(), "condition", **ARMS, covariates=["batch"])
    a, b = (m / np.linalg.norm(m, axis=0) for m in (found.matrix, by_hand.matrix))
    assert np.linalg.matrix_rank(np.hstack([a, b]), tol=1e-8) == 3
