"""What people decided of rows: the lines of decision files, and what of them is in force."""
