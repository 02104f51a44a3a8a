"""Architectures in whole runs: in sweeps, mapped and not, gone on with, on tables, refused."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.support.command import MtlTrain
from tests.support.sweeps import summaries

SMALL = ["data=digits", "data.examples={train: 60, val: 20, test: 20}", "batch_size=8", "eval.every=20"]
NUMBERS = {
    "mmoe": ["model.gate_dropout=0.1,0.3", "model.load_balance=0.1,0.5", "model.dropout=0.1,0.2"],
    "dselect_k": [
        "model.entropy=1e-6,1e-2",
        "model.l2=1e-4,1e-3",
        "model.experts=3",
        "optimizer.learning_rate=1e-3,1e-2",
    ],
    "cross_stitch": ["model.stitch_self=0.5,0.9", "model.l2=1e-4,1e-3", "model.dropout=0.1,0.2"],
}


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("mode", ["joint", "alternating"])
def test_numbers_of_a_model_are_swept_by_one_program_mapped_or_not(
    mtl_train: MtlTrain, tmp_path: Path, name: str, mode: str
) -> None:
    command = ["-m", *SMALL, f"model={name}", f"mode={mode}", *NUMBERS[name], "steps=30"]
    for runs in (8, 1):
        done = mtl_train(*command, f"sweep.runs_at_once={runs}", f"hydra.sweep.dir={runs}")
        assert done.status == 0, done.err
        assert "8 jobs, 1 program, 240 iterations" in done.out
    column = "joint_loss" if mode == "joint" else "left_loss"
    losses = [
        {path.parent.name: pl.read_csv(path)[column].to_numpy() for path in tmp_path.glob(f"{runs}/*/losses.csv")}
        for runs in (8, 1)
    ]
    assert len(losses[0]) == 8
    for number, of_run in losses[0].items():
        np.testing.assert_allclose(of_run, losses[1][number], rtol=1e-3, atol=1e-5)
    assert len({of_run.tobytes() for of_run in losses[1].values()}) > 1


@pytest.mark.parametrize(
    "words", [["model=mmoe", "model.gate_dropout=0.2", "model.load_balance=0.1"], ["model=ple"], ["model=dselect_k"]]
)
def test_an_interrupted_run_goes_on_to_the_same_bytes(mtl_train: MtlTrain, tmp_path: Path, words: list[str]) -> None:
    run = [*SMALL, *words, "diagnostics.every=20", "weighting=cagrad", "weighting.on=parameters"]
    assert mtl_train(*run, "steps=40", "hydra.run.dir=whole").status == 0
    assert mtl_train(*run, "steps=20", "hydra.run.dir=parts").status == 0
    assert mtl_train("resume", "parts", "steps=40").status == 0
    for name in ("losses.csv", "diagnostics.csv"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize("name", ["mmoe", "cgc", "cross_stitch", "adatt"])
def test_a_table_with_embeddings_and_missing_labels(mtl_train: MtlTrain, tmp_path: Path, name: str) -> None:
    rows = [{"a": i, "kind": f"k{i % 7}", "y": i / 3 if i % 4 else None, "z": ["no", "yes"][i % 2]} for i in range(80)]
    pl.DataFrame(rows).write_csv(tmp_path / "t.csv")
    table = ["data=table", "data.path=t.csv", "data.embed_above=3", "+tasks.y.kind=regression", "+tasks.z.kind=binary"]
    done = mtl_train(*table, f"model={name}", "steps=30", "batch_size=8", "hydra.run.dir=run")
    assert done.status == 0, done.err
    assert mtl_train("predict", "run", "t.csv", "--out", "p.csv").status == 0
    predicted = pl.read_csv(tmp_path / "p.csv")
    assert len(predicted) == 80
    assert predicted["y"].is_finite().all()
    expected: dict[str, Any] = done.summary()["metrics"]["test"]
    assert set(expected) == {"y", "z"}


def test_baselines_have_the_same_architecture(mtl_train: MtlTrain, tmp_path: Path) -> None:
    done = mtl_train(
        "-m", *SMALL, "model=ple,separate", "seed=0", "steps=20", "sweep.baselines=true", "hydra.sweep.dir=s"
    )
    assert done.status == 0, done.err
    found = summaries(tmp_path / "s")
    assert len(found) == 6
    assert sorted(of["config"]["model"]["name"] for of in found.values()) == ["ple"] * 3 + ["separate"] * 3


EMBEDDED = ["data=table", "data.path=t.csv", "data.embed_above=2", "+tasks.y.kind=regression"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model=mmoe", "model.experts=1"], "model.experts: should be greater than or equal to 2, got 1"),
        (["model=ple", "model.levels=0"], "model.levels: should be greater than or equal to 1, got 0"),
        (["model=cgc", "model.shared_experts=0"], "model.shared_experts: should be greater than or equal to 1, got 0"),
        (["model=mmoe", "model.expert_layers=[]"], "model.expert_layers: "),
        (["model=film", "model.shared_layers=[]"], "model.shared_layers: "),
        (["model=dselect_k", "model.num_nonzeros=9"], "model: num_nonzeros: should be at most experts=8, got 9"),
        (["model=mmoe", "model.gate_dropout=1"], "model.gate_dropout: should be less than 1"),
        (["model=dselect_k", "+model.load_balance=1"], "only other choices of model have it: adatt, cgc, mmoe"),
        (["model=ple", "weighting=mgda", "weighting.on=representation"], "model=ple has no such place"),
        (["model=separate", "weighting=pcgrad"], "this model shares none"),
        (["model=separate", "diagnostics.every=5"], "this model shares none"),
        (["model=moe"], "mmoe"),
        ([*EMBEDDED, "model=separate"], "model=separate shares nothing, and embeddings of columns are shared"),
    ],
    ids=str,
)  # fmt: skip
def test_refused(mtl_train: MtlTrain, tmp_path: Path, words: list[str], message: str) -> None:
    (tmp_path / "t.csv").write_text("a,y\n" + "".join(f"k{i % 5},{i}\n" for i in range(40)))
    done = mtl_train(*words, "steps=5", "hydra.run.dir=run")
    assert (done.status, message in done.err) == (2, True), done.err
    assert not (tmp_path / "run").exists()
