"""Ours beside its peers: other condensers, private synthesisers, private models, on real tables."""
