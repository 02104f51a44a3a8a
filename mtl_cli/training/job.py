"""What a run is asked to be: one job of a sweep, or the only one. Imports no TensorFlow."""

from dataclasses import dataclass

from mtl_cli.config import Config


@dataclass(frozen=True)
class Job:
    """One run, of a sweep or the only one."""

    number: int
    config: Config
    overrides: tuple[str, ...]
    """The command line that differs between jobs."""
