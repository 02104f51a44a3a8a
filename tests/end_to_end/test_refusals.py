"""Bad input: one clear message, a status that says so, and nothing left behind."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.command import MtlTrain

TABLE = ["data=table", "data.path=t.csv", "batch_size=2"]
PRICE = "+tasks.price.kind=regression"

CONFIG = [
    (["+stepss=3"], "stepss: there is no such key; did you mean 'steps'?"),
    (["stepss=3"], "stepss: there is no such key; did you mean 'steps'?"),
    (["+optimizer.learning_rat=3"], "did you mean 'optimizer.learning_rate'?"),
    (["optimzer.learning_rate=3"], "did you mean 'optimizer.learning_rate'?"),
    (["++trainer.typo=3"], "trainer: there is no such key"),
    (["+learning_rate=3"], "did you mean 'optimizer.learning_rate'?"),
    (["+tasks.y1.weigth=3"], "did you mean 'tasks.y1.weight'?"),
    (["+mode.optimizer_scope=shared"], "mode.optimizer_scope: there is no such key"),
    (["steps=many"], "steps: should be a valid integer, got 'many'"),
    (["steps=10.5"], "steps: should be a valid integer"),
    (["steps=true"], "steps: should be a valid integer, got True"),
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
    (["tasks.y1.prob=1"], "leave nothing of 1 for y2"),
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
    _assert_refused(run.status, run.err, tmp_path, f"{group}: a choice is a word, got {shown}; the choices are ")


EXPERIMENTS = [
    (
        "optimizer: null",
        "optimizer: it has keys of its own, got None; choose one, as 'optimizer=adam' or with 'over",
    ),
    (
        "optimizer: sgd",
        "optimizer: it has keys of its own, got 'sgd'; choose one, as 'optimizer=adam' or with 'over",
    ),
    ("model: 3", "model: it has keys of its own, got 3; choose one, as 'model=shared_bottom'"),
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
    _assert_refused(run.status, run.err, tmp_path, message)


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
    _assert_refused(run.status, run.err, tmp_path, message)


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
    _assert_refused(run.status, run.err, tmp_path, message)


def test_every_bad_job_of_a_sweep_is_listed_before_the_first_trains(mtl_train: MtlTrain, tmp_path: Path) -> None:
    run = mtl_train("-m", "steps=5,0", "optimizer.learning_rate=1e-3,-2")
    _assert_refused(run.status, run.err, tmp_path, "steps: should be")
    assert "optimizer.learning_rate: should be greater than 0, got -2" in run.err
    _assert_refused(*_of(mtl_train("-m", "mode=joint,jiont")), tmp_path, "did you mean 'joint'?")
    _assert_refused(*_of(mtl_train("-m", "stepss=1,2")), tmp_path, "did you mean 'steps'?")


GOOD = "a,b,price,sold,class\n1,2,3.5,0,0\n2,3,4.5,1,1\n3,1,5.5,0,2\n4,9,6,1,0\n5,5,7,0,1\n6,2,8,1,2\n"
"""A table that trains."""

DATA: list[tuple[str | bytes | None, list[str], str]] = [
    (None, [PRICE], "data.path: there is no file t.csv"),
    ("", [PRICE], "data.path: t.csv is empty"),
    ("a,b,price\n", [PRICE], "data.path: t.csv has a header but no rows"),
    ("a,b,price\n1,2,3\n1,2,3,4,5\n", [PRICE], "data.path: t.csv can't be read as csv"),
    (b"a,b,price\n1,2,3\n\xff\xfe,2,3\n", [PRICE], "data.path: t.csv can't be read as csv"),
    (GOOD, ["+tasks.prise.kind=regression"], "has no column 'prise'; did you mean 'price'?"),
    (GOOD, ["data.features=[a,c]", PRICE], "data.features: t.csv has no column 'c'"),
    (GOOD, ["data.features=[a,price]", PRICE], "a label can't be a feature"),
    (GOOD.replace("4,9", "4,x"), [PRICE, "+data.types.b=number"], "t.csv, row 4, column 'b' holds 'x', not a number"),
    (GOOD.replace("4,9", "4,inf"), [PRICE], "t.csv, row 4, column 'b' holds inf"),
    (GOOD, ["+tasks.price.kind=binary"], "tasks.price: t.csv, row 1, column 'price' holds 3.5, not 0 or 1"),
    (
        GOOD,
        ["+tasks.class={kind: multiclass, units: 2}"],
        "units: 2, but column 'class' has 3 classes (0, 1, 2)",
    ),
    (
        GOOD,
        ["+tasks.price.kind=multiclass"],
        "t.csv, row 1, column 'price' holds 3.5, not a whole number or text",
    ),
    (GOOD, [PRICE, "batch_size=5"], "batch_size: 5 is more than the 4 rows of the training split"),
    (GOOD, [PRICE, "data.split.train=0.9"], "data.split: train, val and test must add up to 1"),
    (GOOD, [PRICE, "data.split={train: 0.98, val: 0.01, test: 0.01}"], "leaves this split empty"),
    (GOOD, [PRICE, "data.split={train: 1, val: 0, test: 0}", "early_stopping.patience=3"], "needs a validation split"),
    (GOOD.replace("a,b", "a,price"), [PRICE], "has the column 'price' more than once"),
    (GOOD.replace("4,9", "4,1e300"), [PRICE], "t.csv, row 4, column 'b' holds 1e+300, not a finite number (float32)"),
    (
        GOOD.replace("4,9", "4,3.3e38").replace("1,2,", "1,-3.3e38,"),
        [PRICE],
        "t.csv, row 1, column 'b' holds -3.3e+38, not a number within 1e+37 of the others; the column goes from "
        "-3.3e+38 to 3.3e+38",
    ),
    (GOOD.replace("9,6,", "9,1e39,"), [PRICE], "tasks.price: t.csv, row 4, column 'price' holds 1e+39"),
    (GOOD, [PRICE, f"data.path={'x' * 5000}.csv"], "can't be looked up"),
    (
        GOOD.replace("\n", "\r"),
        [PRICE],
        "t.csv can't be read as csv: line 1 has rows that end with CR alone, as on old",
    ),
    (GOOD.replace("0\n", "0\r"), [PRICE], "t.csv can't be read as csv: line 2 has rows that end with CR alone"),
    (GOOD, ["+tasks.price={kind: regression, units: 3}"], "tasks.price.units: 3, but the task has 1 label columns"),
]


@pytest.mark.parametrize(("table", "arguments", "message"), DATA, ids=lambda value: str(value)[-40:])
def test_data(
    mtl_train: MtlTrain, tmp_path: Path, table: str | bytes | None, arguments: list[str], message: str
) -> None:
    if table is not None:
        (tmp_path / "t.csv").write_bytes(table.encode() if isinstance(table, str) else table)
    run = mtl_train(*TABLE, *arguments)
    _assert_refused(run.status, run.err, tmp_path, message)


DEAD_ENDS = [
    ("loop.csv", "loop.csv is a link that leads round in a circle"),
    ("loop.csv/x.csv", "loop.csv is a link that leads round in a circle"),
    ("lost.csv", "lost.csv is a link that leads nowhere (to gone)"),
    ("lost.csv/x.csv", "lost.csv is a link that leads nowhere (to gone)"),
    ("t.csv/x.csv", "t.csv is a file, not a folder"),
    ("flder/x.csv", "flder; did you mean 'folder'?"),
    ("folder/deep/x.csv", "folder/deep"),
]
"""Paths, and what is said of the part of them that is to blame."""
WITH_PATHS = [
    ["data=table", PRICE, "data.path={}"],
    ["data=table", PRICE, "data.path={}/*.csv"],
    ["inspect", "{}"],
    ["resume", "{}"],
    ["report", "{}"],
    ["predict", "{}", "t.csv", "--out", "o.csv"],
    ["predict", "folder", "t.csv", "--out", "{}"],
    ["--config-dir", "{}", "steps=3"],
]


@pytest.mark.parametrize("arguments", WITH_PATHS, ids=lambda arguments: "-".join(arguments)[:40])
@pytest.mark.parametrize(("path", "message"), DEAD_ENDS)
def test_paths_that_lead_nowhere(
    mtl_train: MtlTrain, tmp_path: Path, arguments: list[str], path: str, message: str
) -> None:
    (tmp_path / "loop.csv").symlink_to("pool")
    (tmp_path / "pool").symlink_to("loop.csv")
    (tmp_path / "lost.csv").symlink_to("gone")
    (tmp_path / "folder").mkdir()
    (tmp_path / "t.csv").write_text(GOOD)
    before = sorted(tmp_path.rglob("*"))
    run = mtl_train(*(word.format(path) for word in arguments))
    _assert_refused(run.status, run.err, tmp_path, message)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_cell_that_is_neither_true_nor_false(mtl_train: MtlTrain, tmp_path: Path) -> None:
    rows = ["a,b,price", *(f"{i},{'true' if i % 2 else 'FALSE'},{i}" for i in range(8))]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    assert mtl_train(*TABLE, PRICE, "steps=3", "hydra.run.dir=run").status == 0
    (tmp_path / "p.csv").write_text("a,b\n1,true\n2,False\n3,maybe\n4,\n")
    run = mtl_train("predict", "run", "p.csv", "--out", "o.csv")
    message = "p.csv, row 3, column 'b' holds 'maybe', not a whole number, true or false, as in training"
    _assert_refused(run.status, run.err, tmp_path, message)
    assert not (tmp_path / "o.csv").exists()


def test_the_good_table_trains(mtl_train: MtlTrain, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(GOOD)
    tasks = [PRICE, "+tasks.sold.kind=binary", "+tasks.class.kind=multiclass"]
    assert mtl_train(*TABLE, "steps=5", *tasks).status == 0


@pytest.mark.parametrize("arguments", [["hydra.run.dir=taken"], ["-m", "seed=0,1", "hydra.sweep.dir=taken"]])
def test_a_taken_folder(mtl_train: MtlTrain, tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "losses.csv").write_text("precious")
    run = mtl_train("steps=5", *arguments)
    assert run.status == 2
    assert "taken exists and isn't empty" in run.err
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["losses.csv"]
    assert (tmp_path / "taken" / "losses.csv").read_text() == "precious"


def test_a_gpu_where_there_is_none(mtl_train: MtlTrain, tmp_path: Path) -> None:
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        pytest.skip("there is a GPU")
    run = mtl_train("device=gpu", "steps=5")
    _assert_refused(run.status, run.err, tmp_path, "device: 'gpu' was asked for")


@pytest.mark.parametrize("subdir", ["null", "configs", ".hydra/mine"])
@pytest.mark.parametrize("sweep", [[], ["-m", "seed=0,1"]])
def test_a_run_is_recorded_where_it_is_resumed_from(
    mtl_train: MtlTrain, tmp_path: Path, subdir: str, sweep: list[str]
) -> None:
    run = mtl_train(*sweep, "steps=2", f"hydra.output_subdir={subdir}")
    message = f"hydra.output_subdir: a run is told of, repeated and resumed by its .hydra, got {subdir}; leave it out"
    _assert_refused(run.status, run.err, tmp_path, message.replace("null", "None"))


def test_a_refusal_leaves_the_folders_that_were_there(
    mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "empty" / "here"
    here.mkdir(parents=True)
    (here / "made").mkdir()
    monkeypatch.chdir(here)
    wrong = ["data=table", "data.path=no.csv", PRICE]
    for extra in (
        ["hydra.run.dir=made"],
        ["hydra.run.dir=new/deep"],
        ["hydra.run.dir=new", "hydra.job.name=another"],
        ["-m", "hydra.sweep.dir=new/sweep", "seed=0,1"],
        ["hydra.run.dir=new"],
        ["hydra.run.dir=../here/made/run"],
        ["-m", "hydra.sweep.dir=../here/made", "seed=0,1"],
    ):
        assert mtl_train(*wrong, *extra).status == 2
        assert [path.name for path in here.rglob("*")] == ["made"]


@pytest.mark.parametrize("mode", ["joint", "alternating"])
@pytest.mark.parametrize("extra", [["eval.every=1"], ["steps=1"], ["eval.every=100", "log.every=7"]])
def test_divergence_is_told_as_such(mtl_train: MtlTrain, tmp_path: Path, mode: str, extra: list[str]) -> None:
    (tmp_path / "t.csv").write_text(GOOD)
    run = mtl_train(*TABLE, PRICE, "optimizer.learning_rate=1e38", "steps=50", *extra, f"mode={mode}")
    assert run.status == 1
    assert "diverged: " in run.err
    assert "iteration" in run.err
    assert "Warning" not in run.err
    assert run.summary()["status"] == "failed"
    assert run.losses()["iteration"].to_list()[-1] == run.summary()["iterations"] or "log.every=7" not in extra


def _of(run: object) -> tuple[int, str]:
    return run.status, run.err  # type: ignore[attr-defined]


def _assert_refused(status: int, err: str, root: Path, message: str, expected: int = 2) -> None:
    assert status == expected, err
    assert message in err
    assert "Traceback" not in err
    assert 1 <= len(err.splitlines()) <= 4
    assert not (root / "outputs").exists()


@pytest.mark.parametrize("subdir", ["../runs/${hydra.job.num}", "/runs/${hydra.job.num}", "a/../../${hydra.job.num}"])
def test_jobs_stay_in_the_sweeps_folder(mtl_train: MtlTrain, tmp_path: Path, subdir: str) -> None:
    """Else its tables don't find them."""
    run = mtl_train("-m", "hydra.sweep.dir=sweep", f"hydra.sweep.subdir={subdir}", "seed=0,1", "steps=5")
    _assert_refused(run.status, run.err, tmp_path, f"hydra.sweep.subdir: {subdir!r} leaves the sweep's folder")


