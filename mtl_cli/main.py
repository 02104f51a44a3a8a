"""The command `mtl-train`: verbs, Hydra, signals, exit status."""

import logging
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mtl_cli.composed import hydra_message, plain
from mtl_cli.config import parse
from mtl_cli.errors import CompositionError, InputError, RunFailed
from mtl_cli.interrupt import Interrupt
from mtl_cli.sweeps.compared import compared, worst
from mtl_cli.sweeps.datasets import Datasets
from mtl_cli.sweeps.elsewhere import failures, is_elsewhere, refuse_elsewhere
from mtl_cli.sweeps.grid import is_grid, jobs_of, refuse, refuse_other_folders
from mtl_cli.sweeps.plan import Job, first_of_data, plan
from mtl_cli.sweeps.results import job_folders
from mtl_cli.verbs import verb_of

FAILED, WRONG_INPUT = 1, 2
"""Exit statuses; 0 is done, and 128 + the signal's number is stopped by one."""

log = logging.getLogger("mtl_cli")


class Check(Callback):
    """Refuses what can't be trained before Hydra makes a folder for it; `conf/config.yaml` names it to Hydra."""

    command: ClassVar["Command"]
    made_in: ClassVar[Path | None] = None
    """The deepest folder on the way to the output that was there before."""
    sweep: ClassVar[Path | None] = None
    """The folder of the sweep, where there is one."""

    @classmethod
    def begin(cls, command: "Command") -> None:
        """Forgets what an earlier call of the command left."""
        cls.command, cls.made_in, cls.sweep = command, None, None

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Checks a single run."""
        with _refusing():
            parse(plain(config))
            Check.made_in = _free(config.hydra.run.dir, "hydra.run.dir")

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Checks every job of a sweep, where Hydra's own sweeper makes the jobs."""
        command, folder = Check.command, _absolute(config.hydra.sweep.dir)
        with _refusing():
            command.interrupt.let_through()
            if not command.resumes:
                Check.made_in = _free(config.hydra.sweep.dir, "hydra.sweep.dir")
                Check.sweep = folder
            if is_grid(config):
                Check._jobs(config)
            refuse_elsewhere(config, folder, command.jobs if command.resumes else ())
            if is_elsewhere(config):
                from mtl_cli.sweeps.resuming import locked

                folder.mkdir(parents=True, exist_ok=True)
                command.held.enter_context(locked(folder))
                command.elsewhere = folder
        if command.elsewhere is None:  # else a signal is to end the wait for the others
            command.interrupt()

    @staticmethod
    def _jobs(config: DictConfig) -> None:
        """Checks the jobs that Hydra's own sweeper will make, and the first data of each kind."""
        if OmegaConf.is_interpolation(config.hydra.sweep, "subdir") is False:
            raise InputError("hydra.sweep.subdir: every job needs a folder of its own, e.g. ${hydra.job.num}")
        if Check.command.resumes:
            refuse_other_folders(config)
        jobs, alone = jobs_of(config, taken=Check.command.resumes)
        if jobs[0].config.sweep.dry_run:
            planned = plan([*jobs, *alone])
            print("\n".join([*planned.lines(), *planned.listing()]))
            Check.sweep = None
            sys.exit(0)
        Check.command.jobs, Check.command.baselines = jobs, alone
        wrong: dict[str, str] = {}  # what all of them have wrong is said before a folder is there
        for job in first_of_data([*jobs, *alone]):
            try:
                Check.command.datasets.load(job.config)
            except InputError as error:
                wrong.setdefault(str(error), " ".join(job.overrides))
        refuse(wrong)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Says what the sweep came to, whoever trained its jobs."""
        from mtl_cli.report import report

        Check.command.say_elsewhere()
        if Check.command.interrupt.signal is None and any(Path(config.hydra.sweep.dir).glob("*/summary.json")):
            report(Path(config.hydra.sweep.dir))


class Command:
    """What Hydra calls for each job, and what became of them."""

    def __init__(self) -> None:
        self.status = 0
        self.runs = 0
        """How many of the jobs left files of a run."""
        self.failed_fast = False
        self.interrupt = Interrupt()
        self.datasets = Datasets()
        self.jobs: list[Job] = []
        self.baselines: list[Job] = []
        self.resumes = False
        """Whether the jobs' folder has some that were trained before."""
        self.elsewhere: Path | None = None
        """The folder of a sweep whose jobs other processes train, until it is said what became of them."""
        self.held = ExitStack()
        """The folder that other calls of the command keep out of."""
        self.is_worker = False
        """Whether others train jobs of the same sweep meanwhile."""

    def __call__(self, composed: DictConfig) -> float | None:
        """Trains one job into the folder that Hydra made, and returns its objective."""
        from mtl_cli import experiment  # not needed to refuse a config
        from mtl_cli.console import view
        from mtl_cli.sweeps.resuming import cleared, trained

        settings = HydraConfig.get()
        folder, overrides = Path(settings.runtime.output_dir), list(settings.overrides.task)
        config, begun = parse(plain(composed)), time.perf_counter()
        if self.resumes:
            known = trained(folder, config)
            if known is not None:
                self.runs += 1
                return compared(config, known)
            cleared(folder, log_too=False)  # Hydra has it open
        elif _has_run(folder):
            raise InputError(f"{folder} has a run already; runs are never overwritten")
        try:
            self.interrupt.let_through()
            log.info("training into %s with %s", folder, " ".join(overrides) or "the defaults")
            one_of_many = self.is_worker and config.log.console == "auto"  # which would overwrite each other's lines
            display = view("quiet" if one_of_many else config.log.console, list(config.tasks), config.log.every)
            with display.busy("reading the data"):
                dataset = self.datasets.load(config)
            for line in filter(None, [dataset.columns, *dataset.notes]):
                log.info(line)
            summary = experiment.run(config, dataset, folder, overrides, display, self.interrupt)
        except InputError as error:
            if settings.mode == RunMode.MULTIRUN:  # the sweep's table has this job as well
                with suppress(RunFailed), experiment.Record(config, folder, overrides, config.device, begun):
                    raise RunFailed(str(error)) from error
                self._fail(FAILED, error)
            else:
                _discard(folder, settings.output_subdir)
                self._fail(WRONG_INPUT, error)
        except KeyboardInterrupt:
            _discard(folder, settings.output_subdir)
            raise
        except Exception as error:
            log.exception("the run failed")
            left = f"; what there was to write is in {folder}" if _has_run(folder) else ""
            if not settings.verbose:
                _discard(folder, settings.output_subdir)
            self._fail(FAILED, error, left)
        else:
            log.info("%s after %d iterations", summary["status"], summary["iterations"])
            return compared(config, summary)
        finally:
            self.runs += _has_run(folder)
        return worst(config)

    def __reduce__(self) -> tuple[Any, ...]:
        """Goes to another process as what that process makes of it: its own, with what it has loaded and compiled."""
        return _of_worker, (self.resumes,)

    def say_elsewhere(self) -> None:
        """Says what became of the jobs that other processes trained, by their folders."""
        sweep, self.elsewhere = self.elsewhere, None
        if sweep is None:
            return
        self.runs += sum(1 for _ in job_folders(sweep))
        for error, where in failures(sweep):
            self._fail(FAILED, error, where)

    def failed(self, error: Exception, where: str) -> None:
        """Says that a run failed, and makes that the command's status."""
        self._fail(FAILED, error, where)

    def _fail(self, status: int, error: Exception, where: str = "") -> None:
        self.status = max(self.status, status)
        _complain(_brief(error) + where)
        if HydraConfig.initialized() and HydraConfig.get().verbose:
            traceback.print_exception(error)


