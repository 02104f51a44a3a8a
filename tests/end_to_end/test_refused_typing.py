"""What tired people type: each is refused by a message that has what they meant, or that says where it belongs."""

from pathlib import Path

import pytest

from tests.support.command import MtlTrain
from tests.support.refusals import assert_refused

EPOCHS = "training is counted in iterations, as 'steps=N': an epoch of R rows is R / batch_size of them"
OPTIONS = [
    (["--steps", "100"], "--steps: there is no such option; settings are typed without dashes: 'steps=100'"),
    (["--steps=100"], "--steps: there is no such option; settings are typed without dashes: 'steps=100'"),
    (["seed=1", "--learning-rate", "3"], "settings are typed without dashes: 'optimizer.learning_rate=3'"),
    (["--lr"], "settings are typed without dashes: 'optimizer.learning_rate=...'"),
    (["--lr", "steps=3"], "settings are typed without dashes: 'optimizer.learning_rate=...'"),
    (["--tasks.y1.weight", "0.5"], "settings are typed without dashes: 'tasks.y1.weight=0.5'"),
    (["--experiment", "digits"], "--experiment: there is no such option; settings are typed without dashes: 'experi"),
    (["--optimizer=sgd"], "--optimizer: there is no such option; settings are typed without dashes: 'optimizer=sgd'"),
    (["--epochs", "10"], f"--epochs: there is no such option; {EPOCHS}"),
    (["--resume", "run"], "--resume: there is no such option; did you mean 'mtl-train resume'?"),
    (["--confg-dir", "own"], "--confg-dir: there is no such option; did you mean '--config-dir'?"),
    (["-x"], "-x: there is no such option; settings are typed without dashes, as 'steps=100'; --help has both"),
    (["--config-dir"], "--config-dir/-cd: expected one argument"),
    (["--cfg", "steps=3"], "--cfg/-c: invalid choice: 'steps=3'"),
    (["inspect", "t.csv", "--targte", "price"], "--targte: there is no such option; did you mean '--target'?"),
    (["resume", "run", "--steps", "100"], "--steps: there is no such option; settings are typed without dashes: 'ste"),
    (["report", "run", "--color"], "--color: there is no such option; the options are --write (see mtl-train report"),
    (["predict", "run", "t.csv", "--x"], "--out"),
]
KEYS = [
    (["epochs=10"], f"epochs: there is no such key; {EPOCHS}"),
    (["+num_epochs=10"], f"num_epochs: there is no such key; {EPOCHS}"),
    (["+model.trainable=false"], "model.trainable: there is no such key; the keys of model are activation"),
    (["+data.learning_rate=1"], "data.learning_rate: there is no such key; did you mean 'optimizer.learning_rate'?"),
    (["+every=3"], "did you mean 'eval.every', 'diagnostics.every', 'checkpoint.every' or 'log.every'?"),
    (["+weight=3"], "weight: there is no such key; did you mean 'tasks.<task>.weight'?"),
    (["sampling.temperature=3"], "only other choices of sampling have it: temperature"),
    (["+tasks.y1.pos_weight=3"], "tasks.y1.pos_weight: there is no such key; only tasks of another kind have it: bin"),
    (
        ["tasks.a=null"],
        "tasks.a: there is no such key; a new task needs a plus, and a kind: '+tasks.a.kind=regression'",
    ),
    (["tasks.y11.weight=0.3"], "tasks.y11.weight: there is no task 'y11'; did you mean 'y1'? A new task's key needs"),
    (["~tasks.yy2"], "tasks.yy2: there is no task 'yy2'; did you mean 'y2'?"),
    (["seed=range(0,3)"], "seed=range(0,3): several values need -m (a sweep)"),
    (["resume"], "the following arguments are required: DIR (see mtl-train resume --help)"),
    (["tasks.y1=null"], "tasks.y1: it has keys of its own, got null; '~tasks.y1' leaves the task out"),
    (["+tasks.a=binary"], "tasks.a: it has keys of its own, got 'binary'; did you mean '+tasks.a.kind=binary'?"),
    (["+tasks.a.kind=null"], "tasks.a.kind: null is not known; the choices are binary, multiclass, regression"),
    (["log=x"], "log: it has keys of its own, got 'x'; set them one by one, as 'log.every=...' or 'log.console=...'"),
    (["log=quiet"], "log: it has keys of its own, got 'quiet'; did you mean 'log.console=quiet'?"),
    (["steps=null"], "steps: should be a whole number, got null"),
    (["sweep.baselines=3"], "sweep.baselines: should be true or false, got 3"),
    (["model.shared_layers=3"], "model.shared_layers: should be a list, in brackets, got 3"),
    (["name=3"], "name: should be a text, got 3"),
    (["device=null"], "device: null is not valid; the choices are auto, cpu, gpu"),
    (["größe=3"], "'größe' is no key; keys have letters, digits and '_'"),
    (["+tasks.größe.kind=binary"], "'größe' is no task name: a letter followed by letters, digits or '_'; its column"),
    (["+data.types.a b=date"], "a key with such characters stands in a mapping: '+data.types={a b: date}'"),
]
IN_FILES = [
    ("+data.types={größe (m²)/x: date}", 'data: {types: {"größe (m²)/x": date}}'),
    ("+data.types={a: date, größe: category}", 'data: {types: {"größe": category}}'),
    ("+data.types={'a (b)': date}", 'data: {types: {"a (b)": date}}'),
    ("+data.types.größe=date", 'data: {types: {"größe": date}}'),
    ('data.date_format={größe: "%d.%m"}', 'data: {date_format: {"größe": "%d.%m"}}'),
]
"""Overrides with a key that can't be typed, and the line of a config file that says the same."""
CHOICES = [
    (["optimizer=pcgrad"], "optimizer: there is no choice 'pcgrad'; another group has it: 'weighting=pcgrad'"),
    (["mode=pcgrad"], "mode: there is no choice 'pcgrad'; another group has it: 'weighting=pcgrad'"),
    (["optimizer=cosine"], "another group has it: 'optimizer/schedule=cosine'"),
    (["optimizer=uniform"], "another group has it: 'sampling=uniform'"),
    (["optimizer=fixed"], "another group has it: 'sampling=fixed' or 'weighting=fixed'"),
    (["-m", "optimizer=adam,pcgrad"], "another group has it: 'weighting=pcgrad'"),
    (["experiment=foo"], "one of your own, DIR/experiment/foo.yaml, needs --config-dir DIR"),
    (["experiment=mine"], "there is no choice 'mine', but there is one in own: '--config-dir own experiment=mine'"),
    (["experiment=own/experiment/mine.yaml"], "without its folder: '--config-dir own experiment=mine'"),
    (["experiment=mine.yaml"], "but there is one in own: '--config-dir own experiment=mine'"),
    (["--config-dir", "own", "experiment=old"], "own/experiment/old.yml has to end in .yaml to be one"),
    (["+experiment=digits"], "experiment: it has a choice already, so leave the plus out: 'experiment=digits'"),
    (["+optimizer/schedule=cosine"], "so leave the plus out: 'optimizer/schedule=cosine'"),
    (["++experiment=digits"], "experiment: it has a choice already, so leave the pluses out: 'experiment=digits'"),
    (["--config-path", "own", "experiment=mine"], "own, which takes the place of all configs; --config-dir "),
    (["-cp", "own", "-cn", "mine"], "--config-path: there is no mine.yaml in "),
    (["-cn", "digits"], "--config-name: there is no main config 'digits'; did you mean 'experiment=digits'?"),
    (["-cn", "cnfig"], "--config-name: there is no main config 'cnfig'; did you mean 'config'?"),
]


