"""How rows are asked: Kleene logic, the planner, the score cache, faults."""
