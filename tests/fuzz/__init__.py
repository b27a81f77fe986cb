"""Fuzz targets, a corpus of our own, and the programs that run them. `./dev fuzz` runs them for real time."""
