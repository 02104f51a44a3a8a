"""What one should know of a model's gates, in words. Imports no TensorFlow."""

from collections.abc import Mapping
from typing import Any, Final

from mtl_cli.terminal.run_view import first_few

IDLE: Final = 0.01
"""The mean weight below which an expert isn't used by a gate."""
COLLAPSED: Final = 0.1
"""The entropy of the mean weights, as a part of the most there is, below which a gate uses one expert alone."""
_WAYS: Final = "model.load_balance=0.01, say, or model.gate_dropout=0.1, keeps experts in use"


def gate_notes(gates: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Returns which gates use one expert alone, and which experts no gate uses, of gates as summary.json has them."""
    notes, likeliest, used = [], dict[str, str](), dict[str, float]()
    for name, gate in gates.items():
        experts: Mapping[str, float] = gate["experts"]
        for expert, use in experts.items():
            key = f"level{gate['level']}_{expert}" if gate["level"] else expert
            used[key] = max(used.get(key, 0.0), use)
        if gate["usage_entropy"] < COLLAPSED and len(experts) > 1:
            likeliest[name] = max(experts, key=experts.__getitem__)
    if likeliest:
        listed = first_few([f"{name} (expert {expert})" for name, expert in likeliest.items()])
        notes.append(f"gates that give all rows one expert: {listed}; {_WAYS}")
    if idle := [expert for expert, use in used.items() if use < IDLE]:
        notes.append(f"experts that no gate gives 1 %: {first_few(idle)}; {_WAYS}")
    return notes
