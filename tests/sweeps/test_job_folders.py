"""The folders of a sweep's jobs: what is in them is what Hydra would write, and they are taken from nobody."""

import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from hydra._internal.callbacks import Callbacks
from hydra.core.utils import JobReturn
from hydra.types import HydraContext
from omegaconf import DictConfig

from mtl_cli.composition import hydra_private
from mtl_cli.composition.config_loader import Loader
from mtl_cli.errors import InputError
from mtl_cli.run_folder.locks import locked
from mtl_cli.sweeps.job_configs import Composer
from mtl_cli.sweeps.job_folders import Folders
from mtl_cli.training.job import Job
from tests.support.sweeps import BASIC, sweep_of

SEEDS = [["seed=0"], ["seed=1"], ["seed=2"]]
"""The first job is Hydra's, the others are written without it."""
JOBS: dict[str, list[list[str]]] = {
    "numbers": [[f"seed={i}", f"tasks.y1.weight={i / 8}", f"eval.every={['null', 3][i % 2]}"] for i in range(3)],
    "texts": [["name='1e3'", "+a='yes'", "+b='ü: #- {x}'", f"+c='{'many words ' * 15}'", *seed] for seed in SEEDS],
    "a text that YAML may escape": [["name='\N{SNAKE}'", *seed] for seed in SEEDS],
    "groups": [[f"mode={mode}", *seed] for seed in SEEDS[:2] for mode in ("joint", "alternating")],
    "other keys each time": [["+tasks.y3.kind=binary"], ["~tasks.y1"], ["model.shared_layers=[]"]],
    "Hydra's own": [["hydra.job.name=a", r"+x=$\{steps\}_$\{hydra.job.num\}", *seed] for seed in SEEDS],
    "interpolations": [["steps=7", "+x='${steps}'", *seed] for seed in SEEDS],
    "none": [[]],
}
Loading = type[hydra_private.Loader]
LOADERS: list[Loading] = [hydra_private.Loader, Loader]
"""That of Hydra, and the one that the command has."""


class Started(Callbacks):
    """Notes the numbers of the jobs that Hydra itself starts."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: list[int] = []

    def on_job_start(self, config: DictConfig, **others: Any) -> None:
        self.numbers.append(config.hydra.job.num)


class Sweep(NamedTuple):
    folders: Folders
    by_hydra: Callable[[Sequence[Sequence[str]]], Sequence[JobReturn]]
    started: list[int]

    def make(self, *jobs: Sequence[str], first: int = 0) -> list[tuple[Path, JobReturn]]:
        unasked: Any = None  # all of a folder is made of the overrides
        return [self.folders.make(Job(number, unasked, tuple(job))) for number, job in enumerate(jobs, first)]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Also puts the process' log back, which Hydra sets up anew for each job."""
    monkeypatch.chdir(tmp_path)
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@contextmanager
def sweep(*words: str, by: Loading = Loader, resumes: bool = False) -> Iterator[Sweep]:
    """Has the folders of a sweep in `my s`, and what Hydra's own launcher would make there."""
    with sweep_of("hydra.sweep.dir='my s'", "hydra.mode=MULTIRUN", BASIC, *words, by=by) as (loader, config):
        Path(config.hydra.sweep.dir).mkdir()
        started = Started()
        launcher, context = hydra_private.BasicLauncher(), HydraContext(config_loader=loader, callbacks=started)
        launcher.setup(hydra_context=context, task_function=lambda _: None, config=config)
        with Folders(context, config, Composer(loader, config), resumes=resumes) as folders:
            yield Sweep(folders, lambda jobs: launcher.launch(jobs, initial_job_idx=0), started.numbers)


def everything() -> dict[tuple[Path, bool], bytes | bool]:
    """Returns what is in the working folder: whether it is a link, and what files hold."""
    return {(path, path.is_symlink()): path.is_file() and path.read_bytes() for path in Path().rglob("*")}


def recorded() -> dict[Path, bytes | bool]:
    """Returns what is in the folders `.hydra/`."""
    return {path: content for (path, _), content in everything().items() if path.parent.name == ".hydra"}


@pytest.mark.parametrize(("kind", "by"), [*((kind, Loader) for kind in JOBS), ("numbers", hydra_private.Loader)])
def test_what_is_recorded_of_a_job_is_what_hydra_writes(kind: str, by: Loading) -> None:
    """Which itself writes the first job's alone; so is what is returned of it, but for the configs."""
    with sweep(by=by) as made:
        expected, files = made.by_hydra(JOBS[kind]), recorded()
        assert len(files) == 3 * len(JOBS[kind])
        shutil.rmtree("my s")
        Path("my s").mkdir()
        made.started.clear()
        found = made.make(*JOBS[kind])
        assert made.started == [0]
        assert recorded() == files
    assert [folder for folder, _ in found] == [Path.cwd() / "my s" / str(i) for i in range(len(JOBS[kind]))]
    assert [job for _, job in found] == [replace(job, cfg=None, hydra_cfg=None) for job in expected]


def test_a_callback_of_the_users_sees_each_job_begin() -> None:
    with sweep("+hydra.callbacks.x._target_=hydra.experimental.callback.Callback", by=hydra_private.Loader) as made:
        made.make(*SEEDS)
        assert made.started == [0, 1, 2]


