"""Which models exist, which is current, and how one is fitted."""
