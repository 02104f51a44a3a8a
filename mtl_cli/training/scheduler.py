"""Trains the jobs of one program: one after the other, in threads beside each other, or vectorized in one program.

Which way is taken never depends on how long anything took: it can change a run's numbers in the last bits.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Final

from mtl_cli.backend import keras
from mtl_cli.identity import data_key
from mtl_cli.terminal.run_view import REFRESHES_PER_SECOND
from mtl_cli.training.job import Job
from mtl_cli.training.run import Run
from mtl_cli.training.vectorized import Shard, cores, shards_for, way_of
from mtl_cli.training.workers import Sequential, Worker

MOST_TOGETHER: Final = 128
"""Runs in one program; up to 100 were measured, which took less time a run than 64 or 16."""
MAX_BYTES: Final = 2**30
"""The most memory that the states and rows of the runs in one program may take."""
MOST_PRODUCTS: Final = 100_000
"""Rows of a batch times parameters up to which runs are mapped on a CPU. On two cores, one of them busy otherwise,
an iteration mapped took half the time of one beside another at 10,000, two thirds at 60,000, 0.8 at 300,000 and 1.2
at 16 million."""
FEWEST_TOGETHER: Final = 8
"""Runs from which on that is done: fewer don't keep two cores busy."""
FEWEST_ITERATIONS: Final = 500_000
"""Of all these runs, from which on it is worth compiling a second program."""
ENDING_AT_ONCE: Final = 4
"""Runs whose files are written at once: 3 of 4 parts of that is waiting for the disk."""


def _ignore(_: Any) -> None:
    """Hears what nobody wants to know."""


