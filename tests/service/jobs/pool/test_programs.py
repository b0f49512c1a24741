"""Programs for a GPU are compiled once, whoever asks and whatever happens to the files."""

from __future__ import annotations

from pathlib import Path

import pytest

from relu_landscape.jobs.pool import programs


def made(found: list[str], content: bytes = b"\x7fELF program") -> bytes:
    found.append("made")
    return content


def test_a_program_is_made_once_for_every_process(tmp_path: Path) -> None:
    count: list[str] = []
    folder = tmp_path / "not" / "yet"
    for _ in range(3):  # as by processes that come one after another
        program = programs.kept_in(folder)
        assert program("a", lambda: made(count)) == b"\x7fELF program"
    assert len(count) == 1
    assert programs.kept_in(folder)("b", lambda: made(count, b"other")) == b"other"
    assert sorted(each.name for each in folder.iterdir()) == [
        "relu-landscape-a.cubin", "relu-landscape-b.cubin",
    ]  # fmt: skip


@pytest.mark.parametrize("damage", [b"", b"short", bytes(100)])
def test_a_file_that_is_not_whole_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    count: list[str] = []
    program = programs.kept_in(tmp_path)
    program("a", lambda: made(count))
    (tmp_path / "relu-landscape-a.cubin").write_bytes(damage)
    for _ in range(2):
        assert program("a", lambda: made(count)) == b"\x7fELF program"
    assert len(count) == 2


def test_where_the_folder_cannot_be_used_it_is_made_each_time(tmp_path: Path) -> None:
    count: list[str] = []
    (tmp_path / "file").write_text("no folder")
    program = programs.kept_in(tmp_path / "file")
    for _ in range(2):
        assert program("a", lambda: made(count)) == b"\x7fELF program"
    assert len(count) == 2
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_write_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert programs.kept_in(tmp_path)("a", lambda: b"program") == b"program"
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_that_of_cupy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value, where in (
        ("CUPY_CACHE_DIR", str(tmp_path / "given"), tmp_path / "given"),
        ("HOME", str(tmp_path), tmp_path / ".cupy" / "kernel_cache"),
    ):
        monkeypatch.delenv("CUPY_CACHE_DIR", raising=False)
        monkeypatch.setenv(name, value)
        programs.kept_in()("a", lambda: b"program")
        assert (where / "relu-landscape-a.cubin").exists()
