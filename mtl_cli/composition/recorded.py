"""Runs that are repeated or gone on with by what is in their folders. Imports no TensorFlow."""

import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mtl_cli.composition.resolve import plain
from mtl_cli.config import FAMILIES, Config, parse
from mtl_cli.errors import InputError
from mtl_cli.identity import changes, config_hash, decisive, keys
from mtl_cli.run_folder.atomic_files import CONFIGS, refuse_odd, replace
from mtl_cli.run_folder.checkpoints import newest
from mtl_cli.run_folder.locks import locked
from mtl_cli.settings import Extends
from mtl_cli.untrusted.escaping import shown, visible
from mtl_cli.untrusted.files import read_yaml, summary_in

LOOKED_AT: Final = 10_000
"""Iterations whose learning rates are compared; what a run says that it has done may be billions."""
LONGEST_PATH: Final = 500
"""Characters of a recorded folder that are shown."""
MOST_LEVELS: Final = 4
"""Of folders between a sweep's and a job's."""


def arguments(run: Path, extra: Sequence[str]) -> list[str]:
    """Returns the command line that goes on with the run of a folder, with more overrides.

    Raises:
        InputError: It isn't a run's folder, or an override is about something else than the run.
    """
    refuse_odd(run)
    _refuse_more(run / CONFIGS / "config.yaml")
    recorded(run)
    for line in extra:
        if re.match(r"[+~]*hydra[./@]", line) and not line.startswith("hydra.verbose="):
            raise InputError(f"{line}: a run goes on where and as it began")
        if line.lstrip("+~").partition("=")[0].partition("/")[0] in {*FAMILIES, "experiment"}:
            raise InputError(f"{line}: a run goes on with the choices it began with; train this one in another folder")
    place = [f"hydra.run.dir={quoted(run)}", "hydra.output_subdir=null"]
    return ["-cp", str(run / CONFIGS), "-cn", "config", *place, *extra]


def with_settings(arguments: Sequence[str], conf: Path) -> tuple[list[str], Path | None]:
    """Returns the command line with what a recorded config lacks, and the folder of the run that recorded it.

    `mtl-train -cp RUN/.hydra -cn config` composes a run's config as it was. Hydra's own settings aren't in it; they are
    those of the project's main config.

    Args:
        arguments: The command line, which may name another folder of configs than the project's.
        conf: The project's.
    """
    words = list(arguments)
    for i, word in enumerate(words):
        name, equals, value = word.partition("=")
        if _abbreviates(name, "--experimental-rerun", "--e"):
            raise InputError(f"{name}: a pickle may hold code; a run is repeated by -cp RUN_DIR/{CONFIGS} -cn config")
        if not (name == "-cp" or _abbreviates(name, "--config-path", "--config-p")) or (
            not equals and i + 1 == len(words)
        ):
            continue
        configs = Path(value if equals else words[i + 1]).absolute()  # Hydra takes it from its own module's folder
        words[i : i + (1 if equals else 2)] = ["-cp", str(configs)]
        files = ("config.yaml", "hydra.yaml", "overrides.yaml")
        if configs.name == CONFIGS or all((configs / name).is_file() for name in files):
            _refuse_more(configs / "config.yaml")
            settings = yaml.safe_load((conf / "config.yaml").read_text())["hydra"]
            del settings["help"]
            first = next((k for k, word in enumerate(words) if k > i + 1 and not _is_option(words, k)), len(words))
            return [*words[:first], *_leaves("++hydra", settings), *words[first:]], configs.parent
        break
    return words, None


