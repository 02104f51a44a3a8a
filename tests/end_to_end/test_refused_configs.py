"""Bad configs: one clear message, a status that says so, and nothing left behind."""

from pathlib import Path

import pytest

from tests.support.command import MtlTrain
from tests.support.refusals import assert_refused

CONFIG = [
    (["+stepss=3"], "stepss: there is no such key; did you mean 'steps'?"),
    (["stepss=3"], "stepss: there is no such key; did you mean 'steps'?"),
    (["+optimizer.learning_rat=3"], "did you mean 'optimizer.learning_rate'?"),
    (["optimzer.learning_rate=3"], "did you mean 'optimizer.learning_rate'?"),
    (["++trainer.typo=3"], "trainer: there is no such key"),
    (["+learning_rate=3"], "did you mean 'optimizer.learning_rate'?"),
    (["+tasks.y1.weigth=3"], "did you mean 'tasks.y1.weight'?"),
    (["+mode.optimizer_scope=shared"], "mode.optimizer_scope: there is no such key"),
    (["steps=many"], "steps: should be a whole number, got 'many'"),
    (["steps=10.5"], "steps: should be a whole number, got 10.5"),
    (["steps=1e3"], "steps: should be a whole number, got 1000.0; write it as 1000"),
    (["steps=true"], "steps: should be a whole number, got true"),
    (["seed=-1"], "seed: should be greater than or equal to 0, got -1"),
    (["optimizer.learning_rate=0"], "optimizer.learning_rate: should be greater than 0"),
    (["optimizer.learning_rate=inf"], "optimizer.learning_rate: should be a finite number"),
    (["mode=jiont"], "mode: there is no choice 'jiont'; did you mean 'joint'?"),
    (["mode=JOINTT"], "did you mean 'joint'?"),
    (["optimizer.lr=1"], "optimizer.lr: there is no such key; did you mean 'optimizer.learning_rate'?"),
    (["experiment=nope"], "experiment: there is no choice 'nope'; the choices are"),
    (["mode.name=jiont"], "mode.name: 'jiont' is not known; did you mean 'joint'?"),
    (["tasks.y1.prob=1.5"], "tasks.y1.prob: should be less than or equal to 1, got 1.5"),
    (["tasks.y1.prob=0.3", "tasks.y2.prob=0.3"], "0.3 + 0.3 = 0.6 must add up to 1"),
    (["tasks.y1.prob=1"], "share what the given ones leave of 1, and 1 leaves nothing of 1 for y2; give less, or set"),
    (
        ["tasks.y1.weight=1", "tasks.y2.weight=1", "+tasks.z.kind=binary"],
        "tasks without one share what the given ones leave of 1, and 1 + 1 = 2 leave nothing of 1 for z",
    ),
    (["tasks.y1.weight=0", "tasks.y2.weight=0"], "tasks.*.weight: all are 0"),
    (["tasks.y1.weight=-1"], "tasks.y1.weight: should be greater than or equal to 0, got -1"),
    (["~tasks.y1", "~tasks.y2"], "tasks: there must be at least one task"),
    (["tasks.y1.units=0"], "tasks.y1.units: should be greater than or equal to 1, got 0"),
    (["model.shared_layers=[20,0]"], "model.shared_layers.1: should be greater than or equal to 1, got 0"),
    (["+tasks={2nd: {kind: binary}}"], "'2nd' is no task name"),
    (["+tasks.joint={kind: binary}"], "'joint' can't be a task's name"),
    (["name=../elsewhere"], "name: '../elsewhere' can't be a folder's name"),
    (["objective=val/y1/acuracy"], "objective: 'val/y1/acuracy' is neither"),
    (["tasks.y3.kind=binary"], "a new task's key needs a plus: '+tasks.y3.kind=...'"),
    (["mode.optimizer_scope=shared"], "only other choices of mode have it"),
    (["+tasks.y3.knd=binary"], "tasks.y3.kind: this key is missing (there is knd)"),
    (["tasks=[]"], "tasks=[]"),
    (["optimizer.learning_rate=1e-60"], "optimizer.learning_rate: should be 0 or between"),
    (["optimizer.beta_2=0.9999999999"], "optimizer.beta_2: should be less than 1 in float32"),
    (["batch_size=99999999999"], "batch_size: should be less than or equal to 2147483647"),
    (["model.initializer_range=[1,0]"], "model.initializer_range: should be [lower, higher]"),
    (["name='${nope}'"], "name: Interpolation key 'nope' not found"),
    (["steps=1,2"], "several values need -m"),
    (["data.path=my data (1).csv"], "quote values with spaces"),
    (["hydra.run.dir=/proc/x"], "/proc/x"),
    (["name=" + "n" * 201], "should have at most 200"),
    (["-m", "hydra.sweep.subdir=same", "seed=0,1"], "hydra.sweep.subdir: every job needs a folder"),
    (["-m", "experiment=glob(zz*)"], "experiment=glob(zz*): it matches nothing; the choices are digits"),
    (["resum"], "'resum' is no command"),
    (["steps="], "steps"),
    (["a=b=[", "steps=3"], ""),
    (["sampling=uniform"], "sampling: 'uniform' picks tasks in mode=alternating; this run is mode=joint"),
    (
        ["mode=alternating", "sampling=proportional"],
        "tasks' training rows, and data=seed has no end; choose sampling=fixed",
    ),
    (
        ["mode=alternating", "sampling=uniform", "tasks.y2.prob=0.3"],
        "tasks.y2.prob: 0.3, but sampling=uniform has no use for",
    ),
    (["mode=alternating", "sampling=round_robin", "tasks.y1.prob=0.3"], "choose sampling=fixed, or leave it null"),
    (
        ["mode=alternating", "sampling=temperature", "sampling.temperature=0"],
        "sampling.temperature: should be greater than 0",
    ),
    (
        ["mode=alternating", "sampling=temperature", "sampling.cap=0.5"],
        "sampling.cap: should be greater than or equal to 1",
    ),
    (
        ["mode=alternating", "sampling=annealed", "sampling.epochs=0"],
        "sampling.epochs: should be greater than or equal to 1",
    ),
    (["sampling.temperature=3"], "sampling.temperature: there is no such key; only other choices of sampling"),
    (["+tasks.regression={kind: binary, unts: 1}"], "did you mean 'tasks.regression.units'?"),
    (
        ["optimizer={learning_rat: 1}"],
        "optimizer.learning_rat: there is no such key; did you mean 'optimizer.learning",
    ),
    (["eval={evry: 1}"], "eval.evry: there is no such key; did you mean 'eval.every'?"),
    (["optimizer/schedule={a: 1}"], "optimizer/schedule: a choice is a word, got {a:1}; the choices are constant"),
    (["optimizer=[adm]"], "optimizer: there is no choice 'adm'; did you mean 'adam'?"),
    (["optimizer=[adam,sgd]"], "optimizer/schedule: it is chosen more than once; name one choice of a group"),
    (["~optimizer"], "optimizer: this key is missing; choose one, as 'optimizer=adam'"),
    (
        ["optimizer.schedule=cosine"],
        "optimizer.schedule: it has keys of its own, got 'cosine'; choose one, as 'optim",
    ),
    (["eval=3"], "eval: it has keys of its own, got 3; set them one by one, as 'eval.every=...'"),
    (["tasks.y1=3"], "tasks.y1: it has keys of its own, got 3; set them one by one, as 'tasks.y1.kind=...'"),
    (["tasks=3"], "tasks: these are the tasks by name, as '+tasks.price.kind=regression' adds one, got 3"),
    (["tasks={a: 1}"], "tasks.a: there is no such key; a new task needs a plus, and a kind"),
    (["log=[a]"], "log=[a]: keys can't be replaced by a list"),
    (["model.shared_layers={a: 3}"], "model.shared_layers={a: 3}: a list can't be replaced by keys"),
    (["model.shared_layers.a=3"], "model.shared_layers.a=3: invalid literal"),
    (["+steps=3"], "steps: it is there already, so leave the plus out: 'steps=3'"),
    (["=3"], "can't read the override '=3': there is no key before the '='"),
    (["hydra.run.dir=null"], "hydra.run.dir: it can't be null"),
    (["hydra.job.nme=3"], "hydra.job.nme: there is no such key; did you mean 'hydra.job.name'?"),
    (["-m", "seed=range(0,5,0)"], "seed=range(0,5,0): the step of a range can't be 0"),
    (["-m", "seed=range(0,nan)"], "seed=range(0,nan): a range has finite numbers"),
    (["-m", "seed=range(5,0)"], "seed=range(5,0): it lists no value, as it counts up from 5"),
    (["-m", "seed=range(5,0)"], "did you mean 'range(5,0,-1)'?"),
    (["-m", "seed=range(0,5,-1)"], "did you mean 'range(0,5,1)'?"),
    (["-m", "seed=shuffle(range(0,1e12))"], "sweep.max_jobs: these are at least 1,001 jobs"),
    (["-m", "seed=interval(0,1)"], "seed=interval(0,1): Hydra's own sweeper takes no interval"),
    (
        ["-m", "seed=glob(x)"],
        "seed=glob(x): it matches nothing; glob lists a group's choices, and this key is no group",
    ),
    (["-m", "seed=choice()"], "can't read the override 'seed=choice()': empty choice is not legal"),
    (
        ["-m", "seed=rang(1,3)"],
        "can't read the override 'seed=rang(1,3)': unknown function 'rang'; did you mean 'range'?",
    ),
    (["-m", "seed=choice(1,2"], "can't read the override 'seed=choice(1,2': its brackets don't match"),
    (["-m", "seed=1,,2"], "can't read the override 'seed=1,,2': a value is missing beside a comma"),
    (["-m", "seed"], "can't read the override 'seed': it has no '='"),
    (["-m", "optimizer=null,adam"], "optimizer: a choice is a word, got null; the choices are adagrad, adam"),
]