@pytest.mark.parametrize(("arguments", "message"), [*OPTIONS, *KEYS], ids=lambda value: str(value)[:40])
def test_options_and_keys(mtl_train: MtlTrain, tmp_path: Path, arguments: list[str], message: str) -> None:
    run = mtl_train(*arguments)
    assert_refused(run.status, run.err, tmp_path, message)
    assert len(run.err.splitlines()) == 1


@pytest.mark.parametrize(("arguments", "message"), CHOICES, ids=lambda value: str(value)[:40])
def test_choices(mtl_train: MtlTrain, tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "own" / "experiment").mkdir(parents=True)
    for name in ("mine.yaml", "old.yml"):
        (tmp_path / "own" / "experiment" / name).write_text("# @package _global_\nsteps: 3\n")
    run = mtl_train(*arguments)
    assert_refused(run.status, run.err, tmp_path, message)


@pytest.mark.parametrize(("override", "line"), IN_FILES, ids=lambda value: str(value)[:40])
def test_keys_that_a_file_can_have(mtl_train: MtlTrain, tmp_path: Path, override: str, line: str) -> None:
    run = mtl_train("data=table", override)
    assert_refused(
        run.status, run.err, tmp_path, f"can't be typed as a key, which takes no quotes; have a config file say {line}"
    )
    (tmp_path / "own" / "experiment").mkdir(parents=True)
    (tmp_path / "own" / "experiment" / "x.yaml").write_text(
        f"# @package _global_\ndefaults: [override /data: table]\n{line}\n"
    )
    assert mtl_train("--config-dir", "own", "experiment=x", "--cfg", "job").status == 0


def test_overrides_may_stand_between_options(mtl_train: MtlTrain, tmp_path: Path) -> None:
    (tmp_path / "own" / "experiment").mkdir(parents=True)
    (tmp_path / "own" / "experiment" / "x.yaml").write_text("# @package _global_\nseed: 7\n")
    run = mtl_train("steps=3", "--config-dir", "own", "experiment=x", "--cfg", "job")
    assert run.status == 0, run.err
    assert {"seed: 7", "steps: 3"} <= set(run.out.splitlines())
