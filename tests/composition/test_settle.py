"""Hydra's part of a config once it is settled: what Hydra would make of it, with nothing left that may change."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from mtl_cli.composition.code_references import below
from mtl_cli.composition.settle import RETIRED, settle
from mtl_cli.errors import InputError
from tests.support.configs import loading

KINDS = ("run", "sweep", "job")
LOG = {"handlers": {"file": {"filename": "${hydra.runtime.output_dir}/train.log"}}}
HYDRA = {"run": {"dir": "out/${name}"}, "sweep": {"dir": "s/${name}"}, "job": {"name": "train"}, "job_logging": LOG}
USUAL = OmegaConf.create({"hydra": HYDRA, "name": "mtl", "steps": 5})
LATER = {"job": {"num": 3, "id": "3"}, "runtime": {"output_dir": "/there"}}
"""What Hydra learns after it has composed a job."""

Composed = Callable[..., DictConfig]


@pytest.fixture
def composed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Composed:
    """Returns a function that has Hydra compose a config whose own part has such values, and the run's part others."""
    monkeypatch.chdir(tmp_path)

    def compose(hydra: Any = None, *words: str, **own: Any) -> DictConfig:
        whole = OmegaConf.merge(USUAL, {"hydra": hydra or {}}, own)
        (tmp_path / "config.yaml").write_text(OmegaConf.to_yaml(whole))
        with loading(tmp_path) as loader:
            return loader.load_configuration("config", list(words), RunMode.RUN)

    return compose


def settled(config: DictConfig, kind: str = "run", *typed: str) -> DictConfig:
    given = config.hydra.overrides
    settle(config, typed, len(given.task) + len(given.hydra), kind)
    return config


def refusal(config: DictConfig, kind: str = "run", *typed: str) -> str:
    with pytest.raises(InputError) as refused:
        settled(config, kind, *typed)
    return str(refused.value)


def raw(config: DictConfig, key: str) -> Any:
    """Returns a value with its interpolations unresolved."""
    return dict(below("", OmegaConf.to_container(config, resolve=False)))[f".{key}"]


def resolved(config: DictConfig) -> Any:
    """Returns what Hydra makes of its part once it has learnt the rest."""
    config = copy.deepcopy(config)
    OmegaConf.set_struct(config, False)
    config.merge_with({"hydra": LATER})
    return OmegaConf.to_container(config.hydra, resolve=True)


@pytest.mark.parametrize("kind", KINDS)
def test_hydra_makes_of_its_part_what_it_would_have_made(composed: Composed, kind: str, tmp_path: Path) -> None:
    config = composed({"sweep": {"subdir": "${hydra.job.num}_${steps}"}, "verbose": "${x}"}, "steps=7", x="a.b")
    expected = resolved(config)
    if kind == "run":  # which is known then
        expected["job_logging"]["handlers"]["file"]["filename"] = str(tmp_path / "out" / "mtl" / "train.log")
    assert resolved(settled(config, kind)) == expected


@pytest.mark.parametrize(
    ("kind", "left"),
    [
        ("run", {"sweep.dir": "s/${name}", "sweep.subdir": "${hydra.job.num}"}),
        ("sweep", {"run.dir": "out/${name}", "sweep.subdir": "${hydra.job.num}"}),
        ("job", {"run.dir": "out/${name}", "sweep.subdir": "${hydra.job.num}"}),
    ],
)
def test_nothing_is_left_to_resolve_but_what_is_learnt_later_and_what_is_unused(
    composed: Composed, kind: str, left: dict[str, str]
) -> None:
    if kind != "run":
        left = {**left, "job_logging.handlers.file.filename": "${hydra.runtime.output_dir}/train.log"}
    plain = OmegaConf.to_container(settled(composed(), kind).hydra, resolve=False)
    found = {path.removeprefix("."): value for path, value in below("", plain) if "${" in str(value)}
    printed = ("help.", "hydra_help.")
    assert {path: value for path, value in found.items() if not path.startswith(printed)} == left


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_that_changes_does_so_no_more(composed: Composed, kind: str) -> None:
    calls = iter(range(99))
    OmegaConf.register_new_resolver("mtl_counted", lambda: next(calls), replace=True)
    config = settled(composed({"job": {"name": "x${mtl_counted:}"}}), kind)
    OmegaConf.clear_resolver("mtl_counted")
    assert raw(config, "hydra.job.name") == config.hydra.job.name


