"""One line of what `doctor` finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, and how it is.

    Attributes
    ----------
    topic
        Group of findings.
    name
        What was looked at.
    value
        How it is.
    state
        `ok`, `note` (works, and could be better), or `bad` (something will not work).
    remedy
        What to do.
    """

    topic: str
    name: str
    value: str
    state: State = "ok"
    remedy: str = ""
