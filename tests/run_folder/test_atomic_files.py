"""Files of a run that are written as a whole."""

import json
from pathlib import Path

from mtl_cli.run_folder.atomic_files import write_json


def test_the_summary_is_strict_json(tmp_path: Path) -> None:
    write_json(tmp_path / "summary.json", {"a": {"b": float("nan"), "c": 1.5}, "d": None})
    assert json.loads((tmp_path / "summary.json").read_text()) == {"a": {"b": None, "c": 1.5}, "d": None}
    assert [path.name for path in tmp_path.iterdir()] == ["summary.json"]
