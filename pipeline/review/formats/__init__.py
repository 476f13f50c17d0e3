"""Rows out to the tools that people label with, and their answers in: one file a tool."""
