"""How configs are loaded that others made: what was typed, what files may say, how many, and where they are."""

import pickle
import sys
from contextlib import nullcontext
from itertools import count
from pathlib import Path
from typing import Any

import hydra._internal.hydra
import pytest
from hydra._internal import config_loader_impl
from hydra._internal.core_plugins.bash_completion import BashCompletion
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import ConfigCompositionException
from hydra.plugins.completion_plugin import CompletionPlugin
from hydra.types import RunMode
from omegaconf import OmegaConf

from mtl_cli.composition import config_loader, hydra_private
from mtl_cli.composition.config_loader import FileConfigSource, Loader, Repository, guard_hydra
from mtl_cli.errors import InputError
from tests.support.configs import loading

MODULES = (config_loader.ImportlibResourcesConfigSource, config_loader.StructuredConfigSource)
"""What reads configs out of Python's modules."""
REPLACED = ((hydra._internal.hydra, "ConfigLoaderImpl"), (config_loader_impl, "CachingConfigRepository"))
GLOBAL = "# @package _global_"


@pytest.fixture(autouse=True)
def _undone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves Hydra after a test as it was before."""
    Plugins.instance()  # registers the sources
    for module, name in REPLACED:
        monkeypatch.setattr(module, name, vars(module)[name])
    monkeypatch.setattr(SourcesRegistry.instance(), "types", dict(SourcesRegistry.instance().types))
    monkeypatch.setattr(CompletionPlugin, "_query", CompletionPlugin._query)
    monkeypatch.setattr(Loader, "typed", ())
    monkeypatch.setattr(Loader, "searched", ())


def files(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        file = folder / f"{name}.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)


def composed(folder: Path, *words: str) -> Any:
    guard_hydra(words)
    with loading(folder, Loader) as loader:
        return loader.load_configuration("config", list(words), RunMode.RUN)


@pytest.mark.parametrize(
    ("word", "keys"),
    [
        ("steps=3", ["steps"]),
        ("+hydra.job.env_set.PATH=here", ["hydra.job.env_set.PATH"]),
        ("~hydra.callbacks.x", ["hydra.callbacks.x"]),
        ("hydra/launcher=basic", ["hydra/launcher"]),
        ("hydra.launcher={a: 1, b: [x, {c: 2}]}", [f"hydra.launcher.{key}" for key in ("a", "b.0", "b.1.c")]),
        ("seed=0,1", ["seed"]),
        *((word, []) for word in ("-m", "--config-dir", "resume", "steps=(", "")),
    ],
)
def test_what_is_typed_is_known_key_by_key(word: str, keys: list[str]) -> None:
    guard_hydra(["name=x", word, "hydra.searchpath=[pkg://a,b]"])
    assert Loader.typed == ("name", *keys, "hydra.searchpath.0", "hydra.searchpath.1")
    assert Loader.searched == ("pkg://a", "b")


def test_a_loader_keeps_what_was_typed_in_other_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guard_hydra(["name=x", "hydra.searchpath=[pkg://a]"])
    with loading(tmp_path, Loader) as loader:
        sent = pickle.dumps(loader)
    monkeypatch.setattr(Loader, "typed", ())
    monkeypatch.setattr(Loader, "searched", ())
    assert (pickle.loads(sent).typed, pickle.loads(sent).searched) == (("name", "hydra.searchpath.0"), ("pkg://a",))


def test_hydra_loads_by_what_guards_it(tmp_path: Path) -> None:
    guard_hydra([])
    assert [vars(module)[name] for module, name in REPLACED] == [Loader, Repository]
    with loading(tmp_path) as loader:
        assert {type(source) for source in loader.repository.get_sources()} == {FileConfigSource, *MODULES}


@pytest.mark.parametrize("name", ["$(touch x)", "a;b", "a b", "`x`", "a\nb", "'a'"])
def test_a_shell_completes_no_word_that_it_would_run(tmp_path: Path, name: str) -> None:
    guard_hydra([])
    files(tmp_path, {"config": "a: 1", "group/good": "b: 1", f"group/{name}": "b: 1"})
    with loading(tmp_path) as loader:
        assert BashCompletion(loader)._query("config", "group=") == ["group=good"]


@pytest.mark.parametrize(
    ("word", "refused"),
    [
        ("hydra.searchpath=[a, pkg://this]", "pkg://this"),
        ("+hydra.searchpath=['structured://this']", "structured://this"),
        *((f"hydra.searchpath={places}", None) for places in ("[a, /b, file:///c]", "[pkg://typed, a]", "[]", "null")),
        ("steps=3", None),
    ],
)
def test_a_module_is_a_place_of_configs_where_it_was_typed(tmp_path: Path, word: str, refused: str | None) -> None:
    """An override may also come of what a file sweeps."""
    guard_hydra(["hydra.searchpath=[pkg://typed]"])
    overrides = OverridesParser.create().parse_overrides(["seed=1", word])
    with loading(tmp_path, Loader) as loader:
        names = pytest.raises(InputError, match=f"^hydra.searchpath: {refused} names code; only the command line")
        with names if refused else nullcontext():
            loader.check_search_path(overrides)


@pytest.mark.parametrize("source", MODULES)
def test_a_module_that_a_file_names_is_refused_and_not_imported(source: type[Any]) -> None:
    scheme = f"{source.scheme()}://"
    with pytest.raises(InputError, match=f"^hydra.searchpath: {scheme}this names code"):
        source("hydra.searchpath in main", f"{scheme}this")
    assert "this" not in sys.modules
    for provider in ("main", "schema", "hydra.searchpath in command-line"):
        assert source(provider, f"{scheme}mtl_cli").full_path() == f"{scheme}mtl_cli"


MAIN = """
defaults: [_self_, {mode: a}, {experiment: null}, {override hydra/launcher: basic}]
hydra: {job: {name: train}, sweep: {dir: "s/${name}"}}
steps: 3
name: mtl
place: "${hydra:job.name}"
"""
CONFIGS = {"config": MAIN, "mode/a": "", "mode/b": "m: 1"}


@pytest.mark.parametrize(
    ("text", "below"),
    [("steps: 5", "experiment"), ("# @package mine.deep\nsteps: 5", "mine"), ("a: {b: 1}", "experiment")],
)
def test_keys_that_would_stand_below_no_key_of_a_config_are_refused(tmp_path: Path, text: str, below: str) -> None:
    files(tmp_path, CONFIGS | {"experiment/x": text})
    with pytest.raises(InputError) as refused:
        composed(tmp_path, "experiment=x")
    what = f"its keys would stand below {below!r}, which a config doesn't have; let its first line be {GLOBAL!r}"
    assert str(refused.value) == f"{tmp_path}/experiment/x.yaml: {what}"


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        (f"{GLOBAL}\nsteps: 5", "steps", 5),
        ("# @package model\nunits: 5", "model.units", 5),
        ("# @package hydra\nverbose: true", "hydra.verbose", True),
        ("# a comment", "steps", 3),
    ],
)
def test_other_keys_are_composed(tmp_path: Path, text: str, key: str, value: object) -> None:
    files(tmp_path, CONFIGS | {"experiment/x": text})
    assert OmegaConf.select(composed(tmp_path, "experiment=x"), key) == value


def test_a_launcher_that_a_file_chooses_in_vain_is_refused_unless_one_is_typed(tmp_path: Path) -> None:
    text = f"{GLOBAL}\ndefaults: [{{override /hydra/launcher: basic}}, {{override /mode: b}}]"
    files(tmp_path, CONFIGS | {"experiment/x": text})
    with pytest.raises(InputError) as refused:
        composed(tmp_path, "experiment=x")
    what = "the main config has chosen it, which counts more in Hydra; type hydra/launcher=basic"
    assert str(refused.value) == f"experiment/x: override /hydra/launcher: {what}"
    assert composed(tmp_path, "experiment=x", "hydra/launcher=basic").mode.m == 1


def test_keys_of_a_grid_that_is_null_are_refused_by_name(tmp_path: Path) -> None:
    files(tmp_path, CONFIGS)
    with pytest.raises(InputError, match=r"^hydra\.sweeper\.params\.seed=1: hydra\.sweeper\.params is null, which"):
        composed(tmp_path, "hydra.sweeper.params.seed=1")


def test_a_jobs_config_is_settled_as_the_sweeps_is_and_in_its_folder(tmp_path: Path) -> None:
    files(tmp_path, CONFIGS)
    with loading(tmp_path, Loader) as loader:
        sweep = loader.load_configuration("config", ["name=a", "hydra.verbose=true"], RunMode.MULTIRUN)
        job = loader.load_sweep_config(sweep, ["name=b", "steps=5"])
    assert OmegaConf.to_yaml(sweep.hydra.sweep).startswith("dir: s/a\n")
    assert "\nplace: ${hydra:job.name}\n" in OmegaConf.to_yaml(sweep)
    assert OmegaConf.to_yaml(job.hydra.sweep).startswith("dir: s/a\n")
    assert "\nsteps: 5\nname: b\nplace: train\n" in OmegaConf.to_yaml(job)
    assert "\nplace: train\n" in OmegaConf.to_yaml(composed(tmp_path))
    assert (job.hydra.verbose, job.hydra.overrides.task) == (True, ["name=b", "steps=5"])


TEXTS = {3: "a: 1", 5003: f"a: [{', '.join(['1'] * 5000)}]", 1003: f"a: {'x' * 32_000}"}
"""Files, by how many values each has: itself, its key, its value, and one more for each 32 letters."""


@pytest.mark.parametrize("values", TEXTS)
@pytest.mark.parametrize("defaults", [0, 20])
def test_files_are_read_as_often_as_their_sizes_allow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: int, defaults: int
) -> None:
    """Each counts 300, its values, 100 for its defaults list and for each item, and a 50th of what there is so far."""
    monkeypatch.setattr(config_loader, "MOST_VALUES", 100_000)
    files(tmp_path, {"x": f"defaults: [{', '.join(['{x: null}'] * defaults)}]\n{TEXTS[values]}"})
    each = values + 100 * (1 + defaults)
    allowed = next(n for n in count() if sum(300 + each + k * each // 50 for k in range(1, n + 2)) > 100_000)
    with loading(tmp_path) as loader:
        repository = Repository(loader.repository)
        assert repository.load_config("nothing") is None
        for _ in range(allowed):
            assert repository.load_config("x") is not None
        with pytest.raises(InputError, match=r"^x: the defaults lists of the config name too many files, or too large"):
            repository.load_config("x")


@pytest.mark.parametrize(
    "text", ["a: 1", "", "# @package b.c\n# a comment\na: {b: [1, '${a}']}", f"{GLOBAL}\ndefaults: [x]\nü: ö", "text"]
)
def test_a_file_is_what_it_is_to_hydra(tmp_path: Path, text: str) -> None:
    """Also with a byte order mark, behind which Hydra sees no first line."""
    files(tmp_path, {"x": text, "marked": f"\ufeff{text}"})
    (tmp_path / "link.yaml").symlink_to("x.yaml")
    by_hydra = hydra_private.FileConfigSource("main", str(tmp_path)).load_config("x")
    for name in ("x", "link.yaml", "marked"):
        assert FileConfigSource("main", str(tmp_path)).load_config(name) == by_hydra


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"a: 1\n b: 2\n", "line 2 is not YAML: mapping values are not allowed here"),
        (b"a: 1\nb: [\n", "line 3 is not YAML: expected the node content, but found '<stream end>'"),
        (b"a: 1\n\na: 2\n", "line 3 is not YAML: found duplicate key a"),
        (b"steps: 5\nbatch_size: *five\n", "line 2 is not YAML: found undefined alias"),
        (b"a: !!python/name:os.getcwd\n", "line 1 is not YAML: could not determine a constructor for the tag"),
        (b"a: \0\n", "unacceptable character #x0000"),
        (b"- a: 1\n", "it is a list, and a config has keys"),
        (b"3\n", "it is a single value, and a config has keys"),
        (b"a: 1\nb: \xe9\n", "byte 8 (0xe9, in line 2) is not UTF-8; save the file as UTF-8"),
        (b"# @package\na: 1\n", f"Expected header format: KEY VALUE, got '@package'; a file may begin with {GLOBAL!r}"),
        (b"# @package a b\n", f"Too many components in '@package a b'; a file may begin with {GLOBAL!r}"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_name(tmp_path: Path, content: bytes, wrong: str) -> None:
    (tmp_path / "x.yaml").write_bytes(content)
    with pytest.raises(ConfigCompositionException) as refused:
        FileConfigSource("main", str(tmp_path)).load_config("x")
    assert str(refused.value).startswith(f"{tmp_path / 'x.yaml'}: {wrong}")
    assert "\n" not in str(refused.value)
