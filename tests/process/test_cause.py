"""The line that says why, out of what real programs printed."""

import subprocess
import sys
import textwrap

import pytest

from dask_espresso.process.cause import brief, cause

LINE = "-" * 74
BY_ORDER = f"""\
{LINE}
Primary job  terminated normally, but 1 process returned
a non-zero exit code. Per user-direction, the job has been aborted.
{LINE}
{LINE}
mpirun detected that one or more processes exited with non-zero status, thus causing
the job to be terminated. The first process to do so was:

  Process name: [[4172,1],0]
  Exit code:    1
{LINE}
"""
TRACEBACK = 'Traceback (most recent call last):\n  File "x.py", line 8, in <module>\n    run()\n'


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("raise ValueError('bad pressure')", "ValueError: bad pressure"),
        ("raise ValueError('a box is wanted:\\n  of 2.0\\n---')", "ValueError: a box is wanted: of 2.0"),
        ("raise ValueError('small\\nbox')", "ValueError: small"),
        ("assert 1 == 2", "AssertionError"),
        ("x = = 1", "SyntaxError: invalid syntax"),
        ("import nothing_such", "ModuleNotFoundError: No module named 'nothing_such'"),
        ("import sys, warnings; warnings.warn('odd'); sys.exit('no potential')", "no potential"),
        ("try: {}['a']\nexcept KeyError as e: raise RuntimeError('no a') from e", "RuntimeError: no a"),
        ("try: {}['a']\nexcept KeyError: raise RuntimeError('no a')", "RuntimeError: no a"),
        (
            "class A:\n def __del__(self): raise OSError('late')\na = A()\nraise ValueError('true')",
            "ValueError: true",
        ),
        (
            "import logging\ntry: 1 / 0\nexcept Exception: logging.exception('skipped')\n"
            "raise ValueError('true')",
            "ValueError: true",
        ),
        ("import faulthandler, ctypes; faulthandler.enable(); ctypes.string_at(0)",
         "Fatal Python error: Segmentation fault"),
        ("print('-' * 10, 'last words', '=' * 10, sep='\\n', file=__import__('sys').stderr)",
         "last words"),
        ("class E(Exception): pass\nE.__module__ = 'espressomd.utils'\nraise E('ERROR: a bond broke')",
         "espressomd.utils.E: ERROR: a bond broke"),
    ],
)  # fmt: skip
def test_of_python(code, expected):
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert cause(process.stderr) == expected
    assert brief(f"exit code 1\n{process.stderr}") == f"exit code 1: {expected}"
    tagged = textwrap.indent(process.stderr + BY_ORDER, "[1,0]<stderr>:", lambda line: True)
    assert cause(process.stderr + BY_ORDER) == cause(tagged) == expected


