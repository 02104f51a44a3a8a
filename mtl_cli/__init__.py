"""Config-driven multi-task learning experiments in TensorFlow."""

from importlib.metadata import version

__version__ = version("mtl-cli")
