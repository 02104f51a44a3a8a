"""What `mtl-train help` explains of a config: keys, the parts they stand in, groups and their choices."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mtl_cli.reference.groups import Choice, Group, Key, data_defaults, groups, kinds, run_keys, setting_groups, whose
from mtl_cli.reference.values import without_backticks


@dataclass(frozen=True)
class Topic:
    """Something that is explained.

    Attributes:
        name: As one types it, but for a task's name, which is `<task>`.
        about: What it is, in a line.
        show: Prints all that there is to know of it.
    """

    name: str
    about: str
    show: Callable[[Console], None]

    def answers(self, word: str) -> bool:
        """Tells whether a word is its whole name; either mark may stand before a group's last part."""
        return word.replace("/", ".") == self.name.replace("/", ".")

    def ends_with(self, word: str) -> bool:
        """Tells whether a word is the last part of its name, or the last parts."""
        return self.name.replace("/", ".").endswith((f".{word.replace('/', '.')}", f"={word}"))


def topics() -> list[Topic]:
    """Returns all there are."""
    with_keys = [kinds(), *groups()]
    every = [*with_keys, *setting_groups()]
    variants = {name: list(each) for name, each in groupby(_by_name(with_keys), key=lambda variant: variant.key.name)}
    about = {name: _about(each) for name, each in variants.items()}
    about |= {group.name: ", ".join(choice.name for choice in group.choices) for group in every}
    found = [Topic(name, about[name], partial(_show_key, each)) for name, each in variants.items()]
    found += [
        Topic(part, ", ".join(name.removeprefix(f"{part}.") for name in inside), partial(_show_part, part, inside))
        for part, inside in _parts(about, {_dotted(group) for group in with_keys}).items()
    ]
    for group in every:
        found.append(Topic(group.name, about[group.name], partial(_show_group, group)))
        found += [
            Topic(f"{group.name}={choice.name}", choice.meaning, partial(_show_choice, group, choice))
            for choice in group.choices
        ]
    return found


def lines(rows: Mapping[str, str]) -> Padding:
    """Returns names with what is said of each beside it."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    for name, said in rows.items():
        grid.add_row(Text(name), Text(said))
    return Padding(grid, (0, 0, 0, 2))


@dataclass(frozen=True)
class _Variant:
    """A key, as some of a group's choices have it."""

    key: Key
    group: Group | None = None
    choices: Sequence[str] = ()

    @property
    def takes(self) -> str:
        """What can stand behind its `=`."""
        return without_backticks(self.key.values)

    @property
    def default(self) -> str:
        """What it is where nobody says otherwise, and what choices of data say."""
        others = [
            f"{given[self.key.name]} with {whose(data)}"
            for data, given in data_defaults().items()
            if self.key.name in given
        ]
        return "; ".join([without_backticks(self.key.default), *others])

    @property
    def of(self) -> str:
        """Which choices have it."""
        if self.group is None:
            return ""
        group = self.group.name.rpartition(".")[2]
        return (
            f"every {group}" if len(self.choices) == len(self.group.choices) else f"{group}={', '.join(self.choices)}"
        )


def _by_name(with_keys: Sequence[Group]) -> list[_Variant]:
    """Returns all keys, those of a name together, in the order of the first ones."""
    found = [_Variant(key) for key in run_keys()]
    found += [_Variant(key, group, choices) for group in with_keys for key, choices in group.all_keys().items()]
    order = {variant.key.name: place for place, variant in reversed(list(enumerate(found)))}
    return sorted(found, key=lambda variant: order[variant.key.name])


def _parts(meanings: Mapping[str, str], taken: set[str]) -> dict[str, dict[str, str]]:
    """Returns the keys, with their meanings, that stand in each part of a config that is no group."""
    parts: dict[str, dict[str, str]] = {}
    for name, meaning in meanings.items():
        steps = name.split(".")
        for end in range(1, len(steps)):
            parts.setdefault(".".join(steps[:end]), {})[name] = meaning
    del parts["tasks"]  # which is `tasks.<task>`
    return {part: inside for part, inside in parts.items() if part not in taken}


def _dotted(group: Group) -> str:
    return group.name.replace("/", ".")


def _about(variants: Sequence[_Variant]) -> str:
    """Returns what a key means, to each of the choices to which it means something else."""
    meanings = {variant.key.meaning: variant.of for variant in variants}
    if len(meanings) == 1:
        return next(iter(meanings))
    return "; ".join(f"{meaning} ({of})" for meaning, of in meanings.items())


def _show_key(variants: Sequence[_Variant], console: Console) -> None:
    for place, variant in enumerate(variants):
        if place:
            console.print()
        console.print(Text(variant.key.name, style="bold"))
        rows = {"meaning": variant.key.meaning, "takes": variant.takes, "default": variant.default, "of": variant.of}
        console.print(lines({name: said for name, said in rows.items() if said}))


def _show_part(part: str, inside: Mapping[str, str], console: Console) -> None:
    console.print(Text(f"{part}: its keys", style="bold"))
    console.print(lines(inside))


def _show_group(group: Group, console: Console) -> None:
    default = f"; {group.default} is the default" if group.default else ""
    console.print(Text(f"{group.name}: choose with {group.name}=NAME{default}", style="bold"))
    console.print(lines({choice.name: choice.meaning for choice in group.choices}))
    keys = list(dict.fromkeys(key.name for key in group.all_keys()))
    if keys:
        console.print(Text("their keys: " + ", ".join(keys)))
    console.print(Text(f"mtl-train help NAME says more of a choice{' or a key' if keys else ''}"))


def _show_choice(group: Group, choice: Choice, console: Console) -> None:
    console.print(Text(f"{group.name}={choice.name}", style="bold"))
    console.print(Padding(Text(choice.meaning), (0, 0, 0, 2)))
    for command in choice.commands:
        console.print(Text(f"    {command}"), soft_wrap=True)
    if choice.sets:
        given = ", ".join(f"{key}={value}" for key, value in choice.sets.items())
        console.print(Padding(Text(f"It {'also ' if choice.keys else ''}sets {given}."), (0, 0, 0, 2)))
    if choice.keys:
        console.print(Text("its keys", style="bold"))
        each = {key.name: _Variant(key) for key in choice.keys}
        said = {name: f"{of.key.meaning} ({of.takes}; default {of.default})" for name, of in each.items()}
        console.print(lines(said))
