"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path


def write_atomic(path: Path | str, content: str | bytes) -> Path:
    """Write a whole file under a temporary name, then rename it into place.

    Parameters
    ----------
    path
        Where the file shall be; its folder must exist.
    content
        Text (written as UTF-8) or bytes.

    Returns
    -------
    The path written.
    """
    target = Path(path)
    data = content.encode() if isinstance(content, str) else content
    name = target.parent / f".{target.name}.{secrets.token_hex(8)}.part"
    # The system applies the umask here. Asking for the umask would mean to set it, for all threads.
    handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
    return target
