"""Files of others: none is read whatever its size."""

import zipfile
from pathlib import Path

import pytest

from mtl_cli.untrusted.files import MOST_JSON, check_model, read_summary


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
