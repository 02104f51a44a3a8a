"""What Hydra found wrong, in words: key or file, value, rule, nearest valid choice.

Hydra often doesn't say of which override or file it speaks; the frames that its exception came through know.
"""

import json
import re
from pathlib import Path
from typing import Final

from hydra.conf import HydraConf
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.types import Override
from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf import OmegaConf

from mtl_cli.composition.choices import no_main_config, no_such_choice
from mtl_cli.composition.hydra_private import files_at, loader_at, merged_at, override_at, typed_at
from mtl_cli.config import Config
from mtl_cli.config_errors import suggest
from mtl_cli.errors import nearest
from mtl_cli.paths import blocked

QUOTES: Final = "\"'"
IN_MAPPINGS: Final = re.compile(r"[\w/\\.+$%*@?| \t-]*", re.ASCII)
"""What Hydra takes as a key of a mapping."""
GLOBAL: Final = "# @package _global_"
"""How a file begins whose keys are those of the whole config."""


def hydra_message(error: Exception) -> str:
    """Returns what Hydra found wrong, with the nearest valid choice.

    Other releases of Hydra may have other frames: then it is what Hydra says, and no failure of its own.
    """
    try:
        return _explained(error)
    except Exception:
        return _first_line(error) or type(error).__name__


def _explained(error: Exception) -> str:
    if isinstance(error, OverrideParseException):
        return _unreadable(error)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        return _no_such_file(error, error.missing_cfg_file)
    first, override = _first_line(error), override_at(error)
    if first.startswith("Ambiguous value"):
        return f"{first}: several values need -m (a sweep), a list needs brackets"
    if (swept := re.match(r"Sweep parameters '(.+)' requires --multirun", first)) is not None:
        return f"{swept[1]}: several values need -m (a sweep)"
    twice = re.match(r"(\S+) appears more than once in the final defaults list", first)
    plus = re.match(r"force-add of config groups is not supported: '\+\+(([^=]+)=.*)'", first)
    if plus:
        return f"{plus[2]}: it has a choice already, so leave the pluses out: '{plus[1]}'"
    if twice:
        return f"{twice[1]}: it is chosen more than once; name one choice of a group, without brackets or a plus"
    if override is not None and override.input_line is not None:
        return _of_override(override, override.input_line, first, error)
    return _of_file(error, first)


def _unreadable(error: OverrideParseException) -> str:
    """Says what is wrong with an override's form; Hydra lists its functions where one isn't known."""
    start = f"can't read the override {error.override!r}"
    called = re.search(r"\w+ while evaluating '[^\n]*': ([^\n]+)(?:\nAvailable: (\S+))?", str(error))
    if called is None:
        return f"{start}: {_odd_form(error.override)}"
    unknown = re.fullmatch(r"Unknown function '(.+)'", called[1])
    hint = f"; {nearest(unknown[1], called[2].split(','), 'functions')}" if unknown and called[2] else ""
    return f"{start}: {called[1][0].lower()}{called[1][1:]}{hint}"


def _odd_form(override: str) -> str:
    """Returns what most likely keeps Hydra from reading an override."""
    key, equals, value = override.partition("=")
    if not equals:
        return "it has no '='; overrides look like key=value"
    if (odd := _odd_key(key, value)) is not None:
        return odd
    if any(value.count(opening) != value.count(closing) for opening, closing in ("()", "[]", "{}")):
        return "its brackets don't match; quote a value that has some of its own"
    if ",," in value or value.startswith(",") or value.endswith(","):
        return "a value is missing beside a comma; quote a value that has commas of its own"
    return "quote values with spaces or other special characters"


def _odd_key(key: str, value: str) -> str | None:
    """Returns what is wrong with a key that can't be typed: Hydra has quotes for values alone."""
    plain = key.lstrip("+~")
    parts = plain.split(".")
    odd = next((i for i, part in enumerate(parts) if not re.fullmatch(r"[\w/@$-]*", part, re.ASCII)), None)
    pairs = re.findall(r"[{,]\s*(\"[^\"]*\"|'[^']*'|[^:{},\[\]]+?)\s*:\s*([^,{}\[\]]*)", value)
    found = [(plain, *pair) for pair in pairs if not IN_MAPPINGS.fullmatch(pair[0])]
    if odd is not None:
        found = [(".".join(parts[:odd]), ".".join(parts[odd:]), value)]
    if not found:
        return None
    above, name, meant = found[0]
    name = name.strip(QUOTES)
    if not above:
        return f"{name!r} is no key; keys have letters, digits and '_'"
    if above == "tasks":
        task = name.partition(".")[0]
        return (
            f"{task!r} is no task name: a letter followed by letters, digits or '_'; its column may have any name, "
            "which tasks.<task>.column says"
        )
    if IN_MAPPINGS.fullmatch(name):
        return f"a key with such characters stands in a mapping: '{key[: -len(name) - 1]}={{{name}: {meant}}}'"
    content = f"{json.dumps(name, ensure_ascii=False)}: {meant or '...'}"
    for part in reversed(above.split(".")):
        content = f"{part}: {{{content}}}"
    return f"{name!r} can't be typed as a key, which takes no quotes; have a config file say {content}"


