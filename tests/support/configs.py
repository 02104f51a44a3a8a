"""Configs as Hydra composes them from conf/, and the data that they ask for."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from mtl_cli.composition import hydra_private
from mtl_cli.config import Config, parse
from mtl_cli.datasets.dataset import Dataset
from mtl_cli.training.dataset_cache import load

CONF = Path(__file__).parent.parent.parent / "conf"


def composed(*overrides: str) -> Config:
    """Returns the config that Hydra composes."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        plain = OmegaConf.to_container(compose("config", list(overrides)), resolve=True)
    assert isinstance(plain, dict)
    return parse({str(key): value for key, value in plain.items()})


def loaded(*overrides: str) -> Dataset:
    """Returns the data of the config that Hydra composes."""
    return load(composed(*overrides))


@contextmanager
def loading(folder: Path, by: type[hydra_private.Loader] = hydra_private.Loader) -> Iterator[hydra_private.Loader]:
    """Has Hydra ready to compose configs in a folder, by its own loader or another one."""
    with initialize_config_dir(str(folder), version_base="1.3"):
        yield by(GlobalHydra.instance().config_loader().get_search_path())
