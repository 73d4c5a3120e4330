"""The bias of a coin: orient each session, set miscounted ones aside, pool what is left."""

from __future__ import annotations

import math

import pandas as pd

from refsolve.contract import Case, Found, Solution, Walk, decision
from refsolve.core.errors import AnalysisError
from refsolve.io import read_tables


@decision
def face(sessions: pd.DataFrame, observers: pd.DataFrame) -> Found[pd.DataFrame]:
    """Eagles are the heads of observers who call the eagle heads, and the tails of the others."""
    heads_is = sessions["observer"].map(observers.set_index("observer")["heads_is"].astype(str))
    number = (heads_is == "number").to_numpy()
    oriented = sessions.assign(
        eagles=sessions["heads"].where(~number, sessions["tails"]),
        numbers=sessions["tails"].where(~number, sessions["heads"]),
    )
    turned = int(number.sum())
    return Found(oriented, f"{turned} of {len(oriented)} sessions call the number heads.", n=turned)


@decision
def miscounts(oriented: pd.DataFrame, excess: int) -> Found[tuple[pd.DataFrame, int]]:
    """A session whose counts exceed its tosses says nothing about which face was noted twice."""
    over = oriented["eagles"] + oriented["numbers"] - oriented["tosses"]
    good = over <= excess
    bad = int((~good).sum())
    because = f"Counts exceed the tosses in {bad} of {len(oriented)} sessions; set aside."
    return Found((oriented[good], bad), because, miscounted=bad, largest=int(over.max()))


@decision
def estimate(usable: pd.DataFrame) -> Found[float]:
    """Eagles over tosses: the maximum of the likelihood, whatever ended a session."""
    eagles, tosses = int(usable["eagles"].sum()), int(usable["tosses"].sum())
    return Found(eagles / tosses, f"{eagles} eagles in {tosses} tosses.", eagles=eagles)


DECISIONS = (face, miscounts, estimate)


def load(case: Case) -> dict[str, pd.DataFrame]:
    tables = read_tables(case.folder, case.spec.file)
    return {name: table.frame for name, table in tables.items()}


def solve(case: Case, tables: dict[str, pd.DataFrame], path: Walk) -> Solution:
    oriented = path.take(face, tables["sessions"], tables["observers"])
    usable, bad = path.take(miscounts, oriented, case.parameters["excess"])
    if usable.empty:
        raise AnalysisError("No session is usable.", hint="Raise the parameter excess.")
    bias = path.take(estimate, usable)
    error = math.sqrt(max(bias * (1 - bias), 0.0) / usable["tosses"].sum())
    half = case.parameters["z"] * error
    favoured = "eagle" if bias > 0.5 else "number"
    return Solution(
        answer={"bias": bias, "miscounted": bad, "favoured": favoured},
        intervals={"bias": (bias - half, bias + half)},
        diagnostics={"sessions": len(usable), "standard_error": error},
        artefacts={"usable": usable},
    )
