"""What people look at before a set changes: plans, differences, versions and their names."""
