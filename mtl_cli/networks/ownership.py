"""Whose variables are: found by following a network's tensors back to where they come from, and checked."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple


class Ownership(NamedTuple):
    """Whose the variables of a network are."""

    shared: list[Any]
    own: dict[str, list[Any]]
    cut: list[Any] | None
    """As the architecture has it, but for tensors below which nothing is trained."""


def owners(raw: Mapping[str, Any], cut: Sequence[Any] | None, variables: Sequence[Any]) -> Ownership:
    """Returns whose these variables are: of the one task whose outputs they reach, or shared by several.

    Where there is one task alone, the shared ones are those below the cut.

    Args:
        raw: The tasks' outputs, symbolic tensors.
        cut: Where the shared variables end and the tasks' own begin, if there is such a line.
        variables: All that are trained, in the order they are to have.

    Raises:
        AssertionError: No task reaches a variable, or the cut isn't between shared variables and the tasks' own.
    """
    reached = {task: _variables([outputs]) for task, outputs in raw.items()}
    users = {id(v): [task for task, found in reached.items() if id(v) in found] for v in variables}
    unused = [v.path for v in variables if not users[id(v)]]
    assert not unused, f"no task uses {', '.join(unused)}"
    below: Collection[int] = ()
    if cut is not None:
        cut = [tensor for tensor in cut if _variables([tensor])]
        below = _variables(cut)
    alone = len(raw) == 1
    shared = [v for v in variables if (id(v) in below if alone else len(users[id(v)]) > 1)]
    theirs = {id(v) for v in shared}
    own = {task: [v for v in variables if id(v) not in theirs and users[id(v)] == [task]] for task in raw}
    if cut is not None:
        _check(raw, cut, theirs, own)
    return Ownership(shared, own, cut)


def _check(raw: Mapping[str, Any], cut: Sequence[Any], shared: set[int], own: Mapping[str, list[Any]]) -> None:
    stops = {id(tensor) for tensor in cut}
    for tensor in cut:
        above = [other for other in _tensors(_inputs(tensor), ()) if id(other) in stops]
        assert not above, f"the cut goes through {tensor.name} twice"
    below = _variables(cut)
    for task, outputs in raw.items():
        behind = _variables([outputs], stops)
        wrong = [v.path for v in own[task] if id(v) not in behind or id(v) in below]
        assert not wrong, f"the cut is above {', '.join(wrong)}, which only task {task} uses"
        open_ = [v.path for key, v in behind.items() if key in shared]
        assert not open_, f"the cut leaves out a path from {', '.join(open_)}, which tasks share, to task {task}"


def _variables(tensors: Iterable[Any], stops: Collection[int] = ()) -> dict[int, Any]:
    """Returns the variables that these tensors are computed by, by their ids, as far as the stops."""
    found: dict[int, Any] = {}
    for tensor in _tensors(tensors, stops):
        for variable in getattr(_origin(tensor)[0], "trainable_variables", ()):
            found[id(variable)] = variable
    return found


def _tensors(tensors: Iterable[Any], stops: Collection[int]) -> Iterator[Any]:
    """Yields tensors and all that they are computed from, each once, but for the stops and what lies above."""
    waiting, seen = [tensor for tensor in tensors if id(tensor) not in stops or not stops], set[int]()
    while waiting:
        tensor = waiting.pop()
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        yield tensor
        waiting += [each for each in _inputs(tensor) if id(each) not in stops]


def _inputs(tensor: Any) -> list[Any]:
    _, node = _origin(tensor)
    return list(node.input_tensors)


def _origin(tensor: Any) -> tuple[Any, Any]:
    """Returns the layer, or operation, that gives a symbolic tensor, and its call."""
    operation, node, _ = tensor._keras_history
    return operation, operation._inbound_nodes[node]
