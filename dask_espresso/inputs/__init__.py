"""What a user writes: studies, profiles, and what the package brings of both.

Everything is checked here, once, with the line that is wrong and the remedy. Nothing is started.
"""
