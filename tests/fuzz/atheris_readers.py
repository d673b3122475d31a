"""Coverage-guided fuzzing of what reads from outside; a program, no part of the test suite.

Usage: ``python tests/fuzz/atheris_readers.py READER [CORPUS] [-max_total_time=600 …]`` after
``pip install atheris``, with a READER of those below; the options are libFuzzer's.
"""

import base64
import pickle
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["dask_espresso", "yaml"]):
    from dask_espresso.errors import InputError
    from dask_espresso.inputs.profile import load_profile
    from dask_espresso.inputs.shipped import folder
    from dask_espresso.inputs.study import load_study
    from dask_espresso.outcome import Outcome
    from dask_espresso.process.payload import PayloadScanner
    from dask_espresso.record import pack, unpack
    from dask_espresso.script.transport import TransportError, encode_transport_data
    from dask_espresso.store.journal import read_journal

FILE = Path(tempfile.mkdtemp(prefix="atheris-"), "file")


def of_file(load):
    def read(data):
        FILE.write_bytes(data)
        load(FILE)

    return read


def scan(data):
    scanner = PayloadScanner(lambda noise: None)
    scanner.feed(data[: len(data) // 2])
    scanner.feed(data[len(data) // 2 :])
    scanner.close()
    scanner.payload()


def scan_pickle(data):
    scan(base64.b64encode(data) + b"\n")


# each with what it may raise, and what to begin with
DOCUMENTS = [path.read_bytes() for path in folder("configs").glob("*.yaml")]
RESULT = {"a": [1, 2.5, None, "é"], "b": (1j, {"c": True}), "large": list(range(300))}
READERS = {
    "study": (of_file(load_study), InputError, DOCUMENTS),
    "profile": (of_file(load_profile), InputError, DOCUMENTS),
    "payload": (scan, TransportError, [b"text\n" + encode_transport_data(RESULT).encode()]),
    "pickle": (scan_pickle, TransportError, [pickle.dumps(RESULT, n) for n in (2, 3, 4, 5)]),
    "record": (unpack, ValueError, list(pack(Outcome("1", {"x": 1}, result=RESULT)))),
    "journal": (
        of_file(lambda path: list(read_journal(path))),
        InputError,
        [b"dask_espresso journal 1\n\xc1REC"],
    ),
}


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in READERS:
        sys.exit(f"{__doc__}\nREADER is one of {', '.join(READERS)}")
    read, errors, seeds = READERS[sys.argv.pop(1)]
    corpus = Path(tempfile.mkdtemp(prefix="atheris-"))
    for i, seed in enumerate(seeds):
        (corpus / str(i)).write_bytes(seed)

    def one(data):
        try:
            read(data)
        except errors:
            return

    atheris.Setup([*sys.argv, str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
