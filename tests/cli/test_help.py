"""`mtl-train help`: keys, groups, choices and verbs."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from mtl_cli.cli.topics import topics
from mtl_cli.cli.usage import VERBS
from mtl_cli.config import FAMILIES
from mtl_cli.reference.groups import groups, kinds, run_keys
from tests.support.command import MtlTrain


def words(text: str) -> str:
    return " ".join(text.split())


def test_everything_is_explained_by_its_name_within_80_columns() -> None:
    every = topics()
    names = {topic.name for topic in every}
    for group in [kinds(), *groups()]:
        assert group.name in names
        assert {f"{group.name}={choice.name}" for choice in group.choices} <= names
        assert {key.name for key in group.all_keys()} <= names
    assert {key.name for key in run_keys()} <= names
    assert len(names) > 150
    for topic in every:
        assert topic.about
        file = io.StringIO()
        topic.show(Console(file=file, width=80, highlight=False))
        shown = file.getvalue()
        assert topic.name in shown
        assert max(len(line.rstrip()) for line in shown.splitlines() if "mtl-train " not in line) <= 80


def test_a_key_has_its_meaning_range_and_defaults(mtl_train: MtlTrain) -> None:
    told = mtl_train("help", "optimizer.learning_rate")
    assert told.status == 0
    adam, lion, _ = (words(block) for block in told.out.split("\n\n"))
    assert "takes number > 0" in adam
    assert "default 0.001; 0.003 with data=table (your own tables)" in adam
    assert "of optimizer=adam, adagrad, adamw, rmsprop" in adam
    assert "default 0.0001;" in lion
    assert "of optimizer=lion" in lion
    toy = mtl_train("help", "model.output_activation")
    assert "default linear; relu with data=seed (the source article's stream)" in words(toy.out)


@pytest.mark.parametrize("word", ["tasks.price.weight", "tasks.*.weight", "weight", "tasks.price.weight=0.3"])
def test_a_key_of_a_task(mtl_train: MtlTrain, word: str) -> None:
    told = mtl_train("help", word)
    assert told.out.startswith("tasks.<task>.weight\n")
    assert "takes number >= 0 or null" in words(told.out)


def test_a_name_may_be_typed_in_words(mtl_train: MtlTrain) -> None:
    told = mtl_train("help", "early", "stopping")
    assert told.out == mtl_train("help", "early_stopping").out
    assert "evaluations (one every eval.every iterations) without a better objective" in words(told.out)


@pytest.mark.parametrize("word", ["tasks", "tasks.price", "tasks."])
def test_all_keys_of_a_task(mtl_train: MtlTrain, word: str) -> None:
    told = mtl_train("help", word)
    assert {line.split()[0] for line in told.out.splitlines()} >= {key.name for key in kinds().all_keys()}


@pytest.mark.parametrize("word", ["optimizer/schedule", "optimizer.schedule", "schedule"])
def test_a_group_has_its_choices(mtl_train: MtlTrain, word: str) -> None:
    told = mtl_train("help", word)
    assert told.out.startswith("optimizer/schedule: choose with optimizer/schedule=NAME; constant is the default\n")
    assert "cosine A linear rise, then half a cosine." in words(told.out)


def test_every_weighting_has_a_line(mtl_train: MtlTrain) -> None:
    told = mtl_train("help", "weighting")
    first = {line.split()[0] for line in told.out.splitlines() if line.startswith("  ")}
    assert first >= {str(cls.model_fields["name"].default) for cls in FAMILIES["weighting"]}


@pytest.mark.parametrize("word", ["weighting=cagrad", "cagrad"])
def test_a_choice_has_its_keys(mtl_train: MtlTrain, word: str) -> None:
    told = mtl_train("help", word)
    assert told.out.startswith("weighting=cagrad\n")
    assert "    mtl-train weighting=cagrad tasks.y1.weight=0.3\n" in told.out
    assert "weighting.c how far from the average" in words(told.out)
    assert "(number >= 0; default 0.4)" in words(told.out)


def test_a_name_that_several_have_lists_them(mtl_train: MtlTrain) -> None:
    told = mtl_train("help", "every")
    listed = [line.split()[0] for line in told.out.splitlines()[1:] if line[2] != " "]
    assert listed == ["eval.every", "diagnostics.every", "checkpoint.every", "log.every"]
    told = mtl_train("help", "seed")
    assert told.out.startswith("seed\n")
    assert "see also: data=seed" in words(told.out)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_has_its_own_help(mtl_train: MtlTrain, verb: str) -> None:
    told = mtl_train("help", verb)
    assert told.status == 0
    assert told.out.startswith(f"usage: mtl-train {verb} ")


def test_without_a_word_it_says_how_it_is_used(mtl_train: MtlTrain) -> None:
    told = mtl_train("help")
    assert told.status == 0
    assert "usage: mtl-train help" in told.out
    assert "mtl-train help optimizer.learning_rate" in words(told.out)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("optimizer.lr", "there is no 'optimizer.lr'; did you mean 'optimizer.learning_rate'?"),
        ("leaning_rate", "did you mean 'learning_rate'?"),
        ("weighting=nash", "weighting has no choice 'nash'; did you mean 'nash_mtl'?"),
        ("tasks.price.wieght", "did you mean 'tasks.price.weight'?"),
        ("resum", "did you mean 'resume'?"),
        ("xqzw", "mtl-train --help has the groups and the verbs"),
        ("hydra.run.dir", "mtl-train --cfg hydra"),
    ],
)
def test_an_unknown_word_has_the_nearest(mtl_train: MtlTrain, word: str, said: str) -> None:
    refused = mtl_train("help", word)
    assert refused.status == 2
    assert said in refused.err
    assert refused.out == ""


def test_an_experiment_of_ones_own_is_where_a_run_would_have_it_named(mtl_train: MtlTrain, tmp_path: Path) -> None:
    needs = "; one of your own, DIR/experiment/cells.yaml, needs --config-dir DIR"
    nowhere = mtl_train("help", "experiment=cells")
    assert nowhere.status == 2
    assert nowhere.err.startswith("mtl-train: help: experiment has no choice 'cells'; the choices are ")
    assert nowhere.err.endswith(f"{needs}\n")
    assert mtl_train("experiment=cells").err.endswith(f"{needs}\n")
    (tmp_path / "own" / "experiment").mkdir(parents=True)
    (tmp_path / "own" / "experiment" / "cells.yaml").write_text("# @package _global_\nsteps: 3\n")
    beside = mtl_train("help", "experiment=cells")
    assert beside.status == 2
    assert "has no choice 'cells', but there is one in own: '--config-dir own experiment=cells'" in beside.err
