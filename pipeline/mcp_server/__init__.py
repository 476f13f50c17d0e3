"""A Model Context Protocol server: read-only tools over the recipes that it was started with."""
