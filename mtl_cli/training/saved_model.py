"""The saved model, `model.keras`: built once for the runs of a process that differ in their weights alone.

Keras takes 30 ms to build and save even a small model, about as long as such a run's training takes in a sweep. So
from the second one on only the weights are written, into a copy of the archive. Which of its arrays is which variable
is found out by saving numbers that occur nowhere else.
"""

import io
import json
import secrets
import threading
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final, NamedTuple
from zipfile import ZipFile

import numpy as np

from mtl_cli.backend import keras
from mtl_cli.datasets.dataset import Dataset
from mtl_cli.networks.network import Network, Params
from mtl_cli.run_folder.atomic_files import sync, writing
from mtl_cli.tables.model_inputs import allowing_any_column

KEPT: Final = 16
"""Models, which differ in their preprocessing."""
MAX_BYTES: Final = 2**22
"""The size of weights from which on Keras saves them all: an archive is kept in memory to make copies of."""
CONFIG: Final = "config.json"
NEWER: Final = {
    "quantization_config": None, "input_axes": None, "output_axes": None, "oov_method": "floormod", "salt": None,
}  # fmt: skip
"""Settings that Keras 3.12, the oldest that TensorFlow 2.21 takes, lacks, with the values that it acts by."""
WEIGHTS: Final = "model.weights.h5"
"""The file of the archive that has the arrays."""


def save(network: Network, dataset: Dataset, params: Params, path: Path) -> None:
    """Writes the model that predicts with these parameters, whole or not at all.

    Raises:
        RunFailed: It can't be written.
    """
    scales = tuple((name, *scale.mean.tolist(), *scale.deviation.tolist()) for name, scale in dataset.scales.items())
    key = network, dataset.encoder, scales
    beside = path.with_name(f".model.{secrets.token_hex(8)}.keras")  # no link can wait there
    with writing(path):
        try:
            with _one_at_a_time, allowing_any_column():
                archive = _archives.pop(key) if key in _archives else Archive(network, dataset)
                _archives[key] = archive  # the last one, now
                while len(_archives) > KEPT:
                    del _archives[next(iter(_archives))]
                archive.write(params, beside)
            sync(beside)
            beside.replace(path)
        except BaseException:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
            raise


def predictor(network: Network, dataset: Dataset) -> Any:
    """Returns the Keras model that is saved: raw data in, a dict of every task's predictions out.

    Preprocessing is its first part; regressions come in their labels' own unit, classes as probabilities.
    """
    inputs, features = dataset.encoder.raw()
    raw = network.inference(features)
    outputs = {}
    for name, task in dataset.tasks.items():
        outputs[name] = keras.layers.Activation(task.activation, name=f"{name}_prediction")(raw[name])
        if name in dataset.scales:
            scale = dataset.scales[name]
            original = keras.layers.Rescaling(scale.deviation.tolist(), scale.mean.tolist(), name=f"{name}_original")
            outputs[name] = original(outputs[name])
    return keras.Model(inputs, outputs)


class Original(NamedTuple):
    """An archive that others are copies of, but for the weights."""

    files: dict[str, bytes]
    arrays: list[str]
    """What the network's variables are called in the file of weights."""

    def copy(self, params: Params, path: Path) -> None:
        """Writes it with other weights; the date in it stays."""
        import h5py  # late, as Keras is, which imports it

        weights = io.BytesIO(self.files[WEIGHTS])
        with h5py.File(weights, "r+") as file:
            for name, value in zip(self.arrays, params.all(), strict=True):
                file[name][...] = value.numpy()
        with ZipFile(path, "w") as archive:
            for name, content in (self.files | {WEIGHTS: weights.getvalue()}).items():
                archive.writestr(name, content)


class Archive:
    """A saved model, with any run's weights."""

    def __init__(self, network: Network, dataset: Dataset) -> None:
        """Builds the model."""
        self._network = network
        self._model = predictor(network, dataset)
        self._original: Original | None = None
        self._runs = 0

    def write(self, params: Params, path: Path) -> None:
        """Writes it with the weights of a run."""
        self._runs += 1
        if self._runs == 2 and sum(value.numpy().nbytes for value in params.all()) < MAX_BYTES:
            self._original = self._found(path)
        if self._original is None:
            self._save(params, path)
        else:
            self._original.copy(params, path)

    def _save(self, params: Params, path: Path) -> None:
        self._network.assign(params)
        with NamedTemporaryFile(dir=path.parent, prefix=".model.", suffix=".keras") as beside:
            self._model.save(beside.name)
            with ZipFile(beside.name) as saved, ZipFile(path, "w") as archive:
                for name in saved.namelist():
                    content = saved.read(name)
                    if name == CONFIG:
                        content = json.dumps(_without_defaults(json.loads(content))).encode()
                    archive.writestr(name, content)

    def _found(self, path: Path) -> Original | None:
        """Returns an archive and where its weights are; None where it has them in some other form."""
        import h5py

        random, blank = np.random.default_rng(0), self._network.params()
        marks = [random.random(value.shape, np.float32) for value in blank.all()]
        self._save(blank.like(marks), path)
        with ZipFile(path) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        names: dict[bytes, str] = {}

        def note(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                names[item[()].tobytes()] = name

        with h5py.File(io.BytesIO(files[WEIGHTS])) as file:
            file.visititems(note)
        arrays = [names[mark.tobytes()] for mark in marks if mark.tobytes() in names]
        return Original(files, arrays) if len(set(arrays)) == len(marks) else None


def _without_defaults(config: Any) -> Any:
    """Returns a model's config without settings that are at the defaults that older releases of Keras have."""
    if isinstance(config, dict):
        return {
            key: _without_defaults(value) for key, value in config.items() if key not in NEWER or value != NEWER[key]
        }
    return [_without_defaults(value) for value in config] if isinstance(config, list) else config


_archives: dict[Any, Archive] = {}
_one_at_a_time = threading.Lock()
