"""What happens to rows, in order."""
