"""Did the curation help: blocks of curated rows against as many others, judged fairly."""
