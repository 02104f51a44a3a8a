"""What is said of gates that use one expert alone, and of experts that none uses."""

from mtl_cli.terminal.gates_text import gate_notes


def gate(usage: float, level: int = 0, **experts: float) -> dict[str, object]:
    return {"task": "a", "level": level, "experts": experts, "usage_entropy": usage}


def test_gates_in_use_have_no_note() -> None:
    assert gate_notes({}) == []
    assert gate_notes({"a_gate": gate(0.9, e1=0.5, e2=0.5), "b_gate": gate(0.1, e1=0.99, e2=0.01)}) == []


def test_collapsed_gates_and_idle_experts_are_named() -> None:
    one, other = gate_notes({"a_gate": gate(0.05, e1=0.005, e2=0.995), "b_gate": gate(0.5, e1=0.009, e2=0.991)})
    assert one.startswith("gates that give all rows one expert: a_gate (expert e2); model.load_balance=")
    assert other.startswith("experts that no gate gives 1 %: e1; ")


def test_experts_of_one_name_in_two_levels_are_two() -> None:
    levels = {f"level{level}_a_gate": gate(0.5, level, e1=use, e2=1 - use) for level, use in ((1, 0.0), (2, 0.5))}
    (note,) = gate_notes(levels)
    assert note.startswith("experts that no gate gives 1 %: level1_e1; ")
    many = {f"level{i}_gate": gate(0.5, i, e1=0.0, e2=1.0) for i in range(1, 11)}
    assert "level8_e1 and 2 more; " in gate_notes(many)[0]
