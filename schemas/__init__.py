"""What things are: the recipe, rows, results and errors. Imports nothing of ours."""
