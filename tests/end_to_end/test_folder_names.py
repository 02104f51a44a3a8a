"""Run folders of any name are gone on with."""

import json
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from mtl_cli.composition.recorded import quoted
from tests.support.command import MtlTrain

NAMES = ["a b", "ü é", "a=b", "it's", 'a"b', "a,b", "a{b}[c]", "a$b", r"a\b", r"a\'b", "a\\", "a:b|c;d#e"]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_quoted(name: str) -> None:
    override = OverridesParser.create().parse_override(f"hydra.run.dir={quoted(Path(name))}")
    assert not override.is_sweep_override()
    assert OmegaConf.create({"name": "other", "dir": override.value()}).dir == name


@pytest.mark.parametrize("name", ["it's", r"a\b", "a,b", "a{b}[c]"])
@pytest.mark.parametrize("sweep", [True, False])
def test_a_folder_of_any_name_is_gone_on_with(mtl_train: MtlTrain, tmp_path: Path, name: str, sweep: bool) -> None:
    words = ["-m", "seed=0,1", "hydra.sweep.dir=run"] if sweep else ["hydra.run.dir=run"]
    assert mtl_train(*words, "steps=20").status == 0
    (tmp_path / "run").rename(tmp_path / name)
    done = mtl_train("resume", name, "steps=30")
    assert done.status == 0, done.err
    assert {path.name for path in tmp_path.iterdir()} == {name}
    summaries = list((tmp_path / name).rglob("summary.json"))
    assert [json.loads(path.read_text())["iterations"] for path in summaries] == [30] * (2 if sweep else 1)


def test_a_name_that_hydra_would_replace_is_refused(mtl_train: MtlTrain, tmp_path: Path) -> None:
    for name in ("a${name}b/.hydra", "c${name}d"):
        (tmp_path / name).mkdir(parents=True)
        done = mtl_train("resume", name.removesuffix("/.hydra"))
        assert done.status == 2
    assert {path.name for path in tmp_path.iterdir()} == {"a${name}b", "c${name}d"}


def test_a_sweep_with_jobs_that_are_the_same_is_gone_on_with(mtl_train: MtlTrain, tmp_path: Path) -> None:
    words = ["-m", "seed=0,0,1", "steps=20", "hydra.sweep.dir=s"]
    assert mtl_train(*words).status == 0
    whole = {number: (tmp_path / "s" / number / "losses.csv").read_bytes() for number in "012"}
    for number in "01":
        (tmp_path / "s" / number / "summary.json").unlink()
    done = mtl_train("resume", "s")
    assert done.status == 0, done.err
    assert "1 of 3 jobs are done" in done.out
    assert {path.name for path in (tmp_path / "s").iterdir() if path.is_dir()} == set("012")
    assert {number: (tmp_path / "s" / number / "losses.csv").read_bytes() for number in "012"} == whole
    assert "3 of 3 jobs are done" in mtl_train("resume", "s").out
