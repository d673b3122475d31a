"""End with exit code 3 by MPI_Abort, or, where no MPI has been started by an import, without it."""

import ctypes
import sys

from dask_espresso.preload import started_mpi

CODE = 3
MPICH_WORLD = 0x44000000  # the same in all that share its ABI

mpi = started_mpi()
if mpi:
    try:
        world = ctypes.byref(ctypes.c_char.in_dll(mpi, "ompi_mpi_comm_world"))
    except ValueError:  # it is no Open MPI
        world = ctypes.c_int(MPICH_WORLD)
    mpi.MPI_Abort(world, CODE)
sys.exit(CODE)
