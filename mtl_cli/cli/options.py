"""What is said of an option that there isn't: most are settings, which are typed without dashes."""

import re
from argparse import ArgumentParser
from collections.abc import Sequence

from mtl_cli.composition.choices import OWN
from mtl_cli.config import Config
from mtl_cli.config_errors import known_key, of_other_tools
from mtl_cli.errors import closest


def options_of(parser: ArgumentParser) -> list[str]:
    """Returns the options of a command line, by their long names."""
    return re.findall(r"--[a-z-]+", parser.format_usage())


def no_option(
    words: Sequence[str], options: Sequence[str], verbs: Sequence[str] = (), *, takes_settings: bool = True
) -> str:
    """Returns what is wrong with an option that there isn't, and what was probably meant.

    Args:
        words: The option, and what follows it.
        options: Those that there are.
        verbs: The verbs that may stand in its place.
        takes_settings: Whether overrides may stand there.
    """
    word, equals, value = words[0].partition("=")
    if not equals:
        value = next((later for later in words[1:2] if not re.match("-|.*=", later)), "...")
    text, name, option = f"{word}: there is no such option", _key(word), closest(word, options, cutoff=0.8)
    if name in verbs:
        return f"{text}; did you mean 'mtl-train {name}'?"
    if option is not None and not (takes_settings and is_key(word)):
        return f"{text}; did you mean '{option}'?"
    if not takes_settings:
        return f"{text}{'; the options are ' * bool(options)}{', '.join(options)}"
    foreign = of_other_tools(name)
    if foreign is not None:
        return f"{text}; {foreign}"
    key = name if is_key(word) else known_key(Config, name)
    typed = f": '{key}={value}'" if key else ", as 'steps=100'; --help has both"
    return f"{text}; settings are typed without dashes{typed}"


def is_key(word: str) -> bool:
    """Tells whether an option has the name of a key of the config, or of a group."""
    name = _key(word)
    return name == OWN or known_key(Config, name) == name


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("-").replace("-", "_")
