"""The READMEs say what there is: their commands run, their links lead somewhere, their tables are those of the code.

`python tests/test_readme.py` writes anew what is generated: the table of weighting methods from conf/weighting, and the
reference of every config key in conf/README.md.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from mtl_cli.cli.usage import VERBS
from mtl_cli.config import FAMILIES
from mtl_cli.settings import Settings
from mtl_cli.weighting.base import Weighting
from tests.support.command import MtlTrain
from tests.support.config_reference import with_reference

ROOT = Path(__file__).parent.parent
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", ".github/CONTRIBUTING.md", "outputs/README.md")),
    *sorted(path for folder in ("conf", "mtl_cli", "tests") for path in (ROOT / folder).rglob("README.md")),
]
METHODS = ROOT / "mtl_cli" / "weighting" / "README.md"
KEYS = ROOT / "conf" / "README.md"
FLAGS = {True: "honoured", False: "unequal ones refused"}
NOT_RUN: Mapping[str, str] = {
    "python3 -m venv": "sets an environment up, as .ci/run does",
    ".venv/bin/": "needs that environment, which .ci/run makes",
    "mtl-train -m seed=0,1,2,3 hydra/launcher=": "extras; sweeps/test_other_launchers.py runs joblib's",
    "mtl-train -m hydra/sweeper=optuna": "the sweeper is no part of the test environment",
    "eval ": "changes the shell that it is typed in",
    "pytest ": "runs these tests",
    "ruff ": "looks at the clone; so does .ci/run",
    "python tests/": "writes what these tests compare",
    ".ci/run": "runs these tests, and sets two environments up",
}
"""Commands of the READMEs that aren't run here, by how they begin, and why."""
FEW, MORE = 2, 4
"""Iterations that are trained here, whatever a command says, and those that a run is made longer to."""


def row(cls: type[Settings]) -> str:
    """Returns the row of the table for a weighting: the first sentence of its YAML."""
    assert issubclass(cls, Weighting)
    name = str(cls.model_fields["name"].default)
    first = (ROOT / "conf" / "weighting" / f"{name}.yaml").read_text().splitlines()[0]
    said = first.removeprefix("# ").partition("   ")[0].partition("; ")[0].rstrip(".")
    return f"| `{name}` | {said} | {FLAGS[cls.honours_weights]} |"


def with_table(text: str) -> str:
    """Returns the README of the weighting methods with the table as it should be."""
    rows = [row(cls) for cls in FAMILIES["weighting"]]
    before, heading, rest = text.partition(
        "| `weighting=` | what it does (source) | `tasks.*.weight` |\n|---|---|---|\n"
    )
    assert heading
    return before + heading + "\n".join(rows) + "\n\n" + rest.partition("\n\n")[2]


def prose(text: str) -> str:
    """Returns a document without its fenced blocks."""
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def commands(document: Path) -> Iterator[str]:
    """Yields what a document's shell blocks have, in order: lines of `mtl-train`, and whatever stands between them."""
    for block in re.findall(r"```bash\n(.*?)```", document.read_text(), re.DOTALL):
        other: list[str] = []
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("mtl-train ") or any(map(line.startswith, NOT_RUN)):
                yield from ["\n".join(other)] if other else []
                other = []
                yield line
            else:
                other.append(line)
        yield from ["\n".join(other)] if other else []


def shortened(arguments: list[str]) -> list[str]:
    """Returns the arguments of a command that takes seconds: few iterations, and sweeps planned alone.

    A sweep whose folder has a name is trained, for the commands that go on with it.
    """
    if arguments[0] == "resume":
        return [f"steps={MORE}" if of.startswith("steps=") else of for of in arguments]
    if not any("=" in of for of in arguments) or "--cfg" in arguments:
        return arguments
    kept = [of for of in arguments if not of.startswith("steps=")]
    planned = "-m" in kept and not any(of.startswith("hydra.sweep.dir=") for of in kept)
    return [*kept, f"steps={FEW}", *(["sweep.dry_run=true"] if planned else [])]


def test_every_weighting_is_in_the_table() -> None:
    assert len(FAMILIES["weighting"]) >= 26
    assert with_table(METHODS.read_text()) == METHODS.read_text(), "run `python tests/test_readme.py`"


