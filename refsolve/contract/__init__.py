"""The contract of a problem: its spec, its decisions, and the verbs that act on them.

A solver imports from here what its decisions are written with; everything is loaded on demand.
"""

from __future__ import annotations

from refsolve.contract.decisions import Choice, Decision, Found, Walk, alternative, decision
from refsolve.contract.outcome import Case, GeneratedCase, Outcome, Solution

__all__ = [
    "Case",
    "Choice",
    "Decision",
    "Found",
    "GeneratedCase",
    "Outcome",
    "Solution",
    "Walk",
    "alternative",
    "decision",
]
