"""Configs that others recorded: no more than a run's, or refused."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command import MtlTrain

TOUCH = "{_target_: pathlib.Path.touch, self: {_target_: pathlib.Path, _args_: [OWNED]}}"
RECORDED = {
    "a mode": ("hydra: {mode: MULTIRUN, sweeper: {params: {seed: '0,1'}}}", "hydra: a run's config has no such key"),
    "a search path": ("hydra: {searchpath: ['file://sp']}", "hydra: a run's config has no such key"),
    "a launcher": (f"hydra: {{launcher: {TOUCH}}}", "hydra: a run's config has no such key"),
    "other files": ("defaults: [{override hydra/launcher: evil}, _self_]", "defaults: a run's config has no such key"),
    "a package": ("# @package hydra", "a run's config has no @package"),
}


@pytest.mark.parametrize("kind", RECORDED)
@pytest.mark.parametrize(
    "words",
    [["resume", "run"], ["-cp", "run/.hydra", "-cn", "config"], ["-m", "-cp", "run/.hydra", "-cn", "config"]],
    ids=["resume", "again", "multirun"],
)
def test_a_recorded_config_is_no_more_than_a_runs(
    mtl_train: MtlTrain, tmp_path: Path, kind: str, words: list[str]
) -> None:
    """Hydra would follow it; a launcher's file is beside it, and in a folder that it names."""
    assert mtl_train("steps=20", "hydra.run.dir=run").status == 0
    for folder in ("run/.hydra/hydra/launcher", "sp/hydra/launcher"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "evil.yaml").write_text(
            f"_target_: hydra_plugins.mtl_launcher.SweepLauncher\na: {TOUCH}\n"
        )
    config, (text, message) = tmp_path / "run" / ".hydra" / "config.yaml", RECORDED[kind]
    config.write_text(f"{text}\n{config.read_text()}")
    if words[0] == "resume":
        shutil.rmtree(tmp_path / "run" / ".hydra" / "hydra")  # it is refused as no file of a run
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    done = mtl_train(*words, "steps=30")
    assert done.status == 2
    assert done.err.startswith(f"mtl-train: {config}: {message}"), done.err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("launcher", ["evil", "sub/evil"])
def test_a_launcher_beside_a_recorded_config_is_looked_at(mtl_train: MtlTrain, tmp_path: Path, launcher: str) -> None:
    """That it is chosen doesn't mean that what is in it was typed."""
    assert mtl_train("steps=20", "hydra.run.dir=run").status == 0
    file = tmp_path / "run" / ".hydra" / "hydra" / "launcher" / f"{launcher}.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(f"_target_: hydra_plugins.mtl_launcher.SweepLauncher\na: {TOUCH}\n")
    done = mtl_train("-m", "-cp", "run/.hydra", "-cn", "config", f"hydra/launcher={launcher}", "seed=0,1")
    assert done.status in (1, 2)
    assert "launcher" in done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


@pytest.mark.parametrize("option", ["--experimental-rerun", "--experimental-rerun=", "--exp", "--e="])
def test_a_pickle_is_not_opened(mtl_train: MtlTrain, tmp_path: Path, option: str) -> None:
    (tmp_path / "config.pickle").write_bytes(b"cposix\nsystem\n(S'touch OWNED'\ntR.")
    words = [f"{option}config.pickle"] if option.endswith("=") else [option, "config.pickle"]
    done = mtl_train(*words)
    assert done.status == 2
    assert "a pickle may hold code; a run is repeated by -cp RUN_DIR/.hydra -cn config" in done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.pickle"]


DAMAGES: dict[str, Callable[[Path], object]] = {
    "it is empty": lambda file: file.write_bytes(b""),
    "this key is missing": lambda file: file.write_bytes(file.read_bytes()[: file.read_bytes().index(b"\ntasks:") + 1]),
    "it is no mapping": lambda file: file.write_text("- 1\n- 2\n"),
    "isn't YAML": lambda file: file.write_text("a: [1, {"),
    "can't decode byte": lambda file: file.write_bytes(b"name: \xff\xfe\n"),
    "is missing": lambda file: file.unlink(),
}


@pytest.mark.parametrize("message", DAMAGES)
@pytest.mark.parametrize("words", [["resume", "run"], ["-cp", "run/.hydra", "-cn", "config"]], ids=["resume", "again"])
def test_a_damaged_config_is_named(mtl_train: MtlTrain, tmp_path: Path, message: str, words: list[str]) -> None:
    assert mtl_train("steps=20", "hydra.run.dir=run").status == 0
    config = tmp_path / "run" / ".hydra" / "config.yaml"
    DAMAGES[message](config)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    done = mtl_train(*words, "steps=30")
    assert done.status == 2
    assert message in done.err
    assert str(config) in done.err or words[0] == "-cp"  # a part of a config may be what is wanted there
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
