"""Outcomes that are kept: a journal that loses nothing, and one HDF5 file that others read too.

One driver at a time writes, by a claim that is held. Reading waits for nobody.
"""
