"""Scripts that the peers' own environments run; they share nothing with ours but files."""