@cache
def _of_worker(resumes: bool) -> Command:
    """Returns the command of a process to which a launcher hands jobs, the same one for each."""
    command = Command()
    command.resumes, command.is_worker = resumes, True
    return command


def main() -> None:
    """Runs `mtl-train` with the process' arguments and ends the process with its exit status."""
    arguments = sys.argv[1:]
    sys.argv[1:] = sorted(arguments, key=lambda word: word not in ("-m", "--multirun"))  # it may stand anywhere
    if "--version" in arguments:
        print(f"mtl-cli {version('mtl-cli')}")
        sys.exit(0)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # its exceptions come to us, and we say what was wrong
    command = Command()
    Check.begin(command)
    try:
        verb = verb_of(arguments)
        if verb is not None:
            further = verb(arguments[1:])
            if further is None:
                sys.exit(0)
            command.resumes, sys.argv[1:] = True, further
        _register_launcher()
        with command.held, command.interrupt.handling():
            run = hydra.main(version_base="1.3", config_path=str(_conf()), config_name="config")
            run(command.__call__)()
    except InputError as error:
        _complain(str(error))
        sys.exit(WRONG_INPUT)
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        _complain(hydra_message(error))
        sys.exit(FAILED)
    except OSError as error:  # the folder can't be made
        _complain(_brief(error))
        sys.exit(WRONG_INPUT)
    except Exception as error:
        _complain(_brief(error))
        sys.exit(FAILED)
    except KeyboardInterrupt:
        sys.exit(128 + (command.interrupt.signal or signal.SIGINT))
    finally:
        command.say_elsewhere()
        if Check.sweep is not None and not command.runs and not any(Check.sweep.rglob(".hydra")):
            for name in ("multirun.yaml", ".lock", "sweep.csv", "sweep.md"):
                (Check.sweep / name).unlink(missing_ok=True)
            _remove_empty(Check.sweep, Check.made_in or Check.sweep)
    sys.exit(128 + command.interrupt.signal if command.interrupt.signal is not None else command.status)


