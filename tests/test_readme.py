"""The README says what there is: every weighting is in its table, and its own method works as written.

`python tests/test_readme.py` writes the table anew from conf/weighting.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from mtl_cli.config import FAMILIES
from mtl_cli.settings import Settings
from mtl_cli.weighting.base import Weighting

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
FLAGS = {True: "honoured", False: "unequal ones refused"}


def row(cls: type[Settings]) -> str:
    """Returns the row of the README's table for a weighting: the first sentence of its YAML."""
    assert issubclass(cls, Weighting)
    name = str(cls.model_fields["name"].default)
    first = (ROOT / "conf" / "weighting" / f"{name}.yaml").read_text().splitlines()[0]
    said = first.removeprefix("# ").partition("   ")[0].partition("; ")[0].rstrip(".")
    return f"| `{name}` | {said} | {FLAGS[cls.honours_weights]} |"


def with_table(text: str) -> str:
    """Returns the README with the table as it should be."""
    rows = [row(cls) for cls in FAMILIES["weighting"]]
    before, heading, rest = text.partition(
        "| `weighting=` | what it does (source) | `tasks.*.weight` |\n|---|---|---|\n"
    )
    assert heading
    return before + heading + "\n".join(rows) + "\n\n" + rest.partition("\n\n")[2]


def test_every_weighting_is_in_the_table() -> None:
    assert len(FAMILIES["weighting"]) >= 26
    assert with_table(README) == README, "run `python tests/test_readme.py`"


def test_nothing_is_left_to_fill_in() -> None:
    prose = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    assert not re.findall(r"\b[A-Z]+_[A-Z_]+\b|TODO|\?\?", prose)


def test_a_method_of_ones_own_works_as_written(tmp_path: Path) -> None:
    """Two files, copied out of the README into a copy of the project; the discovered tests take the method up."""
    section = README.partition("### A method of your own")[2].partition("\n## ")[0]
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
    shutil.copy(ROOT / "README.md", tmp_path)
    subprocess.run(
        [sys.executable, "tests/test_readme.py"], cwd=tmp_path, check=True, env=os.environ | {"PYTHONPATH": "."}
    )
    assert f"| `{name}` | The largest of the weighted losses | honoured |" in (tmp_path / "README.md").read_text()
    tests = [
        "test_conf.py",
        *(f"weighting/test_{part}.py" for part in ("members", "absent_tasks", "geometry")),
        "step/test_task_gradients.py",
    ]
    contract = [*python, "pytest", "-q", "-p", "no:cacheprovider", "-k", name, *(f"tests/{file}" for file in tests)]
    done = subprocess.run(contract, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


if __name__ == "__main__":
    (ROOT / "README.md").write_text(with_table(README))
