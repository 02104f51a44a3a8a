"""Configs and folders that others made are data: they name no code, leave no folder, and end in bounded time."""

import csv
import gzip
import json
import subprocess
import sys
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from backports import zstd
from omegaconf import DictConfig, OmegaConf

from mtl_cli.composition.resolve import plain
from mtl_cli.errors import InputError
from mtl_cli.tables.reader import read
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


ALIASES = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)
)
BOMBS = {
    "aliases": ALIASES,
    "itself": "a: &a [*a]\n",
    "deep": "a: " + "[" * 200 + "]" * 200 + "\n",
    "large": "a: " + "x" * 2**22 + "\n",
    "many": "a: [" + "1," * 400_000 + "]\n",
    "text": f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 1000)}]\n",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_yaml_bombs(mtl_train: MtlTrain, tmp_path: Path, bomb: str) -> None:
    config = tmp_path / "theirs" / "experiment" / "x.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(f"# @package _global_\n{BOMBS[bomb]}")
    refused = mtl_train("--config-dir", "theirs", "experiment=x")
    assert refused.status == 2
    assert f"{config}: it " in refused.err
    sweep = tmp_path / "sweep"
    sweep.mkdir()
    (sweep / "multirun.yaml").write_text(BOMBS[bomb])
    refused = mtl_train("resume", "sweep")
    assert refused.status == 2
    assert "sweep/multirun.yaml: it " in refused.err


TEXTS = ["y0: aaaaaaaaaa", *(f"y{i}: '{f'${{y{i - 1}}}' * 10}'" for i in range(1, 10))]
MULTIPLYING = {
    "texts": ["name: ${y9}", *TEXTS],
    "lists": ["y0: [1]", *(f"y{i}: {json.dumps([f'${{y{i - 1}}}'] * 10)}" for i in range(1, 10))],
    "a long text": [f"y0: {'a' * 100_000}", f"name: '{'${y0}' * 1000}'"],
    "for Hydra": ["hydra: {job: {name: '${y9}'}}", *TEXTS],
    "for Hydra's log": [f"hydra: {{verbose: {json.dumps(['${y4}'] * 50)}}}", *TEXTS[:5]],
    "decoded": [f"y: '{{{','.join(['a:1'] * 25_000)}}}'", f"z: {json.dumps(['${oc.decode:${y}}'] * 50)}"],
}


@pytest.mark.parametrize("kind", MULTIPLYING)
def test_interpolations_that_multiply(mtl_train: MtlTrain, tmp_path: Path, kind: str) -> None:
    config = tmp_path / "theirs" / "experiment" / "x.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("\n".join(["# @package _global_", *MULTIPLYING[kind]]))
    refused = mtl_train("--config-dir", "theirs", "experiment=x")
    assert refused.status == 2
    assert "the config's interpolations come to more than 1,048,576 characters" in refused.err


def test_interpolations_that_multiply_in_a_thread() -> None:
    config = DictConfig(yaml.safe_load("\n".join(MULTIPLYING["texts"])))
    with ThreadPoolExecutor(1) as pool, pytest.raises(InputError, match="come to more than"):
        pool.submit(plain, config).result()


def test_no_resolver_writes_to_standard_error(mtl_train: MtlTrain, tmp_path: Path) -> None:
    config = tmp_path / "theirs" / "experiment" / "x.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("# @package _global_\nname: '${oc.deprecated:t,$OLD_KEY}'\nt: 1")
    refused = mtl_train("--config-dir", "theirs", "experiment=x")
    assert refused.status == 2
    assert ": Unsupported interpolation type oc.deprecated" in refused.err


OF_MANY = {
    "each other": {f"x{i}": f"defaults: [x{i + 1}@a, x{i + 1}@b]" for i in range(30)} | {"x30": "c: 1"},
    "a long list": {
        "x0": f"defaults: [{', '.join(f'x1@q{i}' for i in range(20))}]",
        "x1": f"defaults: [{', '.join(f'{{g{i}: []}}' for i in range(5_000))}]",
    },
    "small ones into a large one": {
        "x0": f"defaults: [x1, {', '.join(f'x2@q{i}' for i in range(300))}]",
        "x1": f"a: [{', '.join(['1'] * 20_000)}]",
        "x2": "b: 1",
    },
}


