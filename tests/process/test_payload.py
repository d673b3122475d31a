"""The result is found among all that a simulation prints, or it is said that there is none."""

import base64
import os
import pickle
import struct
import time

import numpy as np
import pytest
from simulators import run_process

from dask_espresso.engines import Engine
from dask_espresso.process.payload import PayloadScanner
from dask_espresso.script.frame import ENCODED_HEAD_SIZE, HEAD_SIZE, MARKER
from dask_espresso.script.result_pipe import HEAD, MAGIC
from dask_espresso.script.transport import TransportError, encode_transport_data

RESULT = {"pressure": 2.5, "rdf": [0.5] * 100}
BARE = base64.b64encode(pickle.dumps({"bare": 1.5, "rdf": [0.25] * 100}))  # as the sample writes it
PAYLOAD = encode_transport_data({"pressure": 2.5, "rdf": np.arange(100.0)}).encode()


def scan(output, size=1 << 20):
    noise = bytearray()
    scanner = PayloadScanner(noise.extend)
    for start in range(0, len(output), size):
        scanner.feed(output[start : start + size])
    scanner.close()
    return scanner, bytes(noise)


@pytest.mark.parametrize("size", [1, 7, 4096])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b""),
        (b"", b"\n"),
        (b"warning: something\n", b"\nbye\n"),
        (b"no newline", b"no newline either"),
        (b"KingARthur", b"gARbage"),
        (b"\xff\xfe\x00", b"\x00\n"),
        (b"gASVbroken but no payload\n", b"\n"),
    ],
)
def test_noise_around_the_payload_is_kept_apart(before, after, size):
    scanner, noise = scan(before + PAYLOAD + after, size)
    assert scanner.payload()["pressure"] == 2.5
    assert noise == before + after


@pytest.mark.parametrize("value", [{}, None, 0, [], {"a": 1}, "x", {"a": b"1" * 70000}])
def test_small_and_large_payloads_with_text_glued_to_them(value):
    payload = encode_transport_data(value).encode()
    scanner, noise = scan(b"tuning P3M " + payload + b"done")
    assert scanner.payload() == value
    assert noise == b"tuning P3M done"


@pytest.mark.parametrize("between", [b"", b"\n", b" and "])
def test_two_payloads(between):
    scanner, _ = scan(PAYLOAD + between + PAYLOAD)
    with pytest.raises(TransportError, match="two payloads"):
        scanner.payload()


def test_no_payload():
    scanner, noise = scan(b"pressure: 2.5\n")
    assert noise == b"pressure: 2.5\n"
    with pytest.raises(TransportError, match="no payload"):
        scanner.payload()


@pytest.mark.parametrize("cut", [5, 40, 200])
def test_broken_payload_shows_its_text(cut):
    scanner, _ = scan(b"hello\n" + PAYLOAD[:-cut] + b"\n")
    with pytest.raises(TransportError, match="broken payload.*gAVD"):
        scanner.payload()


def test_payload_in_its_own_noise_costs_no_memory():
    noise = []
    scanner = PayloadScanner(lambda data: noise.append(len(data)))
    chunk = b"gARbage " * 2**13
    for _ in range(8):
        scanner.feed(chunk)
    scanner.close()
    assert sum(noise) == 8 * len(chunk)
    assert len(scanner._pending) == 0


# ---- bare payloads -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 4096])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("before", [b"", b"LAMMPS\n", b"gARbage\n", b"\n\n", b"gA\n"])
@pytest.mark.parametrize("after", [b"", b"\n", b"\r\nTotal wall time: 0:00:00\n", b"\ngA"])
def test_a_bare_payload_has_a_line_to_itself(before, after, protocol, size):
    bare = base64.b64encode(pickle.dumps(RESULT, protocol))
    scanner, noise = scan(before + bare + after, size)
    assert scanner.payload() == RESULT
    assert noise.replace(b"\r", b"") == (before + after).replace(b"\r", b"")


LONG = 1 << 16  # what is as long stands outside of the frames of a pickle


@pytest.mark.parametrize("protocol", [4, 5])
@pytest.mark.parametrize(
    "wrapped",
    [
        lambda long: long,
        lambda long: (long, 1),
        lambda long: [long],
        lambda long: (None, True, False, long),
        lambda long: {None: long},
        lambda long: [[[long]]],
    ],
)
@pytest.mark.parametrize("long", [b"1" * LONG, bytearray(LONG), "1" * LONG, "é" * LONG])
def test_a_bare_payload_that_begins_with_something_long(long, wrapped, protocol):
    output = base64.b64encode(pickle.dumps(wrapped(long), protocol)) + b"\nnoise\n"
    scanner, noise = scan(output, 1 << 15)
    assert scanner.payload() == wrapped(long)
    assert noise == b"\nnoise\n"