GROUPS = ["data", "model", "mode", "weighting", "sampling", "optimizer", "optimizer/schedule", "experiment", "sweep"]


@pytest.mark.parametrize("group", [*GROUPS, "hydra/launcher"])
@pytest.mark.parametrize("value", ["null", "3", "true"])
def test_a_group_takes_a_word(mtl_train: MtlTrain, tmp_path: Path, group: str, value: str) -> None:
    run = mtl_train(f"{group}={value}")
    shown = "True" if value == "true" else value
    assert_refused(run.status, run.err, tmp_path, f"{group}: a choice is a word, got {shown}; the choices are ")


EXPERIMENTS = [
    (
        "optimizer: null",
        "optimizer: it has keys of its own, got null; choose one, as 'optimizer=adam' or with 'over",
    ),
    (
        "optimizer: sgd",
        "optimizer: it has keys of its own, got 'sgd'; choose one, as 'optimizer=adam' or with 'over",
    ),
    ("model: 3", "model: it has keys of its own, got 3; choose one, as 'model=adatt'"),
    ("optimizer: [adam]", "experiment/x: optimizer: there is a list for keys, or keys for a list"),
    ("model: {shared_layers: {a: 3}}", "experiment/x: model.shared_layers: there is a list for keys"),
    ("[1, 2]", "own/experiment/x.yaml: it is a list, and a config has keys"),
    ("3", "own/experiment/x.yaml: it is a single value, and a config has keys"),
    ("steps: [3", "own/experiment/x.yaml: line 3 is not YAML: expected ',' or ']'"),
    ("steps: 3\nsteps: 4", "own/experiment/x.yaml: line 3 is not YAML: found duplicate key steps"),
    ("steps: \0", "own/experiment/x.yaml: unacceptable character #x0000"),
    ("null: 3", "own/experiment/x.yaml: Incompatible key type 'NoneType'"),
    ("defaults: [override /mode: null]", "mode: this key is missing; choose one, as 'mode=alternating'"),
    ("defaults: [override /optimizer: 3]", "experiment/x: defaults: an item is 'group: choice' or the name of a"),
    ("defaults: [3]", "experiment/x: defaults: an item is 'group: choice' or the name of a file, got int"),
    ("defaults: [override /optimzer: sgd]", "experiment/x: there is no group 'optimzer' to override; did you mean"),
    ("defaults: [/optimizer: sgd]", "optimizer: two defaults lists choose it; the one that is to hold needs 'over"),
    ("defaults: [digit]", "experiment/x: experiment: there is no choice 'digit'; did you mean 'digits'?"),
]


