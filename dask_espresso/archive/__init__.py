"""A store with all that it came from as an RO-Crate, for a journal's archive.

It is written from the store alone, and what is not there any more is said. From such a crate a
simulation is run again, and compared with what was recorded.
"""
