"""A table that trains, and what every refusal has in common."""

from pathlib import Path

TABLE = ["data=table", "data.path=t.csv", "batch_size=2"]
PRICE = "+tasks.price.kind=regression"

GOOD = "a,b,price,sold,class\n1,2,3.5,0,0\n2,3,4.5,1,1\n3,1,5.5,0,2\n4,9,6,1,0\n5,5,7,0,1\n6,2,8,1,2\n"
"""A table that trains."""


def assert_refused(status: int, err: str, root: Path, message: str, expected: int = 2) -> None:
    assert status == expected, err
    assert message in err
    assert "Traceback" not in err
    assert 1 <= len(err.splitlines()) <= 4
    assert not (root / "outputs").exists()
