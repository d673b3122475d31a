"""Studies and profiles that nobody would write, or that somebody would to do harm."""

import json
import math
from pathlib import Path

import pytest
from fuzzing import DAMAGES, damage, examples, in_time
from hypothesis import given
from hypothesis import strategies as st

from dask_espresso.errors import InputError
from dask_espresso.inputs.document import MAX_SIZE
from dask_espresso.inputs.profile import load_profile
from dask_espresso.inputs.script_file import shipped_simulations
from dask_espresso.inputs.shipped import folder
from dask_espresso.inputs.study import Study, load_study
from dask_espresso.systems.table import SYSTEMS

pytestmark = pytest.mark.slow

HEAD = "name: s\nengine: python\nscript: echo\n"
LOADERS = {"study": load_study, "profile": load_profile}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("documents") / "file.yaml"


def use_study(study):
    """Do with a study what a driver does before it starts anything."""
    assert len(study) == study.count
    for simulation, _ in zip(study.simulations(), range(3), strict=False):
        assert list(simulation.parameters) == study.names
    snapshot = json.loads(json.dumps(study.snapshot()))
    assert Study.from_snapshot(snapshot).snapshot() == study.snapshot()
    assert Path(f"{study.name}.h5").name == f"{study.name}.h5"  # the store is where it should be
    assert study.script_path in shipped_simulations().values()


def use_profile(profile):
    assert profile.walltime is None or profile.walltime >= 0
    assert all(profile.engine(name).name == name for name in profile.engines)


def loaded(load, file, content, **options):
    """Load it, and use what comes of it; give the error's text, or None if there is none."""
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with in_time(60):
        try:
            found = load(file, **options)
        except InputError as error:
            return str(error)
        (use_study if load is load_study else use_profile)(found)
    return None


# ---- bombs ---------------------------------------------------------------------------------------


def nested(opening, closing="", depth=100_000):
    return "parameters: {x: " + opening * depth + closing * depth + "}"


LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{chr(i + 1)}: &{chr(i + 1)} [{f'*{chr(i)}, ' * 9}]\n" for i in range(ord("a"), ord("k"))
)

BOMBS = {
    "billion laughs": LAUGHS,
    "one alias": "a: &a [1]\nb: *a",
    "an alias of itself": "a: &a [*a]",
    "merge of an alias": "a: &a {b: 1}\nc:\n  <<: *a",
    "merge": "parameters:\n  <<: {x: 1}",
    "merge of many": "parameters:\n  <<: [{x: 1}, {y: 2}]",
    "lists in lists": nested("[", "]"),
    "lists in lists without end": nested("["),
    "mappings in mappings": nested("{x: ", "}"),
    "keys that are lists": nested("? ["),
    "block lists": "parameters:\n  x:\n" + "".join(f"{' ' * i}-\n" for i in range(900)),
    "many documents": "--- {}\n" * 1000,
    "no document's end": "parameters: {x: '",
    "directives": "%YAML 9.9\n---\nname: s",
    "tag directive": "%TAG ! tag:yaml.org,2002:python/\n---\na: !name:os.system x",
    "large": "#" * (MAX_SIZE + 1),
    "a key as long as can be": f"? {'k' * (MAX_SIZE - 9)}\n: 1",
    "no UTF-8": b"name: \xff\xfe",
    "half a character": b"name: \xe2\x82",
    "UTF-16": "name: s".encode("utf-16"),
    "UTF-32": "name: s".encode("utf-32"),
    "null": b"name: s\0",
    "escaped null": 'name: "s\\0"',
    "escape sequences": b"name: \x1b[2J",
    "byte order mark inside": "name: s\n\ufeffbad: 1",
    "a key twice": HEAD + "parameters: {x: 1}\nname: t",
    "a parameter twice": HEAD + "parameters: {x: 1, x: 2}",
    "lines of another kind": "name: s\x85bad: 1\u2028",
    "tabs": "name:\ts\n\tbad: 1",
    "dates": HEAD + "parameters: {2026-01-01: 1}\nretries: 2026-01-01",
    "sexagesimal": HEAD + "parameters: {}\nretries: 1:30",
    "octal": HEAD + "parameters: {x: 0o777777777777777777777777777}",
    "a number of many digits": HEAD + f"parameters: {{}}\nreplicas: {'9' * 100_000}",
    "a number of many hexadecimal digits": HEAD + f"parameters: {{}}\nreplicas: 0x{'f' * 100_000}",
    "a name of many hexadecimal digits": HEAD + f"parameters: {{}}\nname: 0x{'f' * 5000}",
    "a parameter of many hexadecimal digits": HEAD + f"parameters: {{x: 0x{'f' * 5000}}}",
    "a time limit of many digits": HEAD + f"parameters: {{}}\ntime_limit: 0x{'f' * 5000}",
    "a time limit of many clocks": HEAD + f"parameters: {{}}\ntime_limit: '{'9' * 5000}:00:00'",
    "a float without end": HEAD + "parameters: {x: 1e999999999}",
    "a name that leads away": HEAD + "parameters: {}\nname: ../../s",
    "a name that is a path": HEAD + "parameters: {}\nname: /tmp/s",
    "a name for a shell": HEAD + "parameters: {}\nname: $(id)",
    "a script that is a device": HEAD.replace("echo", "/dev/full/x") + "parameters: {}",
    "a script that is a directory": HEAD.replace("echo", "/") + "parameters: {}",
    "an empty parameter": HEAD + "parameters: {'': 1}",
    "a parameter that leads away": HEAD + "parameters: {../x: 1}",
}  # fmt: skip


