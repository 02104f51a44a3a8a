"""Files of others: none is read whatever its size."""

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from mtl_cli.errors import InputError
from mtl_cli.untrusted.files import (
    DEEPEST,
    MOST_BYTES,
    MOST_JSON,
    MOST_NODES,
    MOST_WEIGHTS,
    check_model,
    read_json,
    read_summary,
    read_yaml,
    yaml_text,
)


def test_no_file_of_any_size_is_read(tmp_path: Path) -> None:
    """Holes take no room on the disk."""
    for size, refused in ((MOST_JSON + 1, True), (MOST_JSON, False)):
        file = tmp_path / "summary.json"
        file.write_bytes(b'{"status": "finished"}')
        with file.open("ab") as opened:
            opened.write(b" " * (size - file.stat().st_size))
        if refused:
            with pytest.raises(ValueError, match="more than"):
                read_summary(tmp_path)
        else:
            assert read_summary(tmp_path)["status"] == "finished"
    for name, large in (("small.keras", 10), ("large.keras", MOST_JSON + 1)):
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("config.json", b'{"a": 1}' + b" " * large)
    check_model(tmp_path / "small.keras")
    with pytest.raises(ValueError, match="too large"):
        check_model(tmp_path / "large.keras")


def test_yaml_is_bounded_in_bytes_levels_and_values(tmp_path: Path) -> None:
    """A list of n short texts is 1 + n values, one of aliases as many as what they stand for."""
    for text, refused in (
        ("#" * MOST_BYTES, False),
        ("#" * (MOST_BYTES + 1), True),
        ("[" * DEEPEST + "]" * DEEPEST, False),
        ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), True),
        (f"[{'x,' * (MOST_NODES - 2)}]", False),
        (f"[{'x,' * (MOST_NODES - 1)}]", True),
        (f"- &a [{'x,' * 99}]\n" + "- *a\n" * (MOST_NODES // 100 - 2), False),
        (f"- &a [{'x,' * 99}]\n" + "- *a\n" * (MOST_NODES // 100 - 1), True),
        ("&a [*a]", True),
        ("&a [&b [x], [*b, {c: *a}]]", True),
        ("- *a", False),  # an alias of nothing, which who parses it finds
    ):
        (tmp_path / "x.yaml").write_text(text)
        if refused:
            with pytest.raises(InputError, match=r"x\.yaml: it "):
                yaml_text(tmp_path / "x.yaml")
        else:
            assert yaml_text(tmp_path / "x.yaml") == text


def test_what_yaml_and_json_hold(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"\xef\xbb\xbfa: [1, yes]\n")
    assert yaml_text(tmp_path / "x.yaml") == "a: [1, yes]\n"
    assert read_yaml(tmp_path / "x.yaml") == {"a": [1, True]}
    (tmp_path / "x.json").write_text('{"a": null}')
    assert read_json(tmp_path / "x.json") == {"a": None}
    for text, reader in (("[1", read_yaml), ("[1]", read_json), ("{", read_json), ("[" * 10**5, read_json)):
        (tmp_path / "bad").write_text(text)
        with pytest.raises(ValueError):
            reader(tmp_path / "bad")
    os.mkfifo(tmp_path / "pipe")
    for reader in (read_yaml, read_json):
        with pytest.raises(ValueError, match="no plain file"):
            reader(tmp_path / "pipe")


DENSE = {"module": "keras.layers", "class_name": "Dense", "config": {"units": 8}}


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (DENSE, None),
        ({**DENSE, "module": "os"}, "names code of the module 'os'"),
        ({**DENSE, "module": "keras_hub.layers"}, "names code of the module"),
        ({**DENSE, "class_name": "Lambda"}, "Python code"),
        ({"class_name": "__lambda__"}, "Python code"),
        ({"units": 2**14, "input_dim": 2**14}, None),
        ({"units": 2**14, "input_dim": 2**14 + 1}, "16,384 x 16,385 numbers"),
        ({"max_tokens": MOST_WEIGHTS + 1}, "its layers are of"),
    ],
)
def test_a_model_names_no_code_and_is_no_larger_than_its_file(
    tmp_path: Path, part: dict[str, Any], message: str | None
) -> None:
    """Wherever in its config that stands."""
    for inside in (part, {"layers": [{"config": [part]}]}):
        with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
            archive.writestr("config.json", json.dumps(inside))
        if message is None:
            check_model(tmp_path / "m.keras")
        else:
            with pytest.raises(ValueError, match=message):
                check_model(tmp_path / "m.keras")


@pytest.mark.parametrize("name", ["/x", "../x", "a/../../x"])
def test_a_model_has_no_files_for_other_folders(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr(name, "")
    with pytest.raises(ValueError, match="files for other folders"):
        check_model(tmp_path / "m.keras")


@pytest.mark.parametrize("gates", [[], {"a": 1}, {"a": {"experts": []}}, {"a": {"experts": {"1": "x"}}}])
def test_a_summary_with_gates_that_are_none_is_none(tmp_path: Path, gates: Any) -> None:
    (tmp_path / "summary.json").write_text(json.dumps({"status": "finished", "gates": gates}))
    with pytest.raises(ValueError, match="gates"):
        read_summary(tmp_path)


def test_a_summary_has_the_old_names_of_keys_where_it_was_written_with_the_new_ones_alone(tmp_path: Path) -> None:
    """And what it was chosen by is `best_val_loss` only where the objective is that."""
    for new, objective, old in (
        ({"best_val_loss": 0.5, "weights": {"a": 1.0}}, "val_loss", {"objective": 0.5, "shares": {"a": 1.0}}),
        ({"best_val_loss": 0.5, "probs": {"a": 0.0}}, "val/a/auc", {"shares": {"a": 0.0}}),
        ({"best_val_loss": 0.5, "objective": 0.25, "shares": {}, "weights": {"a": 1.0}}, "val_loss", {}),
        ({}, "val_loss", {}),
    ):
        written = {"status": "finished", "config": {"objective": objective}, **new}
        (tmp_path / "summary.json").write_text(json.dumps(written))
        assert read_summary(tmp_path) == written | old
