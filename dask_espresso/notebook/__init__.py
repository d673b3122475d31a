"""Studies, runs and stores as objects, for notebooks and programs.

What they do is what the command line does, and what they show is small. A run is a driver in a
process of its own, which no interrupt of a notebook and no event loop gets in the way of.
"""
