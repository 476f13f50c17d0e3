"""The table, part files, locks and object stores."""
