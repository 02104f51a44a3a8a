"""The command `mtl-train`: verbs, Hydra, signals, exit status."""

import logging
import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Final, NoReturn

import hydra._internal.hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.types import RunMode, TaskFunction
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mtl_cli.backend import refuse_too_little_memory
from mtl_cli.cli.job_runner import NO_ROOM, Command, absolute, brief, complain, placing
from mtl_cli.cli.verbs import verb_of
from mtl_cli.composition.config_loader import guard_hydra
from mtl_cli.composition.hydra_errors import hydra_message
from mtl_cli.composition.recorded import held, with_settings
from mtl_cli.composition.resolve import plain
from mtl_cli.composition.task_overrides import read_task_overrides
from mtl_cli.config import parse
from mtl_cli.errors import ExitStatus, InputError, RunFailed
from mtl_cli.run_folder.atomic_files import CONFIGS
from mtl_cli.run_folder.git_state import git_state
from mtl_cli.run_folder.locks import LOCK, claimed, locked, refuse_taken
from mtl_cli.sweeps.grid import is_grid, jobs_of, refuse, refuse_other_folders
from mtl_cli.sweeps.other_launchers import is_basic, is_elsewhere, refuse_elsewhere, secure
from mtl_cli.sweeps.plan import first_of_data, plan

PACKAGE: Final = Path(__file__).parent.parent


class Application(hydra._internal.hydra.Hydra):
    """Hydra's, which checks what it composed, and keeps others out of the folder, before it makes anything there."""

    command: ClassVar[Command]

    def compose_config(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        with_log_configuration: bool = False,
        *options: Any,
        **others: Any,
    ) -> DictConfig:
        """Composes a config, and checks it if it is to be trained, not only looked at."""
        config = super().compose_config(config_name, overrides, run_mode, with_log_configuration, *options, **others)
        if with_log_configuration:
            HydraConfig.instance().cfg = config  # type: ignore[assignment] # for ${hydra:...} in the run's own part
            (self._check_run if run_mode == RunMode.RUN else self._check_sweep)(config)
        return config

    def multirun(
        self, config_name: str | None, task_function: TaskFunction, overrides: list[str], *options: Any
    ) -> Any:
        """Trains a sweep, and says what it came to, whoever trained its jobs."""
        returned = super().multirun(config_name, task_function, overrides, *options)
        from mtl_cli.cli.report import report  # with polars, which takes Ctrl-C for itself

        self.command.say_elsewhere()
        folder = self.command.sweep
        if folder is not None and not folder.is_dir():
            raise RunFailed(f"{folder}: the sweep's folder is gone, with what was trained")
        if folder is not None and not self.command.interrupt.asked and any(folder.glob("*/summary.json")):
            report(folder)
        return returned

    def _check_run(self, config: DictConfig) -> None:
        command, folder = self.command, absolute(config.hydra.run.dir)
        parsed = parse(plain(config))
        _refuse_other_configs(config, resumes=command.resumes)
        if parsed.sweep.dry_run:
            from mtl_cli.terminal.run_view import view
            from mtl_cli.training.experiment import rehearse

            rehearse(parsed, folder, view(parsed.log.console, list(parsed.tasks), parsed.log.every))
            sys.exit(0)
        refuse_too_little_memory()
        command.git = git_state()
        command.interrupt.defer()  # while the folder is made
        command.held.enter_context(held(folder, parsed) if command.resumes else claimed(folder, "hydra.run.dir"))
        command.held.enter_context(placing(folder, discards=not command.resumes))

    def _check_sweep(self, config: DictConfig) -> None:
        """Checks every job of a sweep, where Hydra's own sweeper makes the jobs."""
        command, folder = self.command, absolute(config.hydra.sweep.dir)
        command.interrupt.deliver()
        if not command.resumes:
            refuse_taken(folder, "hydra.sweep.dir")
        _refuse_other_configs(config, resumes=False)
        if is_grid(config):
            self._check_jobs(config)
        command.git = git_state()
        command.interrupt()
        command.held.enter_context(locked(folder) if command.resumes else claimed(folder, "hydra.sweep.dir"))
        refuse_elsewhere(config, folder, command.jobs if command.resumes else ())
        if command.resumes:
            from mtl_cli.sweeps.resume import found_in, refuse_changed, resumed  # needs polars

            found = found_in(folder)
            for of in found:  # by a job that outlived the process that began the sweep, for example
                with locked(folder / str(of.number)):
                    pass
            refuse_changed(resumed([*command.jobs, *command.baselines], found).left, found, folder)
        command.held.enter_context(placing(folder, discards=False))
        command.sweep = folder
        if not command.resumes:
            command.held.callback(_remove_unbegun, folder)
        command.is_basic = is_basic(config)
        if is_elsewhere(config):
            secure(config, folder)
            command.elsewhere = folder
            command.interrupt.deliver()  # a signal is to end the wait for the others

    def _check_jobs(self, config: DictConfig) -> None:
        """Checks the jobs that Hydra's own sweeper will make, and the first data of each kind."""
        command = self.command
        if OmegaConf.is_interpolation(config.hydra.sweep, "subdir") is False:
            raise InputError("hydra.sweep.subdir: every job needs a folder of its own, e.g. ${hydra.job.num}")
        if command.resumes:
            refuse_other_folders(config)
        jobs, alone = jobs_of(config, taken=command.resumes)
        if jobs[0].config.sweep.dry_run:
            planned = plan([*jobs, *alone])
            print("\n".join([*planned.lines(), *planned.listing()]))
            sys.exit(0)
        if not is_elsewhere(config):
            refuse_too_little_memory()
        command.jobs, command.baselines = jobs, alone
        wrong: dict[str, str] = {}  # what all of them have wrong is said before a folder is there
        for job in first_of_data([*jobs, *alone]):
            try:
                command.datasets.load(job.config)
            except InputError as error:
                wrong.setdefault(str(error), " ".join(job.overrides))
        refuse(wrong)


