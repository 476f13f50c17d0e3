"""What a file of data looks like: its encoding, dialect, header and shape, each with its reason."""
