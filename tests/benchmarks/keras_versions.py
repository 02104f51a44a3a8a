"""Loads a saved model with several releases of Keras, each in a folder of its own, and says what it predicts.

python tests/benchmarks/keras_versions.py RUN_DIR/model.keras 3.12.0 3.13.2 3.14.1 3.15.1
"""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

PROGRAM = """
import sys, keras, tensorflow as tf
model = keras.saving.load_model(sys.argv[1])
given = {i.name: tf.constant([[""]]) if i.dtype == "string" else tf.ones((1, i.shape[1])) for i in model.inputs}
found = model(given if len(given) > 1 else next(iter(given.values())))
print(keras.__version__, {name: values[0].numpy().tolist() for name, values in found.items()})
"""

for version in sys.argv[2:]:
    with TemporaryDirectory() as folder:
        install = ["-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, f"keras=={version}"]
        subprocess.run([sys.executable, *install], check=True)
        model, path = (
            str(Path(sys.argv[1]).absolute()),
            os.environ | {"PYTHONPATH": folder, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        done = subprocess.run([sys.executable, "-c", PROGRAM, model], env=path, capture_output=True, text=True)
        print(done.stdout.strip() or f"{version}: {done.stderr.strip().splitlines()[-1]}")
