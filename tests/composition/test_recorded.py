"""What a recorded config leaves out of what was said."""

from pathlib import Path

import pytest

from mtl_cli.composition.recorded import LONGEST_PATH, began_elsewhere, schedule_unsaid
from tests.support.command import MtlTrain
from tests.support.configs import composed
from tests.support.refusals import GOOD, PRICE, TABLE


def test_what_a_run_says_that_it_has_done_takes_no_room() -> None:
    """Two billion iterations, which others may have written down, are 16 GB of learning rates."""
    before, now = (composed("optimizer/schedule=cosine", f"steps={steps}") for steps in (2**31 - 2, 2**31 - 1))
    assert schedule_unsaid(before, now, 2**31 - 2) is not None
    assert schedule_unsaid(before, before, 2**31 - 2) is None
    assert schedule_unsaid(before, now, 0) is None


@pytest.mark.parametrize("path", ["t.csv", "*.csv", "in/t.csv"])
def test_a_run_that_lacks_its_table_says_where_it_began(
    mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    (here / "in").mkdir(parents=True)
    elsewhere.mkdir()
    for folder in (here, here / "in"):
        (folder / "t.csv").write_text(GOOD)
    monkeypatch.chdir(here)
    assert mtl_train(*TABLE, PRICE, f"data.path={path}", "steps=2", "hydra.run.dir=run").status == 0
    monkeypatch.chdir(elsewhere)
    lost = mtl_train("resume", "../here/run", "steps=4")
    assert lost.status == 2
    assert lost.err.endswith(f"(relative paths count from the working folder, {elsewhere}); the run began in {here}\n")
    absolute = mtl_train("resume", "../here/run", "steps=4", f"data.path={elsewhere}/t.csv")
    assert "the run began in" not in absolute.err
    settings = here / "run" / ".hydra" / "hydra.yaml"
    settings.write_text("hydra: {runtime: {cwd: '/a\\e[31m b'}}".replace("'", '"'))
    assert mtl_train("resume", "../here/run", "steps=4").err.endswith("; the run began in /a\\x1b[31m b\n")
    monkeypatch.chdir(here)
    assert mtl_train("resume", "run", "steps=4").status == 0


@pytest.mark.parametrize("text", ["", "[1]", "hydra: {runtime: [1]}", "hydra: {runtime: {cwd: 3}}", "a: [", None])
def test_where_a_run_began_may_be_lost(tmp_path: Path, text: str | None) -> None:
    (tmp_path / ".hydra").mkdir()
    if text is not None:
        (tmp_path / ".hydra" / "hydra.yaml").write_text(text)
    assert began_elsewhere(tmp_path) is None


def test_where_a_run_began_is_shown_in_a_line(tmp_path: Path) -> None:
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "hydra.yaml").write_text(f'hydra: {{runtime: {{cwd: "/a\\nb{"c" * 2000}"}}}}')
    shown = began_elsewhere(tmp_path)
    assert shown is not None
    assert shown.startswith("/a\\nbccc")
    assert len(shown) == LONGEST_PATH + 1
