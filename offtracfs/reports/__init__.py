"""Reports and queries: foreign SQL run safely on the index, and what comes out, written in four formats."""
