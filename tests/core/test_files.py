from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from refsolve.core import files
from refsolve.core.files import renamed, write_atomic


@pytest.mark.parametrize("content", ["β = 1\n", "β".encode(), b"\x00\xff"])
def test_writes_texts_as_utf8_and_bytes_as_they_are(tmp_path, content):
    written = write_atomic(str(tmp_path / "a"), content)
    assert written.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("broken", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, broken, error):
    target = write_atomic(tmp_path / "a", "old")

    def fail(*_):
        raise error

    monkeypatch.setattr(files.os, broken, fail)
    with pytest.raises(type(error)):
        write_atomic(target, "new")
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_failure_survives_that_the_temporary_file_is_gone(tmp_path, monkeypatch):
    def lose(name, _target):
        os.unlink(name)
        raise OSError("lost")

    monkeypatch.setattr(files.os, "replace", lose)
    with pytest.raises(OSError, match="lost"):
        write_atomic(tmp_path / "a", "new")


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_are_those_of_any_new_file(tmp_path, mask):
    before = os.umask(mask)
    try:
        write_atomic(tmp_path / "a", "")
        (tmp_path / "b").touch()
    finally:
        os.umask(before)
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"}
    assert modes == {0o666 & ~mask}


def test_threads_that_write_at_once_do_not_change_the_umask(tmp_path, monkeypatch):
    # To ask for the umask is to set it for every thread: two writers could leave it at zero.
    def refuse(_mask):
        raise AssertionError("the umask of the process was set")

    monkeypatch.setattr(os, "umask", refuse)
    writers = [
        threading.Thread(target=write_atomic, args=(tmp_path / f"{k % 2}", f"{k}" * 1000))
        for k in range(8)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(os.listdir(tmp_path)) == ["0", "1"]
    assert all(len(set(Path(tmp_path, name).read_text())) == 1 for name in "01")


def test_what_another_library_writes_is_renamed_when_it_is_whole(tmp_path):
    with renamed(tmp_path / "a") as name:
        name.write_text("new")
        assert not (tmp_path / "a").exists()
    assert (tmp_path / "a").read_text() == "new"

    def half():
        with renamed(tmp_path / "a") as name:
            name.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert (tmp_path / "a").read_text() == "new"
    assert os.listdir(tmp_path) == ["a"]


def test_a_new_file_replaces_none(tmp_path):
    (tmp_path / "a").touch()
    with (
        pytest.raises(FileExistsError, match="a is there already"),
        renamed(tmp_path / "a", new=True),
    ):
        pass