@pytest.mark.parametrize("size", [1, 7, 4096])
@pytest.mark.parametrize(
    ("output", "said"),
    [
        (b"tuning " + BARE, "no payload"),
        (b"g" + BARE, "no payload"),
        (b"A" + BARE, "no payload"),
        (BARE + b" done", "broken payload: something else stands on its line: 'gA"),
        (BARE + b"done", "broken payload"),
        (BARE + BARE, "broken payload"),
        (BARE[:-4], "broken payload"),
        (BARE[: len(BARE) // 8 * 4], "broken payload"),
        (BARE[: len(BARE) // 8 * 4] + b"\n" + BARE[len(BARE) // 8 * 4 :], "broken payload"),
        (base64.b64encode(pickle.dumps([0.5] * 9) + b"x"), "broken payload.*something is behind"),
        (b" " + BARE, "no payload"),
    ],
)
def test_what_is_no_whole_line_is_no_bare_payload(output, said, size):
    scanner, noise = scan(output, size)
    assert noise == output
    with pytest.raises(TransportError, match=said):
        scanner.payload()


@pytest.mark.parametrize("other", [BARE, PAYLOAD])
def test_two_payloads_of_which_one_is_bare(other):
    scanner, _ = scan(BARE + b"\nnoise\n" + other + b"\n")
    with pytest.raises(TransportError, match="two payloads"):
        scanner.payload()


def test_a_script_beside_the_original_sample_module(script):
    """It finds that module, not ours, since a script's own directory comes first."""
    path = script("""
        import dask_espresso
        data = dask_espresso.get_data_from_stdin()
        print("equilibration")
        print(dask_espresso.encode_transport_data({"twice": 2 * data["x"], "of": "the sample"}))
    """)
    path.with_name("dask_espresso.py").write_text("""
import pickle, base64, sys
def encode_transport_data(data): return base64.b64encode(pickle.dumps(data)).decode("utf-8")
def decode_transport_data(encoded_data): return pickle.loads(base64.b64decode(encoded_data))
def get_data_from_stdin(): return decode_transport_data(sys.stdin.read())
""")
    report = run_process(Engine("python"), path, {"x": np.arange(3)})
    assert report.failure() == ""
    result = report.output.payload()
    assert (result["twice"].tolist(), result["of"]) == ([0, 2, 4], "the sample")
    assert report.log == "equilibration\n\n"


def test_a_bare_payload_glued_to_one_with_a_head_is_noise():
    scanner, noise = scan(PAYLOAD + BARE + b"\n")
    assert scanner.payload()["pressure"] == 2.5
    assert noise == BARE + b"\n"


def test_a_bare_payload_after_the_beginning_of_a_long_one():
    bare = base64.b64encode(pickle.dumps(1.5))
    before, after = BARE[:200] + b"!\n", b"\n" + b"noise\n" * 99
    scanner, noise = scan(before + bare + after, 200)
    assert scanner.payload() == 1.5
    assert noise == before + after


# ---- damage --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [b"!", b"A", b"warning: step 17\n", b"Qk0wAAAA", b"\n", b"\0"])
def test_what_is_printed_into_a_payload_is_no_part_of_it(text):
    for at in range(1, len(PAYLOAD), 7):
        scanner, noise = scan(PAYLOAD[:at] + text + PAYLOAD[at:] + b"\n")
        assert not scanner.payloads, at
        assert noise == PAYLOAD[:at] + text + PAYLOAD[at:] + b"\n"
        if at >= len(MARKER):
            with pytest.raises(TransportError, match="broken payload"):
                scanner.payload()


def test_another_number_is_no_result():
    """Damage that leaves a whole pickle, such as the bytes of a float, is found out."""
    payload = encode_transport_data({"a": b"?" * 3000})
    at = len(payload) // 2
    damaged = payload[:at] + ("A" if payload[at] != "A" else "B") + payload[at + 1 :]
    assert len(pickle.loads(base64.b64decode(damaged))["a"]) == 3000
    with pytest.raises(TransportError, match="broken payload: it is not as it was written"):
        scan(damaged.encode() + b"\n")[0].payload()


@pytest.mark.parametrize("at", range(len(MARKER), ENCODED_HEAD_SIZE))
def test_a_damaged_head(at):
    other = b"A" if PAYLOAD[at : at + 1] != b"A" else b"B"
    output = PAYLOAD[:at] + other + PAYLOAD[at + 1 :] + b"\n"
    with pytest.raises(TransportError, match="broken payload: (its head is damaged|it is not as)"):
        scan(output)[0].payload()
    assert scan(output + b"\n" + PAYLOAD)[0].payload()["pressure"] == 2.5


def test_a_cut_payload_says_how_much_is_there():
    with pytest.raises(TransportError, match=f"broken payload: 80 of its {len(PAYLOAD)} char"):
        scan(PAYLOAD[:80])[0].payload()
    with pytest.raises(TransportError, match="broken payload: its head is damaged"):
        scan(PAYLOAD[:34])[0].payload()


@pytest.mark.parametrize("shift", range(3))
def test_a_payload_in_a_payload_is_no_result(shift):
    """Such as that of a script that hands on what it was given, as it stands on standard input."""
    inner = b"-" * shift + base64.b64decode(PAYLOAD) * 3
    for outer in (encode_transport_data({"a": inner}).encode(), _bare({"a": inner})):
        assert scan(outer + b"\n", 100)[0].payload() == {"a": inner}
    outer = encode_transport_data({"a": inner}).encode()
    for output in (outer[:-8], outer[:60] + b"noise" + outer[60:], outer[:99] + b"\n" + outer[99:]):
        with pytest.raises(TransportError, match="broken payload"):
            scan(output)[0].payload()


def _bare(value):
    return base64.b64encode(pickle.dumps(value))


def test_a_head_is_of_whole_groups():
    assert HEAD_SIZE % 3 == 0
    assert base64.b64decode(PAYLOAD)[HEAD_SIZE:] == pickle.dumps(
        pickle.loads(base64.b64decode(PAYLOAD)), 5
    )


# ---- cost ----------------------------------------------------------------------------------------

NOISE = {
    "lines": b"step 17 energy -1.5\n" * 52429,
    "zeros": bytes(1 << 20),
    "words": b"gARbage " * (1 << 17),
    "one letter": b"g" * (1 << 20),
    "empty lines": b"\n" * (1 << 20),
    "starts": b"\ngA" * 350_000,
    "starts of lines": b"gASVgASVgASV\n" * 10_000,
    "starts of pickles": b"gASV" * (1 << 18),
    "pickles": (base64.b64encode(pickle.dumps([print])) + b"\n") * 5_000,
    "markers": MARKER * 10_000,
    "cut payloads": (PAYLOAD[:-9] + b"\n") * (1 << 10),
}


@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE)
def test_output_is_gone_through_once(noise):
    """At no more than a few seconds a GiB, where an attempt at each place would take minutes."""
    counted = []
    scanner = PayloadScanner(lambda data: counted.append(len(data)))
    started = time.process_time()
    for start in range(0, len(noise), 1 << 16):
        scanner.feed(noise[start : start + (1 << 16)])
        assert len(scanner._pending) < 1 << 17
    scanner.close()
    assert time.process_time() - started < 1.5
    assert sum(counted) == len(noise)


@pytest.mark.parametrize("whole_first", [True, False])
@pytest.mark.parametrize("break_it", [lambda p: p[:60] + "WARN\n" + p[60:], lambda p: p[:-30]])
def test_of_two_payloads_a_broken_one_is_not_hidden_by_a_whole_one(whole_first, break_it):
    whole = encode_transport_data({"p": 1.0}) + "\n"
    broken = break_it(encode_transport_data({"p": list(range(40))})) + "\n"
    output = whole + broken if whole_first else broken + "x" * 999 + "\n" + whole
    scanner, _ = scan(output.encode())
    with pytest.raises(TransportError, match="two payloads, one of them broken"):
        scanner.payload()


def pipe_of(data):
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(data)
    return reading


def result_of(pieces, cut=0):
    sizes = struct.pack(f"<{len(pieces)}Q", *map(len, pieces))
    data = HEAD.pack(MAGIC, len(pieces)) + sizes + b"".join(pieces)
    return data[: len(data) - cut]


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (result_of([pickle.dumps({"p": 2.0})], cut=3), "one of them broken: what send_result"),
        (result_of([b"no pickle"]), "one of them broken"),
        (result_of([pickle.dumps({"p": 2.0})]), "hand over the result once"),
        (b"garbage", None),
        (b"garbage" * 9, None),
    ],
)
def test_what_came_by_the_pipe_beside_what_was_printed(sent, error):
    scanner = PayloadScanner(lambda noise: None)
    pipe = pipe_of(sent)
    while scanner.read_result(pipe):
        pass
    os.close(pipe)
    scanner.feed(encode_transport_data({"p": 1.0}).encode() + b"\n")
    scanner.close()
    if error is None:
        assert scanner.payload() == {"p": 1.0}
    else:
        with pytest.raises(TransportError, match=f"two payloads[:,] {error}"):
            scanner.payload()