def test_a_run_knows_its_folder(composed: Composed, tmp_path: Path) -> None:
    config = settled(composed(where="${hydra:runtime.output_dir}"))
    assert raw(config, "hydra.runtime.output_dir") == raw(config, "where") == str(tmp_path / "out" / "mtl")


@pytest.mark.parametrize("kind", ["run", "job"])
def test_what_the_rest_has_of_hydras_part_becomes_a_plain_value(composed: Composed, kind: str, tmp_path: Path) -> None:
    own = {
        "data": {"path": "${hydra:runtime.cwd}/t.csv", "list": ["${hydra:job.name}_${steps}", {"deep": 3}]},
        "flag": "${hydra:verbose}", "whole": "${hydra:sweeper.params}", "steps_again": "${steps}", "none": None,
        "missing": "???", "all": "${data}",
    }  # fmt: skip
    config = settled(composed({"sweeper": {"params": {"seed": "0,1"}}}, **own), kind)
    assert [raw(config, key) for key in ("data.path", "data.list.0", "data.list.1.deep", "flag", "whole.seed")] == [
        f"{tmp_path}/t.csv", "train_5", 3, False, "0,1",
    ]  # fmt: skip
    for kept in ("steps_again", "none", "missing", "all"):
        assert raw(config, kept) == own[kept]


def test_a_sweeps_own_config_keeps_what_its_jobs_are_to_resolve(composed: Composed) -> None:
    config = settled(composed(path="${hydra:job.num}/t.csv"), "sweep")
    assert raw(config, "path") == "${hydra:job.num}/t.csv"


@pytest.mark.parametrize(
    ("key", "kinds"),
    [
        *(
            (key, ("run", "job"))
            for key in ("nope", "job.nope", "job.num", "job.id", "sweep.subdir", "launcher.n_jobs")
        ),
        ("runtime.output_dir", ("job",)),
    ],
)
def test_what_hydra_does_not_know_yet_is_no_value(composed: Composed, key: str, kinds: tuple[str, ...]) -> None:
    for kind in kinds:
        told = refusal(composed(data={"path": f"${{hydra:{key}}}"}), kind)
        assert told.startswith(f"data.path: ${{hydra:{key}}} isn't known when a config is composed")


NUMBERED = "${hydra.job.num}"


@pytest.mark.parametrize(
    ("value", "left"),
    [
        (f"{NUMBERED}_${{steps}}", f"{NUMBERED}_5"),
        ("${mine}/${hydra.job.id}", f"{NUMBERED}/${{hydra.job.id}}"),
        ("${hydra:job.num}", NUMBERED),
        ("in${hydra.runtime.output_dir}", "in${hydra.runtime.output_dir}"),
    ],
)
def test_a_job_learns_its_folders_name_later(composed: Composed, value: str, left: str) -> None:
    config = settled(composed({"sweep": {"subdir": value}}, mine=NUMBERED), "job")
    assert raw(config, "hydra.sweep.subdir") == left


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("path", "value", "now"),
    [
        ("job.name", f"a{NUMBERED}", f"a{NUMBERED}"),
        ("job.name", "${mine}", NUMBERED),
        ("verbose", "${hydra.job.id}", "${hydra.job.id}"),
        ("launcher.name", NUMBERED, NUMBERED),
        ("job_logging.handlers.file.mode", NUMBERED, NUMBERED),
        ("job_logging.handlers.file.filename", f"{NUMBERED}${{oc.env:MTL_EVIL}}", f"{NUMBERED}${{evil}}"),
        ("job.name", "${oc.env:MTL_EVIL}", "${evil}"),
    ],
)
def test_what_hydra_would_resolve_again_is_refused(
    composed: Composed, monkeypatch: pytest.MonkeyPatch, kind: str, path: str, value: str, now: str
) -> None:
    monkeypatch.setenv("MTL_EVIL", "${evil}")
    config = composed(mine=NUMBERED)
    OmegaConf.update(config, f"hydra.{path}", value, force_add=True)
    assert refusal(config, kind).startswith(f"hydra.{path}: {now!r} has ${{ in it once it is resolved")


