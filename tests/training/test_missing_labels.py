"""Missing labels: a row without one counts for the other tasks only, as if the task had been trained on the rest."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from sklearn import metrics as sk
from sklearn.utils.class_weight import compute_sample_weight

from mtl_cli.backend import start, tf
from mtl_cli.datasets.in_memory import RowsDataset
from mtl_cli.training.dataset_cache import load
from mtl_cli.training.setup import set_up
from tests.support.command import MtlTrain
from tests.support.configs import composed

ROWS = 400
TASKS = ["+tasks.price.kind=regression", "+tasks.sold.kind=binary", "+tasks.kind.kind=multiclass"]


@pytest.fixture
def holes(tmp_path: Path) -> pl.DataFrame:
    """Returns a table whose labels are often missing, and writes it."""
    random = np.random.default_rng(1)
    x = random.normal(size=(ROWS, 3))
    frame = pl.DataFrame(
        {
            **{f"x{i}": x[:, i] for i in range(3)},
            "price": 300 + 50 * x[:, 0] + random.normal(size=ROWS),
            "sold": np.where(x[:, 1] + random.normal(size=ROWS) > 0, "yes", "no"),
            "kind": random.choice(["flat", "house", "loft"], ROWS),
            "w": random.integers(0, 4, ROWS),
        }
    )
    gaps = {"price": 0.6, "sold": 0.3, "kind": 0.1}
    holes = [
        pl.when(pl.Series(random.random(ROWS) > gaps.get(name, 0.0))).then(pl.col(name)).alias(name)
        for name in frame.columns
    ]
    frame = frame.select(holes)
    frame.write_csv(tmp_path / "holes.csv")
    return frame


def of_batch(dataset: RowsDataset, rows: NDArray[np.int32], tasks: list[str]) -> tuple[dict[str, float], Any]:
    """Returns the tasks' losses on a batch, and the gradients of their sum."""
    config = composed("data=table", "data.path=x.csv", *TASKS, "model.activation=tanh", "model.dropout=null")
    ready = set_up(config, dataset, start("cpu"))
    from mtl_cli.training.program import settings_tree, step_context

    tree = settings_tree(config.mode, config.model, config.weighting, config.optimizer, dataset.tasks)
    parts, params = step_context(ready.network, dataset.feed, tree), ready.state.params
    with tf.GradientTape() as tape:
        tape.watch(params.all())
        (batch,) = dataset.feed.joint(ready.device_data, {"rows": tf.constant(rows[None])})
        losses = parts.forward(params, [batch], {}).losses
        total = tf.add_n([losses[task] for task in tasks])
    return {task: float(loss) for task, loss in losses.items()}, parts.gradients(tape, total, params.all())


@pytest.mark.parametrize("task", ["price", "sold", "kind"])
@pytest.mark.parametrize("extra", [[], ["data.weight_column=w", "+tasks.sold.class_weight=balanced"]])
@pytest.mark.parametrize("size", [20, 150])
def test_a_missing_label_is_a_row_less(
    holes: pl.DataFrame, tmp_path: Path, task: str, extra: list[str], size: int
) -> None:
    config = composed("data=table", f"data.path={tmp_path / 'holes.csv'}", *TASKS, "data.exclude=[]", *extra)
    dataset = load(config)
    assert isinstance(dataset, RowsDataset)
    rows = np.random.default_rng(0).choice(dataset.shared[0], size, replace=False)
    labelled = rows[np.isin(rows, dataset.own[task])]
    assert 0 < len(labelled) < size
    all_rows, gradients = of_batch(dataset, rows, [task])
    known, expected = of_batch(dataset, labelled, [task])
    assert all_rows[task] == pytest.approx(known[task], rel=1e-5)
    for gradient, other in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(gradient, other, atol=1e-6)
    assert max(float(tf.reduce_max(tf.abs(gradient))) for gradient in gradients) > 1e-3


def test_own_rows_are_the_labelled_training_rows(holes: pl.DataFrame, tmp_path: Path) -> None:
    dataset = load(composed("data=table", f"data.path={tmp_path / 'holes.csv'}", *TASKS))
    assert isinstance(dataset, RowsDataset)
    train = set(range(ROWS)) - {int(row) for split in dataset.splits.values() for row in np.asarray(split.rows)}
    for task, own in dataset.own.items():
        assert set(own.tolist()) == {row for row in train if holes[task][row] is not None}
    for split in dataset.splits.values():
        for task, labels in split.labels.items():
            known = holes[task].is_not_null().to_numpy()[split.rows]
            np.testing.assert_array_equal(
                np.arange(len(split)) if labels.rows is None else labels.rows, known.nonzero()[0]
            )


