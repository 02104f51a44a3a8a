"""The link `latest`: to the newest, whole at any time, and in nobody's way."""

import os
import threading
from pathlib import Path

import pytest

from mtl_cli.run_folder.latest import linked

OLD, NEW, NEWEST = "2026-11-29_19-45-05-853703", "sweep_2026-11-29_19-45-05-853704", "2026-12-01_00-00-00-000000"


def begun(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "losses.csv").write_text("iteration\n")
    return folder


def target(parent: Path) -> str:
    return os.readlink(parent / "latest")  # noqa: PTH115 (what the link says)


def test_it_leads_to_the_newest_whenever_that_began(tmp_path: Path) -> None:
    for name, newest in ((NEW, NEW), (OLD, NEW), (NEWEST, NEWEST)):
        with linked(begun(tmp_path / name)):
            assert target(tmp_path) == newest
        assert target(tmp_path) == newest
    begun(tmp_path / "tuned")
    with linked(begun(tmp_path / "2026-11-30_00-00-00-000000")):
        assert target(tmp_path) == NEWEST
    assert {path.name for path in tmp_path.iterdir()} == {
        OLD, NEW, NEWEST, "tuned", "2026-11-30_00-00-00-000000", "latest",
    }  # fmt: skip


def test_it_goes_back_from_a_folder_that_nothing_came_into(tmp_path: Path) -> None:
    (tmp_path / OLD).mkdir()
    with pytest.raises(KeyError), linked(tmp_path / OLD):
        assert target(tmp_path) == OLD
        raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == [OLD]
    begun(tmp_path / NEW)
    (tmp_path / NEWEST).mkdir()
    with linked(tmp_path / NEWEST):
        assert target(tmp_path) == NEWEST
    assert target(tmp_path) == NEW
    with linked(tmp_path / NEWEST):
        (tmp_path / NEWEST).rmdir()
    assert target(tmp_path) == NEW


@pytest.mark.parametrize("kind", ["file", "folder", "link to a run", "link elsewhere"])
def test_what_else_has_that_name_stays(tmp_path: Path, kind: str) -> None:
    latest = tmp_path / "latest"
    if kind == "file":
        latest.write_text("mine")
    elif kind == "folder":
        latest.mkdir()
    else:
        latest.symlink_to("tuned" if kind == "link to a run" else "/nowhere")
    before = os.lstat(latest)
    with linked(begun(tmp_path / OLD)):
        assert os.lstat(latest).st_ino == before.st_ino
    assert {path.name for path in tmp_path.iterdir()} == {OLD, "latest"}


@pytest.mark.parametrize("error", [OSError("privilege"), NotImplementedError()])
def test_without_links_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Path, "symlink_to", refuse)
    with linked(begun(tmp_path / OLD)):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [OLD]


def test_dated_links_are_no_runs(tmp_path: Path) -> None:
    begun(tmp_path / OLD)
    (tmp_path / NEWEST).symlink_to(OLD)
    with linked(begun(tmp_path / NEW)):
        assert target(tmp_path) == NEW


def test_it_is_there_at_any_time_while_many_begin(tmp_path: Path) -> None:
    names = [f"2026-11-29_19-45-05-{i:06d}" for i in range(80)]
    begun(tmp_path / OLD)
    with linked(tmp_path / OLD):
        pass
    missing, ended = [], threading.Event()

    def look() -> None:
        while not ended.is_set():
            if not (tmp_path / "latest" / "losses.csv").is_file():
                missing.append(1)

    def begin(mine: list[str]) -> None:
        for name in mine:
            with linked(begun(tmp_path / name)):
                pass

    looks = threading.Thread(target=look)
    looks.start()
    begins = [threading.Thread(target=begin, args=(names[i::4],)) for i in range(4)]
    for thread in begins:
        thread.start()
    for thread in begins:
        thread.join()
    ended.set()
    looks.join()
    assert not missing
    assert target(tmp_path) == max([*names, OLD])
    assert {path.name for path in tmp_path.iterdir()} == {*names, OLD, "latest"}