@contextmanager
def held(run: Path, config: Config) -> Iterator[None]:
    """Checks that a run can go on with a config, and keeps others out of its folder while the block runs.

    Raises:
        InputError: It has another config, or more iterations already.
        SystemExit: It has finished.
    """
    with ExitStack() as locks:
        sweeps = [above for above in run.parents[:MOST_LEVELS] if (above / "multirun.yaml").exists()]
        for sweep in sweeps:
            locks.enter_context(locked(sweep))
        locks.enter_context(locked(run))
        before = recorded(run)
        changed = changes(decisive(before), decisive(config))
        if changed:
            rule = f"a run goes on with the config it began with, but for {', '.join(keys(Extends))}"
            raise InputError(f"{changed[0]}; {rule}" if len(changed) == 1 else "\n".join([*changed, rule]))
        summary = summary_in(run) or {}
        done = max(summary.get("iterations", 0), newest(run))
        if config.steps < done:
            raise InputError(f"steps: {config.steps} is less than the {done} iterations that {run} has")
        if summary.get("status") == "finished":
            _end_finished(run, before, config, summary)
            if not newest(run):
                raise InputError(
                    f"{shown(run)} is finished, and its checkpoints are gone: it would begin again at iteration 1; "
                    "train it in another folder"
                )
        if unsaid := schedule_unsaid(before, config, done):
            raise InputError(unsaid)
        if config.steps > before.steps and config.optimizer.schedule.name != "constant":
            rates = config.optimizer.learning_rates(np.array([done, config.steps - 1]), config.steps)
            print(f"the learning rate goes from {rates[0]:.3g} at iteration {done + 1:,} to {rates[1]:.3g} at the end")
        if config.steps > before.steps and sweeps:
            print(_of_sweep(run, sweeps[0], before.steps, config.steps), file=sys.stderr)
        yield


def _of_sweep(run: Path, sweep: Path, before: int, now: int) -> str:
    """Returns what to say where one job of a sweep is made longer than the others."""
    words = shlex.join(["cp", "-r", shown(run), "longer"])
    return (
        f"note: this is a job of {shown(sweep)}, whose comparison will have {now:,} iterations of it beside "
        f"{before:,} of others; a copy leaves it as it is: {words} && mtl-train resume longer steps={now}"
    )


def _end_finished(run: Path, before: Config, config: Config, summary: Mapping[str, Any]) -> None:
    """Ends the command where nothing is left of a finished run to go on with, and says what would be.

    Raises:
        SystemExit: That is so.
    """
    done, waited, patience = summary["iterations"], before.early_stopping.patience, config.early_stopping.patience
    if summary.get("ended_by") == "early_stopping" and patience is not None and patience <= (waited or 0):
        print(
            f"{shown(run)} is finished: early stopping ended it after {done:,} of {before.steps:,} iterations; "
            f"early_stopping.patience=null, or more than {waited}, goes on with it"
        )
        raise SystemExit(0)
    if config_hash(config) == hash_of(summary):
        print(f"{shown(run)} is finished after {done} iterations; a larger steps=N goes on with it")
        raise SystemExit(0)


def schedule_unsaid(before: Config, now: Config, done: int) -> str | None:
    """Returns what to say where other steps would change the learning rates of iterations that are done, unsaid."""
    iterations = np.linspace(0, done - 1, min(done, LOOKED_AT)).astype(np.int64)
    last = np.array([done, now.steps - 1])
    then, new = (each.optimizer.learning_rates(iterations, each.steps) for each in (before, now))
    whole = before.optimizer.schedule_steps or before.steps
    if now.optimizer.schedule_steps != before.optimizer.schedule_steps or (then == new).all():
        return None
    kept = now.optimizer.model_copy(update={"schedule_steps": whole})
    (first, end), (first_kept, end_kept) = (each.learning_rates(last, now.steps) for each in (now.optimizer, kept))
    return (
        f"steps: it was {before.steps} and is {now.steps}, but the learning rate's schedule "
        f"({now.optimizer.schedule.name}) went over {whole} iterations, and came to {then[-1]:.3g} after {done}; say "
        f"what it is to do: optimizer.schedule_steps={now.steps} stretches it (from {first:.3g} to {end:.3g}), "
        f"optimizer.schedule_steps={whole} leaves it (from {first_kept:.3g} to {end_kept:.3g}), and "
        "optimizer.rate_after_schedule=N with the latter has further iterations train at the rate N"
    )


def record(run: Path, composed: DictConfig) -> None:
    """Records the config that a run goes on with, which may be longer."""
    config = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
    path = run / CONFIGS / "config.yaml"
    text = OmegaConf.to_yaml(config).encode()
    if path.read_bytes() != text:
        replace(path, text)


