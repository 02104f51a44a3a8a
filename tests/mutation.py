"""Changes the code in small ways, one at a time, and shows the changes that no test notices.

python tests/mutation.py tables linalg/solvers.py      # rooms or files of mtl_cli; --help says more

A mutant is one change by an operator of cosmic-ray: a comparison or a condition turned round, a number one larger or
smaller, plus for minus, a loop that never runs. At each sampled place one mutant is tried, in a copy of the tree. The
tests that run its line are tried on it, the file's own examples and mirrored tests first, then the quickest, until one
fails. Which test runs which line is measured once and kept in `.mutation/`. Needs the extra `mutation`.
"""

import argparse
import ast
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from difflib import unified_diff
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, NamedTuple
from xml.etree import ElementTree

ROOT: Final = Path(__file__).parent.parent
KEPT: Final = ROOT / ".mutation"
OPERATORS: Final = (
    "AddNot", "NumberReplacer", "ReplaceAndWithOr", "ReplaceOrWithAnd", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue",
    "ReplaceBreakWithContinue", "ReplaceContinueWithBreak", "ZeroIterationForLoop",
    *(f"ReplaceUnaryOperator_Delete_{each}" for each in ("Not", "USub", "Invert")),
    *(f"ReplaceBinaryOperator_{each}" for each in (
        "Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "FloorDiv_Div", "Mod_FloorDiv", "Pow_Mul", "BitAnd_BitOr",
        "BitOr_BitAnd",
    )),
    *(f"ReplaceComparisonOperator_{each}" for each in (
        "Eq_NotEq", "NotEq_Eq", "Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Is_IsNot", "IsNot_Is",
    )),
)  # fmt: skip
"""Of cosmic-ray's, those whose mutants could be right; others only raise, as a number shifted by another does."""
APART: Final = ("tests/end_to_end", "tests/test_readme.py", "tests/sweeps/test_other_launchers.py")
"""Tests of the whole command, most of them slow: a room's own tests are to notice."""
PRELOADED: Final = ("tensorflow", "keras", "polars", "hydra.main", "pydantic", "rich.console")


class Mutant(NamedTuple):
    """A change at one place."""

    path: str
    line: int
    operator: str
    occurrence: int

    def code(self) -> str:
        """Returns the file with the change."""
        from cosmic_ray import mutating, plugins

        operator = plugins.get_operator(f"core/{self.operator}")()
        mutated = mutating.mutate_code((ROOT / self.path).read_text(), operator, self.occurrence)
        assert isinstance(mutated, str)
        return mutated

    def diff(self) -> str:
        """Returns what it changes, as lines that were and are."""
        lines = unified_diff((ROOT / self.path).read_text().splitlines(), self.code().splitlines(), n=0, lineterm="")
        return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


class Verdict(NamedTuple):
    """What the tests said to a mutant: `killed`, `survived`, `untested` (none runs its line)."""

    mutant: Mutant
    word: str
    seconds: float


def mutants_of(path: str) -> list[list[Mutant]]:
    """Returns a file's mutants, a list for each place.

    Annotations and decorators, which decide nothing when the code runs, have none, nor has `strict=` of `zip`, which
    only guards what the code itself made.
    """
    from cosmic_ray import plugins
    from cosmic_ray.ast import ast_nodes, get_ast

    text = (ROOT / path).read_text()
    skipped = list(_skipped(ast.parse(text)))
    places: dict[tuple[int, int], list[Mutant]] = defaultdict(list)
    for name in OPERATORS:
        operator = plugins.get_operator(f"core/{name}")()
        starts = (start for node in ast_nodes(get_ast(text)) for start, _ in operator.mutation_positions(node))
        for occurrence, start in enumerate(starts):
            if not any(first <= start < last for first, last in skipped):
                places[start].append(Mutant(path, start[0], name, occurrence))
    return [places[start] for start in sorted(places)]


def _skipped(tree: ast.AST) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    for node in ast.walk(tree):
        parts = [
            getattr(node, "annotation", None),
            getattr(node, "returns", None),
            *getattr(node, "decorator_list", ()),
        ]
        if isinstance(node, ast.keyword) and node.arg == "strict":
            parts = [node.value]
        for each in parts:
            if isinstance(each, ast.expr):
                yield (each.lineno, each.col_offset), (each.end_lineno or 0, each.end_col_offset or 0)