def _register_launcher() -> None:
    """Lets Hydra know the project's launcher, whose module must have a name that Hydra gives plugins."""
    folder = str(Path(__file__).parent / "sweeps" / "plugins")
    if folder not in sys.path:
        sys.path.append(folder)
    from hydra_plugins.mtl_launcher import SweepLauncher  # type: ignore[import-not-found]

    Plugins.instance().register(SweepLauncher)


def _conf() -> Path:
    """Returns the folder of the shipped configs: the wheel's, or the checkout's."""
    packaged = Path(__file__).parent / "conf"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "conf"


def _free(folder: str, key: str) -> Path:
    """Returns the deepest folder on the way to a new `folder` that is there already."""
    path = _absolute(folder)
    if path.is_dir() and any(path.iterdir()):
        raise InputError(f"{key}: {folder} exists and isn't empty; runs are never overwritten, choose another folder")
    above = path if path.exists() else next(parent for parent in path.parents if parent.exists())
    if not above.is_dir():
        raise InputError(f"{key}: {folder} can't be a folder: {above} is a file")
    return above


def _absolute(folder: str) -> Path:
    """Returns the path without `..`, as Hydra makes it."""
    return Path(os.path.abspath(folder))  # noqa: PTH100 (`Path.absolute` keeps `..`, `resolve` follows links)


@contextmanager
def _refusing() -> Iterator[None]:
    """Ends the process with a message where the block finds the input wrong; Hydra would swallow the exception."""
    try:
        yield
    except InputError as error:
        _complain(str(error))
        sys.exit(FAILED if isinstance(error, CompositionError) else WRONG_INPUT)
    except (HydraException, OmegaConfBaseException) as error:
        _complain(hydra_message(error))
        sys.exit(FAILED)
    except OSError as error:
        _complain(_brief(error))
        sys.exit(WRONG_INPUT)


def _brief(error: Exception) -> str:
    """Returns an error in one or a few lines, with its type where the message isn't the project's own."""
    if isinstance(error, InputError | RunFailed):
        return str(error)
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        shape = re.search(r"shape ?([\[(][\d, ]+[\])])", str(error))
        what = f"an array of {shape[1]} numbers" if shape else "the run"
        return f"out of memory: {what} doesn't fit; smaller layers, a smaller batch_size or fewer rows need less"
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _complain(message: str) -> None:
    for line in message.splitlines():
        print(f"mtl-train: {line}", file=sys.stderr)


def _has_run(folder: Path) -> bool:
    return any((folder / name).exists() for name in ("losses.csv", "summary.json"))


def _discard(folder: Path, configs: str | None) -> None:
    """Removes what Hydra made for a run: its log, its folder of configs, and the run's folder if that empties it."""
    if _has_run(folder):
        return
    for handler in logging.getLogger().handlers:
        handler.close()
        if isinstance(handler, logging.FileHandler) and folder in (file := Path(handler.baseFilename)).parents:
            file.unlink(missing_ok=True)
    inner = _absolute(str(folder / (configs or ".")))
    if folder in inner.parents:
        for name in ("config.yaml", "hydra.yaml", "overrides.yaml"):
            (inner / name).unlink(missing_ok=True)
        _remove_empty(inner, folder)
    _remove_empty(folder, Check.made_in or folder.parent)


def _remove_empty(folder: Path, end: Path) -> None:
    """Removes the folder and those above it, as long as they are empty, up to one that stays."""
    with suppress(OSError):
        while folder != end and end in folder.parents:
            folder.rmdir()
            folder = folder.parent
