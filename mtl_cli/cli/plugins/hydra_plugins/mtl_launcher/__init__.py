"""What `hydra/launcher=mtl` names: Hydra takes launchers from a package of this name only."""

from collections.abc import Sequence

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class SweepLauncher(Launcher):
    """Trains a sweep's jobs in this process, together where that is faster."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Takes what Hydra gives every launcher."""
        self._given = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Trains the jobs and returns what became of each.

        Jobs that want a working folder or environment of their own can't share a process' at the same time: they are
        left to Hydra's own launcher.
        """
        context, task_function, config = self._given
        if config.hydra.job.chdir or config.hydra.job.env_set:
            from mtl_cli.composition.hydra_private import BasicLauncher

            basic = BasicLauncher()
            basic.setup(hydra_context=context, task_function=task_function, config=config)
            return basic.launch(job_overrides, initial_job_idx)
        from mtl_cli.cli.job_runner import JobRunner  # Hydra imports this file in each call of the command
        from mtl_cli.sweeps.launcher import Batch

        assert isinstance(task_function, JobRunner)
        runner = task_function
        batch = Batch(context, config, runner.invocation, runner.outcome, runner.interrupt, runner.datasets)
        return batch.train(job_overrides, initial_job_idx)
