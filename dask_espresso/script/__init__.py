"""All of this package that a simulation's own interpreter can see.

It is Python 3.9 or newer, with the standard library, and numpy where a script uses it. Scripts find
it as ``dask_espresso``, by the folder ``for_scripts``, and with it nothing that is installed here.
"""
