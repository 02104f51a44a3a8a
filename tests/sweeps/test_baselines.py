"""Single-task baselines of a sweep."""

from pathlib import Path

import pytest

from tests.support.command import MtlTrain
from tests.support.sweeps import summaries


@pytest.mark.parametrize(
    ("mode", "grid", "settings"),
    [
        ("joint", ["tasks.y1.weight=0.3,0.6", "seed=0,1", "optimizer.learning_rate=0.001,0.002"], 4),
        ("joint", ["weighting=upgrad,cagrad", "weighting.on=parameters,representation", "seed=4"], 1),
        ("alternating", ["tasks.y1.prob=0.3,0.6", "seed=0,1"], 2),
    ],
)
def test_baselines_train_each_task_alone(
    mtl_train: MtlTrain, tmp_path: Path, mode: str, grid: list[str], settings: int
) -> None:
    """For every setting of what isn't a share or the weighting, in the same program where there is no weighting."""
    done = mtl_train("-m", f"mode={mode}", *grid, "steps=30", "sweep.baselines=true", "hydra.sweep.dir=s")
    assert done.status == 0, done.err
    share = "weight" if mode == "joint" else "prob"
    of = {int(number): summary for number, summary in summaries(tmp_path / "s").items()}
    asked = 1
    for values in grid:
        asked *= len(values.split(","))
    assert len(of) == asked + 2 * settings
    counted = f"{len(of)} jobs ({asked} runs + {2 * settings} single-task baselines)"
    assert f"{counted}, " in done.out
    assert f"{counted}: {len(of)} finished." in " ".join(done.out.split())
    assert len({summary["config_hash"] for summary in of.values()}) == len(of)
    for number in range(asked, len(of)):
        (tmp_path / "s" / str(number) / "model.keras").stat()
        shares = [line for line in of[number]["overrides"] if line.startswith("++")]
        assert sorted(line.rpartition("=")[2] for line in shares) == ["0.0", "1.0"]
        assert all(f".{share}=" in line for line in shares)
        assert not any(line.startswith(("tasks.", "weighting.on")) for line in of[number]["overrides"])


def test_one_task_has_no_baselines(mtl_train: MtlTrain) -> None:
    done = mtl_train("-m", "~tasks.y2", "seed=0,1", "steps=5", "sweep.baselines=true", "sweep.dry_run=true")
    assert done.status == 0, done.err
    assert "sweep.baselines: there is one task" in done.out
    assert "2 jobs" in done.out
