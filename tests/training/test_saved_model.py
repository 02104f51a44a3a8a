"""Saved models of many runs: only the first ones are Keras' work."""

import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtl_cli.backend import keras, tf
from mtl_cli.config import Config
from mtl_cli.models.base import network_for
from mtl_cli.training import saved_model
from mtl_cli.training.dataset_cache import load
from mtl_cli.training.saved_model import predictor, save
from tests.support.configs import composed

TABLE = [
    "data=table", "data.path=t.csv", "+tasks.p.kind=regression", "+tasks.s.kind=binary", "+tasks.c.kind=multiclass",
    "data.embed_above=3", "model.dropout=0.5", "model.task_layers=[3]",
]  # fmt: skip
SEED = ["model.use_bias=true", "model.shared_layers=[5,5]"]


def config_of(overrides: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Returns a config, whose table is in a folder that is the working folder from now on."""
    monkeypatch.chdir(folder)
    rows = "".join(f"{i},k{i % 6},{i / 3},{i % 2},{i % 3}\n" for i in range(40))
    (folder / "t.csv").write_text("a,b,p,s,c\n" + rows)
    return composed(*overrides)


@pytest.mark.parametrize("overrides", [TABLE, SEED])
def test_every_runs_model_is_what_keras_would_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overrides: list[str]
) -> None:
    """Variable for variable, prediction for prediction, also of one that is saved again after others."""
    config = config_of(overrides, tmp_path, monkeypatch)
    dataset, random = load(config), np.random.default_rng(1)
    network, initial = network_for(config.model, dataset.encoder, dataset.tasks, 0)
    runs = [
        initial.like([tf.constant(random.normal(size=p.shape), tf.float32) for p in initial.all()]) for _ in range(4)
    ]
    plain, by_keras = saved_model.Archive._save, []

    def counted(*arguments: Any) -> None:
        by_keras.append(arguments)
        plain(*arguments)

    monkeypatch.setattr(saved_model.Archive, "_save", counted)
    for i, params in enumerate([*runs, runs[1]]):
        save(network, dataset, params, tmp_path / f"{i}.keras")
    assert len(by_keras) == 2
    assert not list(tmp_path.glob("*.partial*"))
    given = (
        {"a": np.arange(9.0), "b": np.array([f"k{i}" for i in range(9)], object)}
        if overrides is TABLE
        else random.random((9, 10))
    )
    for i, params in enumerate([*runs, runs[1]]):
        other = config.model.build(dataset.encoder, dataset.tasks, 3)
        other.assign(params)
        predictor(other, dataset).save(tmp_path / "slow.keras")
        expected, found = (loaded(tmp_path / name) for name in ("slow.keras", f"{i}.keras"))
        assert len(found.variables) == len(expected.variables)
        for one, value in zip(found.trainable_variables, expected.trainable_variables, strict=True):
            np.testing.assert_array_equal(one.numpy(), value.numpy())
        predictions, answers = found.predict(given, verbose=0), expected.predict(given, verbose=0)
        assert set(predictions) == set(dataset.tasks)
        for task, values in answers.items():
            np.testing.assert_array_equal(predictions[task], values)


def test_models_that_are_saved_at_once(tmp_path: Path) -> None:
    """By threads that share the network: each has its own run's weights."""
    config = composed(*SEED)
    dataset, random = load(config), np.random.default_rng(2)
    network, initial = network_for(config.model, dataset.encoder, dataset.tasks, 0)
    runs = [
        initial.like([tf.constant(random.normal(size=p.shape), tf.float32) for p in initial.all()]) for _ in range(16)
    ]
    with ThreadPoolExecutor(4) as pool:
        for i in range(16):
            (tmp_path / str(i)).mkdir()
        list(pool.map(lambda i: save(network, dataset, runs[i], tmp_path / str(i) / "model.keras"), range(16)))
    for i, params in enumerate(runs):
        found = loaded(tmp_path / str(i) / "model.keras").trainable_variables
        for one, value in zip(found, params.all(), strict=True):
            np.testing.assert_array_equal(one.numpy(), value.numpy())


def test_large_models_are_keras_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose archives aren't kept, nor those whose arrays aren't found."""
    monkeypatch.setattr(saved_model, "MAX_BYTES", 100)
    config = composed(*SEED, "model.shared_layers=[4]")
    dataset = load(config)
    network, params = network_for(config.model, dataset.encoder, dataset.tasks, 0)
    for i in range(3):
        save(network, dataset, params, tmp_path / f"{i}.keras")
    (archive,) = [each for key, each in saved_model._archives.items() if key[0] is network]
    assert archive._original is None
    with zipfile.ZipFile(tmp_path / "2.keras") as file:
        assert file.testzip() is None


def loaded(path: Path) -> Any:
    return keras.saving.load_model(path)


KERAS_3_12 = {
    "Activation": "activation dtype name trainable",
    "Cast": "dtype name",
    "Concatenate": "axis dtype name trainable",
    "DTypePolicy": "name",
    "Dense": "activation bias_constraint bias_initializer bias_regularizer dtype kernel_constraint kernel_initializer "
    "kernel_regularizer name trainable units use_bias",
    "Dropout": "dtype name noise_shape rate seed trainable",
    "Embedding": "activity_regularizer dtype embeddings_constraint embeddings_initializer embeddings_regularizer "
    "input_dim mask_zero name output_dim trainable",
    "Equal": "name",
    "ExpandDims": "axis name",
    "Functional": "input_layers layers name output_layers trainable",
    "GetItem": "name",
    "GlorotUniform": "seed",
    "InputLayer": "batch_shape dtype name optional ragged sparse",
    "Isnan": "name",
    "RandomUniform": "maxval minval seed",
    "Rescaling": "dtype name offset scale trainable",
    "StringLookup": "dtype encoding idf_weights invert mask_token max_tokens name num_oov_indices oov_token "
    "output_mode pad_to_max_tokens sparse trainable vocabulary vocabulary_size",
    "Where": "name",
    "Zeros": "",
}
"""What Keras 3.12.0 takes for each class (its `get_config`, and `optional`); it refuses all other keys."""


@pytest.mark.parametrize("overrides", [TABLE, SEED])
def test_the_oldest_keras_that_tensorflow_takes_knows_all_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overrides: list[str]
) -> None:
    config = config_of(overrides, tmp_path, monkeypatch)
    dataset = load(config)
    network, initial = network_for(config.model, dataset.encoder, dataset.tasks, 0)
    for i in range(3):  # the third one is a copy
        save(network, dataset, initial, tmp_path / f"{i}.keras")
        with zipfile.ZipFile(tmp_path / f"{i}.keras") as archive:
            inside: list[Any] = [json.loads(archive.read("config.json"))]
        seen = set()
        while inside:
            part = inside.pop()
            inside += part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
            name = part.get("class_name", "__") if isinstance(part, dict) else "__"
            if not name.startswith("__"):
                seen.add(name)
                assert {*part["config"]} <= {*KERAS_3_12[name].split()}, name
        assert "Dense" in seen