@pytest.mark.parametrize("kind", OF_MANY)
def test_defaults_lists_that_multiply(
    mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("mtl_cli.composition.untrusted_configs.MOST_VALUES", 300_000)
    group = tmp_path / "theirs" / "experiment"
    group.mkdir(parents=True)
    for name, text in OF_MANY[kind].items():
        (group / f"{name}.yaml").write_text(text)
    refused = mtl_train("--config-dir", "theirs", "experiment=x0")
    assert refused.status == 2
    assert "the defaults lists of the config name too many files" in refused.err


def test_a_config_of_many_columns_is_none_of_these(mtl_train: MtlTrain, tmp_path: Path) -> None:
    names = [f"a_long_descriptive_name_of_a_measurement_{i}" for i in range(3000)]
    group = tmp_path / "mine" / "experiment"
    group.mkdir(parents=True)
    data = f"data: {{path: t.csv, features: {json.dumps(names)}}}"
    (group / "x.yaml").write_text(f"# @package _global_\ndefaults: [override /data: table]\n{data}")
    shown = mtl_train("--config-dir", "mine", "experiment=x", "--cfg", "job", "--resolve")
    assert shown.status == 0
    assert names[-1] in shown.out


def test_a_config_does_not_choose_any_number_of_jobs(mtl_train: MtlTrain, tmp_path: Path) -> None:
    config = tmp_path / "theirs" / "experiment" / "x.yaml"
    config.parent.mkdir(parents=True)
    sweep = "{mode: MULTIRUN, sweeper: {params: {seed: 'range(0,300000)'}}}"
    config.write_text(f"# @package _global_\nhydra: {sweep}\nsweep: {{max_jobs: 100000000}}")
    refused = mtl_train("--config-dir", "theirs", "experiment=x")
    assert refused.status == 2
    assert "jobs, more than 100,000" in refused.err


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


ESCAPES = "\x1b]0;owned\x07\x1b[2J\u202e[red]"


def test_a_terminal_gets_no_control_characters(mtl_train: MtlTrain, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"{ESCAPES},y\n" + "".join(f"{i % 9}.5,{i % 7}\n" for i in range(40)))
    table = ["data=table", "data.path=t.csv", "batch_size=2", "steps=2", "+tasks.y.kind=regression"]
    config = tmp_path / "own" / "experiment" / "t.yaml"
    calls = [
        ["data=table", "data.path=t.csv", "+tasks.z.kind=regression"],
        [*table, "log.console=progress"],
        [*table, "log.console=quiet"],
        ["inspect", "t.csv", "--out", "own"],
        ["report", ESCAPES],
        [f"+{ESCAPES}=1"],
        ["data=table", f"data.path='{ESCAPES}.csv'", "+tasks.z.kind=regression"],
    ]
    for call in calls:
        run = mtl_train(*call)
        assert "Traceback" not in run.err
        assert not set("\x1b\x07\u202e") & set(run.out + run.err), call
    assert "\\x1b[2J" in run.err
    assert "\x1b" not in config.read_text()


def test_an_inspected_table_writes_no_yaml_of_its_own(mtl_train: MtlTrain, tmp_path: Path) -> None:
    import yaml

    name = "a\u2028hydra: {verbose: true}\x85b\nc'"
    (tmp_path / "t.csv").write_text(f'"{name}",k,y\n' + "".join(f"{i}.5,{i % 5},{i}.5\n" for i in range(40)))
    assert mtl_train("inspect", "t.csv", "--target", name, "--target", "y").status == 0
    written = yaml.safe_load((tmp_path / "configs" / "experiment" / "t.yaml").read_text())
    assert set(written) == {"defaults", "name", "batch_size", "data", "tasks"}
    assert written["tasks"].popitem()[0] == "y"
    (task,) = written["tasks"].values()
    assert task["column"] == name


def summary(**changed: Any) -> dict[str, Any]:
    """Returns a summary.json."""
    config = {"tasks": {"y": {"metric": "rmse"}}, "objective": "val_loss"}
    metrics = {"train": {"y": {"loss": 1.0}}, "val": {"y": {"loss": 1.0, "rmse": 1.0}}}
    usual = {"status": "finished", "error": None, "seed": 0, "config": config, "shares": {"y": 1.0}, "metrics": metrics}
    return usual | {"overrides": ["seed=0"], "objective": 1.0} | changed


DAMAGED = [
    {"status": ["finished"]},
    {"status": {"a": ESCAPES}},
    {"config": []},
    {"config": {"tasks": {"y": []}}},
    {"config": {"tasks": {"y": {"metric": {}}}}},
    {"metrics": {"val": {"y": {"rmse": "many"}}}},
    {"metrics": {"val": []}},
    {"shares": ["y"]},
    {"overrides": {"a": 1}},
    {"overrides": [["a"]]},
    {"objective": "low"},
    {"seed": {}},
]


@pytest.mark.parametrize("changed", DAMAGED, ids=str)
def test_summaries_of_others(mtl_train: MtlTrain, tmp_path: Path, changed: dict[str, Any]) -> None:
    for job in ("0", "1"):
        (tmp_path / "sweep" / job).mkdir(parents=True)
        content = summary(**changed) if job == "0" else summary()
        (tmp_path / "sweep" / job / "summary.json").write_text(json.dumps(content))
    swept = mtl_train("report", "sweep")
    assert swept.status == 0, swept.err
    assert "2 jobs: 1 finished, 1 not finished yet" in swept.out
    single = mtl_train("report", "sweep/0")
    assert single.status == 2
    assert "can't be read" in single.err


def test_a_sweeps_tables_run_nothing(mtl_train: MtlTrain, tmp_path: Path) -> None:
    evil = "=cmd|' /C calc'!A1"
    for job, value in (("0", evil), ("1", f"<script>[x](javascript:1)`|{ESCAPES}"), ("=2", "-0.5"), ("3", "-1e3")):
        (tmp_path / "sweep" / job).mkdir(parents=True)
        content = summary(overrides=[f"{evil}={value}", "seed=0"], config_hash=job, error=ESCAPES)
        if job == "3":
            content["status"] = "failed"
        (tmp_path / "sweep" / job / "summary.json").write_text(json.dumps(content))
    run = mtl_train("report", "sweep")
    assert run.status == 0, run.err
    assert not set("\x1b\x07\u202e") & set(run.out)
    table = (tmp_path / "sweep" / "sweep.csv").read_text()
    with (tmp_path / "sweep" / "sweep.csv").open() as file:
        rows = list(csv.reader(file))
    assert not [cell for row in rows for cell in row if cell[:1] in "=+@" and cell], table
    assert "-0.5" in [row[2] for row in rows] or "-0.5" in table
    text = (tmp_path / "sweep" / "sweep.md").read_text()
    assert "\x1b" not in text
    assert "\\<script>" in text
    assert "](" not in text


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a":' * 100_000, "NaN", '"x"'])
def test_json_that_is_no_summary(mtl_train: MtlTrain, tmp_path: Path, content: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "summary.json").write_text(content)
    run = mtl_train("report", "run")
    assert run.status == 2
    assert "the files in run can't be read" in run.err


LAYER = b'{"module":"keras.layers","class_name":1}'


def tampered(source: Path, target: Path, **changed: Any) -> None:
    """Writes a model's file with some of its parts changed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, changed.get(name.partition(".")[0], lambda text: text)(content))
        for name in changed.get("more", ()):
            new.writestr(name, "x")


def test_models_of_others(mtl_train: MtlTrain, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{i},{'@no' if i % 2 else '=yes'}\n" for i in range(40)))
    table = ["data=table", "data.path=t.csv", "batch_size=2", "steps=2", "+tasks.y.kind=binary"]
    assert mtl_train(*table, "hydra.run.dir=run").status == 0
    assert mtl_train("predict", "run", "t.csv", "--out", "p.csv", "--id", "y").status == 2  # a prediction's name
    assert mtl_train("predict", "run", "t.csv", "--out", "p.csv").status == 0
    assert set(pl.read_csv(tmp_path / "p.csv")["y"]) <= {"'=yes", "'@no"}
    assert mtl_train("predict", "run", "t.csv", "--out", "p.parquet").status == 0
    assert set(pl.read_parquet(tmp_path / "p.parquet")["y"]) <= {"=yes", "@no"}
    good = tmp_path / "good.keras"
    (tmp_path / "run" / "model.keras").rename(good)
    attacks: list[tuple[dict[str, Any], str]] = [
        ({"config": lambda text: text.replace(b'"keras.layers"', b'"os"', 1)}, "names code of the module 'os'"),
        ({"config": lambda text: text.replace(b'"Dense"', b'"Lambda"', 1)}, "a Lambda layer"),
        ({"config": lambda text: text.replace(b'"units": 256', b'"units": 2000000000', 1)}, "its layers are of"),
        ({"config": lambda text: b'{"a": [' + b",".join([LAYER] * 25_001) + b"]}"}, "it has 25,001 layers"),
        ({"config": lambda text: b"[" * 100_000}, "its config.json can't be read"),
        ({"config": lambda text: b"{}"}, "is damaged, or not a model"),
        ({"model": lambda text: bytes(2**26)}, "that unpack to"),
        ({"more": ["../../owned"]}, "it has files for other folders"),
    ]
    for changed, message in attacks:
        tampered(good, tmp_path / "run" / "model.keras", **changed)
        refused = mtl_train("predict", "run", "t.csv", "--out", "p.csv", "--force")
        assert refused.status == 2, refused.err
        assert message in refused.err
        assert len(refused.err.splitlines()) == 1
    columns = tmp_path / "run" / "columns.json"
    good.rename(tmp_path / "run" / "model.keras")
    columns.write_text(columns.read_text().replace('"y": {', '"z": {'))
    assert "don't belong together" in mtl_train("predict", "run", "t.csv", "--out", "q.csv").err


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_a_table_that_unpacks_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    monkeypatch.setattr("mtl_cli.tables.reader.SMALL", 2**20)
    file = tmp_path / f"t.csv.{suffix}"
    rows = pl.DataFrame({"a": ["0" * 1000] * 4000, "y": [1] * 4000}).lazy()
    rows.sink_csv(file, compression="gzip" if suffix == "gz" else "zstd")
    with pytest.raises(InputError, match="unpacks to more than 200 times its size"):
        read(str(file), "data.path")
    monkeypatch.setattr("mtl_cli.tables.reader.SMALL", 2**28)
    assert len(read(str(file), "data.path").frame) == 4000


ROWS = b"a,price\n" + b"1,2\n" * 500_000
MANY_ROWS = {"gzip": gzip.compress(ROWS), "zstd": zstd.compress(ROWS), "zlib": zlib.compress(ROWS)}


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.csv.zst", "t.tsv", "t.ndjson"])
@pytest.mark.parametrize("packed", MANY_ROWS)
def test_a_compressed_table_by_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, packed: str
) -> None:
    """Polars goes by how a file begins, and so does what bounds it."""
    monkeypatch.setattr("mtl_cli.tables.reader.SMALL", 2**20)
    (tmp_path / name).write_bytes(MANY_ROWS[packed])
    message = "can't be read as" if packed == "zlib" else "unpacks to more than 200 times its size"
    with pytest.raises(InputError, match=message) as refused:
        read(str(tmp_path / name), "data.path")
    assert str(refused.value).startswith(f"data.path: {tmp_path / name} ")


def test_a_header_that_begins_as_zlibs_does(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x^2,price\n1,2\n")
    with pytest.raises(InputError, match=r"it begins with 'x\^' as zlib's files do; rename its first column"):
        read(str(tmp_path / "t.csv"), "data.path")


def flipped(content: bytes, place: int) -> bytes:
    """Returns bytes of which one is another one."""
    found = bytearray(content)
    found[place] ^= 1
    return bytes(found)


SMALL_TABLE = b"a,price\n1,2\n"
GZIP, ZSTD = gzip.compress(SMALL_TABLE), zstd.compress(SMALL_TABLE)
DAMAGED_TABLES = {
    "a checksum.csv.gz": flipped(GZIP, -8),
    "a length.csv.gz": flipped(GZIP, -1),
    "no end.csv.gz": GZIP[:-5],
    "no end.csv.zst": ZSTD[:-2],
    "more behind it.csv.gz": GZIP + b"more",
    "more behind it.csv.zst": ZSTD + b"more",
    "a second one.csv.gz": flipped(GZIP, -8) + GZIP,
}


@pytest.mark.parametrize("name", DAMAGED_TABLES)
def test_what_can_not_be_unpacked_is_left_to_no_other_reader(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(DAMAGED_TABLES[name])
    with pytest.raises(InputError, match="can't be read as csv") as refused:
        read(str(tmp_path / name), "data.path")
    assert str(refused.value).startswith(f"data.path: {tmp_path / name} ")


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.csv.zst"])
@pytest.mark.parametrize("content", [SMALL_TABLE, GZIP, ZSTD, GZIP + gzip.compress(b"3,4\n")], ids=range(4))
def test_a_sound_table_of_any_packing_is_read(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert read(str(tmp_path / name), "data.path").frame.row(0) == (1, 2)


PEAK = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""
"""Runs a command and prints its peak memory; a process of its own, as what starts another lends it its own peak."""


def test_table_bombs(tmp_path: Path) -> None:
    """Each unpacks to more than 300 MB; all they may take is what the command takes anyway, and some buffers."""
    block = b"7" * 2**20
    with zstd.open(tmp_path / "one_line.csv.zst", "wb") as file:
        file.write(b"a,price\n1,")
        for _ in range(1500):
            file.write(block)
    with gzip.open(tmp_path / "one_line.csv.gz", "wb", compresslevel=1) as file:
        file.write(b"a,price\n1,")
        for _ in range(1500):
            file.write(block)
    rows = pl.DataFrame({"a": pl.repeat(1, 10_000_000, dtype=pl.Int8, eager=True)})
    rows.with_columns(pl.lit(0, pl.Int8).alias(name) for name in [*"bcdefghij", "price"]).write_parquet(
        tmp_path / "rows.parquet"
    )
    pl.DataFrame({"a": ["x" * 300_000_000], "price": [1.0]}).write_parquet(tmp_path / "cell.parquet")
    zeros = pl.repeat(0, 40_000_000, dtype=pl.Int8, eager=True)
    pl.DataFrame({"a": [zeros], "price": [1.0]}).write_parquet(tmp_path / "list.parquet")
    task = "+tasks={price: {kind: regression}}"
    for name in ("one_line.csv.zst", "one_line.csv.gz", "rows.parquet", "cell.parquet", "list.parquet"):
        assert (tmp_path / name).stat().st_size < 10_000_000
        words = ["data=table", f"data.path={name}", "~tasks", task, "steps=2"]
        command = [sys.executable, "-c", PEAK, sys.executable, "-m", "mtl_cli", *words]
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert run.returncode == 2, run.stderr
        assert f"data.path: {name} unpacks to more than 200 times its size" in run.stderr
        assert int(run.stdout) < 400_000  # KiB
    assert not (tmp_path / "outputs").exists()


def test_long_names(mtl_train: MtlTrain, tmp_path: Path) -> None:
    words = ["data=table", "data.path=t.csv", "~tasks", "steps=2"]
    pl.DataFrame({"a" * 10_000: range(200), "price": range(200)}).write_csv(tmp_path / "t.csv")
    refused = mtl_train(*words, "+tasks={price: {kind: regression}}")
    assert refused.status == 2
    assert "t.csv, column 1 has a name of 10000 characters; 1000 are the most" in refused.err
    pl.DataFrame({"a": range(200), "price": ["x" * 10_000, "y"] * 100}).write_csv(tmp_path / "t.csv")
    for kind in ("binary", "multiclass"):
        refused = mtl_train(*words, f"+tasks={{price: {{kind: {kind}}}}}")
        assert refused.status == 2
        assert "not a class of at most 1000 characters" in refused.err
        assert len(refused.err) < 300