@pytest.mark.parametrize(("text", "message"), EXPERIMENTS)
def test_experiments(mtl_train: MtlTrain, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "own" / "experiment").mkdir(parents=True)
    (tmp_path / "own" / "experiment" / "x.yaml").write_text(f"# @package _global_\n{text}\n")
    run = mtl_train("--config-dir", "own", "experiment=x")
    assert_refused(run.status, run.err, tmp_path, message)


FILES = [
    (b"# @package _global_\nname: caf\xe9\n", "own/experiment/x.yaml: byte 29 (0xe9, in line 2) is not UTF-8"),
    ("steps: 3".encode("utf-16"), "own/experiment/x.yaml: byte 0 (0xff, in line 1) is not UTF-8; save the file as"),
    (b"# @package\nsteps: 3\n", "own/experiment/x.yaml: Expected header format: KEY VALUE, got '@package'; a file"),
    (b"steps: 3\n", "own/experiment/x.yaml: its keys would stand below 'experiment', which a config doesn't have"),
    (b"steps: 3\n", "have; let its first line be '# @package _global_'"),
    (b"defaults: [override /mode: joint]", "experiment/x: its defaults list is of what stands below 'experiment'"),
]


@pytest.mark.parametrize(("content", "message"), FILES)
def test_files_of_configs(mtl_train: MtlTrain, tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "own" / "experiment").mkdir(parents=True)
    (tmp_path / "own" / "experiment" / "x.yaml").write_bytes(content)
    run = mtl_train("--config-dir", "own", "experiment=x")
    assert_refused(run.status, run.err, tmp_path, message)


