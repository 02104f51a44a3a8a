"""Configs and folders that others made are data: they name no code, leave no folder, and end in bounded time."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf

from tests.support.command import MtlTrain

TOUCH = "{_target_: pathlib.Path.touch, self: {_target_: pathlib.Path, _args_: [owned]}}"
CODE = [
    (f"callbacks: {{x: {TOUCH}}}", "hydra.callbacks.x._target_"),
    (f"callbacks: {{x: '${{oc.decode:\"{TOUCH}\"}}'}}", "hydra.callbacks.x._target_"),
    (f"sweeper: {{params: {{x: {TOUCH}}}}}", "hydra.sweeper.params.x._target_"),
    ("launcher: {_target_: pathlib.Path.cwd}", "hydra.launcher._target_"),
    ("launcher: {setup: [touch owned]}", "hydra.launcher.setup.0"),
    ("job_logging: {handlers: {x: {(): zipfile.ZipFile, file: owned, mode: w}}}", "job_logging.handlers.x.()"),
    ("hydra_logging: {handlers: {x: {(): zipfile.ZipFile, file: owned, mode: w}}}", "hydra_logging.handlers.x.()"),
    ("job_logging: {handlers: {file: {filename: ./owned}}}", "hydra.job_logging.handlers.file.filename"),
    ("job_logging: {handlers: '${evil}'}\nevil: {x: {(): open}}", "hydra.job_logging.handlers"),
    ("job_logging: {formatters: {x: {format: 'ext://os.environ'}}}", "hydra.job_logging.formatters.x.format"),
    ("job: {name: ../../owned}", "hydra.job.name"),
    ("output_subdir: ../owned", "hydra.output_subdir"),
    ("sweeper: {params: {x: {_target_: optuna.samplers.warnings.sys.exit}}}", "hydra.sweeper.params.x._target_"),
    ("job: {env_set: {PATH: here}}", "hydra.job.env_set.PATH"),
    ("job: {env_set: {PATH: ''}}", "hydra.job.env_set.PATH"),
    ("job_logging: {handlers: {file: {filename: '???/a.log'}}}", "hydra.job_logging.handlers.file.filename"),
    *(
        (
            f"{part}: {{handlers: {{file: {{filename: '${{hydra.runtime.output_dir}}/{name}'}}}}}}",
            f"hydra.{part}.handlers.file.filename",
        )
        for part, name in (
            ("job_logging", "usercustomize.py"),
            ("job_logging", "a.log"),
            ("hydra_logging", "train.log"),
        )
    ),
    ("job_logging: {handlers: {file: {mode: w}}}", "hydra.job_logging.handlers.file.mode"),
    ("callbacks: {x: {}}", "hydra.callbacks.x"),
    ('help: {template: "\\e[31m"}', "hydra.help.template"),
]
"""Also what writes into a file that is there, or acts on the terminal."""


@pytest.mark.parametrize(("code", "message"), CODE)
def test_a_config_names_no_code(mtl_train: MtlTrain, tmp_path: Path, code: str, message: str) -> None:
    part, _, rest = code.partition("\n")
    config = tmp_path / "theirs" / "experiment" / "x.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(f"# @package _global_\nsteps: 2\nhydra: {{{part}}}\n{rest}\n")
    for mode in ([], ["-m", "seed=0,1"]):
        refused = mtl_train("--config-dir", "theirs", "experiment=x", *mode)
        assert refused.status == 2, refused.err
        assert message in refused.err
        assert len(refused.err.splitlines()) == 1
        assert sorted(path.name for path in tmp_path.iterdir()) == ["theirs"]


LATER = {
    "a folder that changes with the output's": """
        runtime: {output_dir: X}
        output_subdir: "${oc.select:'hydra.job_logging.tbl.${hydra.runtime.output_dir}',owned}"
        job_logging: {tbl: {X: good}}""",
    "a log that changes with the output's": """
        runtime: {output_dir: X}
        job: {name: "${oc.select:'hydra.job_logging.tbl.${hydra.runtime.output_dir}',../../owned}"}
        job_logging: {tbl: {X: good}, handlers: {file: {filename: "${hydra.job.name}.log"}}}""",
    "a value that is an interpolation once it is resolved": """
        job: {name: "${oc.env:MTL_EVIL}"}""",
    "a launcher's argument": """
        launcher: {a: TOUCH}""",
    "a line of a script": """
        mode: MULTIRUN
        sweeper: {params: {seed: "0,1"}}
        launcher: {_target_: hydra_plugins.mtl_launcher.SweepLauncher, partition: "x\\ntouch OWNED #"}""",
    "an option of a script": """
        launcher: {_target_: hydra_plugins.mtl_launcher.SweepLauncher, account: "x --export=BASH_ENV=owned"}""",
    "a database": """
        launcher: {storage: "sqlite:///owned.db"}""",
    "an unknown launcher": """
        launcher: {_target_: hydra_plugins.owned.Launcher}""",
    "overrides": """
        overrides: {hydra: ["hydra.launcher._target_=x"]}""",
    "an address": """
        launcher: {ray: {init: {address: "10.0.0.1:6379"}}}""",
}


@pytest.mark.parametrize("kind", LATER)
def test_hydra_gets_the_values_that_were_looked_at(
    mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("MTL_EVIL", "${evil}")
    config = tmp_path / "theirs" / "experiment" / "w.yaml"
    config.parent.mkdir(parents=True)
    part = LATER[kind].replace("TOUCH", TOUCH)
    config.write_text(f"# @package _global_\nsteps: 2\nhydra:{part}\n")
    for mode in ([], ["-m", "seed=0,1"]):
        ended = mtl_train("--config-dir", "theirs", "experiment=w", "log.console=quiet", *mode)
        assert ended.status == 2, ended.err
        assert len(ended.err.splitlines()) == 1
        assert sorted(path.name for path in tmp_path.iterdir()) == ["theirs"]


def test_a_value_that_changes_is_used_as_it_was_looked_at(mtl_train: MtlTrain, tmp_path: Path) -> None:
    own = "hydra_plugins.mtl_launcher.SweepLauncher"
    config = tmp_path / "theirs" / "experiment" / "w.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(
        "# @package _global_\nsteps: 2\nhydra:\n  mode: MULTIRUN\n  sweeper: {params: {seed: '0,1'}}\n"
        "  launcher: '${oc.select:hydra.job_logging.${mtl_changes:},null}'\n"
        f"  job_logging: {{a: {{_target_: {own}}}, b: {{_target_: {own}, x: {TOUCH}}}}}\n"
    )
    statuses = []
    for changes in range(8):
        calls = iter("a" * changes)
        OmegaConf.register_new_resolver("mtl_changes", lambda calls=calls: next(calls, "b"), replace=True)
        statuses.append(mtl_train("--config-dir", "theirs", "experiment=w").status)
        assert sorted(path.name for path in tmp_path.iterdir() if path.name != "outputs") == ["theirs"]
    OmegaConf.clear_resolver("mtl_changes")
    assert 2 in statuses


@pytest.mark.parametrize(
    ("words", "folder"),
    [
        (["hydra.run.dir='r/${hydra:runtime.choices.model}_${hydra:job.name}'"], "r/shared_bottom_train"),
        (["-m", "hydra.sweep.dir=s", "hydra.sweep.subdir='j${hydra:job.num}'"], "s/j0"),
        (["-m", "hydra.sweep.dir=s", "hydra.sweep.subdir='${hydra:job.override_dirname}'"], "s/steps=2"),
    ],
)
def test_hydras_own_values_can_be_part_of_a_folders_name(mtl_train: MtlTrain, words: list[str], folder: str) -> None:
    run = mtl_train("steps=2", *words)
    assert run.status == 0, run.err
    assert (Path(folder) / "losses.csv").exists()


def test_a_file_may_say_what_is_harmless(mtl_train: MtlTrain, tmp_path: Path) -> None:
    config = tmp_path / "ours" / "experiment" / "w.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(
        "# @package _global_\nsteps: 2\nhydra:\n  mode: MULTIRUN\n  run: {dir: 'here/${name}'}\n"
        "  sweeper: {params: {seed: '0,1'}}\n  sweep: {dir: 's/${name}', subdir: 'job_${hydra.job.num}_${seed}'}\n"
        "  job_logging: {handlers: {file: {filename: '${hydra.runtime.output_dir}/train.log'}}}\n"
    )
    sweep = mtl_train("--config-dir", "ours", "experiment=w", "log.console=quiet")
    assert sweep.status == 0, sweep.err
    names = sorted(path.name for path in (tmp_path / "s" / "mtl").iterdir() if path.is_dir())
    assert names == ["job_0_0", "job_1_1"]
    recorded = (tmp_path / "s" / "mtl" / "job_1_1" / ".hydra" / "hydra.yaml").read_text()
    assert "subdir: job_${hydra.job.num}_1" in recorded
    assert "dir: s/mtl" in recorded


@pytest.mark.parametrize("scheme", ["pkg", "structured"])
def test_a_config_imports_no_module(mtl_train: MtlTrain, tmp_path: Path, scheme: str) -> None:
    config = tmp_path / "theirs" / "config.yaml"
    config.parent.mkdir()
    config.write_text(f"defaults: [_self_]\nhydra: {{searchpath: ['{scheme}://this']}}\n")
    refused = mtl_train("-cp", str(config.parent), "steps=2")
    assert refused.status == 2
    assert f"hydra.searchpath: {scheme}://this names code" in refused.err
    assert "this" not in sys.modules


@pytest.mark.parametrize("key", ["hydra.searchpath", "+hydra.searchpath"])
@pytest.mark.parametrize("scheme", ["pkg", "structured"])
def test_a_grid_imports_no_module(mtl_train: MtlTrain, tmp_path: Path, key: str, scheme: str) -> None:
    """By what a file sweeps, which Hydra takes for typed."""
    config = tmp_path / "theirs" / "experiment" / "x.yaml"
    config.parent.mkdir(parents=True)
    params = f"{{seed: '0,1', {key}: '[{scheme}://this]'}}"
    config.write_text(f"# @package _global_\nsteps: 2\nhydra: {{sweeper: {{params: {params}}}}}\n")
    refused = mtl_train("-m", "--config-dir", "theirs", "experiment=x")
    assert refused.status == 2
    assert "hydra.searchpath" in refused.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["theirs"]
    assert "this" not in sys.modules


@pytest.mark.parametrize("word", ["hydra.searchpath=[pkg\\://this]", "hydra.searchpath=['pkg://this']"])
@pytest.mark.parametrize("place", ["multirun.yaml", "1/.hydra/overrides.yaml"])
def test_a_recorded_sweep_imports_no_module(mtl_train: MtlTrain, tmp_path: Path, place: str, word: str) -> None:
    """Neither by the overrides of all its jobs nor by those of one that hasn't finished."""
    assert mtl_train("-m", "seed=0,1", "steps=3", "hydra.sweep.dir=s").status == 0
    file, lines = tmp_path / "s" / place, [word, "seed=5", "steps=3"]
    if place == "multirun.yaml":
        recorded = yaml.safe_load(file.read_text())
        recorded["hydra"]["overrides"]["hydra"].append(word)
        file.write_text(yaml.safe_dump(recorded))
    else:
        file.write_text(yaml.safe_dump(lines))
        (tmp_path / "s" / "1" / "summary.json").unlink()
    refused = mtl_train("resume", "s")
    assert refused.status == 2, refused.out
    assert "pkg" in refused.err
    assert "this" not in sys.modules


