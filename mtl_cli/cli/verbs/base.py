"""What a verb is: a word that may come first."""

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from mtl_cli.cli.options import no_option, options_of
from mtl_cli.errors import InputError


@dataclass(frozen=True)
class Verb:
    """A verb.

    Attributes:
        usage: The verb, and what it takes, in a line of `mtl-train --help`.
        does: What it does, behind that.
        run: Takes the words behind it, and returns what Hydra is to be called with; None where it has done all there is
            to do.
        takes_words_of_configs: Whether what stands behind it is completed as an override is, or a verb.
    """

    usage: str
    does: str
    run: Callable[[Sequence[str]], list[str] | None]
    takes_words_of_configs: bool = False


class Parser(argparse.ArgumentParser):
    """Of a verb's arguments; a mistake in them is wrong input as any other."""

    def error(self, message: str) -> NoReturn:
        """Refuses the arguments.

        Raises:
            InputError: Always.
        """
        found = re.fullmatch(r"unrecognized arguments: (-.*)", message)
        if found:
            takes_settings = "KEY=VALUE" in self.format_usage()
            message = no_option(found[1].split(), options_of(self), takes_settings=takes_settings)
        raise InputError(f"{message} (see {self.prog} --help)")
