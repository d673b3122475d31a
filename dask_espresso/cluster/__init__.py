"""Workers: a profile made into a Dask cluster, and kept alive.

Certificates, worker jobs and their roster, transfers of results. Nothing here knows a study.
"""
