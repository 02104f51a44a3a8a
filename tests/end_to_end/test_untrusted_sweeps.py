"""Sweep folders and working folders that others made: nothing in them runs, leads elsewhere or takes a job's place."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from mtl_cli.comparison.files import SweepFolder
from mtl_cli.errors import InputError
from mtl_cli.sweeps.other_launchers import secure
from tests.support.command import MtlTrain


@pytest.fixture
def sweep(mtl_train: MtlTrain, tmp_path: Path) -> Path:
    """A sweep of two jobs, of which the second one hasn't finished."""
    assert mtl_train("-m", "seed=0,1", "steps=20", "hydra.sweep.dir=s").status == 0
    (tmp_path / "s" / "1" / "summary.json").unlink()
    return tmp_path / "s"


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("launcher", ["mtl", "basic"])
def test_no_log_of_another_name_is_written(mtl_train: MtlTrain, sweep: Path, launcher: str) -> None:
    """It may be a link, which is looked for in files that a run has only."""
    outside = sweep.with_name("precious")
    outside.write_text("mine")
    recorded = yaml.safe_load((sweep / "multirun.yaml").read_text())
    log = "hydra.job_logging.handlers.file.filename=${hydra.runtime.output_dir}/x.log"
    recorded["hydra"]["overrides"]["hydra"] += [log, f"hydra/launcher={launcher}"]
    (sweep / "multirun.yaml").write_text(yaml.safe_dump(recorded))
    (sweep / "1" / "x.log").symlink_to(outside)
    assert mtl_train("resume", "s").status == 2
    assert outside.read_text() == "mine"


def test_hydras_log_is_not_opened_in_a_folder_before_it_is_looked_at(mtl_train: MtlTrain, tmp_path: Path) -> None:
    outside, folder = tmp_path / "precious", tmp_path / "theirs" / "experiment"
    outside.write_text("mine")
    folder.mkdir(parents=True)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "train.log").symlink_to(outside)
    log = "{class: logging.FileHandler, filename: '${hydra.runtime.output_dir}/train.log'}"
    part = f"{{run: {{dir: d}}, verbose: true, hydra_logging: {{handlers: {{e: {log}}}, root: {{handlers: [e]}}}}}}"
    (folder / "a.yaml").write_text(f"# @package _global_\nhydra: {part}\n")
    assert mtl_train("--config-dir", "theirs", "experiment=a").status == 2
    assert outside.read_text() == "mine"


@pytest.mark.parametrize("line", ["hydra.sweep.subdir=evil/x", "+hydra.run.dir=evil", "a@hydra.launcher=b"])
def test_a_jobs_overrides_are_none_of_hydra(mtl_train: MtlTrain, sweep: Path, line: str) -> None:
    outside = sweep.with_name("outside")
    outside.mkdir()
    (sweep / "evil").symlink_to(outside)
    (sweep / "5" / ".hydra").mkdir(parents=True)
    (sweep / "5" / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump([line, "steps=15"]))
    refused = mtl_train("resume", "s")
    assert refused.status == 2
    assert f"overrides.yaml: {line}: what Hydra is to do isn't recorded for a job" in refused.err
    assert list(outside.iterdir()) == []


def test_no_job_is_behind_a_link_that_leaves_the_sweep(mtl_train: MtlTrain, sweep: Path) -> None:
    outside = sweep.with_name("outside")
    outside.mkdir()
    shutil.rmtree(sweep / "1")
    (sweep / "1").symlink_to(outside)
    assert mtl_train("resume", "s").status == 2
    assert list(outside.iterdir()) == []


def test_what_is_written_beside_a_file_follows_no_link(mtl_train: MtlTrain, sweep: Path) -> None:
    """The model and the tables, until they are whole."""
    outside = sweep.with_name("precious")
    outside.write_text("mine")
    links = [f".sweep.csv.{os.getpid()}.partial", f".sweep.md.{os.getpid()}.partial", "sweep.csv.partial"]
    for link in [*links, "1/model.partial.keras"]:
        (sweep / link).symlink_to(outside)
    assert mtl_train("resume", "s").status == 0
    SweepFolder(sweep).write()
    assert outside.read_text() == "mine"
    assert (sweep / "sweep.csv").read_text().startswith("job,")
    assert not (sweep / "1" / "model.keras").is_symlink()


