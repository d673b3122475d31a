"""One simulation on a worker: a process that is started, watched and told of.

It is fresh, or forked from a warm one where that comes to the same. What becomes of it is an
outcome, whatever it does.
"""
