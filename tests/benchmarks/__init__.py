"""Benchmarks: tables with controls in the same run. They never gate CI on time."""
