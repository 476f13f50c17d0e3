"""Word sets, phrases, lists and case folding; the compiled kernel has a plain twin."""
