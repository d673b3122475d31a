"""The commands of ``dask-espresso``, each beside those of its kind; ``cli`` puts them together.

A command reads its arguments, calls what does the work, and says what came of it. What does the
work is imported when the command runs: a command is there at once.
"""
