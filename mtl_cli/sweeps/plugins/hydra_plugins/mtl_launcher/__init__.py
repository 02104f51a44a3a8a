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
        """Trains the jobs and returns what became of each."""
        from mtl_cli.sweeps.launcher import launch  # Hydra imports this file in each call of the command

        return launch(*self._given, job_overrides, initial_job_idx)
