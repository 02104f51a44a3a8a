"""The one place that imports TensorFlow: late, quietly, and on the asked-for device.

`tf` and `keras` stand for the modules and import them when first used, so that a file which writes compiled code
can be imported, and a config refused, without waiting for TensorFlow.
"""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final

from numpy.typing import NDArray

from mtl_cli.errors import InputError, RunFailed

Tensor = Any
"""A tensor or something TensorFlow makes one of (TensorFlow has no types of its own)."""
Array = NDArray[Any]
Arrays = dict[str, Array]
"""What is drawn or computed on the host, by name."""

LEAST_MEMORY: Final = 3 * 2**30
"""Of addresses: with 2.7 GiB a small network on two cores ended in an abort, with 2.9 it trained."""


class _Late:
    """A module that is imported at the first use of one of its names."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(import_module(self._name), attribute)


tf: Any = _Late("tensorflow")
keras: Any = _Late("keras")


def start(device: str) -> str:
    """Imports TensorFlow and returns the device to compute on, `CPU:0` or `GPU:0`.

    Args:
        device: `auto` (a GPU if there is one), `cpu`, or `gpu`.

    Raises:
        InputError: `gpu` was asked for and there is none.
        RunFailed: The process may take less memory than TensorFlow needs, which would end it without a word.
    """
    refuse_too_little_memory()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet(), _missing("sklearn"):
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        gpus = tf.config.list_physical_devices("GPU")
        if device == "cpu" and gpus:
            tf.config.set_visible_devices([], "GPU")
        tf.zeros([])  # sets the devices up, which prints
    if device == "gpu" and not gpus:
        raise InputError("device: 'gpu' was asked for, but TensorFlow sees no GPU here; use device=cpu or device=auto")
    return "GPU:0" if gpus and device != "cpu" else "CPU:0"


def refuse_too_little_memory() -> None:
    """Refuses a process that may take less memory than TensorFlow needs, before anything is made for it.

    Raises:
        RunFailed: It is one.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < LEAST_MEMORY:
        raise RunFailed(
            f"too little memory to load TensorFlow: 'ulimit -v' allows {limit / 2**30:.2g} GiB, and it needs "
            f"{LEAST_MEMORY / 2**30:.2g} GiB or more; raise the limit, as with 'ulimit -v unlimited'"
        )


@contextmanager
def _missing(package: str) -> Iterator[None]:
    """Has a package not be installed: Keras imports scikit-learn for wrappers of its own, which takes half a second."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[package]


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps what C++ code writes to the process' standard error off the terminal, unless the block fails."""
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield
        except BaseException as error:
            os.dup2(terminal, 2)
            if isinstance(error, ImportError):
                caught.seek(0)
                os.write(2, caught.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