def _no_such_file(error: MissingConfigException, file: str) -> str:
    loader, named = loader_at(error), re.match(r"In '(experiment/.+?)'", str(error))
    if loader is None:
        return _first_line(error)
    where = f"{named[1]}: " if named else ""
    return where + (no_such_choice(loader, file) if "/" in file else no_main_config(loader, file))


def _of_override(override: Override, line: str, first: str, error: Exception) -> str:
    """Says what is wrong with an override."""
    key, value = override.key_or_group, override.get_value_element_as_str()
    if not key:
        return f"can't read the override {line!r}: there is no key before the '='"
    cause, full_key = _first_line(error.__cause__), _full_key(error.__cause__)
    deeper, choices = full_key.startswith(f"{key}."), _options(error, key)
    is_choice = choices and not deeper and not isinstance(override.value(), str | list)
    if first.startswith("Config group override") or (is_choice and first.startswith("Could not override")):
        return f"{override.get_key_element()}: a choice is a word, got {value}; {nearest(value, choices)}"
    if first.startswith("Could not override"):
        return _no_such_key(full_key if deeper else key)
    if first.startswith("Could not append to config. An item is already"):
        return f"{key}: it is there already, so leave the plus out: {line.lstrip('+')!r}"
    if cause.startswith("Cannot merge"):
        kinds = ("keys", "a list") if isinstance(override.value(), list) else ("a list", "keys")
        return f"{line}: {kinds[0]} can't be replaced by {kinds[1]}"
    if cause.endswith("is not Optional"):
        return f"{key}: it can't be null"
    if cause:
        return f"{first}: {cause}"
    return first if key in first else f"{line}: {first}"


def _no_such_key(key: str) -> str:
    if not key.startswith("hydra."):
        return f"{key}: there is no such key; {suggest(Config, key)}"
    parent = key.rpartition(".")[0]
    siblings = OmegaConf.select(OmegaConf.create({"hydra": HydraConf}), parent)
    known = [f"{parent}.{sibling}" for sibling in siblings] if OmegaConf.is_dict(siblings) else []
    return f"{key}: there is no such key; {nearest(key, known, f'keys of {parent}')}"


def _of_file(error: Exception, first: str) -> str:
    """Says what is wrong with a file, or with what the files come to."""
    key = _full_key(error)
    folder = re.search(r"(Additional|Primary) config directory(?:.*\n.*)? '(.+)' (?:not found|exists)", str(error))
    if folder:
        option = {"Additional": "--config-dir", "Primary": "--config-path"}[folder[1]]
        return f"{option}: {blocked(Path(folder[2], '*')) or first}"
    anew = re.match(r"Multiple values for (\S+)\. To override a value use 'override", first)
    if anew and (typed := [line[1:] for line in typed_at(error) if line.startswith(f"+{anew[1]}=")]):
        return f"{anew[1]}: it has a choice already, so leave the plus out: {typed[0]!r}"
    if anew:
        return f"{anew[1]}: two defaults lists choose it; the one that is to hold needs 'override /{anew[1]}: ...'"
    unused = re.match(r"(?:In '(.+)': )?Could not override '([^']+)'", first)
    if unused and "@" in unused[2]:
        top = unused[2].partition("@")[2].partition(".")[0]
        return f"{unused[1]}: its defaults list is of what stands below {top!r}; let its first line be {GLOBAL!r}"
    if unused and unused[1]:
        groups = _options(error, "", ObjectType.GROUP)
        return f"{unused[1]}: there is no group {unused[2]!r} to override; {nearest(unused[2], groups, 'groups')}"
    if unused:
        return _no_such_key(unused[2])
    composing = re.match(r"In '(.+)': \w+ raised while composing config:\n(.*)", str(error))
    if composing:
        keys = merged_at(error)
        wrong = "there is a list for keys, or keys for a list" if keys else "it is a list, and a config has keys"
        wrong = wrong if composing[2].startswith("Cannot merge") else composing[2]
        return ": ".join(filter(None, [composing[1], ".".join(keys), wrong]))
    called = re.match(r"Error in call to target '(?:[\w.]*\.)?(\w+)':\n\w+\((.*)\)", str(error))
    if called:
        return f"{key}: {called[1]} can't be had with these keys ({called[2].strip(QUOTES)})"
    if key:
        return f"{key}: {first}"
    item = re.match(r"Unsupported (?:item value|type) in defaults : (\w+)", first)
    wrong = f"defaults: an item is 'group: choice' or the name of a file, got {item[1]}" if item else first
    files = files_at(error)
    where = files[-1] if files and files[-1] not in first else ""
    return ": ".join(filter(None, [where, wrong, _first_line(error.__cause__)]))


def _first_line(error: BaseException | None) -> str:
    return str(error or "").strip().partition("\n")[0]


def _full_key(error: BaseException | None) -> str:
    found = re.search(r"full_key: (\S+)", str(error))
    return found[1] if found else ""


def _options(error: Exception, group: str, kind: ObjectType = ObjectType.CONFIG) -> list[str]:
    """Returns the choices of a group, or the groups in it; nothing where no files were looked for."""
    loader = loader_at(error)
    return list(loader.get_group_options(group, kind)) if loader is not None else []