class Scheduler:
    """Jobs that differ in numbers alone, and the workers that train them."""

    def __init__(
        self,
        jobs: Sequence[Job],
        begin: Callable[[Job], Run | None],
        stop_asked: Callable[[], bool],
        whole: Sequence[Job] | None = None,
        ended: Callable[[Run], None] = _ignore,
        trained: Callable[[int], None] = _ignore,
        say: Callable[[str], None] = _ignore,
    ) -> None:
        """Takes the jobs, and whom to tell.

        Args:
            jobs: The jobs.
            begin: Begins a job, which may fail at once, or may not begin.
            stop_asked: Asked several times a second, or after every chunk, whether to end.
            whole: Those that were asked for, with the ones that an earlier call trained: they decide the way.
            ended: Told of every run that has ended.
            trained: Told how many iterations were trained.
            say: Told what a person may want to know.
        """
        self._whole = whole or jobs
        self._waiting = deque(jobs)
        self._begun: deque[Run] = deque()
        """Runs that no worker has as yet."""
        self._given = jobs[0].config.sweep.runs_at_once
        self._own_rows = len({data_key(job.config) for job in self._whole}) > 1
        self._begin = begin
        self._ended = ended
        self._trained = trained
        self._say = say
        self._stop_asked = stop_asked
        self._lengths: deque[int] = deque()
        """Of the chunks that nobody was told of yet."""
        self.stopped = False

    def train(self) -> None:
        """Trains all jobs, or until asked to stop: then those under way end in order."""
        first = self._next()
        if first is None:
            return
        self._begun.append(first)
        if shards := self._shards(first):
            self._work(shards)
        if len(self._whole) == 1 or self._given == 1 or not first.setup.program.on_cpu:
            self._work_in_turn()
        else:
            self._work([Sequential() for _ in range(cores())])

    def _work_in_turn(self) -> None:
        """Trains one run after the other, in this thread."""
        worker = Sequential()
        while run := self._next():
            worker.put(run)
            while not (self.stopped or worker.has_ended):
                self._note(worker.train())
            worker.take_out(all_of_them=True)
            self._finish(run)

    def _next(self) -> Run | None:
        """Returns the next run that has iterations left: not one that failed, or that an earlier call trained."""
        while self._begun or (self._waiting and not self.stopped):
            if not self._begun:
                self._begin_next()
                continue
            run = self._begun.popleft()
            if run.goes_on:
                return run
            self._finish(run)
        return None

    def _begin_next(self) -> None:
        run = self._begin(self._waiting.popleft())
        if run is not None:
            self._begun.append(run)
        self.stopped |= run is None and self._stop_asked()

    def _shards(self, first: Run) -> list[Shard]:
        """Returns places for the jobs to train together in, compiled; none where each trains alone."""
        on_cpu = first.setup.program.on_cpu
        maps = not on_cpu or self._pays(first)
        runs = min(self._given or (self._most(first) if maps else 1), len(self._whole))
        if runs == 1:
            return []
        shards = shards_for(first, way_of(runs, on_cpu=on_cpu), own_rows=self._own_rows)
        with ThreadPoolExecutor(1) as pool:
            compiled = pool.submit(shards[0].rehearse)
            while self._waiting and len(self._begun) < runs and not compiled.done():
                self._begin_next()
        error = compiled.exception()
        if error is not None:  # an operation that can't be mapped
            self._say(f"these jobs train each alone: {' '.join(str(error).split())[:120]}")
        return [] if error else shards

    def _pays(self, first: Run) -> bool:
        """Tells whether mapping the jobs is worth it on a CPU, from their sizes alone."""
        config = first.job.config
        products = config.batch_size * sum(math.prod(tensor.shape) for tensor in first.setup.state.params.all())
        iterations = sum(job.config.steps for job in self._whole)
        return products <= MOST_PRODUCTS and len(self._whole) >= FEWEST_TOGETHER and iterations >= FEWEST_ITERATIONS

    def _most(self, first: Run) -> int:
        """Returns how many runs fit into memory together, or fewer, so that there are equally many in each round."""
        device_data = _bytes(first.setup.device_data) if self._own_rows else 0
        fitting = min(MOST_TOGETHER, MAX_BYTES // max(_bytes(first.setup.state) + device_data, 1))
        rounds = -(-len(self._whole) // max(fitting, 1))
        return -(-len(self._whole) // rounds)

    def _work(self, workers: Sequence[Worker]) -> None:
        """Trains the runs begun, and those that wait, but for those that no worker takes.

        Each worker trains in a thread of its own. Jobs begin in this one, while others train, and end in others again,
        as most of that is waiting for the disk.
        """
        training: dict[Future[None], Worker] = {}
        ending: dict[Future[None], Run] = {}
        idle, apart = list(workers), deque[Run]()
        with ThreadPoolExecutor(len(workers)) as trainers, ThreadPoolExecutor(ENDING_AT_ONCE) as enders:
            try:
                while True:
                    for worker in idle:
                        while not worker.is_full and (run := self._next()):
                            worker.put(run) if worker.fits(run) else apart.append(run)
                        if worker.runs:
                            training[trainers.submit(self._chunks, worker)] = worker
                    if not training and not ending:
                        break
                    done, _ = wait({**training, **ending}, 1 / REFRESHES_PER_SECOND, FIRST_COMPLETED)
                    self._note(sum(self._lengths.popleft() for _ in range(len(self._lengths))))
                    idle = [training.pop(future) for future in done if future in training]
                    ended = [run for worker in idle for run in worker.take_out(all_of_them=self.stopped)]
                    for run in ended:
                        if run.has_ended:
                            self._finish(run)
                        else:
                            ending[enders.submit(run.finish)] = run
                    for future in done:
                        future.result()
                        if future in ending:
                            self._finish(ending.pop(future))
            except BaseException:
                self.stopped = True  # a second signal, for example; the threads are waited for
                raise
        self._begun.extend(apart)

    def _chunks(self, worker: Worker) -> None:
        """Trains a worker's runs until one has ended, or until this stops, in a thread."""
        while not (self.stopped or worker.has_ended):
            self._lengths.append(worker.train())

    def _note(self, iterations: int) -> None:
        self._trained(iterations)
        self.stopped |= self._stop_asked()

    def _finish(self, run: Run) -> None:
        run.finish()
        self._ended(run)
        self.stopped |= self._stop_asked()


def _bytes(tensors: Any) -> int:
    return sum(math.prod(tensor.shape) * tensor.dtype.size for tensor in keras.tree.flatten(tensors))