def measure() -> None:
    """Runs the rooms' tests once and keeps which lines each of them runs, and how long it takes."""
    KEPT.mkdir(exist_ok=True)
    words = [
        "-n",
        "2",
        "-q",
        "--cov=mtl_cli",
        "--cov-context=test",
        "--cov-report=",
        *(f"--ignore={each}" for each in APART),
    ]
    env = os.environ | {"COVERAGE_FILE": str(KEPT / "lines")}
    pytest = [sys.executable, "-m", "pytest", *words, f"--junitxml={KEPT / 'times.xml'}"]
    if subprocess.run(pytest, cwd=ROOT, env=env, check=False).returncode:
        print("some tests failed; mutants that only they would notice survive", flush=True)


class Lines:
    """Which tests run which lines."""

    def __init__(self) -> None:
        from coverage import CoverageData

        self._data = CoverageData(str(KEPT / "lines"))
        self._data.read()
        self._seconds = {}
        for case in ElementTree.parse(KEPT / "times.xml").iter("testcase"):
            self._seconds[case.get("classname"), case.get("name")] = float(case.get("time") or 0)
        measured = {Path(name).as_posix().rpartition("/mtl_cli/")[2]: name for name in self._data.measured_files()}
        self._names = {f"mtl_cli/{name}": full for name, full in measured.items()}

    def tests(self, mutant: Mutant, most_seconds: float) -> list[str]:
        """Returns the tests that run a mutant's line, or its file where no test alone does: the likeliest first."""
        by_line = self._contexts(mutant.path)
        lines = _statement(mutant.path, mutant.line)
        found = {test for line in lines for test in by_line.get(line, ())}
        found = found or {test for tests in by_line.values() for test in tests}
        room, name = Path(mutant.path).parts[1:-1], Path(mutant.path).stem
        mirrored = "/".join(["tests", *room, f"test_{name}.py"])
        kept = [mutant.path] if ">>>" in (ROOT / mutant.path).read_text() else []  # the examples in its docstrings
        total = 0.0
        for test in sorted(found, key=lambda test: (not test.startswith(mirrored), self._time(test), test)):
            total += self._time(test)
            if kept and total > most_seconds:
                break
            kept.append(test)
        return kept

    def _time(self, test: str) -> float:
        file, _, name = test.partition("::")
        return self._seconds.get((file.removesuffix(".py").replace("/", "."), name), 1.0)

    @cache  # noqa: B019 one object lives as long as the process
    def _contexts(self, path: str) -> dict[int, set[str]]:
        found = self._data.contexts_by_lineno(self._names[path]) if path in self._names else {}
        return {line: {each.rpartition("|")[0] for each in tests if each} for line, tests in found.items()}


@cache
def _statements(path: str) -> list[tuple[int, int]]:
    """Returns the first and last lines of statements, of compound ones of their heads."""
    found = []
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            found.append((node.lineno, body[0].lineno - 1 if body else node.end_lineno or node.lineno))
    return found


def _statement(path: str, line: int) -> range:
    around = [(first, last) for first, last in _statements(path) if first <= line <= max(first, last)]
    first, last = max(around, default=(line, line))
    return range(first, max(first, last) + 1)


_copy = Path()
_sound: dict[str, bool] = {}
"""Whether tests that failed on a mutant pass on the code as it is."""


