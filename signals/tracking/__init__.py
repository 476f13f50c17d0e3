"""What a signal depends on: code, values, files, environment variables and packages."""
