"""Decisions, alternatives, paths and evidence: the first-class objects of a solver.

A solver writes each judgment as one function marked `@decision`; `ablations.py` writes what else
one might do as functions marked `@alternative(that_decision)`. Each returns `Found`: the value that
the next step uses, and the evidence for it. A *path* names one choice per decision. `Walk` is a
path while it is taken: `walk.take(decision, …)` calls the chosen function and keeps its evidence.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from refsolve.core.errors import UsageError
from refsolve.core.result import jsonable

T = TypeVar("T")
Kind = Literal["reference", "wrong", "defensible"]


class Found(Generic[T]):
    """What a decision found and chose.

    Parameters
    ----------
    value
        What the next step uses.
    because
        One sentence from what was measured on this case.
    facts
        The numbers behind the sentence.
    """

    __slots__ = ("because", "facts", "value")

    def __init__(self, value: T, because: str, **facts: Any) -> None:
        self.value = value
        self.because = because
        self.facts = facts


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to take a decision.

    Attributes
    ----------
    name
        Name of the choice.
    kind
        `reference`, `wrong`, or `defensible`.
    run
        The function.
    """

    name: str
    kind: Kind
    run: Callable[..., Found[Any]]

    @property
    def effect(self) -> str:
        """First paragraph of the docstring: what it does, and for a wrong one, to what bias."""
        return " ".join((inspect.getdoc(self.run) or "").split("\n\n")[0].split())


@dataclass(frozen=True, slots=True)
class Decision:
    """A judgment with its reference choice; calling it takes the reference.

    Attributes
    ----------
    key
        Name of the decision.
    run
        The reference.
    """

    key: str
    run: Callable[..., Found[Any]]

    def __call__(self, *args: Any, **kwargs: Any) -> Found[Any]:
        """Take the reference choice."""
        return self.run(*args, **kwargs)


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another way to take a decision, as written in `ablations.py`."""

    decision: str
    choice: Choice


def decision(run: Callable[..., Found[Any]]) -> Decision:
    """Mark a function as the reference of the decision of its name."""
    return Decision(run.__name__, run)


def alternative(of: Decision) -> Callable[[Callable[..., Found[Any]]], Alternative]:
    """Mark a function as another choice; its docstring begins `Wrong:` or `Defensible:`.

    Parameters
    ----------
    of
        The decision it belongs to.
    """

    def mark(run: Callable[..., Found[Any]]) -> Alternative:
        same = run.__globals__.get(run.__name__)
        if isinstance(same, Alternative) and same.decision != of.key:
            raise UsageError(f"{run.__name__}: an alternative of {same.decision!r} has this name.")
        doc = (inspect.getdoc(run) or "").lower()
        kinds: tuple[Kind, Kind] = ("wrong", "defensible")
        for kind in kinds:
            if doc.startswith(f"{kind}:"):
                return Alternative(of.key, Choice(run.__name__, kind, run))
        raise UsageError(
            f"{run.__name__}: the docstring must begin with 'Wrong:' or 'Defensible:'."
        )

    return mark


class Lattice:
    """Every choice of every decision of a problem, the reference first.

    Parameters
    ----------
    decisions
        In the order of the analysis.
    references
        Name of the reference choice per decision.
    alternatives
        As collected from `ablations.py`.
    """

    def __init__(
        self,
        decisions: Sequence[Decision],
        references: Mapping[str, str],
        alternatives: Sequence[Alternative],
    ) -> None:
        self.choices: dict[str, dict[str, Choice]] = {}
        for item in decisions:
            name = references[item.key]
            self.choices[item.key] = {name: Choice(name, "reference", item.run)}
        for extra in alternatives:
            if extra.decision not in self.choices:
                raise UsageError(
                    f"{extra.choice.name!r} is an alternative of {extra.decision!r}, "
                    "which is not among the decisions."
                )
            known = self.choices[extra.decision]
            if extra.choice.name in known:
                raise UsageError(
                    f"Decision {extra.decision!r} has two choices {extra.choice.name!r}."
                )
            known[extra.choice.name] = extra.choice

    @property
    def reference(self) -> dict[str, str]:
        """The reference path."""
        return {key: next(iter(options)) for key, options in self.choices.items()}

    def path(self, deviations: Mapping[str, str]) -> dict[str, str]:
        """Reference path with some decisions taken otherwise.

        Parameters
        ----------
        deviations
            Choice per decision that differs.

        Raises
        ------
        UsageError
            A decision or choice does not exist.
        """
        for key, name in deviations.items():
            if key not in self.choices:
                raise UsageError(
                    f"Unknown decision {key!r}.", hint=f"Known: {', '.join(self.choices)}."
                )
            if name not in self.choices[key]:
                known = ", ".join(self.choices[key])
                raise UsageError(
                    f"Decision {key!r} has no choice {name!r}.", hint=f"Known: {known}."
                )
        return {**self.reference, **deviations}

    def deviations(self, depth: int) -> list[dict[str, str]]:
        """All combinations of exactly `depth` decisions taken otherwise.

        Parameters
        ----------
        depth
            How many decisions deviate; 0 gives the reference alone.
        """
        from itertools import combinations, product

        found = []
        for keys in combinations(self.choices, depth):
            others = [list(self.choices[key])[1:] for key in keys]
            found += [dict(zip(keys, names, strict=True)) for names in product(*others)]
        return found

    def kind(self, deviations: Mapping[str, str]) -> Kind:
        """`wrong` if any deviation is, `defensible` if all are, `reference` without any."""
        kinds = {self.choices[key][name].kind for key, name in deviations.items()} - {"reference"}
        if "wrong" in kinds:
            return "wrong"
        return "defensible" if kinds else "reference"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one decision saw and chose.

    Attributes
    ----------
    decision
        Name of the decision.
    choice
        Name of the choice taken.
    kind
        Whether that choice is the reference, wrong, or defensible.
    because
        One sentence from what was measured.
    facts
        Numbers behind it, ready for JSON.
    """

    decision: str
    choice: str
    kind: Kind
    because: str
    facts: dict[str, Any]


@dataclass(slots=True)
class Walk:
    """A path while it is taken; collects the evidence in the order of the decisions.

    Attributes
    ----------
    lattice
        All choices.
    path
        The chosen name per decision.
    evidence
        What has been decided so far.
    """

    lattice: Lattice
    path: Mapping[str, str]
    evidence: list[Evidence] = field(default_factory=list)

    def take(self, decision: Decision, *args: Any, **kwargs: Any) -> Any:
        """Take a decision along the path and keep its evidence.

        Parameters
        ----------
        decision
            Which one.
        *args, **kwargs
            What the choice is based on.

        Returns
        -------
        The value found.
        """
        if decision.key not in self.path:
            raise UsageError(f"The decision {decision.key!r} is taken and not listed.")
        choice = self.lattice.choices[decision.key][self.path[decision.key]]
        found = choice.run(*args, **kwargs)
        if not isinstance(found, Found):
            raise UsageError(f"{decision.key}={choice.name} does not return Found(value, because).")
        facts = {name: jsonable(value) for name, value in found.facts.items()}
        self.evidence.append(Evidence(decision.key, choice.name, choice.kind, found.because, facts))
        return found.value