def test_inspect_follows_no_link(mtl_train: MtlTrain, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n1,2\n3,4\n5,6\n")
    (tmp_path / "configs" / "experiment").mkdir(parents=True)
    (tmp_path / "configs" / "experiment" / "t.yaml").symlink_to(tmp_path / "new")
    for force in ([], ["--force"]):
        assert mtl_train("inspect", "t.csv", *force).status == 0
        assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("summary", [True, False])
@pytest.mark.parametrize("checkpoints", [True, False])
def test_a_job_whose_overrides_are_lost_keeps_its_place(
    mtl_train: MtlTrain, sweep: Path, checkpoints: bool, summary: bool
) -> None:
    if summary:
        assert mtl_train("resume", "s").status == 0
    (sweep / "1" / ".hydra" / "overrides.yaml").write_text("")
    if not checkpoints:
        shutil.rmtree(sweep / "1" / "checkpoints")
    before = content(sweep / "1")
    other = mtl_train("resume", "s", "seed=5,6,7")
    lost = {name: of for name, of in content(sweep / "1").items() if name != "train.log"}
    if summary:
        assert other.status == 0, other.err
        assert sorted(path.name for path in sweep.iterdir() if path.is_dir()) == ["0", "1", "2", "3", "4"]
    else:
        assert other.status == 2
        assert "seed: it was 1 and is 6" in other.err
    assert {name: of for name, of in before.items() if name != "train.log"} == lost


def test_names_that_are_numbers_in_another_way_are_no_jobs(mtl_train: MtlTrain, sweep: Path) -> None:
    for name in ("007", "\u0663", "1_0"):
        shutil.copytree(sweep / "0", sweep / name)
    done = mtl_train("resume", "s")
    assert done.status == 0, done.err


def test_links_among_the_jobs_are_none(sweep: Path) -> None:
    for i in range(100):
        (sweep / f"link{i}").symlink_to(sweep.parent if i % 2 else sweep)
    (sweep / "latest").symlink_to(sweep / "0")
    assert [result.name for result in SweepFolder(sweep).write().comparison.results] == ["0", "1"]


def launching(folder: str, launcher: str, **settings: object) -> object:
    return OmegaConf.create({"hydra": {"launcher": {"_target_": launcher, **settings}, "sweep": {"dir": folder}}})


SUBMITIT = "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher"


def test_submitit_has_a_folder_that_nobody_knows_before(sweep: Path) -> None:
    """It unpickles what it finds there."""
    found = set()
    for _ in range(2):
        config = launching(str(sweep), SUBMITIT, submitit_folder=f"{sweep}/.submitit/%j")
        secure(config, sweep)  # type: ignore[arg-type]
        found.add(config.hydra.launcher.submitit_folder)  # type: ignore[attr-defined]
    assert len(found) == 2
    assert all(folder.startswith(f"{sweep}/.submitit/") and folder.endswith("/%j") for folder in found)
    (sweep / ".submitit").symlink_to(sweep.parent)
    with pytest.raises(InputError, match="is a link"):
        secure(launching(str(sweep), SUBMITIT, submitit_folder=f"{sweep}/.submitit/%j"), sweep)  # type: ignore[arg-type]


def test_no_path_has_a_line_of_a_job_script(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="isn't printable"):
        secure(launching("x\ntouch owned #", SUBMITIT), tmp_path / "x\ntouch owned #")  # type: ignore[arg-type]


@pytest.mark.parametrize("module", ["mtl_cli.py", "hydra/__init__.py", "json.so"])
def test_ray_is_not_started_beside_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """Its processes import from the working folder first, whatever Python is told."""
    monkeypatch.chdir(tmp_path)
    config = launching("s", "hydra_plugins.hydra_ray_launcher.ray_launcher.RayLauncher")
    secure(config, tmp_path / "s")  # type: ignore[arg-type]
    (tmp_path / module).parent.mkdir(exist_ok=True)
    (tmp_path / module).touch()
    with pytest.raises(InputError, match="import from the working folder"):
        secure(config, tmp_path / "s")  # type: ignore[arg-type]


def test_completion_lists_nothing_that_a_shell_expands(tmp_path: Path) -> None:
    """Bash evaluates the words that it is given."""
    (tmp_path / "$(touch${IFS}owned)").touch()
    (tmp_path / "good.csv").touch()
    line = {"COMP_LINE": "mtl-train data.path=./", "COMP_POINT": "22"}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "mtl_cli", "-sc", "query=bash"],
        cwd=tmp_path, capture_output=True, text=True, env=os.environ | line,
    )  # fmt: skip
    assert done.stdout.split() == ["data.path=./good.csv"]


def test_a_finished_run_without_checkpoints_is_not_begun_again(mtl_train: MtlTrain, tmp_path: Path) -> None:
    assert mtl_train("steps=20", "hydra.run.dir=run").status == 0
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    before = content(tmp_path / "run")
    refused = mtl_train("resume", "run", "steps=40")
    assert refused.status == 2
    assert "its checkpoints are gone" in refused.err
    assert content(tmp_path / "run") == before


@pytest.mark.parametrize("part", ["run", "sweep"])
def test_a_folder_has_no_nul(mtl_train: MtlTrain, tmp_path: Path, part: str) -> None:
    (tmp_path / "c" / "experiment").mkdir(parents=True)
    text = f'# @package _global_\nhydra: {{{part}: {{dir: "a\\0b"}}}}\n'
    (tmp_path / "c" / "experiment" / "x.yaml").write_text(text)
    mode = ["-m", "seed=0,1"] if part == "sweep" else []
    refused = mtl_train("--config-dir", "c", "experiment=x", *mode)
    assert refused.status == 2
    assert f"hydra.{part}.dir: " in refused.err