def test_of_a_later_job_only_what_the_one_before_had_otherwise_is_written_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    dumped: list[Any] = []
    dump = yaml.dump

    def noted(part: Any, *arguments: Any, **options: Any) -> Any:
        dumped.append(part)
        return dump(part, *arguments, **options)

    with sweep() as made:
        made.make(*(["name='1e3'", *seed] for seed in SEEDS))
        monkeypatch.setattr(yaml, "dump", noted)
        made.make(["name='1e3'", "seed=3"], first=3)
    of_files = [[*part.get("hydra", part)] if isinstance(part, dict) else part for part in dumped]
    assert of_files == [["seed"], ["overrides"], ["job"], ["runtime"], ["name='1e3'", "seed=3"]]


def test_the_process_log_goes_into_no_job() -> None:
    with sweep() as made:
        made.make(["seed=0"])
        assert not [handler for handler in logging.root.handlers if isinstance(handler, logging.FileHandler)]


@pytest.mark.parametrize("by", LOADERS)
def test_jobs_are_in_the_sweeps_folder_where_its_name_is_of_something_swept(by: Loading) -> None:
    with sweep("hydra.sweep.dir='s_${name}'", by=by) as made:
        found = made.make(["name=a"], ["name=b", "seed=1"], ["name=b", "seed=2"])
    assert [folder for folder, _ in found] == [Path.cwd() / "s_mtl" / number for number in "012"]
    for folder, _ in found:
        hydra = yaml.safe_load((folder / ".hydra" / "hydra.yaml").read_text())["hydra"]
        assert (hydra["sweep"]["dir"], hydra["runtime"]["output_dir"]) == ("s_mtl", str(folder))


BOTH = (False, True)
PLACES: dict[str, Callable[[Path], object]] = {
    "a link": lambda folder: folder.symlink_to("../elsewhere"),
    "a link to nothing": lambda folder: folder.symlink_to("../nowhere"),
    "a file": lambda folder: folder.write_text("theirs"),
    "a file in it": lambda folder: written(folder / "theirs.txt", "theirs"),
    "a run": lambda folder: written(folder / ".hydra" / "config.yaml", "seed: 5"),
    "what a killed process leaves": lambda folder: written(folder / ".hydra" / "config.yaml", ""),
}


def written(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True)
    file.write_text(text)


@pytest.mark.parametrize(
    ("place", "resumes", "why"),
    [
        *((place, resumes, "no folder") for place in ("a link", "a link to nothing", "a file") for resumes in BOTH),
        *(("a file in it", resumes, "isn't empty") for resumes in BOTH),
        ("a run", False, "isn't empty"),
    ],
)
def test_a_place_that_is_taken_is_refused_and_left_alone(place: str, resumes: bool, why: str) -> None:
    Path("elsewhere").mkdir()
    with sweep(resumes=resumes) as made:
        PLACES[place](Path("my s/0"))
        before = everything()
        with pytest.raises(InputError) as refused:
            made.make([])
        assert everything() == before  # no lock, either
        again = "move it away, and go on with 'mtl-train resume 'my s''"
        assert str(refused.value) == f"my s/0: it isn't the job's, and {why}: {again}"


@pytest.mark.parametrize(("place", "resumes"), [("a run", True), *(("what a killed process leaves", i) for i in BOTH)])
def test_a_place_that_is_free_or_the_jobs_own_is_used(place: str, resumes: bool) -> None:
    with sweep(resumes=resumes) as made:
        PLACES[place](Path("my s/0"))
        made.make([])
    assert yaml.safe_load(Path("my s/0/.hydra/config.yaml").read_text())["seed"] == 0


def test_a_sweep_whose_folder_is_gone_is_not_made_again() -> None:
    with sweep() as made:
        Path("my s").rmdir()
        with pytest.raises(InputError, match=r"^my s: the sweep's folder is gone$"):
            made.make([])
        assert not everything()


def test_a_link_leads_no_job_out_of_the_sweeps_folder() -> None:
    Path("elsewhere").mkdir()
    with sweep("hydra.sweep.subdir='in/${hydra.job.num}'") as made:
        Path("my s/in").symlink_to("../elsewhere")
        with pytest.raises(InputError, match="my s/in/0: it isn't the job's: a link leads out of the sweep's folder;"):
            made.make([])
        assert not any(Path("elsewhere").iterdir())
        Path("my s/in").unlink()
        Path("my s/there").mkdir()
        Path("my s/in").symlink_to("there")
        made.make([])
        assert Path("my s/there/0/.hydra").is_dir()


def test_other_processes_are_kept_out_of_jobs_until_they_end() -> None:
    with ExitStack() as ended:
        made = ended.enter_context(sweep())
        folders = [folder for folder, _ in made.make(*SEEDS)]
        assert [*map(is_locked, folders)] == [True, True, True]
        made.folders.leave(folders[1])
        assert [*map(is_locked, folders)] == [True, False, True]
    assert [*map(is_locked, folders)] == [False, False, False]


def test_a_job_that_another_process_is_at_is_not_made() -> None:
    with sweep() as made, ExitStack() as other:
        Path("my s/0").mkdir()
        other.enter_context(locked(Path("my s/0")))
        with pytest.raises(InputError, match="another process is training into this folder"):
            made.make([])
        assert not Path("my s/0/.hydra").exists()
        other.close()
        made.make([])


def is_locked(folder: Path) -> bool:
    with suppress(InputError), locked(folder):
        return False
    return True
