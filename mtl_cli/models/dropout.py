"""Dropout whose rate is a variable, so that runs with other rates share one compiled program."""

from typing import Any

from mtl_cli.backend import keras, tf


def trained_dropout(rate: float, seed: int) -> Any:
    """Returns a layer that in training zeroes each input with probability `rate` and divides the rest by 1 - rate.

    Srivastava et al., JMLR 15, 2014 ("inverted", as in Keras). For training only: a model that is saved takes
    `keras.layers.Dropout` in its place.
    """

    class VariableDropout(keras.layers.Layer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.random = keras.random.SeedGenerator(seed)
            self.rate = self.add_weight((), initializer=keras.initializers.Constant(rate), trainable=False)

        def call(self, inputs: Any, training: bool = False) -> Any:
            if not training:
                return inputs
            kept = keras.random.uniform(tf.shape(inputs), seed=self.random) >= self.rate
            return tf.where(kept, inputs / (1.0 - self.rate), 0.0)

    return VariableDropout()
