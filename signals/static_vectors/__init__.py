"""Dense vectors of texts without torch: WordPieces looked up in a table and added up."""
