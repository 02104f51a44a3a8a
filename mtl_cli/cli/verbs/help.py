"""`mtl-train help`: what a key, a group, a choice or a verb is, from the schema and the files under conf/."""

import re
from collections.abc import Sequence
from typing import Final

from rich.text import Text

from mtl_cli.cli.topics import Topic, lines, topics
from mtl_cli.cli.usage import VERBS, verb_of
from mtl_cli.cli.verbs.base import Parser, Verb
from mtl_cli.comparison.files import terminal
from mtl_cli.composition.choices import where_else
from mtl_cli.config import Config
from mtl_cli.config_errors import suggest
from mtl_cli.errors import InputError, closest

_TASK: Final = re.compile(r"^tasks(\.[^.=]*)?(?=[.=]|$)")
"""The begin of a task's key, with its name."""


def run(words: Sequence[str]) -> None:
    """Explains a word."""
    parser = Parser(
        prog="mtl-train help",
        description="Explains a key (meaning, range, default), a group, a choice or a verb, as in mtl-train help "
        "optimizer.learning_rate, tasks.price.weight, weighting, weighting=cagrad, resume. The last part of a name "
        "will do: learning_rate, cagrad. mtl-train --help has the groups and the verbs.",
    )
    parser.add_argument("word", metavar="WORD", nargs="*", help="the key, group, choice or verb")
    word = "_".join(parser.parse_args(words).word) or None
    verb = verb_of([word]) if word in VERBS else None
    if word is None:
        parser.print_help()
    elif verb is not None:
        verb.run(["--help"])
    else:
        _explain(word)


def _explain(word: str) -> None:
    """Prints what has the word as its name or, where nothing has, as the last part of it.

    Raises:
        InputError: Nothing has.
    """
    every, name = topics(), word.rstrip(".=")
    whole, ending = _found(every, name)
    key, equals, value = name.partition("=")
    if not whole and not ending and equals:
        choices = [topic.name.removeprefix(f"{key}=") for topic in every if topic.name.startswith(f"{key}=")]
        if choices:
            raise InputError(f"help: {key} has no choice {value!r}{where_else(key, value, choices)}")
        whole, ending = _found(every, key)
    if not whole and not ending:
        raise InputError(f"help: there is no {key!r}; {_hint(every, key)}")
    console = terminal()
    shown = whole or (ending if len(ending) == 1 else [])
    for topic in shown:
        topic.show(console)
    others = [topic for topic in ending if topic not in shown]
    if others:
        also = "see also" if shown else f"several names end with {word}; mtl-train help NAME says more of each"
        console.print(Text(f"{also}:", style="bold"))
        console.print(lines({topic.name: topic.about for topic in others}))


def _found(every: Sequence[Topic], word: str) -> tuple[list[Topic], list[Topic]]:
    """Returns the topics with this name, and those whose name ends with it."""
    name = _TASK.sub("tasks.<task>", word)
    return [topic for topic in every if topic.answers(name)], [topic for topic in every if topic.ends_with(name)]


def _hint(every: Sequence[Topic], word: str) -> str:
    """Returns what was probably meant."""
    if word.startswith("hydra."):
        return "keys of hydra are Hydra's own (hydra.cc); mtl-train --cfg hydra prints them"
    if "." in word:
        return suggest(Config, word)
    close = closest(word, [*VERBS, *(re.split("[.=/]", topic.name)[-1] for topic in every)])
    return f"did you mean {close!r}?" if close else "mtl-train --help has the groups and the verbs"


VERB = Verb("help WORD", "explain a key, a group or a verb", run, takes_words_of_configs=True)
