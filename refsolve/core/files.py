"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
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
    name = _beside(target)
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


@contextlib.contextmanager
def renamed(path: Path | str, *, new: bool = False) -> Iterator[Path]:
    """Name under which another library writes a file that is renamed when all is written.

    Parameters
    ----------
    path
        Where the file shall be; its folder must exist.
    new
        There must be no such file yet.

    Yields
    ------
    A name beside it. What stands there after an error is removed.
    """
    target = Path(path)
    if new and target.exists():
        raise FileExistsError(f"{target.name} is there already")
    part = _beside(target)
    try:
        yield part
        with part.open("rb") as stream:
            os.fsync(stream.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _beside(target: Path) -> Path:
    return target.parent / f".{target.name}.{secrets.token_hex(8)}.part"
