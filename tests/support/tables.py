"""Tables of users, and what is made of them."""

import json
from pathlib import Path


def kinds_of(folder: Path) -> dict[str, str]:
    return {each["name"]: each["kind"] for each in json.loads((folder / "columns.json").read_text())["inputs"]}
