"""Compiling, caching and calling kernels; nothing else knows how."""