@pytest.mark.parametrize("kind", ["run", "job"])
def test_a_value_of_hydras_that_would_be_resolved_again_is_refused(
    composed: Composed, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("MTL_EVIL", "${evil}")
    told = refusal(composed(path="${hydra:job.name}${oc.env:MTL_EVIL}"), kind)
    assert "${hydra:job.name}${oc.env:MTL_EVIL} comes to train${evil}, which would be resolved again" in told


@pytest.mark.parametrize(
    ("path", "unused"), [("run.dir", ("sweep", "job")), ("sweep.dir", ("run",)), ("sweep.subdir", ("run", "sweep"))]
)
def test_what_is_unused_need_not_be_resolved(composed: Composed, path: str, unused: tuple[str, ...]) -> None:
    group, key = path.split(".")
    for kind in KINDS:
        config = composed({group: {key: "${nope}"}})
        if kind in unused:
            assert raw(settled(config, kind), f"hydra.{path}") == "${nope}"
        else:
            assert "Interpolation key 'nope' not found" in refusal(config, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_of_the_runs_own_is_named_that_hydras_part_needs(composed: Composed, kind: str) -> None:
    assert refusal(composed(name="${nope}"), kind) == "name: Interpolation key 'nope' not found"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("hydra", "own", "named"),
    [
        ({"launcher": {"_target_": "${theirs}"}}, {"theirs": "os.getcwd"}, "hydra.launcher._target_"),
        ({"job": {"env_set": {"PATH": "${theirs}"}}}, {"theirs": "here"}, "hydra.job.env_set.PATH"),
        ({"callbacks": {"other": {"_target_": RETIRED}}}, {}, "hydra.callbacks.other._target_"),
    ],
)
def test_what_names_code_once_it_is_resolved_has_to_be_typed(
    composed: Composed, kind: str, hydra: dict[str, Any], own: dict[str, Any], named: str
) -> None:
    assert refusal(composed(hydra, **own), kind).startswith(f"{named}: ")
    settled(composed(hydra, **own), kind, named)


@pytest.mark.parametrize("kind", KINDS)
def test_the_check_that_sweeps_recorded_is_left_out(composed: Composed, kind: str) -> None:
    config = settled(composed({"callbacks": {"check": {"_target_": RETIRED}}}), kind)
    assert config.hydra.callbacks == {}
    assert refusal(composed({"callbacks": {"check": {"_target_": "os.getcwd"}}}), kind).startswith("hydra.callbacks")


@pytest.mark.parametrize("part", ["task", "hydra"])
def test_overrides_are_typed_alone(composed: Composed, part: str) -> None:
    settle(composed(None, "steps=7", "hydra.verbose=true"), (), 2, "run")
    with pytest.raises(InputError, match=r"^hydra\.overrides: a config can't have overrides"):
        settle(composed({"overrides": {part: ["steps=9"]}}, "steps=7"), (), 1, "run")


@pytest.mark.parametrize("hydra", [{}, {"verbose": "${nope}"}, {"job": {"env_set": {"PATH": "x"}}}])
def test_what_stood_before_stands_after(composed: Composed, monkeypatch: pytest.MonkeyPatch, hydra: Any) -> None:
    before: Any = OmegaConf.create({"hydra": {"job": {"name": "before"}}})
    monkeypatch.setattr(HydraConfig.instance(), "cfg", before)
    config = composed(hydra)
    _ = refusal(config) if hydra else settled(config)
    assert HydraConfig.instance().cfg is before
    assert OmegaConf.is_struct(config)
