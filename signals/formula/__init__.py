"""Formulas: text, tree and canonical form."""