def test_large_document_is_refused_for_its_size(file):
    """Both kinds of document are read alike."""
    text = f"parameters: {{x: [{'1,' * 100_000}]}}"
    assert len(text) < MAX_SIZE
    assert "holds more than 100,000 keys and values" in loaded(load_study, file, text)


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_bombs_are_refused(load, file, text):
    said = loaded(load, file, text)
    assert said.startswith(f"{file}:")
    assert len(said) < 20_000


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:os.mkdir ['{}']",
        "!!python/object/apply:os.system ['mkdir {}']",
        "!!python/object/new:os.mkdir {{args: ['{}']}}",
        "!!python/object/new:type {{args: [x, !!python/tuple [], {{}}], state: '{}'}}",
        "!!python/name:os.mkdir",
        "!!python/module:this",
        "!<tag:yaml.org,2002:python/object/apply:os.mkdir> ['{}']",
        "!!map {{x: 1}}",
        "!!binary aGVsbG8=",
        "!!timestamp 2026-01-01",
        "!!set {{x}}",
        "!!str s",
        "! s",
    ],
)
def test_tags_are_refused_and_run_nothing(load, file, tmp_path, value):
    forged = tmp_path / "forged"
    said = loaded(load, file, f"name: {value.format(forged)}\n")
    assert "is not allowed" in said
    assert not forged.exists()


# ---- sweeps --------------------------------------------------------------------------------------

THOUSAND = "{start: 1, stop: 1000, step: 1}"


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ("{x: {start: 0, stop: 1, num: 10000001}}", "range of 10,000,001 values"),
        ("{x: {start: 0, stop: 1, num: 1000000000000000000}}", "more than 10^18 values"),
        ("{x: {start: 0, stop: 1, step: 1e-9}}", "range of 1,000,000,001 values"),
        ("{x: {start: 0, stop: 1, step: 5e-324}}", "range of more than 10^18 values"),
        ("{x: {start: -1e308, stop: 1e308, step: 1e-308}}", "more than 10^18 values"),
        ("{x: {start: 0, stop: 9000000000000000000, step: 1}}", "more than 10^18 values"),
        (f"{{x: {THOUSAND}, y: {THOUSAND}, z: {THOUSAND}}}", "makes 1,000,000,000 simulations"),
        ("{" + ", ".join(f"x{i}: [1, 2]" for i in range(24)) + "}", "makes 16,777,216 simulations"),
        ("{" + ", ".join(f"x{i}: [1, 2]" for i in range(1100)) + "}", "makes more than 10^18"),
        ("{}\nreplicas: 10000001", "makes 10,000,001 simulations"),
        ("{x: [1, 2]}\nreplicas: 1000000000000000000", "makes more than 10^18 simulations"),
        (f"{{x: {THOUSAND}}}\nsweep: zip\nreplicas: 1000000", "makes 1,000,000,000 simulations"),
    ],
)
def test_sweeps_without_end_are_refused_with_their_number(file, parameters, says):
    with in_time(5):  # as long as making the list of some of them would take
        assert says in loaded(load_study, file, f"{HEAD}parameters: {parameters}\n")


# ---- anything ------------------------------------------------------------------------------------

TEMPLATES = [path.read_bytes() for path in sorted(folder("configs").glob("*.yaml"))]
# what has a meaning in YAML, or here
TOKENS = [
    *"[]{}:,-&*!|>'\"%@`#?~\\\n\t\0",
    "- ",
    ": ",
    "<<: ",
    "&a ",
    "*a",
    "!!python/name:os.system ",
]
TOKENS += ["---\n", "...\n", "\ufeff", "\x85", "\U0001f4a5"]
TOKENS += ["0x", "1e999", ".nan", ".inf", "null", "true"]


@examples(60)
@given(st.binary(max_size=200) | st.lists(st.sampled_from(TOKENS), max_size=40).map("".join))
def test_any_bytes_give_an_error(file, content):
    for load in LOADERS.values():
        loaded(load, file, content)


