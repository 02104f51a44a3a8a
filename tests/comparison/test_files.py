"""The files of a sweep: what is read of its jobs' folders, and what sweep.csv has of them."""

import csv
import io
import re
from pathlib import Path

import pytest

from mtl_cli.comparison import results
from mtl_cli.comparison.files import SweepFolder, has_runs, terminal
from tests.support.sweep_folders import BOTH, METRIC, commands_of, grid, job, settings_of, text


def test_sweep_csv_has_a_row_a_job_and_every_number(tmp_path: Path) -> None:
    rows = grid(tmp_path, seeds=3)
    SweepFolder(tmp_path).write()
    with (tmp_path / "sweep.csv").open() as file:
        found = list(csv.DictReader(file))
    assert list(found[0]) == [
        "job", "status", "tasks.left.weight", "optimizer.learning_rate", "seed", "objective", "val_left_loss",
        "val_left_accuracy", "val_right_loss", "val_right_rmse", "test_left_loss", "test_left_accuracy",
        "test_right_loss", "test_right_rmse", "seconds", "baseline",
    ]  # fmt: skip
    assert [int(row["job"]) for row in found] == list(range(len(rows)))  # 10 comes after 9
    for row, expected in zip(found, rows, strict=True):
        assert row["status"] == "finished"
        assert row["baseline"] == (expected["alone"] or "")
        assert int(row["seed"]) == expected["seed"]
        assert float(row["seconds"]) == 1.5
        if expected["alone"] is None:
            assert float(row["val_left_accuracy"]) == expected["left"]  # to the last bit
            assert float(row["objective"]) == expected["objective"]
            assert row["tasks.left.weight"] == str(expected["weight"])


