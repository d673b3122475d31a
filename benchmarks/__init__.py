"""Ratios against the original sample's way, against peers and against floors, in one run."""