def recorded_overrides(run: Path) -> list[str]:
    """Returns the overrides that a run was begun with; nothing where they can't be read."""
    try:
        lines = read_yaml(run / CONFIGS / "overrides.yaml")
    except (OSError, ValueError, InputError):
        return []
    return [str(line) for line in lines] if isinstance(lines, list) else []


def began_elsewhere(run: Path) -> str | None:
    """Returns the folder that a run was begun in, to be shown; None where that is this one, or can't be read."""
    try:
        part = read_yaml(run / CONFIGS / "hydra.yaml")
    except (OSError, ValueError, InputError):
        return None
    for key in ("hydra", "runtime", "cwd"):
        part = part.get(key) if isinstance(part, dict) else None
    return visible(part[:LONGEST_PATH]) if isinstance(part, str) and part not in ("", str(Path.cwd())) else None


def hash_of(summary: Mapping[str, Any]) -> str:
    """Returns the hash of what a run's config decides; keys that are newer than the run have their defaults."""
    config = summary.get("config")
    with suppress(InputError):
        if isinstance(config, Mapping):
            return config_hash(parse(config))
    return str(summary.get("config_hash"))


def recorded(run: Path) -> Config:
    """Returns the config that a run recorded.

    Raises:
        InputError: It can't be read.
    """
    path = run / CONFIGS / "config.yaml"
    _read(path)
    try:
        loaded: Any = OmegaConf.load(path)  # which takes 1e-3 for a number, other than plain YAML
        return parse(plain(loaded))
    except (OSError, yaml.YAMLError, OmegaConfBaseException, InputError, AttributeError, ValueError) as error:
        raise InputError(f"{path} can't be used: {' '.join(str(error).split())}") from error


def quoted(folder: Path) -> str:
    """Returns a folder as the value of an override, whatever is in its name.

    Raises:
        InputError: Hydra would read a part of it as the name of a key, however it is quoted.
    """
    if "${" in str(folder):
        raise InputError(
            f"DIR: {folder} has ${{ in its name, which Hydra replaces; rename it, or lead there with a link"
        )
    return in_quotes(str(folder))


def _refuse_more(recorded_config: Path) -> None:
    """Refuses what Hydra doesn't write into a run's config, and would follow: its own settings, other files.

    Raises:
        InputError: There is some of it, or the file can't be read.
    """
    content = _read(recorded_config)
    for key in ("hydra", "defaults"):
        if key in content:
            raise InputError(
                f"{recorded_config}: {key}: a run's config has no such key; it is typed, where it is wanted"
            )
    if re.search(r"^\s*#\s*@package", recorded_config.read_text("utf-8-sig", errors="replace")):
        raise InputError(f"{recorded_config}: a run's config has no @package")


def _read(recorded_config: Path) -> dict[Any, Any]:
    """Returns what a recorded config holds, interpolations as they stand.

    Raises:
        InputError: It can't be read as one.
    """
    try:
        content = read_yaml(recorded_config)
        if not isinstance(content, dict):
            raise ValueError("it is no mapping" if content else "it is empty")
    except FileNotFoundError as error:
        raise InputError(f"{recorded_config} is missing; without it the run can't go on") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{recorded_config} can't be used: {' '.join(str(error).split())}") from error
    return content


def _abbreviates(word: str, option: str, shortest: str) -> bool:
    """Tells whether a word is an option, or as much of it as argparse takes for it."""
    return word.startswith(shortest) and option.startswith(word)


def in_quotes(value: str) -> str:
    """Returns a text as the value of an override."""
    return "'" + re.sub(r"(\\*)('|$)", lambda found: 2 * found[1] + ("\\'" if found[2] else ""), value) + "'"


def _is_option(words: Sequence[str], place: int) -> bool:
    """Tells whether a word is an option or the value of one, rather than an override."""
    return words[place].startswith("-") or (words[place - 1].startswith("-") and "=" not in words[place])


def _leaves(key: str, value: Any) -> list[str]:
    """Returns an override for each value in a nest of settings."""
    if isinstance(value, dict):
        return [line for name, inner in value.items() for line in _leaves(f"{key}.{name}", inner)]
    return [f"{key}={in_quotes(value) if isinstance(value, str) else value}"]
