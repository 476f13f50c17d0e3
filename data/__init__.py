"""What ships: recipes, lexicons, word lists, prompts, suites, and the embedded model's head."""
