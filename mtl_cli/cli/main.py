"""The command `mtl-train`: verbs, Hydra, signals, exit status."""

import errno
import logging
import os
import signal
import sys
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Final, NoReturn

from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from mtl_cli.cli.checks import check_run, check_sweep
from mtl_cli.cli.job_runner import JobRunner
from mtl_cli.cli.usage import VERBS, completed, help_page, verb_of
from mtl_cli.cli.words import at_home, in_order
from mtl_cli.composition.config_loader import guard_hydra
from mtl_cli.composition.hydra_errors import hydra_message
from mtl_cli.composition.hydra_private import Hooks, complete_with, run_hydra
from mtl_cli.composition.recorded import with_settings
from mtl_cli.composition.task_overrides import read_task_overrides
from mtl_cli.errors import ExitStatus, InputError, RunFailed
from mtl_cli.reference.files import shipped_configs
from mtl_cli.signals import Interrupt
from mtl_cli.sweeps.invocation import Invocation
from mtl_cli.sweeps.other_launchers import collect, say_resume
from mtl_cli.terminal.complaints import brief, complain

PACKAGE: Final = Path(__file__).parent.parent
DISK_IS_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


def main() -> NoReturn:
    """Runs `mtl-train` with the process' arguments and ends the process with its exit status."""
    HydraConfig.instance().cfg = None  # of an earlier call
    interrupt = Interrupt()
    with interrupt.surviving_broken_pipes():
        try:
            sys.exit(_status(sys.argv[1:], interrupt))
        except SystemExit as end:
            sys.exit(end.code or interrupt.status(0))


def _status(words: list[str], interrupt: Interrupt) -> int:
    """Does what the words ask for, says what went wrong, and returns the exit status."""
    if "--version" in words:
        print(f"mtl-cli {version('mtl-cli')}")
        return interrupt.status(0)
    logging.raiseExceptions = False  # a log that can't be written is no reason for tracebacks in the terminal
    os.environ["HYDRA_FULL_ERROR"] = "1"  # its exceptions come to us, and we say what was wrong
    runner = JobRunner(interrupt)
    try:
        asked = _asked(words)
        if asked is not None:
            runner.invocation = asked
            _train(runner, words)
    except InputError as error:
        complain(str(error))
        return ExitStatus.WRONG_INPUT
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        complain(hydra_message(error))
        return ExitStatus.FAILED if runner.outcome.has_begun else ExitStatus.WRONG_INPUT
    except OSError as error:  # the folder can't be made, or written to
        complain(brief(error))
        failed = error.errno in DISK_IS_FULL or runner.outcome.has_begun
        return ExitStatus.FAILED if failed else ExitStatus.WRONG_INPUT
    except Exception as error:
        complain(brief(error))
        return ExitStatus.FAILED
    except KeyboardInterrupt:
        return interrupt.status(128 + signal.SIGINT)
    finally:
        _say_what_is_left(runner)
    return interrupt.status(runner.outcome.status)


def _asked(words: list[str]) -> Invocation | None:
    """Leaves Hydra's part of the words in `sys.argv`; returns None where a verb has done all there is to do."""
    words = [at_home(word) for word in words]
    _refuse_no_folder()
    verb = verb_of(words)
    further = in_order(words, VERBS) if verb is None else verb.run(words[1:])
    if further is None:
        return None
    sys.argv[1:] = further
    sys.argv[1:], repeats = with_settings(sys.argv[1:], shipped_configs())
    return Invocation(resumes=verb is not None, repeats=repeats)


def _train(runner: JobRunner, words: list[str]) -> None:
    """Has Hydra compose a run or a sweep, and train it by the runner; shows what came of a sweep."""
    _register_launcher()
    guard_hydra(words)
    complete_with(completed)
    read_task_overrides()
    interrupt = runner.interrupt
    with interrupt.handling(), ExitStack() as claims, interrupt.as_itself():
        interrupt.deliver()
        run_hydra(runner, shipped_configs(), Hooks(composed=partial(_check, runner, claims), help=help_page))
        _report(runner)


def _check(runner: JobRunner, claims: ExitStack, config: DictConfig, mode: RunMode) -> None:
    """Checks what Hydra composed, and has the runner know what was asked."""
    HydraConfig.instance().cfg = config  # type: ignore[assignment] # for ${hydra:...} in the run's own part
    asked, interrupt = runner.invocation, runner.interrupt
    if mode == RunMode.RUN:
        runner.invocation = check_run(config, asked, interrupt, claims)
        return
    runner.invocation = check_sweep(config, asked, interrupt, claims, runner.datasets)
    if runner.invocation.sweep is not None and runner.invocation.sweep.is_elsewhere:
        interrupt.deliver()  # a signal is to end the wait for the others


def _report(runner: JobRunner) -> None:
    """Shows what a sweep came to, whoever trained its jobs.

    Raises:
        RunFailed: Its folder is gone.
    """
    sweep = runner.invocation.sweep
    if sweep is None:
        return
    from mtl_cli.cli.verbs.report import report_sweep  # with polars, which takes Ctrl-C for itself

    collect(sweep, runner.outcome, runner.interrupt)
    if not sweep.folder.is_dir():
        raise RunFailed(f"{sweep.folder}: the sweep's folder is gone, with what was trained")
    if not runner.interrupt.asked and any(sweep.folder.glob("*/summary.json")):
        report_sweep(sweep.folder)


def _say_what_is_left(runner: JobRunner) -> None:
    """Says what other processes left where the sweep was cut short, and how to go on with it."""
    sweep = runner.invocation.sweep
    if sweep is not None:
        collect(sweep, runner.outcome, runner.interrupt)
        if sweep.is_basic:
            say_resume(sweep, runner.outcome, runner.interrupt)


def _register_launcher() -> None:
    """Lets Hydra know the project's launcher, whose module must have a name that Hydra gives plugins."""
    folder = str(PACKAGE / "cli" / "plugins")
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