def _make_copy(folder: str) -> None:
    """Gives this process a copy of the tree, whose files it may change."""
    global _copy
    _copy = Path(tempfile.mkdtemp(dir=folder))
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        (_copy / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file():
            shutil.copy2(ROOT / name, _copy / name)
    subprocess.run(["git", "init", "--quiet"], cwd=_copy, check=True)


def judge(mutant: Mutant, tests: Sequence[str], most_seconds: float) -> Verdict:
    """Returns whether a test fails on a mutant that passes on the code as it is; one that takes too long fails, too."""
    began, file, word = time.monotonic(), _copy / mutant.path, "untested"
    original, limit = file.read_text(), 60 + 3 * most_seconds
    while tests and word != "killed":
        file.write_text(mutant.code())
        failed = _first_failed(tests, limit)
        file.write_text(original)
        if failed is None:
            word = "survived"
            break
        if failed not in _sound:
            _sound[failed] = _first_failed([failed or tests[0]], limit) is None
        if _sound[failed]:
            word = "killed"
        elif not failed:
            raise RuntimeError(f"no test runs on the code as it is: {(_copy / 'log.txt').read_text()[-2000:]}")
        tests = [test for test in tests if test != failed]
    return Verdict(mutant, word, time.monotonic() - began)


def _first_failed(tests: Sequence[str], most_seconds: float) -> str | None:
    """Returns which test fails first: "" where none has begun or they take too long, None where all pass.

    They run in a process forked from this one, which has the libraries in memory already.
    """
    named = _copy / "failed.txt"
    named.write_text("")
    child = os.fork()
    if not child:
        os.setsid()
        os._exit(_run_tests(tests))
    deadline = time.monotonic() + most_seconds
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return named.read_text() if status else None
        time.sleep(0.02)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return ""


def _run_tests(tests: Sequence[str]) -> int:
    import pytest

    log = os.open(_copy / "log.txt", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.chdir(_copy)
    sys.path[:0] = [str(_copy)]
    os.environ["PYTHONPATH"] = str(_copy)
    sys.dont_write_bytecode = True
    try:
        quick = ["-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
        return int(pytest.main([*quick, f"--rootdir={_copy}", *tests], [_Failure()]))
    except BaseException:
        os.write(2, traceback.format_exc().encode())
        return 1


class _Failure:
    """Writes down which test fails."""

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            (_copy / "failed.txt").write_text(report.nodeid)


def files_of(words: Sequence[str]) -> list[str]:
    """Returns the files that rooms and files of mtl_cli stand for."""
    found = []
    for word in words:
        path = ROOT / "mtl_cli" / word
        if not path.exists():
            sys.exit(f"there is no {path.relative_to(ROOT)}")
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return list(dict.fromkeys(path.relative_to(ROOT).as_posix() for path in found if path.name != "__init__.py"))


def main() -> None:
    """Tries mutants and prints the ones that no test noticed, and a line for each file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("where", nargs="+", help="rooms or files of mtl_cli, as tables or linalg/solvers.py")
    parser.add_argument("--mutants", type=int, default=20, metavar="N", help="at most so many a file (20), 0: all")
    parser.add_argument("--seed", type=int, default=0, help="chooses them")
    parser.add_argument("--seconds", type=float, default=60, help="of tests a mutant, as they took when measured (60)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="mutants at a time")
    given = parser.parse_args()
    files = files_of(given.where)
    if not (KEPT / "times.xml").exists():
        measure()
    lines, draw = Lines(), random.Random(given.seed)
    chosen: dict[str, list[Mutant]] = {}
    for path in files:
        places = mutants_of(path)
        sampled = places if not given.mutants else draw.sample(places, min(given.mutants, len(places)))
        chosen[path] = sorted(draw.choice(place) for place in sampled)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for name in PRELOADED:
        __import__(name)
    totals = [0, 0]
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(given.jobs, get_context("fork"), _make_copy, (folder,)) as pool,
    ):
        waiting = {
            path: [pool.submit(judge, each, lines.tests(each, given.seconds), given.seconds) for each in mutants]
            for path, mutants in chosen.items()
        }
        for path, futures in waiting.items():
            verdicts = [future.result() for future in futures]
            killed = sum(verdict.word == "killed" for verdict in verdicts)
            totals = [totals[0] + killed, totals[1] + len(verdicts)]
            print(f"{path}: {killed} of {len(verdicts)} killed, {sum(v.seconds for v in verdicts):.0f} s", flush=True)
            for mutant, word, _ in verdicts:
                if word != "killed":
                    print(f"  {path}:{mutant.line} {mutant.operator} {word}\n{mutant.diff()}", flush=True)
    print(f"{totals[0]} of {totals[1]} killed, {100 * totals[0] / max(totals[1], 1):.1f} %")


if __name__ == "__main__":
    main()
