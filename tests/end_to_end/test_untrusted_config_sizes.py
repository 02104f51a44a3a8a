"""Configs of others that grow without end: refused in bounded time."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from omegaconf import DictConfig

from mtl_cli.composition.resolve import plain
from mtl_cli.errors import InputError
from tests.support.command import MtlTrain

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
    monkeypatch.setattr("mtl_cli.composition.config_loader.MOST_VALUES", 300_000)
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
