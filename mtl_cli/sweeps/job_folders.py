"""The folders of a sweep's jobs with their `.hydra/`, as Hydra makes them before it runs a job.

Hydra takes some 40 ms for that, most of it to copy the config four times. So it makes the first folder, and the others
are written from the config itself, if the first one comes out the same that way; part by part, because few parts of it
differ between jobs.
"""

import os
import shlex
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from hydra.core.utils import JobReturn, JobRuntime, JobStatus, configure_log, run_job
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict

from mtl_cli.composition.hydra_private import get_omega_conf_dumper
from mtl_cli.composition.resolve import as_typed
from mtl_cli.errors import InputError
from mtl_cli.run_folder.atomic_files import CONFIGS
from mtl_cli.run_folder.locks import is_free, locked
from mtl_cli.sweeps.job_configs import Composer
from mtl_cli.training.job import Job
from mtl_cli.untrusted.escaping import shown


class Folders:
    """Makes the folders of one sweep, and keeps other processes out of those whose jobs are under way."""

    def __init__(self, context: HydraContext, sweep: DictConfig, composer: Composer, *, resumes: bool) -> None:
        """Takes what Hydra gives a launcher, what composes jobs, and whether some of the folders may be there."""
        self._context = context
        self._sweep = sweep
        self._composer = composer
        self._as_hydra: bool | None = None if not sweep.hydra.callbacks else False
        """Whether the files come out as Hydra's; callbacks of the user's want to see each job begin."""
        self._last: dict[tuple[str, str], tuple[str, str]] = {}
        """The last job's parts of files, and what they are as YAML."""
        self._resumes = resumes
        self._held: dict[Path, ExitStack] = {}

    def __enter__(self) -> Self:
        """Returns the folders."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Leaves those that jobs are under way in."""
        for folder in list(self._held):
            self.leave(folder)

    def leave(self, folder: Path) -> None:
        """Lets other processes into the folder of a job that has ended."""
        self._held.pop(folder).close()

    def make(self, job: Job) -> tuple[Path, JobReturn]:
        """Makes the job's folder with its configs; the job itself is for later.

        Raises:
            InputError: Something else is in there, or another process is.
        """
        config = self._composer(job.overrides)
        folder = str(self._sweep.hydra.sweep.dir)
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = job.number
            if str(config.hydra.sweep.dir) != folder:  # it depends on something swept, `name` for example
                config.hydra.sweep.dir = folder
        made = self._take(config)
        if self._as_hydra:
            return made, self._written(config, made)
        returned = run_job(lambda _: None, config, "hydra.sweep.dir", "hydra.sweep.subdir", self._context)
        configure_log(self._sweep.hydra.hydra_logging, self._sweep.hydra.verbose)
        assert returned.hydra_cfg is not None
        returned.cfg = returned.hydra_cfg = None  # a thousand of them would be gigabytes
        if self._as_hydra is None:
            found = {path.name: path.read_text() for path in (made / CONFIGS).glob("*.yaml")}
            self._as_hydra = found == self._texts(config)
        return made, returned

    def _take(self, config: DictConfig) -> Path:
        """Returns the job's folder, which is this process' now, and empty, but for what an earlier call made of it."""
        sweep, inner = (str(OmegaConf.select(config, f"hydra.sweep.{part}")) for part in ("dir", "subdir"))
        folder = Path(os.path.abspath(os.path.join(sweep, inner)))  # noqa: PTH100, PTH118 (as Hydra does)
        whose = f"{shown(folder)}: it isn't the job's"
        again = f"move it away, and go on with 'mtl-train resume {shlex.quote(shown(Path(sweep)))}'"
        if os.path.lexists(folder) and (folder.is_symlink() or not folder.is_dir()):
            raise InputError(f"{whose}, and no folder: {again}")
        if not Path(sweep).is_dir():
            raise InputError(f"{shown(Path(sweep))}: the sweep's folder is gone")
        if Path(sweep).resolve() not in folder.resolve().parents:
            raise InputError(f"{whose}: a link leads out of the sweep's folder; {again}")
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as held:
            held.enter_context(locked(folder))
            known = self._resumes and (folder / CONFIGS).is_dir()
            if not known and not is_free(folder):
                raise InputError(f"{whose}, and isn't empty: {again}")
            self._held[folder] = held.pop_all()
        return folder

    def _written(self, config: DictConfig, folder: Path) -> JobReturn:
        OmegaConf.set_readonly(config.hydra, False)
        config.hydra.runtime.output_dir = str(folder)
        inner = folder / CONFIGS
        inner.mkdir(exist_ok=True)
        for name, text in self._texts(config).items():
            (inner / name).write_text(text, encoding="utf-8")
        returned = JobReturn(overrides=as_typed(config.hydra.overrides.task), working_dir=os.getcwd())  # noqa: PTH109
        returned.status = JobStatus.COMPLETED
        returned.task_name = JobRuntime.instance().get("name")
        return returned

    def _texts(self, config: DictConfig) -> dict[str, str]:
        """Returns what Hydra writes into a job's `.hydra/`, by file."""
        whole: Any = OmegaConf.to_container(config, enum_to_str=True)
        hydra = whole.pop("hydra")
        parts = {
            "config.yaml": {key: {key: value} for key, value in whole.items()},
            "hydra.yaml": {key: {"hydra": {key: value}} for key, value in hydra.items()},
            "overrides.yaml": {"": hydra["overrides"]["task"]},
        }
        texts = {
            file: [self._yaml((file, key), part) for key, part in of_file.items()] for file, of_file in parts.items()
        }
        top = "hydra:\n"
        texts["hydra.yaml"] = [top, *(text.removeprefix(top) for text in texts["hydra.yaml"])]
        return {file: "".join(of_file) for file, of_file in texts.items()}

    def _yaml(self, place: tuple[str, str], part: Any) -> str:
        """Returns a part of a file as YAML, which mostly is that of the last job."""
        content = repr(part)
        if self._last.get(place, ("", ""))[0] != content:
            style = {"default_flow_style": False, "allow_unicode": True, "sort_keys": False}
            self._last[place] = content, yaml.dump(part, Dumper=get_omega_conf_dumper(), **style)
        return self._last[place][1]
