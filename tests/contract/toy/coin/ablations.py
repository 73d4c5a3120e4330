"""What else one might do with miscounted tosses."""

from __future__ import annotations

import pandas as pd

from refsolve.contract import Found, alternative
from refsolve.core.errors import AnalysisError

from .solve import estimate, face, miscounts


@alternative(face)
def as_written(sessions: pd.DataFrame, observers: pd.DataFrame) -> Found[pd.DataFrame]:
    """Wrong: takes heads for eagles everywhere; pulls the bias towards one half (too weak)."""
    columns = {"eagles": sessions["heads"], "numbers": sessions["tails"]}
    return Found(sessions.assign(**columns), "Heads were taken for eagles.")


@alternative(face)
def one_convention(sessions: pd.DataFrame, observers: pd.DataFrame) -> Found[pd.DataFrame]:
    """Defensible: orients as the reference does and lets only eagle-callers tell the bias."""
    found = face(sessions, observers).value
    callers = observers.loc[observers["heads_is"] == "eagle", "observer"]
    miscounted = found["eagles"] + found["numbers"] > found["tosses"]
    kept = found[found["observer"].isin(callers) | miscounted]
    if not sessions["observer"].isin(callers).any():
        raise AnalysisError("No observer calls the eagle heads.")
    return Found(kept, f"{len(kept)} sessions follow one convention or are miscounted.")


@alternative(miscounts)
def all_rows(oriented: pd.DataFrame, excess: int) -> Found[tuple[pd.DataFrame, int]]:
    """Wrong: believes the counts; eagles noted twice make the bias too high."""
    counted = oriented.assign(tosses=oriented["eagles"] + oriented["numbers"])
    return Found((counted, 0), "Every session was taken as it is.")


@alternative(miscounts)
def recovered(oriented: pd.DataFrame, excess: int) -> Found[tuple[pd.DataFrame, int]]:
    """Defensible: only eagles are noted twice, so they are the tosses that show no number."""
    bad = oriented["eagles"] + oriented["numbers"] > oriented["tosses"] + excess
    right = oriented["eagles"].where(~bad, oriented["tosses"] - oriented["numbers"])
    because = f"The eagles of {int(bad.sum())} sessions follow from the numbers."
    return Found((oriented.assign(eagles=right), int(bad.sum())), because)


@alternative(estimate)
def mean_of_sessions(usable: pd.DataFrame) -> Found[float]:
    """Wrong: short sessions end with an eagle, so their mean share makes the bias too high."""
    share = usable["eagles"] / usable["tosses"]
    return Found(float(share.mean()), f"The mean share of {len(share)} sessions.")


@alternative(estimate)
def flat_prior(usable: pd.DataFrame) -> Found[float]:
    """Defensible: mean of the posterior under a uniform prior."""
    eagles, tosses = usable["eagles"].sum(), usable["tosses"].sum()
    return Found(float((eagles + 1) / (tosses + 2)), "One toss of either face was added.")
