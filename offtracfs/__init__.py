"""offtracfs: an issue tracker as files, offline, with its whole past."""