class Screen(io.StringIO):
    """What a terminal shows."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("screen", "width", "shown"), [(Screen(), 120, "\x1b[1mx\x1b[0m 12\n"), (io.StringIO(), 80, "x 12\n")]
)
def test_a_terminal_is_used_and_elsewhere_there_are_80_columns_without_colours(
    monkeypatch: pytest.MonkeyPatch, screen: io.StringIO, width: int, shown: str
) -> None:
    """Numbers have no colours of their own there."""
    for name, value in {"COLUMNS": "120", "TERM": "xterm-256color"}.items():
        monkeypatch.setenv(name, value)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.stdout", screen)
    console = terminal()
    console.print("[bold]x[/bold] 12")
    assert (console.width, screen.getvalue()) == (width, shown)


def test_a_change_to_one_of_a_thousand_jobs_reads_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_files: list[Path] = []
    reading = results._read

    def counted(name: str, file: Path) -> results.Result:
        read_files.append(file)
        return reading(name, file)

    monkeypatch.setattr(results, "_read", counted)
    both = {"left": 0.5, "right": 0.5}
    for i in range(1000):
        values = {"val": {"left": 0.1, "right": 0.2}} if i < 900 else None
        job(tmp_path, i, [f"seed={i // 10}", f"optimizer.learning_rate={i % 10}"], both, values, objective=1.0)
    folder = SweepFolder(tmp_path)
    folder.write()
    assert len(read_files) == 1000
    read_files.clear()
    folder.write()
    assert not read_files
    other = job(tmp_path / "elsewhere", 950, ["seed=95"], both, {"val": {"left": 0.3, "right": 0.2}}, objective=0.5)
    (other / "summary.json").replace(tmp_path / "950" / "summary.json")
    report = folder.write()
    assert [file.relative_to(tmp_path).as_posix() for file in read_files if "elsewhere" not in file.parts] == [
        "950/summary.json"
    ]
    assert report.comparison.count("finished") == 901
    with (tmp_path / "sweep.csv").open() as file:
        assert [row["status"] for row in csv.DictReader(file)].count("finished") == 901
    assert not list(tmp_path.glob("*.partial")) + list(tmp_path.glob(".*.partial"))


def test_unfinished_and_failed_jobs_are_listed_and_dont_count(tmp_path: Path) -> None:
    job(tmp_path, 0, ["a=1", "seed=0"], BOTH, {"val": {"left": 0.5, "right": 2.0}}, objective=0.25)
    job(tmp_path, 1, ["a=1", "seed=1"], BOTH, {}, status="failed", error="diverged|\n\x1b[31mnow" + "!" * 500)
    job(tmp_path, 2, ["a=2", "seed=0"], BOTH, {"val": {"left": 0.9, "right": 0.1}}, status="stopped", objective=0.01)
    job(tmp_path, 3, ["a=2", "seed=1"], BOTH)
    (tmp_path / "3" / ".hydra" / "overrides.yaml").write_text("- a=2\n- 'seed=1'\n")
    report = SweepFolder(tmp_path).write()
    assert [(row["a"], row["n"], row["failed"], row["val_loss"]) for row in settings_of(report)] == [
        ("1", "1", "1", "0.25")
    ]
    with (tmp_path / "sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["status"], row["a"], row["seed"]) for row in rows] == [
        ("finished", "1", "0"), ("failed", "1", "1"), ("stopped", "2", "0"), ("unfinished", "2", "1")
    ]  # fmt: skip
    said = (tmp_path / "sweep.md").read_text()
    assert "4 jobs: 1 finished, 1 failed, 1 stopped, 1 not finished yet." in said
    assert re.search(r"^\| 1 \| a=1 seed=1 \| diverged\\\| \S*x1b\S*31mnow!+\.\.\. \|$", said, re.MULTILINE)
    assert re.fullmatch(r"[^\x00-\x09\x0b-\x1f\x7f]*", said + text(report))
    assert len(commands_of(report)) == 1


@pytest.mark.parametrize("status", ["failed", None])
def test_a_sweep_without_a_finished_job(tmp_path: Path, status: str | None) -> None:
    for i in range(2):
        job(tmp_path, i, [f"a={i}"], BOTH, None if status is None else {}, status=status or "", error="broken")
    report = SweepFolder(tmp_path).write()
    assert "nothing to compare" in text(report)
    assert not commands_of(report)
    assert (tmp_path / "sweep.csv").read_text().splitlines()[0] == "job,status,a,seed,objective,seconds,baseline"


def test_missing_metrics_and_baselines_of_zero_leave_cells_empty(tmp_path: Path) -> None:
    job(tmp_path, 0, ["a=0"], BOTH, {"val": {"left": None, "right": 1.0}}, objective=0.5)
    job(tmp_path, 1, ["a=1"], BOTH, {"val": {"left": 0.5, "right": 1.0}}, objective=None)
    for i, task in enumerate(METRIC, 2):
        job(tmp_path, i, [f"a={i}"], {t: float(t == task) for t in METRIC}, {"val": {task: 0.0}}, objective=0.1)
    report = SweepFolder(tmp_path).write()
    first, second = settings_of(report)
    place = "left accuracy"
    assert (first[place], first["mean rank"], first["Pareto"], first["difference"]) == ("", "", "", "best")
    assert (second[place], second["mean rank"], second["Pareto"], second["val_loss"]) == ("0.5", "1", "*", "")
    assert (first["gain over single-task, %"], second["gain over single-task, %"]) == ("", "")
    assert "a baseline is missing, or 0" in " ".join(text(report).split())
    assert "nan" not in (tmp_path / "sweep.csv").read_text() + (tmp_path / "sweep.md").read_text()


def test_columns_of_tasks_whose_names_run_together_are_told_apart(tmp_path: Path) -> None:
    metric = {"a": "log_loss", "a_log": "accuracy"}
    job(tmp_path, 0, ["seed=0"], dict.fromkeys(metric, 0.5), {"val": {"a": 0.1, "a_log": 0.2}}, metric=metric)
    SweepFolder(tmp_path).write()
    with (tmp_path / "sweep.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["val/a/log_loss"], row["val/a_log/loss"]) == ("0.1", "0.2")
    assert (row["val_a_loss"], row["val_a_log_accuracy"]) == ("0.1", "0.2")


def test_jobs_may_be_deeper_and_other_folders_are_none(tmp_path: Path) -> None:
    job(tmp_path / "optimizer", "schedule=cosine", ["optimizer/schedule=cosine"], BOTH)
    (tmp_path / "notes").mkdir()
    report = SweepFolder(tmp_path).write()
    assert [result.name for result in report.comparison.results] == ["optimizer/schedule=cosine"]
    assert has_runs(tmp_path)
    assert not has_runs(tmp_path / "notes")
    assert not has_runs(tmp_path / "optimizer" / "schedule=cosine")