def test_of_groups_of_exceptions():
    printed = """
  + Exception Group Traceback (most recent call last):
  |   File "group.py", line 1, in <module>
  |     raise ExceptionGroup("many", [ValueError("first"), TypeError("second")])
  | ExceptionGroup: many (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: first
    +---------------- 2 ----------------
    | TypeError: second
    +------------------------------------
"""
    assert cause(printed) == "ExceptionGroup: many (2 sub-exceptions): ValueError: first"


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        (
            "ERROR: bond broken between particles 0, 1\n" + TRACEBACK
            + '  File "utils.pyx", line 212, in espressomd.utils.handle_errors\nException: while '
            "calling method integrate(): ERROR: bond broken between particles 0, 1\n" + BY_ORDER,
            "Exception: while calling method integrate(): ERROR: bond broken between particles 0, 1",
        ),
        (
            "LAMMPS (22 Jul 2025)\nERROR: Unrecognized pair style 'nonsense' (src/force.cpp:275)\n"
            "Last input line: pair_style nonsense\n",
            "ERROR: Unrecognized pair style 'nonsense' (src/force.cpp:275)",
        ),
        (
            f"{LINE}\nThere are not enough slots available in the system to satisfy the 9\nslots "
            "that were requested by the application:\n\n  python\n\nEither request fewer slots for "
            f"your application, or make more slots\navailable for use.\n{LINE}\n",
            "There are not enough slots available in the system to satisfy the 9 slots that were "
            "requested by the application:",
        ),
        (
            f"{LINE}\nmpirun has detected an attempt to run as root.\n\nRunning as root is "
            f"*strongly* discouraged as any mistake (e.g., in\ndefining TMPDIR)\n{LINE}\n",
            "mpirun has detected an attempt to run as root.",
        ),
        (
            f"{LINE}\nMPI_ABORT was invoked on rank 0 in communicator MPI_COMM_WORLD\nwith "
            "errorcode 3.\n\nNOTE: invoking MPI_ABORT causes Open MPI to kill all MPI processes.\n"
            f"You may or may not see output from other processes\n{LINE}\n",
            "MPI_ABORT was invoked on rank 0 in communicator MPI_COMM_WORLD with errorcode 3.",
        ),
        (
            f"{LINE}\nPrimary job  terminated normally, but 1 process returned\na non-zero exit "
            f"code. Per user-direction, the job has been aborted.\n{LINE}\n{LINE}\nmpirun noticed "
            "that process rank 1 with PID 0 on node vm exited on signal 9 (Killed).\n" + LINE,
            "mpirun noticed that process rank 1 with PID 0 on node vm exited on signal 9 (Killed).",
        ),
        (
            "\n" + "=" * 83 + "\n=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES\n=   PID "
            "8583 RUNNING AT vm\n=   EXIT CODE: 9\n=   CLEANING UP REMAINING PROCESSES\n=   YOU CAN "
            "IGNORE THE BELOW CLEANUP MESSAGES\n" + "=" * 83 + "\nYOUR APPLICATION TERMINATED WITH "
            "THE EXIT STRING: Killed (signal 9)\nThis typically refers to a problem with your "
            "application.\nPlease see the FAQ page for debugging suggestions\n",
            "YOUR APPLICATION TERMINATED WITH THE EXIT STRING: Killed (signal 9)",
        ),
        (
            "[vm:32073] *** Process received signal ***\n[vm:32073] Signal: Segmentation fault (11)\n"
            "[vm:32073] Signal code:  (0)\n[vm:32073] Failing at address: 0x7d49\n[vm:32073] [ 0] "
            "/lib/libc.so.6(+0x3c050)[0x7fb99965a050]\n[vm:32073] *** End of error message ***\n",
            "Signal: Segmentation fault (11)",
        ),
        (
            "Abort(807027728): Fatal error in internal_Init: Internal MPI error!, error stack:\n"
            "internal_Init(70)...............: MPI_Init(argc=0x7ffd1, argv=0x7ffd1) failed\n"
            "MPII_Init_thread(232)...........: \ncheck_MPIR_CVAR_PMI_VERSION(167):  Runtime "
            "environment uses unsupported PMI version PMIx. Aborting.\n" + BY_ORDER,
            "Abort(807027728): Fatal error in internal_Init: Internal MPI error!: "
            "check_MPIR_CVAR_PMI_VERSION(167):  Runtime environment uses unsupported PMI version "
            "PMIx. Aborting.",
        ),
        (
            "terminate called after throwing an instance of 'std::runtime_error'\n  what():  no box\n",
            "std::runtime_error: no box",
        ),
        ("c: c.cpp:5: int main(int, char**): Assertion `c==0' failed.\n",
         "c: c.cpp:5: int main(int, char**): Assertion `c==0' failed."),
        ("some words\nfree(): invalid pointer\nAborted (core dumped)\n", "free(): invalid pointer"),
        ("double free or corruption (out)\n", "double free or corruption (out)"),
        (
            "slurmstepd: error: Detected 1 oom_kill event in StepId=12.0. Some of the step tasks "
            "have been OOM Killed.\nsrun: error: n1: task 1: Out Of Memory\n",
            "slurmstepd: error: Detected 1 oom_kill event in StepId=12.0. Some of the step tasks "
            "have been OOM Killed.",
        ),
        ("srun: error: Unable to create step for job 2: Memory required by task is not available\n",
         "srun: error: Unable to create step for job 2: Memory required by task is not available"),
        (
            TRACEBACK + "ValueError: no box\nsrun: error: n1: task 1: Exited with exit code 1\n"
            "srun: Terminating StepId=2.0\nslurmstepd: error: *** STEP 2.0 ON n1 CANCELLED ***\n",
            "ValueError: no box",
        ),
        ("python: error while loading shared libraries: libmpi.so.40: cannot open shared object "
         "file: No such file or directory\n",
         "python: error while loading shared libraries: libmpi.so.40: cannot open shared object "
         "file: No such file or directory"),
        ("./run: line 3: pypresso: command not found\n", "./run: line 3: pypresso: command not found"),
        ("bash: line 1: 32626 Segmentation fault      python x.py\n",
         "bash: line 1: 32626 Segmentation fault      python x.py"),
        (
            "[vm:1234] *** An error occurred in MPI_Recv\n[vm:1234] *** reported by process [1,0]\n"
            "[vm:1234] *** on communicator MPI_COMM_WORLD\n[vm:1234] *** MPI_ERR_TRUNCATE: message "
            "truncated\n[vm:1234] *** MPI_ERRORS_ARE_FATAL (processes in this communicator will now "
            "abort,\n[vm:1234] ***    and potentially your MPI job)\n",
            "An error occurred in MPI_Recv: MPI_ERR_TRUNCATE: message truncated",
        ),
        ("python: symbol lookup error: /opt/es.so: undefined symbol: H5open\n",
         "python: symbol lookup error: /opt/es.so: undefined symbol: H5open"),
        ("Killed\n", "Killed"),
        ("", ""),
        (LINE, ""),
    ],
)  # fmt: skip
def test_of_other_programs(printed, expected):
    assert cause(printed) == expected


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        ("ended by SIGSEGV\nINFO: step 4711\n", "ended by SIGSEGV"),
        ("ended by SIGSEGV\nINFO: step 4711\nfree(): invalid pointer\nINFO: last\n",
         "ended by SIGSEGV: free(): invalid pointer"),
        ("ended by SIGABRT\nno box\n", "ended by SIGABRT: no box"),
        ("stopped at its time limit of 2 s\nINFO: step 4711\n", "stopped at its time limit of 2 s"),
        ("ended by SIGKILL, as the kernel does where memory runs out\nINFO: step 4711\n",
         "ended by SIGKILL, as the kernel does where memory runs out"),
    ],
)  # fmt: skip
def test_what_a_program_was_just_doing_is_no_reason(failure, expected):
    assert brief(failure) == expected


def test_a_failure_of_before_stays_readable():
    assert brief("exit code 3") == "exit code 3"
    assert brief("ended by SIGABRT\nsome words") == "ended by SIGABRT: some words"
    assert brief("") == ""
