"""``make bench``: how fast it is and how much memory it takes, each figure beside its reference."""