def test_another_main_config_is_at_fault_rather_than_an_override(mtl_train: MtlTrain, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "x.yaml").write_text("steps: [3\n")
    run = mtl_train("--config-dir", "own", "-cn", "x", "seed=1")
    assert_refused(run.status, run.err, tmp_path, f"mtl-train: {tmp_path}/own/x.yaml: line 2 is not YAML")


def test_a_byte_order_mark_hides_no_key(mtl_train: MtlTrain, tmp_path: Path) -> None:
    (tmp_path / "own" / "experiment").mkdir(parents=True)
    text = "# @package _global_\nname: marked\n"
    (tmp_path / "own" / "experiment" / "x.yaml").write_text(text, encoding="utf-8-sig")
    run = mtl_train("--config-dir", "own", "experiment=x", "--cfg", "job")
    assert run.status == 0
    assert "name: marked" in run.out


@pytest.mark.parametrize(("arguments", "message"), CONFIG, ids=lambda value: str(value)[:40])
def test_config(mtl_train: MtlTrain, tmp_path: Path, arguments: list[str], message: str) -> None:
    run = mtl_train(*arguments)
    assert_refused(run.status, run.err, tmp_path, message)


def test_every_bad_job_of_a_sweep_is_listed_before_the_first_trains(mtl_train: MtlTrain, tmp_path: Path) -> None:
    run = mtl_train("-m", "steps=5,0", "optimizer.learning_rate=1e-3,-2")
    assert_refused(run.status, run.err, tmp_path, "steps: should be")
    assert "optimizer.learning_rate: should be greater than 0, got -2" in run.err
    assert_refused(*_of(mtl_train("-m", "mode=joint,jiont")), tmp_path, "did you mean 'joint'?")
    assert_refused(*_of(mtl_train("-m", "stepss=1,2")), tmp_path, "did you mean 'steps'?")


def _of(run: object) -> tuple[int, str]:
    return run.status, run.err  # type: ignore[attr-defined]


@pytest.mark.parametrize("word", ["+hydra.sweeper.params.seed=1", 'hydra.sweeper.params={seed:"0,1"}'])
def test_a_grid_is_not_typed_as_a_sweepers_parameters(mtl_train: MtlTrain, word: str) -> None:
    run = mtl_train("-m", word)
    assert run.status == 2
    assert f"{word}: hydra.sweeper.params is null, which takes no keys; type the grid itself" in run.err


def test_a_launcher_that_a_file_can_not_choose_is_named(mtl_train: MtlTrain, tmp_path: Path) -> None:
    folder = tmp_path / "c" / "experiment"
    folder.mkdir(parents=True)
    head = "# @package _global_\n"
    (folder / "q.yaml").write_text(f"{head}defaults: [{{override /hydra/launcher: basic}}]\nsteps: 3\n")
    (folder / "p.yaml").write_text(f"{head}hydra: {{launcher: {{partition: gpu}}}}\nsteps: 3\n")
    words = ["-m", "--config-dir", "c", "seed=0,1"]
    refused = mtl_train(*words, "experiment=q")
    assert refused.status == 2
    assert "experiment/q: override /hydra/launcher: the main config has chosen it" in refused.err
    assert "type hydra/launcher=basic" in refused.err
    assert mtl_train(*words, "experiment=q", "hydra/launcher=basic").status == 0
    refused = mtl_train(*words, "experiment=p")
    assert refused.status != 0
    assert (
        "hydra.launcher: SweepLauncher can't be had with these keys (SweepLauncher() takes no arguments)" in refused.err
    )
