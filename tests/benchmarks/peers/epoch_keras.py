"""Keras 3 `Model.fit` from NumPy arrays: one epoch over the rows of `workload.EPOCH`, after a warm-up."""
import argparse
import json
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras

import workload

parser = argparse.ArgumentParser()
parser.add_argument("--steps-per-execution", type=int, default=100)
args = parser.parse_args()
size = workload.EPOCH
dense = keras.layers.Dense

inputs = hidden = keras.Input((size["features"],))
for units in size["shared"]:
    hidden = dense(units, activation="relu")(hidden)
outputs = []
for task, units in enumerate(size["units"]):
    head = hidden
    for width in size["head"]:
        head = dense(width, activation="relu")(head)
    outputs.append(dense(units, name=f"y{task + 1}")(head))
model = keras.Model(inputs, outputs)
loss = ["mse", keras.losses.BinaryCrossentropy(from_logits=True)]
model.compile("adam", loss=loss, loss_weights=[0.5, 0.5], steps_per_execution=args.steps_per_execution)
x, y1, y2 = workload.draw(size)
few = 200 * size["batch"]
model.fit(x[:few], [y1[:few], y2[:few]], batch_size=size["batch"], verbose=0)
begun = time.perf_counter()
model.fit(x, [y1, y2], batch_size=size["batch"], verbose=0)
seconds = time.perf_counter() - begun
print(json.dumps({"peer": "epoch_keras", "seconds": seconds}))