def test_every_config_key_is_in_the_reference() -> None:
    text = KEYS.read_text()
    assert text.count("\n| `") > 80
    assert with_reference(text) == text, "run `python tests/test_readme.py`"


def test_the_documents_are_found() -> None:
    assert len(DOCUMENTS) >= 12


def test_the_first_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_nothing_is_left_to_fill_in(document: Path) -> None:
    text = re.sub(r"`[^`]*`|\]\([^)]*\)", "", prose(document.read_text()))
    assert not re.findall(r"\b[A-Z]+_[A-Z_]+\b|TODO|\?\?", text)


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_link_leads_to_something(document: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", prose(document.read_text())):
        path, _, anchor = link.partition("#")
        if path.startswith(("http://", "https://")):
            continue
        found = document.parent / path if path else document
        assert found.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", prose(found.read_text()), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", of.lower()).replace(" ", "-") for of in headings}, link


def test_every_script_that_is_named_is_there() -> None:
    scripts = {
        script for document in DOCUMENTS for script in re.findall(r"python (tests/[\w/]+\.py)", document.read_text())
    }
    assert len(scripts) > 5
    for script in scripts:
        assert (ROOT / script).exists(), script


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_command_runs(
    document: Path, mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an empty folder, in the order in which they stand there."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    for command in commands(document):
        if any(map(command.startswith, NOT_RUN)):
            continue
        shell = command.replace("mtl-train", r"printf '%s\0'", 1) if command.startswith("mtl-train ") else command
        done = subprocess.run(["bash", "-euc", shell], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        if shell != command:
            outcome = mtl_train(*shortened(done.stdout.split("\0")[:-1]))
            assert outcome.status == 0, f"{command}\n{outcome.err}"


def test_what_is_not_run_is_there() -> None:
    said = [command for document in DOCUMENTS for command in commands(document)]
    assert sum(command.startswith("mtl-train ") for command in said) > 40
    for beginning in NOT_RUN:
        assert any(command.startswith(beginning) for command in said), beginning


def test_every_verb_and_every_experiment_has_a_command() -> None:
    said = [shlex.split(command) for document in DOCUMENTS for command in commands(document) if "mtl-train" in command]
    words = {word for command in said for word in command}
    experiments = {f"experiment={path.stem}" for path in (ROOT / "conf" / "experiment").glob("*.yaml")}
    assert experiments | set(VERBS) <= words


def test_a_method_of_ones_own_works_as_written(tmp_path: Path) -> None:
    """Two files, copied out of the README into a copy of the project; the discovered tests take the method up."""
    section = METHODS.read_text().partition("## A method of your own")[2].partition("\n## ")[0]
    blocks = re.findall(r"`([\w/.]+)`:\n\n```\w+\n(.*?)```", section, re.DOTALL)
    assert [Path(name).suffix for name, _ in blocks] == [".py", ".yaml"]
    assert len(blocks[0][1].split("class", 1)[1].splitlines()) <= 15
    for part in ("mtl_cli", "conf", "tests"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__", ".hypothesis"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name, text in blocks:
        assert not (tmp_path / name).exists()
        (tmp_path / name).write_text(text)
    name = Path(blocks[0][0]).stem
    python = [sys.executable, "-m"]
    run = [*python, "mtl_cli", f"weighting={name}", "steps=20", "diagnostics.every=10"]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"joint training, {name} weighting" in done.stdout
    subprocess.run(
        [sys.executable, "tests/test_readme.py"], cwd=tmp_path, check=True, env=os.environ | {"PYTHONPATH": "."}
    )
    written = (tmp_path / METHODS.relative_to(ROOT)).read_text()
    assert f"| `{name}` | The largest of the weighted losses | honoured |" in written
    tests = ["test_conf.py", *(f"weighting/test_{part}.py" for part in ("members", "absent_tasks", "geometry"))]
    files = [f"tests/{file}" for file in (*tests, "step/test_task_gradients.py")]
    contract = [*python, "pytest", "-q", "-p", "no:cacheprovider", "-k", name, *files]
    done = subprocess.run(contract, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


if __name__ == "__main__":
    METHODS.write_text(with_table(METHODS.read_text()))
    KEYS.write_text(with_reference(KEYS.read_text()))
