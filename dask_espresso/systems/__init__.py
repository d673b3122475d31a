"""Batch systems: what their jobs and options look like, what their commands are and say.

Nothing here knows what runs in the jobs. What a profile says arrives as plain options.
"""
