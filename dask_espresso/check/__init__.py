"""Whether a profile works, found out by doing all that a run does, once.

One half runs where the user is, the other one on a worker.
"""
