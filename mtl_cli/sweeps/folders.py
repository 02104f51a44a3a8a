"""The folders of a sweep's jobs with their `.hydra/`, as Hydra makes them before it runs a job.

Hydra takes some 40 ms for that, most of it to copy the config four times. So it makes the first folder, and the others
are written from the config itself, if the first one comes out the same that way; part by part, because few parts of it
differ between jobs.
"""

import os
from pathlib import Path
from typing import Any

import yaml
from hydra.core.utils import JobReturn, JobRuntime, JobStatus, configure_log, run_job
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf._utils import get_omega_conf_dumper

from mtl_cli.sweeps.composing import Composer, Shape
from mtl_cli.sweeps.plan import Job


class Folders:
    """Makes the folders of one sweep."""

    def __init__(self, context: HydraContext, sweep: DictConfig, composer: Composer) -> None:
        """Takes what Hydra gives a launcher, and what composes jobs."""
        self._context = context
        self._sweep = sweep
        self._composer = composer
        self._as_hydra: bool | None = None if set(sweep.hydra.callbacks or ()) <= {"check"} else False
        """Whether the files come out as Hydra's; callbacks of the user's want to see each job begin."""
        self._fast: dict[Shape, bool] = {}
        """Whether libyaml writes the same as PyYAML."""
        self._last: dict[tuple[type, str, str], tuple[str, str]] = {}
        """The last job's parts of files, and what they are as YAML."""

    def make(self, job: Job) -> tuple[Path, JobReturn]:
        """Makes the job's folder with its configs; the job itself is for later."""
        config = self._composer(job.overrides)
        folder = str(self._sweep.hydra.sweep.dir)
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = job.number
            if str(config.hydra.sweep.dir) != folder:  # it depends on something swept, `name` for example
                config.hydra.sweep.dir = folder
        if self._as_hydra:
            return self._written(config, self._composer.shape)
        returned = run_job(lambda _: None, config, "hydra.sweep.dir", "hydra.sweep.subdir", self._context)
        configure_log(self._sweep.hydra.hydra_logging, self._sweep.hydra.verbose)
        assert returned.hydra_cfg is not None
        made = Path(returned.hydra_cfg.hydra.runtime.output_dir)
        returned.cfg = returned.hydra_cfg = None  # a thousand of them would be gigabytes
        if self._as_hydra is None:
            found = {path.name: path.read_text() for path in (made / str(config.hydra.output_subdir)).glob("*.yaml")}
            self._as_hydra = found == self._texts(config, get_omega_conf_dumper())
        return made, returned

    def _written(self, config: DictConfig, shape: Shape) -> tuple[Path, JobReturn]:
        place = [str(OmegaConf.select(config, f"hydra.sweep.{part}")) for part in ("dir", "subdir")]
        folder = Path(os.path.abspath(os.path.join(*place)))  # noqa: PTH100, PTH118 (as Hydra does)
        OmegaConf.set_readonly(config.hydra, False)
        config.hydra.runtime.output_dir = str(folder)
        inner = folder / config.hydra.output_subdir
        inner.mkdir(parents=True, exist_ok=True)
        texts = self._texts(config, _Fast if self._fast.get(shape) else get_omega_conf_dumper())
        if shape not in self._fast:
            self._fast[shape] = texts == self._texts(config, _Fast)
        for name, text in texts.items():
            (inner / name).write_text(text, encoding="utf-8")
        returned = JobReturn(overrides=list(config.hydra.overrides.task), working_dir=os.getcwd())  # noqa: PTH109
        returned.status = JobStatus.COMPLETED
        returned.task_name = JobRuntime.instance().get("name")
        return folder, returned

    def _texts(self, config: DictConfig, dumper: type) -> dict[str, str]:
        """Returns what Hydra writes into a job's `.hydra/`, by file."""
        whole: Any = OmegaConf.to_container(config, enum_to_str=True)
        hydra = whole.pop("hydra")
        parts = {
            "config.yaml": {key: {key: value} for key, value in whole.items()},
            "hydra.yaml": {key: {"hydra": {key: value}} for key, value in hydra.items()},
            "overrides.yaml": {"": hydra["overrides"]["task"]},
        }
        texts = {
            file: [self._yaml((dumper, file, key), part) for key, part in of_file.items()]
            for file, of_file in parts.items()
        }
        top = "hydra:\n"
        texts["hydra.yaml"] = [top, *(text.removeprefix(top) for text in texts["hydra.yaml"])]
        return {file: "".join(of_file) for file, of_file in texts.items()}

    def _yaml(self, place: tuple[type, str, str], part: Any) -> str:
        """Returns a part of a file as YAML, which mostly is that of the last job."""
        content = repr(part)
        if self._last.get(place, ("", ""))[0] != content:
            style = {"default_flow_style": False, "allow_unicode": True, "sort_keys": False}
            self._last[place] = content, yaml.dump(part, Dumper=place[0], **style)
        return self._last[place][1]


class _Fast(getattr(yaml, "CDumper", yaml.Dumper)):  # type: ignore[misc]
    """OmegaConf's style, written by libyaml, which takes a fifth of the time."""


_Fast.add_representer(str, get_omega_conf_dumper().str_representer)
