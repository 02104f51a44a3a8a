"""`mtl-train --help`: what there is, on a screen and a half."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from mtl_cli.cli.usage import VERBS, help_page
from tests.support.command import MtlTrain
from tests.support.configs import CONF


def test_the_page_is_short_and_has_every_verb_group_and_choice(mtl_train: MtlTrain) -> None:
    told = mtl_train("--help")
    assert told.status == 0
    lines = told.out.splitlines()
    assert len(lines) <= 60
    assert max(map(len, lines)) <= 80
    for verb in VERBS:
        assert any(line.startswith(f"  mtl-train {verb} ") for line in lines), verb
    text = " ".join(told.out.split())
    folders = {path.parent for path in CONF.rglob("*.yaml")} - {CONF, CONF / "hydra" / "launcher"}
    assert len(folders) > 8
    for folder in folders:
        choices = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
        assert f" {folder.relative_to(CONF)}: {choices}" in text


def test_the_page_fits_a_narrow_terminal(mtl_train: MtlTrain, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same words; what stands beside a command is below it where there is no room."""
    wide = mtl_train("--help").out
    monkeypatch.setenv("COLUMNS", "60")
    narrow = mtl_train("--help").out
    assert max(map(len, narrow.splitlines())) <= 60
    assert narrow.split() == wide.split()
    lines = narrow.splitlines()
    at = lines.index("  mtl-train -m experiment=digits weighting=fixed,pcgrad")
    assert lines[at + 1] == "      compare two methods"


def test_the_page_says_whose_the_defaults_are(mtl_train: MtlTrain) -> None:
    text = " ".join(mtl_train("--help").out.split())
    of_tables = yaml.safe_load((CONF / "data" / "table.yaml").read_text())
    rate, layers = of_tables["optimizer"]["learning_rate"], of_tables["model"]["shared_layers"]
    own = text.partition("data=table (your own tables): ")[2]
    for given in (f"steps={of_tables['steps']}", f"optimizer.learning_rate={rate}", "model.shared_layers=[256,256]"):
        assert given in own
    assert layers == [256, 256]
    assert "output_activation" not in own
    assert "data=seed (the source article's stream): model.output_activation=relu" in text


def test_every_example_works(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """In the order in which they stand there; what trains is planned alone."""
    rows = "\n".join(f"{i},{i % 7},{i * i}" for i in range(60))
    (tmp_path / "people.csv").write_text(f"age,rooms,price\n{rows}\n")
    examples = re.findall(r"^  (mtl-train .*?)  +\w", mtl_train("--help").out.partition("Examples")[2], re.MULTILINE)[
        :5
    ]
    assert [example for example in examples if example.split()[1] in VERBS] == [examples[1], examples[4]]
    for example in examples:
        words = shlex.split(example)[1:]
        words += [] if words[0] in VERBS else ["sweep.dry_run=true"]
        done = mtl_train(*words)
        assert done.status == 0, f"{example}\n{done.err}"


@pytest.mark.parametrize("indentation", ["", "    "])
def test_the_marks_of_a_template_are_filled_with_its_indentation(indentation: str) -> None:
    """Also those of a main config that somebody copied when there was only `$VERBS`."""
    page = help_page(f"a\n{indentation}$VERBS\nb $CONFIG", lambda template: template.replace("$CONFIG", "c"))
    first, *verbs, last = page.splitlines()
    assert (first, last) == ("a", "b c")
    assert [line.split()[1] for line in verbs if line.strip().startswith("mtl-train")] == list(VERBS)
    assert all(line.startswith(indentation) for line in verbs)
