"""Files appear whole or not at all, and a lock has one holder, who is named."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from nmt.errors import NmtError
from nmt.files import locked, replacing, replacing_folder, write_text


def test_what_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text(path, "before")
    with pytest.raises(RuntimeError), replacing(path) as beside:
        beside.write_text("half")
        raise RuntimeError
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["file"]


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    for names in (["a", "b"], ["c"]):
        with replacing_folder(folder) as beside:
            for name in names:
                (beside / name).write_text(name)
        assert sorted(os.listdir(folder)) == names
    assert os.listdir(tmp_path) == ["folder"]


def test_a_folder_that_fails_stays_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    with replacing_folder(folder) as beside:
        (beside / "a").write_text("old")
    with pytest.raises(RuntimeError), replacing_folder(folder) as beside:
        (beside / "a").write_text("half")
        raise RuntimeError
    assert (folder / "a").read_text() == "old"
    assert os.listdir(tmp_path) == ["folder"]


def test_no_space_is_told_with_the_files_name(tmp_path: Path) -> None:
    with pytest.raises(NmtError, match=r"file: cannot be written: No space left"):  # noqa: SIM117
        with replacing(tmp_path / "file"):
            raise OSError(28, "No space left on device")


def test_a_lock_names_its_holder_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "lock"
    with locked(path, "the run"):
        with pytest.raises(NmtError) as error, locked(path, "the run"):
            pass
        assert f"process {os.getpid()} on {socket.gethostname()}" in error.value.message
        assert error.value.message.startswith("the run: ")
    assert os.listdir(tmp_path) == []
    with locked(path, "the run"):
        pass


def test_a_locks_folder_stays_when_something_was_put_there(tmp_path: Path) -> None:
    with locked(tmp_path / "run" / "state" / "lock", "the run"):
        (tmp_path / "run" / "config.toml").write_text("")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["config.toml", "run"]