def test_a_batch_without_a_label_has_an_empty_cell(mtl_train: MtlTrain, tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": np.arange(60.0), "a": np.arange(60.0) % 7, "b": [1.5, 2.5, 0.5, *[None] * 57]})
    frame = frame.with_columns(s=pl.Series(["train"] * 58 + ["val", "test"]), b=pl.col("b").fill_null(strategy="zero"))
    frame = frame.with_columns(b=pl.when((pl.col("x") < 3) | (pl.col("x") > 57)).then(pl.col("b")))
    frame.write_csv(tmp_path / "t.csv")
    run = mtl_train(
        "data=table", "data.path=t.csv", "data.split_column=s", "+tasks.a.kind=regression", "+tasks.b.kind=regression",
        "batch_size=4", "steps=30", "eval.every=30",
    )  # fmt: skip
    assert run.status == 0, run.err
    losses = run.losses()
    assert 0 < losses["b_loss"].null_count() < 30
    assert losses["a_loss"].null_count() == 0
    empty = losses.filter(pl.col("b_loss").is_null())
    np.testing.assert_allclose(empty["joint_loss"], 0.5 * empty["a_loss"], rtol=1e-6)


@pytest.mark.parametrize("weighted", [[], ["data.weight_column=w"]])
def test_test_metrics_are_scikit_learns_on_the_labelled_rows(
    mtl_train: MtlTrain, holes: pl.DataFrame, tmp_path: Path, weighted: list[str]
) -> None:
    run = mtl_train(
        "data=table", "data.path=holes.csv", *TASKS, "steps=60", "batch_size=32", "eval.every=20", *weighted
    )
    assert run.status == 0, run.err
    dataset = load(composed("data=table", f"data.path={tmp_path / 'holes.csv'}", *TASKS, *weighted))
    test = holes[np.asarray(dataset.splits["test"].rows)]
    model = keras.saving.load_model(run.folder / "model.keras")
    columns = ["x0", "x1", "x2"] if weighted else ["x0", "x1", "x2", "w"]
    predictions = model.predict({name: test[name].to_numpy() for name in columns}, verbose=0)
    reported = run.summary()["metrics"]["test"]
    count = test["w"].to_numpy() > 0 if weighted else np.ones(len(test), bool)

    def known(task: str) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        rows = test[task].is_not_null().to_numpy() & count
        weights = test["w"].to_numpy()[rows] if weighted else np.ones(rows.sum())
        return test[task].to_numpy()[rows], predictions[task][rows], weights

    y, p, w = known("price")
    rmse = sk.root_mean_squared_error(y, p, sample_weight=w)
    assert reported["price"]["rmse"] == pytest.approx(rmse, rel=1e-4)
    assert rmse > 1  # in the price's own unit, whose deviation is 50
    assert reported["price"]["r2"] == pytest.approx(sk.r2_score(y, p, sample_weight=w), rel=1e-4)
    y, p, w = known("sold")
    assert reported["sold"]["auc"] == pytest.approx(sk.roc_auc_score(y == "yes", p[:, 0], sample_weight=w))
    assert reported["sold"]["f1"] == pytest.approx(sk.f1_score(y == "yes", p[:, 0] > 0.5, sample_weight=w))
    y, p, w = known("kind")
    classes = np.array(["flat", "house", "loft"])
    assert reported["kind"]["accuracy"] == pytest.approx(sk.accuracy_score(y, classes[p.argmax(1)], sample_weight=w))
    assert reported["kind"]["log_loss"] == pytest.approx(sk.log_loss(y, p, labels=classes, sample_weight=w), rel=1e-4)


@pytest.mark.parametrize("weighted", [[], ["data.weight_column=w"]])
def test_naive_values_are_of_the_training_labels(
    mtl_train: MtlTrain, holes: pl.DataFrame, tmp_path: Path, weighted: list[str]
) -> None:
    """The mean, the rate, the shares of the classes: the same answer for all rows."""
    run = mtl_train("data=table", "data.path=holes.csv", *TASKS, "steps=1", "batch_size=32", *weighted)
    assert run.status == 0, run.err
    dataset = load(composed("data=table", f"data.path={tmp_path / 'holes.csv'}", *TASKS, *weighted))
    train, test = holes[np.asarray(dataset.train.rows)], holes[np.asarray(dataset.splits["test"].rows)]

    def known(frame: pl.DataFrame, task: str) -> tuple[NDArray[Any], NDArray[Any]]:
        frame = frame.filter(pl.col(task).is_not_null(), pl.col("w") > 0 if weighted else pl.lit(True))
        return frame[task].to_numpy(), frame["w"].to_numpy() if weighted else np.ones(len(frame))

    naive = run.summary()["naive"]
    assert set(naive) == {"train", "val", "test"}
    (y, w), (truth, v) = known(train, "price"), known(test, "price")
    same = np.full(len(truth), np.average(y, weights=w))
    assert naive["test"]["price"]["rmse"] == pytest.approx(sk.root_mean_squared_error(truth, same, sample_weight=v))
    assert naive["test"]["price"]["mae"] == pytest.approx(sk.mean_absolute_error(truth, same, sample_weight=v))
    assert naive["train"]["price"]["r2"] == pytest.approx(0, abs=1e-6)
    (y, w), (truth, v) = known(train, "sold"), known(test, "sold")
    rate = np.average(y == "yes", weights=w)
    assert naive["test"]["sold"]["auc"] == 0.5
    assert naive["test"]["sold"]["log_loss"] == pytest.approx(
        sk.log_loss(truth == "yes", np.full(len(truth), rate), sample_weight=v, labels=[False, True]), rel=1e-5
    )
    assert naive["test"]["sold"]["accuracy"] == pytest.approx(np.average((truth == "yes") == (rate > 0.5), weights=v))
    (y, w), (truth, v) = known(train, "kind"), known(test, "kind")
    classes = np.array(["flat", "house", "loft"])
    shares = np.array([w[y == kind].sum() for kind in classes]) / w.sum()
    assert naive["test"]["kind"]["accuracy"] == pytest.approx(np.average(truth == classes[shares.argmax()], weights=v))
    assert naive["test"]["kind"]["log_loss"] == pytest.approx(
        -np.average(np.log(shares[np.searchsorted(classes, truth)]), weights=v), rel=1e-5
    )
    loss = naive["val"]["kind"]["log_loss"]
    assert naive["val"]["kind"]["loss"] == pytest.approx(loss, rel=1e-4) or weighted


def test_metrics_are_the_same_however_many_rows_are_evaluated_at_once(
    mtl_train: MtlTrain, holes: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for most in (2**25, 5 * 4 * 7):
        monkeypatch.setattr("mtl_cli.training.evaluation.EVALUATION_BYTES", most)
        run = mtl_train("data=table", "data.path=holes.csv", *TASKS, "steps=20", "batch_size=32")
        found.append({key: run.summary()[key] for key in ("metrics", "naive")})
    for key in ("metrics", "naive"):
        for split, tasks in found[0][key].items():
            for task, metrics in tasks.items():
                assert metrics == pytest.approx(found[1][key][split][task], rel=1e-5, abs=1e-7)


@pytest.fixture
def weighed(tmp_path: Path) -> pl.DataFrame:
    """Returns a table with rows that count differently, and writes it; those of weight 0 have labels far away."""
    random = np.random.default_rng(7)
    x, w = random.normal(size=200), random.integers(0, 4, 200)
    y = np.where(w > 0, 10 * x + random.normal(size=200), 1e4)
    sold = np.where(random.random(200) < 0.2 + 0.15 * w, "yes", "no")
    split = np.array(["train", "val", "test"])[np.minimum(random.integers(0, 6, 200) // 2, 2)]
    frame = pl.DataFrame({"x": x, "y": y, "sold": sold, "w": w, "s": split})
    frame.write_csv(tmp_path / "w.csv")
    return frame


WEIGHED = ["data=table", "+tasks.y.kind=regression", "data.weight_column=w", "data.split_column=s", "batch_size=8"]


def test_the_loss_of_a_split_is_the_weighted_mean(mtl_train: MtlTrain, weighed: pl.DataFrame) -> None:
    """In units of the training labels' deviation, without the rows that count 0."""
    run = mtl_train(*WEIGHED, "data.path=w.csv", "data.exclude=[sold]", "steps=40", "eval.every=40")
    assert run.status == 0, run.err
    deviation = weighed.filter(pl.col("s") == "train", pl.col("w") > 0)["y"].to_numpy().std()
    for split in ("train", "val", "test"):
        reported = run.summary()["metrics"][split]["y"]
        assert reported["loss"] == pytest.approx(reported["mse"] / deviation**2, rel=1e-4)


def test_rows_that_count_0_have_no_part_in_the_labels_scale(weighed: pl.DataFrame, tmp_path: Path) -> None:
    dataset = load(composed(*WEIGHED, f"data.path={tmp_path / 'w.csv'}", "data.exclude=[sold]"))
    assert isinstance(dataset, RowsDataset)
    here = (weighed["s"] == "train") & (weighed["w"] > 0)
    assert dataset.own["y"].tolist() == here.arg_true().to_list()
    y = weighed.filter(here)["y"].to_numpy()
    assert (dataset.scales["y"].mean, dataset.scales["y"].deviation) == pytest.approx((y.mean(), y.std()))


def test_balanced_classes_and_row_weights_multiply(weighed: pl.DataFrame, tmp_path: Path) -> None:
    words = [word for word in WEIGHED if "tasks.y" not in word] + ["+tasks.sold={kind: binary, class_weight: balanced}"]
    dataset = load(composed(*words, f"data.path={tmp_path / 'w.csv'}", "data.exclude=[y]"))
    assert isinstance(dataset, RowsDataset)
    train = weighed.filter(pl.col("s") == "train", pl.col("w") > 0)
    expected = compute_sample_weight("balanced", train["sold"].to_numpy()) * train["w"].to_numpy()
    found = dataset.device_data["weights"]["sold"][dataset.own["sold"]]
    np.testing.assert_allclose(found, expected / expected.mean(), rtol=1e-5)
