"""What checkpoints cost a run of the source article's size.

    python tests/benchmarks/checkpoints.py --minutes 10
    python tests/benchmarks/checkpoints.py --pairs 3

The first trains for so many minutes as by default and times each checkpoint; the second times whole runs with one every
two seconds, thirty times as often as by default, against none, in pairs taken in turn.
"""

import argparse
import contextlib
import io
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from mtl_cli.config import Config, parse
from mtl_cli.run_folder.folder import RunFolder
from mtl_cli.signals import Interrupt
from mtl_cli.terminal.run_view import View
from mtl_cli.training.dataset_cache import load
from mtl_cli.training.experiment import train
from mtl_cli.training.job import Job

CONF = Path(__file__).parent.parent.parent / "conf"


class After(Interrupt):
    """Stops a run after some time."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._end = time.monotonic() + seconds

    def __call__(self) -> bool:
        """Tells whether it is over."""
        return time.monotonic() > self._end


def config(*overrides: str) -> Config:
    """Returns the article's experiment."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        plain: Any = OmegaConf.to_container(compose("config", ["experiment=seed_joint", *overrides]), resolve=True)
    return parse(plain)


def trained(of: Config, interrupt: Interrupt | None = None) -> dict[str, Any]:
    """Returns the summary of a run."""
    with tempfile.TemporaryDirectory(dir=".") as folder, contextlib.redirect_stderr(io.StringIO()):
        return train(Job(0, of, ()), load(of), Path(folder).absolute(), View(), interrupt)


@contextlib.contextmanager
def timed() -> Iterator[list[float]]:
    """Times the checkpoints of the block."""
    save, taken = RunFolder.save, list[float]()

    def measured(*arguments: Any) -> None:
        begun = time.perf_counter()
        save(*arguments)
        taken.append(time.perf_counter() - begun)

    RunFolder.save = measured  # type: ignore[method-assign, assignment]
    yield taken
    RunFolder.save = save  # type: ignore[method-assign]


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--pairs", type=int, default=0)
    given = parser.parse_args()
    if given.minutes:
        with timed() as taken:
            summary = trained(config(f"steps={10**9}"), After(60 * given.minutes))
        share, seconds = sum(taken) / summary["train_seconds"], summary["train_seconds"]
        print(f"{summary['iterations']:,} iterations in {seconds:.0f} s; {len(taken)} checkpoints took ", end="")
        print(f"{sum(taken):.2f} s, {statistics.median(taken) * 1e3:.0f} ms each (median): {share:.2%} of the time")
    ratios = []
    for pair in range(given.pairs):
        order = [2, "null"] if pair % 2 else ["null", 2]
        seconds = {
            every: trained(config("steps=400000", f"checkpoint.every={every}"))["train_seconds"] for every in order
        }
        ratios.append(seconds[2] / seconds["null"])
    if ratios:
        spread = f"({min(ratios):.3f} - {max(ratios):.3f})"
        print(f"one every 2 s against none, {len(ratios)} pairs: {statistics.median(ratios):.3f} {spread}")


if __name__ == "__main__":
    main()
