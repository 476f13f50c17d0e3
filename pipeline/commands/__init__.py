"""One verb a file: what each command does, callable from Python."""
