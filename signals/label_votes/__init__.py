"""Labels that signals vote on: the votes, what they came to, and which of them to trust."""
