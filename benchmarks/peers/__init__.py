"""Packages to compare with, each in an interpreter of its own that an environment variable names.

`REFSOLVE_PEER_<NAME>_PYTHON` is the interpreter that has the package `<name>`; without it, or
when it cannot import the package, the comparison is left out and says so. An adapter is a script
`peers/call_<name>.py REQUEST REPLY` that depends on nothing of refsolve. Both files are `.npz`;
what they hold stands in the adapter, and for likelihoods of allele frequencies it is

REQUEST  generation (K,), derived (L, K), total (L, K), sizes (T+1,) chromosomes, s (S,), repeats
REPLY    log_likelihood (L, S), first (CPU seconds of the first run), cpu (repeats,), version
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from refsolve.core.blas import ENVIRONMENT

SECONDS = 1200.0  # after which a peer is given up


@dataclass(frozen=True, slots=True)
class Reply:
    """What a peer answered.

    Attributes
    ----------
    log_likelihood
        (L, S).
    first
        CPU seconds of the first run, compilation included.
    cpu
        CPU seconds of the following runs; equal to `first` where nothing is compiled.
    version
        Version that the peer states.
    """

    log_likelihood: np.ndarray
    first: float
    cpu: np.ndarray
    version: str


class Absent(Exception):
    """The peer is not installed; the message is a line to show."""


def ask(peer: str, **request: Any) -> Reply:
    """Let a peer compute log-likelihoods.

    Parameters
    ----------
    peer
        Name of the peer, as of the file in this folder.
    **request
        Arrays of the request.

    Raises
    ------
    Absent
        No interpreter is named, or it lacks the package.
    """
    reply = answer(peer, **request)
    return Reply(
        reply["log_likelihood"], float(reply["first"]), reply["cpu"], str(reply["version"])
    )


def answer(peer: str, **request: Any) -> dict[str, np.ndarray]:
    """Arrays that a peer returns.

    Parameters
    ----------
    peer
        Name of the peer, as of the file in this folder.
    **request
        Arrays of the request.

    Raises
    ------
    Absent
        No interpreter is named, or it lacks the package.
    """
    variable = f"REFSOLVE_PEER_{peer.upper()}_PYTHON"
    python = os.environ.get(variable)
    if not python:
        raise Absent(f"{peer}: not installed ({variable} names no interpreter)")
    tried = subprocess.run([python, "-c", f"import {peer}"], capture_output=True, check=False)
    if tried.returncode:
        raise Absent(f"{peer}: not installed (the interpreter of {variable} cannot import it)")
    script = Path(__file__).with_name(f"call_{peer}.py")
    with tempfile.TemporaryDirectory() as folder:
        question, found = Path(folder, "request.npz"), Path(folder, "reply.npz")
        np.savez(question, **request)
        subprocess.run(
            [python, str(script), str(question), str(found)],
            env={**os.environ, **ENVIRONMENT},
            check=True,
            timeout=SECONDS,
        )
        with np.load(found) as reply:
            return dict(reply)
