"""What people look at: tables, plots, exports, the progress of a run, warnings.

All of it is made from what a store holds, or a driver tells.
"""
