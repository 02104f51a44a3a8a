"""One run from config to files. This is the map of the program: data, network, program, chunks, report."""

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from mtl_cli.backend import start
from mtl_cli.config import Config
from mtl_cli.datasets.dataset import Dataset
from mtl_cli.run_folder.git_state import GitState
from mtl_cli.signals import Interrupt
from mtl_cli.terminal.run_text import ending, network_facts, run_header
from mtl_cli.terminal.run_view import View
from mtl_cli.training.dataset_cache import load
from mtl_cli.training.job import Job
from mtl_cli.training.restore import differences
from mtl_cli.training.run import Run
from mtl_cli.training.scheduler import Scheduler
from mtl_cli.training.setup import set_up
from mtl_cli.untrusted.files import summary_in

log = logging.getLogger("mtl_cli")


def rehearse(config: Config, folder: Path, view: View) -> None:
    """Shows what a run would train, and into which folder; writes nothing.

    Raises:
        InputError: It can't be trained.
    """
    with view.busy("reading the data"):
        dataset = load(config)
    view.start(run_header(config, dataset, folder))
    with view.busy("loading TensorFlow"):
        device = start(config.device)
        network = set_up(config, dataset, device).network
    view.built(network_facts(dataset, network, device))
    view.stop()
    view.say("sweep.dry_run=true: nothing is trained")


def train(
    job: Job,
    dataset: Dataset,
    folder: Path,
    view: View,
    interrupt: Interrupt | None = None,
    repeats: Path | None = None,
    begins: Callable[[], None] = lambda: None,
    git: GitState | None = None,
) -> dict[str, Any]:
    """Trains one run and writes its files into `folder`.

    Args:
        job: What to train.
        dataset: Its data, from `load`.
        folder: An existing folder for the files.
        view: How to show it.
        interrupt: Asked after every chunk whether to end early; before the first, a signal ends the run at once.
        repeats: The folder of the run that this one repeats.
        begins: Called before the first iteration, when nothing can be refused any more.
        git: The working folder's state at the command's beginning, for the summary.

    Returns:
        The summary, as in summary.json.

    Raises:
        InputError: The device that was asked for isn't there, or the network doesn't fit the rest. Nothing was written.
        RunFailed: A loss or parameter became NaN or infinite, or a file can't be written. Up to there all is written.
    """
    begun, config, interrupt = time.perf_counter(), job.config, interrupt or Interrupt()
    view.start(run_header(config, dataset, folder))
    with view.busy("loading TensorFlow"), interrupt.importing():
        device = start(config.device)
    with Run(job, folder, device, log, view, git, interrupt.reason, begun) as run, ExitStack() as shown:
        shown.callback(view.stop)
        with view.busy("building the network"):
            run.prepare(dataset)
            interrupt.deliver()
        view.built(network_facts(dataset, run.setup.network, device))
        run.setup.compile()
        if repeats not in (None, folder):
            for line in differences(summary_in(repeats) or {}, run.circumstances):
                run.say(f"{line}: the numbers may differ from those of {repeats}")
        run.open()
        begins()
        interrupt.defer()
        Scheduler([job], begin=lambda _: run, stop_asked=lambda: not run.has_ended and interrupt()).train()
    closing = ending(config, run.summary, folder)
    for note in [*closing.diagnostics, *closing.notes]:
        log.info(note)
    view.end(closing)
    return run.summary
