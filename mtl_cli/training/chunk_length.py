"""How long the chunks are: as many iterations as fit between two refreshes of the terminal."""

from mtl_cli.terminal.run_view import REFRESHES_PER_SECOND

FIRST_CHUNK = 10
GROWTH = 16
"""How many times longer a chunk may be than the one before."""


class ChunkLength:
    """How many iterations the next chunk gets: as many as fit between two refreshes of the terminal."""

    def __init__(self, capacity: int, refreshes_per_second: float = REFRESHES_PER_SECOND) -> None:
        self._capacity = capacity
        self._refreshes_per_second = refreshes_per_second
        self.length = min(FIRST_CHUNK, capacity)

    def measure(self, count: int, seconds: float) -> None:
        """Notes how long a chunk took."""
        fitting = int(count / max(seconds, 1e-9) / self._refreshes_per_second)
        self.length = max(1, min(fitting, GROWTH * self.length, self._capacity))
