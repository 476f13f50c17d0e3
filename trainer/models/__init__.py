"""Loading, adapting, packing and saving models."""
