"""Sessions of a coin whose bias is known."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from refsolve.contract import GeneratedCase


def knob(default: object, doc: str) -> object:
    return field(default=default, metadata={"doc": doc})


@dataclass(frozen=True)
class Knobs:
    long: int = knob(60, "sessions of a fixed length")
    length: int = knob(120, "tosses of a long session")
    short: int = knob(120, "sessions ended by the first eagle")
    turned: float = knob(0.4, "share of sessions whose observer calls the number heads")
    miscounted: int = knob(18, "long sessions whose eagles are noted twice")
    fair_side: bool = knob(False, "let the eagle always be the favoured face")
    observer: str = knob("observer", "stem of the names of the observers")


def generate(knobs: Knobs, rng: np.random.Generator) -> GeneratedCase:
    strong = rng.uniform(0.62, 0.70)
    p = strong if knobs.fair_side or rng.random() < 0.5 else 1 - strong
    tosses = np.r_[np.full(knobs.long, knobs.length), rng.geometric(p, knobs.short)]
    eagles = np.r_[rng.binomial(knobs.length, p, knobs.long), np.ones(knobs.short, dtype=int)]
    numbers = tosses - eagles
    twice = rng.permutation(knobs.long)[: knobs.miscounted]
    eagles[twice] *= 2
    turned = rng.permutation(len(tosses)) < round(knobs.turned * len(tosses))
    names = np.array([f"{knobs.observer}_1", f"{knobs.observer}_2"])
    sessions = pd.DataFrame(
        {
            "session": np.arange(1, len(tosses) + 1),
            "observer": names[turned.astype(int)],
            "tosses": tosses,
            "heads": np.where(turned, numbers, eagles),
            "tails": np.where(turned, eagles, numbers),
        }
    )
    observers = pd.DataFrame({"observer": names, "heads_is": ["eagle", "number"]})
    favoured = "eagle" if p > 0.5 else "number"
    return GeneratedCase(
        tables={"sessions": sessions.sample(frac=1, random_state=rng), "observers": observers},
        answer={"bias": p, "miscounted": int((eagles[twice] > 0).sum()), "favoured": favoured},
        latent={"miscounted_sessions": sorted(int(k) + 1 for k in twice)},
    )
