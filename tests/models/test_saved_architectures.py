"""Networks in inference: the same layers, saved without this package, and with any task's name; a new architecture."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mtl_cli.backend import tf
from mtl_cli.datasets.encoder import PlainFeatures
from mtl_cli.tasks import Regression, Task
from tests.support.architectures import VARIANTS, built, equal, model, raw
from tests.support.network import FEATURES, WEIGHTS, X

every = pytest.mark.parametrize("variant", VARIANTS)

TRAINED = {
    "mmoe": {"dropout": 0.5, "gate_dropout": 0.5},
    "cross_stitch": {"dropout": 0.5},
    "film of two": {"dropout": 0.5},
    "mtan of two": {"dropout": 0.5},
    "ple": {"dropout": 0.5, "gate_dropout": 0.5},
}


@pytest.mark.parametrize("variant", TRAINED)
def test_training_without_noise_is_inference(variant: str) -> None:
    network = built(variant, **TRAINED[variant])
    assert network.dropped > 0
    ones = [tf.ones((len(X), count)) for count in (network.dropped, network.gated) if count]
    found = network.outputs(network.params(), [tf.constant(X), *ones], WEIGHTS).raw
    equal({task: values.numpy() for task, values in found.items()}, raw(network))
    zeros = [tf.zeros_like(each) for each in ones]
    dropped = network.outputs(network.params(), [tf.constant(X), *zeros], WEIGHTS).raw
    assert any(not np.allclose(dropped[task], values) for task, values in raw(network).items())


@every
def test_a_saved_model_needs_nothing_of_this_package(tmp_path: Path, variant: str) -> None:
    network = built(variant, dropout=0.5)
    network.inference.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", X)
    code = (
        "import sys, keras, numpy as np; assert not any(name.startswith('mtl') for name in sys.modules); "
        "found = keras.saving.load_model('model.keras')(np.load('x.npy'), training=False); "
        "np.savez('found.npz', **{task: np.asarray(values) for task, values in found.items()})"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=tmp_path, env={"PATH": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    )
    with np.load(tmp_path / "found.npz") as found:
        for task, values in raw(network).items():
            np.testing.assert_allclose(found[task], values, rtol=1e-6, atol=1e-6)


@every
def test_names_of_tasks_clash_with_no_layer(variant: str) -> None:
    names: dict[str, Task] = {name: Regression(units=1) for name in ("shared", "expert", "level1", "gate", "column")}
    network = model(variant).build(PlainFeatures(FEATURES), names, 0)
    assert set(network.own) == set(names)


ROOT = Path(__file__).parent.parent.parent


def test_the_worked_example_is_all_that_a_new_architecture_needs(tmp_path: Path) -> None:
    """That of the README: a file and a YAML, in a copy of the package."""
    for folder in ("mtl_cli", "conf"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "mtl_cli" / "models" / "README.md").read_text(), re.DOTALL)
    (tmp_path / "mtl_cli" / "models" / "wide_and_deep.py").write_text(code)
    like = (ROOT / "conf" / "model" / "shared_bottom.yaml").read_text()
    (tmp_path / "conf" / "model" / "wide_and_deep.yaml").write_text(like.replace("shared_bottom", "wide_and_deep"))
    words = ["model=wide_and_deep", "mode=joint,alternating", "weighting=fixed", "steps=3", "hydra.sweep.dir=s"]
    done = subprocess.run(
        [sys.executable, "-m", "mtl_cli", "-m", *words], cwd=tmp_path, env={"PATH": ""}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "2 jobs finished" in done.stdout
    assert len(list(tmp_path.glob("s/*/model.keras"))) == 2