def test_a_network_that_no_memory_holds(mtl_train: MtlTrain) -> None:
    run = mtl_train("data.features=1000000000", "model.shared_layers=[1000000000]", "steps=5")
    assert run.status == 1
    assert "out of memory: an array of" in run.err
    assert run.summary()["status"] == "failed"


def test_hydras_values_can_be_part_of_a_path(mtl_train: MtlTrain, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(GOOD)
    words = ["data=table", "data.path=${hydra:runtime.cwd}/t.csv", PRICE, "steps=2", "batch_size=4"]
    for more in ([], ["-m", "seed=0,1"]):
        run = mtl_train(*words, *more)
        assert run.status == 0, run.err


def test_hydras_values_are_recorded_as_what_they_are(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """So the run can be resumed, where Hydra isn't asked any more, and repeated."""
    (tmp_path / "t.csv").write_text(GOOD)
    words = ["data=table", "data.path=${hydra:runtime.cwd}/t.csv", PRICE, "steps=4", "batch_size=4"]
    named = ["name=x_${hydra:job.name}", "hydra.run.dir=run"]
    assert mtl_train(*words, *named).status == 0
    recorded = yaml.safe_load((tmp_path / "run" / ".hydra" / "config.yaml").read_text())
    assert (recorded["data"]["path"], recorded["name"]) == (str(tmp_path / "t.csv"), "x_train")
    for further in (["resume", "run", "steps=8"], ["-cp", "run/.hydra", "-cn", "config"]):
        again = mtl_train(*further)
        assert again.status == 0, again.err
    assert mtl_train("-m", *words, "seed=0,1", "hydra.sweep.dir=s").status == 0
    assert mtl_train("resume", "s/1", "steps=8").status == 0


@pytest.mark.parametrize("key", ["nope.num", "job.num"])
def test_what_hydra_does_not_know_yet_is_no_value(mtl_train: MtlTrain, tmp_path: Path, key: str) -> None:
    run = mtl_train(f"device=${{hydra:{key}}}", "steps=2")
    assert run.status == 2
    assert f"device: ${{hydra:{key}}} isn't known when a config is composed" in run.err
    assert list(tmp_path.iterdir()) == []


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


@pytest.mark.parametrize("name", ["${x}", "a ${y", "${oc.env:HOME}"])
def test_a_working_folder_that_hydra_would_replace(
    mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    run = mtl_train("steps=2")
    assert run.status == 2
    assert "has ${ in its name, which Hydra replaces; work in another" in run.err
    assert list((tmp_path / name).iterdir()) == []


@pytest.mark.parametrize("sweep", [[], ["-m", "seed=0,1"], ["-m", "seed=0,1", "hydra/launcher=basic"]])
def test_a_working_folder_of_its_own_hides_no_data(mtl_train: MtlTrain, tmp_path: Path, sweep: list[str]) -> None:
    (tmp_path / "t.csv").write_text(GOOD)
    run = mtl_train(*sweep, *TABLE, PRICE, "steps=3", "hydra.job.chdir=true")
    assert run.status == 0
    assert len(run.folders) == (2 if sweep else 1)
    assert f"files in {run.folders[0].relative_to(tmp_path)}" in run.out
    assert (run.folders[0] / "model.keras").exists()


@pytest.mark.parametrize("arguments", [["steps=3"], ["-m", "seed=0,1"], ["resume", "run"], ["inspect", "t.csv"]])
def test_a_working_folder_that_is_gone(tmp_path: Path, arguments: list[str]) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    program = f"import sys; sys.argv[1:] = {arguments!r}; from mtl_cli.cli.main import main; main()"
    run = subprocess.run(
        [sys.executable, "-P", "-c", f"import os; os.rmdir({str(gone)!r}); {program}"],
        cwd=gone, env=os.environ | {"PWD": str(gone)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    _assert_refused(run.returncode, run.stderr, tmp_path, f"the working folder {gone} isn't there any more; change")


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="no device is always full here")
@pytest.mark.parametrize(
    "arguments",
    [
        ["steps=x"],
        ["stepss=3"],
        ["resume", "nothing"],
        ["-m", "steps=x,0"],
        ["data=table", "data.path=no.csv", PRICE],
    ],
)
def test_a_refusal_that_nobody_can_read(tmp_path: Path, arguments: list[str]) -> None:
    command = [sys.executable, "-P", "-m", "mtl_cli", *arguments]
    with FULL.open("w") as full:
        run = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=full, check=False)
    assert (run.returncode, run.stdout) == (2, b"")
    assert not list(tmp_path.rglob("*.*"))


@pytest.mark.skipif(not FULL.exists(), reason="no device is always full here")
@pytest.mark.parametrize(
    "arguments", [["steps=3"], ["-m", "seed=0,1", "steps=3"], ["--version"], ["--cfg", "job"], ["report", "--help"]]
)
def test_an_output_that_is_full(tmp_path: Path, arguments: list[str]) -> None:
    command = [sys.executable, "-P", "-m", "mtl_cli", *arguments]
    with FULL.open("w") as full:
        run = subprocess.run(command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr == "mtl-train: standard output can't be written: No space left on device\n"
    trained = {"steps=3": 1, "-m": 2}.get(arguments[0], 0)
    assert len(list(tmp_path.rglob("model.keras"))) == trained


@pytest.mark.parametrize("arguments", [["steps=3"], ["-m", "seed=0,1"], [*TABLE, PRICE], ["predict", "r", "t.csv"]])
def test_too_little_memory_for_tensorflow(tmp_path: Path, arguments: list[str]) -> None:
    resource = pytest.importorskip("resource")
    (tmp_path / "t.csv").write_text(GOOD)
    arguments += ["--out", "o.csv"] if arguments[0] == "predict" else []
    run = subprocess.run(
        [sys.executable, "-P", "-m", "mtl_cli", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31)),
    )  # fmt: skip
    message = "too little memory to load TensorFlow: 'ulimit -v' allows 2 GiB, and it needs 3 GiB or more; raise"
    _assert_refused(run.returncode, run.stderr, tmp_path, message, 1)


@pytest.mark.parametrize("sweep", [[], ["-m", "seed=0,1"]])
def test_no_room_for_what_hydra_writes(
    mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sweep: list[str]
) -> None:
    def full(config: object, name: str, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("the first of it")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("hydra.core.utils._save_config", full)
    run = mtl_train(*sweep, "steps=3", "hydra.run.dir=run", "hydra.sweep.dir=run")
    assert run.status == 1
    assert run.err == f"mtl-train: {tmp_path}/run: No space left on device\n"
    assert sweep or not list(tmp_path.iterdir())


def test_an_output_that_lacks_a_letter(mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.csv").write_text("a,price\n" + "".join(f"{i % 3}.5,{i}.25\n" for i in range(9)))
    with (tmp_path / "out").open("w", encoding="ascii") as narrow:
        monkeypatch.setattr(sys, "stdout", narrow)
        assert mtl_train("inspect", "t.csv", "--target", "price", "--out", "caf\xe9").status == 0
    assert "--config-dir caf\\xe9" in (tmp_path / "out").read_text()