def main() -> NoReturn:
    """Runs `mtl-train` with the process' arguments and ends the process with its exit status."""
    command = Application.command = Command()
    HydraConfig.instance().cfg = None  # of an earlier call
    with command.interrupt.surviving_broken_pipes():
        try:
            _run(command, sys.argv[1:])
        except SystemExit as end:
            sys.exit(end.code or command.interrupt.status(0))


def _run(command: Command, arguments: list[str]) -> NoReturn:
    sys.argv[1:] = sorted(arguments, key=lambda word: word not in ("-m", "--multirun"))  # it may stand anywhere
    if "--version" in arguments:
        print(f"mtl-cli {version('mtl-cli')}")
        sys.exit(command.interrupt.status(0))
    logging.raiseExceptions = False  # a log that can't be written is no reason for tracebacks in the terminal
    os.environ["HYDRA_FULL_ERROR"] = "1"  # its exceptions come to us, and we say what was wrong
    try:
        _refuse_no_folder()
        verb = verb_of(arguments)
        if verb is not None:
            further = verb(arguments[1:])
            if further is None:
                sys.exit(command.interrupt.status(0))
            command.resumes, sys.argv[1:] = True, further
        sys.argv[1:], command.repeats = with_settings(sys.argv[1:], _conf())
        _register_launcher()
        guard_hydra(arguments)
        read_task_overrides()
        hydra._internal.hydra.Hydra = Application  # type: ignore[misc]
        with command.interrupt.handling(), command.held, command.interrupt.as_itself():
            command.interrupt.deliver()
            run = hydra.main(version_base="1.3", config_path=str(_conf()), config_name="config")
            run(command.__call__)()
    except InputError as error:
        complain(str(error))
        sys.exit(ExitStatus.WRONG_INPUT)
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        complain(hydra_message(error))
        sys.exit(ExitStatus.FAILED if command.has_begun else ExitStatus.WRONG_INPUT)
    except OSError as error:  # the folder can't be made, or written to
        complain(brief(error))
        sys.exit(ExitStatus.FAILED if error.errno in NO_ROOM or command.has_begun else ExitStatus.WRONG_INPUT)
    except Exception as error:
        complain(brief(error))
        sys.exit(ExitStatus.FAILED)
    except KeyboardInterrupt:
        sys.exit(command.interrupt.status(128 + signal.SIGINT))
    finally:
        command.say_elsewhere()
        command.say_unfinished()
    sys.exit(command.interrupt.status(command.status))


def _register_launcher() -> None:
    """Lets Hydra know the project's launcher, whose module must have a name that Hydra gives plugins."""
    folder = str(PACKAGE / "sweeps" / "plugins")
    if folder not in sys.path:
        sys.path.append(folder)
    Plugins.instance().register(import_module("hydra_plugins.mtl_launcher").SweepLauncher)


def _refuse_no_folder() -> None:
    try:
        Path.cwd()
    except FileNotFoundError as error:
        where = os.environ.get("PWD", "")
        raise InputError(
            f"the working folder {where} isn't there any more; change into another one, with cd"
        ) from error


def _refuse_other_configs(config: DictConfig, *, resumes: bool) -> None:
    """Refuses another folder for a run's config than the one by which it is resumed; going on, it stays as it is."""
    if config.hydra.output_subdir != (None if resumes else CONFIGS):
        raise InputError(
            f"hydra.output_subdir: a run is told of, repeated and resumed by its {CONFIGS}, got "
            f"{config.hydra.output_subdir}; leave it out"
        )


def _conf() -> Path:
    """Returns the folder of the shipped configs: the wheel's, or the checkout's."""
    packaged = PACKAGE / "conf"
    return packaged if packaged.is_dir() else PACKAGE.parent / "conf"


def _remove_unbegun(sweep: Path) -> None:
    """Removes what Hydra writes of a sweep before its jobs, where nothing else came into its folder."""
    names = {"multirun.yaml", "sweep.csv", "sweep.md"}
    with suppress(OSError):
        if {path.name for path in sweep.iterdir()} <= {*names, LOCK}:
            for name in names:
                (sweep / name).unlink(missing_ok=True)
