"""`~` is the home folder wherever a path may stand, in words as in files."""

from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from mtl_cli.cli.words import at_home
from tests.support.command import MtlTrain
from tests.support.refusals import GOOD, PRICE

WORDS = [
    ("~/own", "{home}/own"),
    ("--out=~/p.csv", "--out={home}/p.csv"),
    ("data.path=~/t.csv", "data.path={home}/t.csv"),
    ("data.path=[~/a.csv, ~/b.csv]", "data.path=[{home}/a.csv, {home}/b.csv]"),
    ("data.path=~/a.csv,~/b.csv", "data.path={home}/a.csv,{home}/b.csv"),
    ("+tasks.a={kind: binary, path: ~/t.csv}", "+tasks.a={{kind: binary, path: {home}/t.csv}}"),
    ("data.path=~/größe.csv", "data.path='{home}/größe.csv'"),
    ("hydra.run.dir=~", "hydra.run.dir={home}"),
    ("~tasks.y2", "~tasks.y2"),
    ("~optimizer/schedule", "~optimizer/schedule"),
    ("name='~/x'", "name='~/x'"),
    ("name='a,~/x'", "name='a,~/x'"),
]


@pytest.mark.parametrize(("word", "expected"), WORDS)
def test_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, expected: str) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert at_home(word) == expected.format(home="/home/me")


def test_a_home_folder_with_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    home = "/home/It's (größer), [x] {y}"
    monkeypatch.setenv("HOME", home)
    assert OverridesParser.create().parse_override(at_home("data.path=~/t.csv")).value() == f"{home}/t.csv"


def test_paths_in_the_home_folder(mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    (home / "own" / "experiment").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    (home / "t.csv").write_text(GOOD)
    (home / "own" / "experiment" / "x.yaml").write_text(
        "# @package _global_\ndefaults: [override /data: table]\nsteps: 2\nbatch_size: 2\n"
        "data: {path: ~/t.csv}\nhydra: {run: {dir: ~/run}}\n"
    )
    trained = mtl_train("--config-dir=~/own", "experiment=x", PRICE)
    assert trained.status == 0, trained.err
    assert trained.folders == [home / "run"]
    assert mtl_train("predict", "~/run", "~/t.csv", "--out=~/p.csv").status == 0
    assert (home / "p.csv").exists()
    assert mtl_train("report", "~/run").status == 0
    again = mtl_train("resume", "~/run", "steps=3")
    assert again.status == 0, again.err
    typed = mtl_train("data=table", "data.path=~/t.csv", PRICE, "steps=2", "batch_size=2", "hydra.run.dir=~/typed")
    assert typed.folders == [home / "typed"]
    assert not (tmp_path / "~").exists()
