"""The command `mtl-train`: verbs, Hydra, signals, exit status."""

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import hydra
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mtl_cli.command import FAILED, WRONG_INPUT, Command, absolute, brief, complain, remove_empty
from mtl_cli.composed import hydra_message, plain
from mtl_cli.config import parse
from mtl_cli.errors import CompositionError, InputError
from mtl_cli.files import locked
from mtl_cli.guard import guard_hydra
from mtl_cli.resuming import held, with_settings
from mtl_cli.sweeps.elsewhere import is_elsewhere, refuse_elsewhere
from mtl_cli.sweeps.grid import is_grid, jobs_of, refuse, refuse_other_folders
from mtl_cli.sweeps.plan import first_of_data, plan
from mtl_cli.verbs import verb_of


class Check(Callback):
    """Refuses what can't be trained before Hydra makes a folder for it; `conf/config.yaml` names it to Hydra."""

    command: ClassVar[Command]
    sweep: ClassVar[Path | None] = None
    """The folder of the sweep, where there is one."""

    @classmethod
    def begin(cls, command: Command) -> None:
        """Forgets what an earlier call of the command left."""
        cls.command, cls.sweep = command, None

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Checks a single run."""
        command = Check.command
        with _refusing():
            parsed = parse(plain(config))
            if command.resumes:
                command.held.enter_context(held(absolute(config.hydra.run.dir), parsed))
            else:
                command.made_in = _free(config.hydra.run.dir, "hydra.run.dir")
        command.interrupt.hold_back()  # while Hydra makes the folder

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Checks every job of a sweep, where Hydra's own sweeper makes the jobs."""
        command, folder = Check.command, absolute(config.hydra.sweep.dir)
        with _refusing():
            command.interrupt.let_through()
            if not command.resumes:
                command.made_in = _free(config.hydra.sweep.dir, "hydra.sweep.dir")
                Check.sweep = folder
            if is_grid(config):
                Check._jobs(config)
            refuse_elsewhere(config, folder, command.jobs if command.resumes else ())
            if is_elsewhere(config):
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


def main() -> None:
    """Runs `mtl-train` with the process' arguments and ends the process with its exit status."""
    command = Command()
    Check.begin(command)
    with command.interrupt.minding_readers():
        _run(command, sys.argv[1:])


def _run(command: Command, arguments: list[str]) -> NoReturn:
    sys.argv[1:] = sorted(arguments, key=lambda word: word not in ("-m", "--multirun"))  # it may stand anywhere
    if "--version" in arguments:
        print(f"mtl-cli {version('mtl-cli')}")
        sys.exit(command.interrupt.status(0))
    logging.raiseExceptions = False  # a log that can't be written is no reason for tracebacks in the terminal
    os.environ["HYDRA_FULL_ERROR"] = "1"  # its exceptions come to us, and we say what was wrong
    try:
        verb = verb_of(arguments)
        if verb is not None:
            further = verb(arguments[1:])
            if further is None:
                sys.exit(command.interrupt.status(0))
            command.resumes, sys.argv[1:] = True, further
        sys.argv[1:], command.repeats = with_settings(sys.argv[1:], _conf())
        _register_launcher()
        guard_hydra(arguments)
        with command.held, command.interrupt.handling():
            command.interrupt.let_through()
            run = hydra.main(version_base="1.3", config_path=str(_conf()), config_name="config")
            run(command.__call__)()
    except InputError as error:
        complain(str(error))
        sys.exit(WRONG_INPUT)
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        complain(hydra_message(error))
        sys.exit(FAILED)
    except OSError as error:  # the folder can't be made
        complain(brief(error))
        sys.exit(WRONG_INPUT)
    except Exception as error:
        complain(brief(error))
        sys.exit(FAILED)
    except KeyboardInterrupt:
        sys.exit(command.interrupt.status(128 + signal.SIGINT))
    finally:
        command.say_elsewhere()
        if Check.sweep is not None and not command.runs and not any(Check.sweep.rglob(".hydra")):
            for name in ("multirun.yaml", ".lock", "sweep.csv", "sweep.md"):
                (Check.sweep / name).unlink(missing_ok=True)
            remove_empty(Check.sweep, command.made_in or Check.sweep)
    sys.exit(command.interrupt.status(command.status))


def _register_launcher() -> None:
    """Lets Hydra know the project's launcher, whose module must have a name that Hydra gives plugins."""
    folder = str(Path(__file__).parent / "sweeps" / "plugins")
    if folder not in sys.path:
        sys.path.append(folder)
    Plugins.instance().register(import_module("hydra_plugins.mtl_launcher").SweepLauncher)


def _conf() -> Path:
    """Returns the folder of the shipped configs: the wheel's, or the checkout's."""
    packaged = Path(__file__).parent / "conf"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "conf"


def _free(folder: str, key: str) -> Path:
    """Returns the deepest folder on the way to a new `folder` that is there already."""
    path = absolute(folder)
    if path.is_dir() and any(path.iterdir()):
        raise InputError(f"{key}: {folder} exists and isn't empty; runs are never overwritten, choose another folder")
    above = path if path.exists() else next(parent for parent in path.parents if parent.exists())
    if not above.is_dir():
        raise InputError(f"{key}: {folder} can't be a folder: {above} is a file")
    return above


@contextmanager
def _refusing() -> Iterator[None]:
    """Ends the process with a message where the block finds the input wrong; Hydra would swallow the exception."""
    try:
        yield
    except InputError as error:
        complain(str(error))
        sys.exit(FAILED if isinstance(error, CompositionError) else WRONG_INPUT)
    except (HydraException, OmegaConfBaseException) as error:
        complain(hydra_message(error))
        sys.exit(FAILED)
    except OSError as error:
        complain(brief(error))
        sys.exit(WRONG_INPUT)