@examples(100)
@given(
    st.sampled_from(TEMPLATES),
    DAMAGES,
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from(TOKENS))),
)
def test_any_damage_gives_an_error_or_a_document(file, template, damages, tokens):
    text = damage(template, damages[:2])
    for place, token in tokens[:3]:
        at = int(place * len(text))
        text = text[:at] + token.encode() + text[at:]
    for load in LOADERS.values():
        loaded(load, file, text)


def as_yaml(value):
    """Write a value as YAML on one line."""
    if isinstance(value, float) and not math.isfinite(value):
        return {math.inf: ".inf", -math.inf: "-.inf"}.get(value, ".nan")
    if isinstance(value, list):
        return f"[{', '.join(map(as_yaml, value))}]"
    if isinstance(value, dict):
        items = (f"{json.dumps(key)}: {as_yaml(item)}" for key, item in value.items())
        return f"{{{', '.join(items)}}}"
    return json.dumps(value)


STUDY_KEYS = [*Study.model_fields]
PROFILE_KEYS = ["cluster", "jobs", "engines", "options", "worker_timeout", "driver"]
INNER_KEYS = ["start", "stop", "step", "num", "value", "minimum", "maximum", "command", "preload"]
INNER_KEYS += ["low", "high", "integer", "choices", "method", "parameters", "points", "sample"]
INNER_KEYS += ["where", "exclude", "sweep", "y"]
INNER_KEYS += [
    "scale",
    "environment",
    "espresso",
    "cores",
    "memory",
    "disk",
    "walltime",
    "job_extra_directives",
]
INNER_KEYS += [
    "scheduler_options",
    "job_script_prologue",
    "security",
    "x",
    "replica",
    ".",
    "<<",
    "",
]
TEXTS = [
    "x < 2",
    "1 / x",
    "9**9**9 + x",
    "sobol",
    "runs.csv",
    "/dev/zero.csv",
    "log",
    "10 min",
    "01:00:00",
    "1 GB",
    "echo",
    "/",
    "..",
    "python",
    "product",
    "zip",
    "a b",
    "--x=1",
]
TEXTS += [
    "$(id)",
    "'",
    "-1",
    "1e999 s",
    "9" * 5000,
    "9" * 400 + " days",
    "1 fortnight",
    "tls://x:1",
]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, 1, -1, 2**63, 10**400, -(10**400)])
    | st.floats()
    | st.sampled_from([*TEXTS, "local", *SYSTEMS])
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
)
hostile = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(INNER_KEYS), inner, max_size=4)
    ),
    max_leaves=8,
)
RIGHT = {
    "study": {"name": "s", "engine": "python", "script": "echo", "parameters": {"x": [1, 2]}},
    "profile": {"cluster": "slurm", "options": {"cores": 1, "memory": "1 GB"}},
}
WRONG = {
    "study": st.dictionaries(st.sampled_from([*STUDY_KEYS, "x", ""]), hostile, max_size=4),
    "profile": st.dictionaries(st.sampled_from([*PROFILE_KEYS, "x", ""]), hostile, max_size=4),
}


@pytest.mark.parametrize("kind", LOADERS)
@examples(150)
@given(data=st.data())
def test_any_value_at_any_key_gives_an_error_or_a_document(file, kind, data):
    content = RIGHT[kind] | data.draw(WRONG[kind])
    loaded(LOADERS[kind], file, as_yaml(content))


@examples(60)
@given(st.sampled_from(["x", "y", "name", "", "a=b"]), hostile.map(as_yaml) | st.text(max_size=20))
def test_any_override_gives_an_error_or_a_study(file, name, text):
    said = loaded(load_study, file, f"{HEAD}parameters: {{x: 1}}\n", overrides={name: text})
    assert said is None or said.startswith(f"--set {name}={text}")


CELLS = ["x", "y", "1", "0.5", "", " ", "a b", "true", "null", "9" * 500, "1e999", ".nan", '"', "'"]
CELLS += [
    ",",
    ",",
    ",",
    "\n",
    "\n",
    "\r\n",
    "\t",
    ";",
    "\0",
    "\ufeff",
    "\x1b[2J",
    "/",
    "seed",
    "=1+1",
]


@examples(150)
@given(st.binary(max_size=100) | st.lists(st.sampled_from(CELLS), max_size=40).map("".join))
def test_any_file_of_points_gives_an_error_or_a_study(file, content):
    points = file.with_name("runs.csv")
    points.write_bytes(content if isinstance(content, bytes) else content.encode())
    said = loaded(load_study, file, f"{HEAD}points: runs.csv\n")
    assert said is None or said.startswith((f"{points}:", f"{file}:4: points"))


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom"])
def test_a_device_is_read_no_further_than_a_file(device):
    with in_time(20), pytest.raises(InputError, match="larger than 1 MiB"):
        load_study(device)
