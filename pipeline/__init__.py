"""The stages, engines, the store, reports and the command line."""