def test_a_module_that_is_typed_is_a_place_of_configs(mtl_train: MtlTrain) -> None:
    run = mtl_train("-m", "hydra.searchpath=[pkg://mtl_cli]", "steps=2", "seed=0,1")
    assert run.status == 0, run.err


def test_what_is_typed_is_ones_own(mtl_train: MtlTrain, tmp_path: Path) -> None:
    log = "hydra.job_logging.handlers.file.filename=here.log"
    run = mtl_train("steps=2", log, "+hydra.job.env_set.MTL_ANYTHING=1", "log.console=quiet")
    assert run.status == 0, run.err
    assert (tmp_path / "here.log").exists()


def recorded(*overrides: str, name: str = "config") -> str:
    """Returns a multirun.yaml."""
    sources: list[Any] = []
    hydra = {
        "overrides": {"hydra": list(overrides), "task": ["seed=0,1", "steps=2"]},
        "runtime": {"config_sources": sources},
        "job": {"config_name": name},
    }
    return json.dumps({"hydra": hydra})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (recorded("+hydra.callbacks.x._target_=pathlib.Path.cwd"), "hydra.callbacks.x._target_"),
        (recorded("+hydra.job.env_set.PATH=here"), "hydra.job.env_set.PATH"),
        (recorded("--config-dir=/"), "'--config-dir=/', which isn't taken from a file"),
        (recorded("hydra.searchpath=[pkg://this]"), "which isn't taken from a file"),
        (recorded(name="--help"), "'--help', which isn't taken from a file"),
        ("!!python/object/apply:pathlib.Path.touch [owned]", "multirun.yaml that can be read"),
        ('{"hydra": {"overrides": 3}}', "multirun.yaml that can be read"),
        ("[]", "multirun.yaml that can be read"),
    ],
)
def test_a_sweep_of_others(mtl_train: MtlTrain, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "multirun.yaml").write_text(text)
    refused = mtl_train("resume", "sweep")
    assert refused.status == 2, refused.err
    assert message in refused.err
    assert [path.name for path in tmp_path.rglob("*")] == ["sweep", "multirun.yaml"]
