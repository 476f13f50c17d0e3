"""How doubtful a label is: what models that never saw the row, or its copies, say of it."""
