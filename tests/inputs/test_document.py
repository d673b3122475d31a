import contextlib
import datetime
import json
from typing import Any

import pydantic
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dask_espresso.errors import BadValueError, InputError, ResumableError, describe, unknown
from dask_espresso.inputs.document import Document
from dask_espresso.inputs.plain_yaml import Reader, dotted


@pytest.fixture
def load(tmp_path):
    def load(text):
        path = tmp_path / "file.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return Document.load(path)

    return load


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("True", True),
        ("FALSE", False),
        ("tRUE", "tRUE"),
        ("yes", "yes"),
        ("off", "off"),
        ("n", "n"),
        ("", None),
        ("~", None),
        ("null", None),
        ("4", 4),
        ("-4", -4),
        ("+4", 4),
        ("007", 7),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b1", "0b1"),
        ("1_000", "1_000"),
        ("1e-3", 1e-3),
        ("1e5", 1e5),
        ("1.", 1.0),
        (".5", 0.5),
        ("-1.5E+3", -1500.0),
        ("1.5.2", "1.5.2"),
        (".inf", float("inf")),
        ("-.INF", float("-inf")),
        ("inf", "inf"),
        ("10:00:00", "10:00:00"),
        ("190:20", "190:20"),
        ("2026-01-02", "2026-01-02"),
        ("'4'", "4"),
        ('"true"', "true"),
        ("=", "="),
        ("[1, a, [2.0]]", [1, "a", [2.0]]),
        ("{a: {b: 1}}", {"a": {"b": 1}}),
        ("|\n  two\n  lines\n", "two\nlines\n"),
        ("φ", "φ"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(load, text, value):
    read = load(f"key: {text}\n").data["key"]
    assert read == value
    assert type(read) is type(value)


def test_nan(load):
    assert load("key: .nan").data["key"] != load("key: .NaN").data["key"]


def test_lines(load):
    document = load("# comment\na: 1\nb:\n  c: [1,\n    2]\n  d:\n    - x\n    - {y: 1}\n")
    assert document.line_of(()) == 2
    assert document.line_of(("a",)) == 2
    assert document.line_of(("b",)) == 3
    assert document.line_of(("b", "c")) == 4
    assert document.line_of(("b", "c", 1)) == 5
    assert document.line_of(("b", "d", 1, "y")) == 8
    assert document.line_of(("b", "e")) is None


def test_keeps_its_text_and_takes_a_byte_order_mark(load):
    assert load("\ufeffa: 1\r\nb: 2\r\n").data == {"a": 1, "b": 2}
    assert load("a: 1 # why\n").text == "a: 1 # why\n"


BOMB = "a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", None, "has no content; write lines such as `name: value`"),
        ("# only this\n", None, "has no content"),
        ("[1, 2]", 1, "holds a list where keys are expected"),
        ("\n\nword", 3, "holds the text 'word' where"),
        ("a: 1\nb: 2\na: 3", 3, "a: is there already, on line 1; keep one of the two"),
        ("a:\n  b: 1\n  b: 2", 3, "a.b: is there already, on line 2"),
        ("a: 1\n---\nb: 2", 2, "a second document begins here; keep one"),
        ("a: 1\n2: b", 2, "the key '2' is not text; put it in quotes"),
        ("a: {e: 1,5, f: 2}", 1, "a: the key '5' is not text; for the decimal write e: 1.5, with"),
        ("a:\n  true: b", 2, "a: the key 'true' is not text"),
        ("~: b", 1, "the key '~' is not text"),
        ("? [x]\n: y", 1, "a key is not text"),
        ("a: {{x}}", 1, "a: a key is not text"),
        (BOMB, 1, "'&a' makes an anchor or uses one; write the value out"),
        ("a: 1\nb: *x", 2, "'*x' makes an anchor or uses one"),
        ("a: !!python/object/apply:os.system [ls]", 1, "the tag '!!python/object/apply:os.system'"),
        ("a: !!python/name:os.system", 1, "is not allowed; remove it"),
        ("a: !mine x", 1, "the tag '!mine' is not allowed"),
        ("a: [1\nb: 2\n", 2, "is not YAML (while parsing a flow sequence"),
        ("a: 1\n b: 2", 2, "wrong indentation"),
        ("a:\n\tb: 1", 2, "is indented with a tab; use spaces"),
        ("a: 'x", 1, "close the quotes"),
        ("a: @x", 1, "put the text in quotes"),
        ('a: "\\q"', 1, "use single quotes"),
        ('a: 1\nb: "\\UFFFFFFFF"', 2, "is not YAML"),
        ('a: "\\ud800"', 1, "a: holds half a character"),
        ("a: 1\nb: \x07", 2, "holds the character U+0007, which is not text; remove it"),
        (b"a: 1\nb: \xff\n", 2, "byte 0xff is not UTF-8; save the file as UTF-8"),
        ("a: 1".encode("utf-16"), 1, "is not UTF-8"),
        ("a: " + "9" * 5000, 1, "a: has too many digits"),
        ("a: " + "x" * (1 << 20), None, "is larger than 1 MiB"),
        ("a: " + "[" * 100, 1, "nested more than 50 deep; make it flatter"),
        ("a: " + "[" * 100_000 + "]" * 100_000, 1, "nested more than 50 deep"),
        ("a:\n" + "".join(" " * i + "- \n" for i in range(500)), 51, "nested more than 50 deep"),
    ],
)
def test_what_is_no_such_file(load, tmp_path, text, line, says):
    with pytest.raises(InputError) as caught:
        load(text)
    place = f"{tmp_path / 'file.yaml'}:" + (f"{line}:" if line else "")
    assert str(caught.value).startswith(f"{place} ")
    assert says in str(caught.value)


def test_recursion_is_an_input_error(load, monkeypatch):
    def recurse(self):
        raise RecursionError

    monkeypatch.setattr(yaml.SafeLoader, "get_single_node", recurse)
    with pytest.raises(InputError, match="nested too deep"):
        load("a: 1")


def test_files_that_cannot_be_read(tmp_path):
    loop = tmp_path / "loop.yaml"
    loop.symlink_to(loop)
    for path, why in [
        (tmp_path / "nope.yaml", "No such file"),
        (tmp_path, "Is a directory"),
        (loop, "symbolic links"),
        ("a\0b", "null"),
    ]:
        with pytest.raises(InputError, match=f"cannot be read .*{why}.*; name a YAML file"):
            Document.load(path)


def test_a_file_system_that_fails_passes():
    """At the beginning of a process's memory there is nothing: EIO."""
    with pytest.raises(ResumableError, match="mem: Input/output error; wait until its file system"):
        Document.load("/proc/self/mem")


class Inner(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", strict=True)
    depth: float = 0.0
    names: list[str] = []


def _refuse_three(value):
    if value == 3:
        raise BadValueError("is 3; write 4", "below", 1)
    return value


class Outer(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", strict=True)
    size: int
    flag: bool = False
    text: str = ""
    inner: Inner = Inner()
    several: dict[str, Inner] = {}
    checked: pydantic.JsonValue = None

    _check = pydantic.field_validator("checked")(_refuse_three)


def test_validate(load):
    model = load("size: 3\ninner: {depth: 2.5}\nseveral: {x: {names: [a]}}").validate(Outer)
    assert model == Outer(size=3, inner=Inner(depth=2.5), several={"x": Inner(names=["a"])})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("flag: true", "1: size: is missing; add a line `size: …`"),
        ("size: '3'", "1: size: is the text '3' but must be a whole number; write one such as 4"),
        ("size: big", "1: size: is the text 'big' but must be a whole number; write one such as 4"),
        ("size: 3.0", "1: size: is the number 3.0 but must be a whole number"),
        ("size: true", "1: size: is true but must be a whole number"),
        ("size:", "1: size: is nothing but must be a whole number"),
        ("size: 1\nflag: yes", "2: flag: is the text 'yes' but must be true or false"),
        ("size: 1\ntext: 3", "2: text: is the number 3 but must be text; put it in quotes"),
        ("size: 1\ninner: 3", "2: inner: is the number 3 but must be a mapping"),
        ("size: 1\ninner:\n  names: x", "3: inner.names: is the text 'x' but must be a list"),
        ("size: 1\ninner:\n  names:\n  - a\n  - 1", "5: inner.names[1]: is the number 1 but must"),
        ("size: 1\nsize_: 2", "2: size_: unknown key 'size_'; did you mean 'size'? Known keys: ch"),
        ("size: 1\nzzz: 2", "2: zzz: unknown key 'zzz'; known keys: checked, flag, inner,"),
        (
            "size: 1\nseveral:\n  x:\n    dept: 2",
            "4: several.x.dept: unknown key 'dept'; did you mean 'depth'? Known keys: depth, names",
        ),
        ("size: 1\ninner: {dpth: 1}", "2: inner.dpth: unknown key 'dpth'; did you mean 'depth'?"),
        ("size: 1\nchecked: 3", "2: checked.below[1]: is 3; write 4"),
    ],
)
def test_validation_errors_in_plain_words(load, tmp_path, text, says):
    with pytest.raises(InputError) as caught:
        load(text).validate(Outer)
    assert f"{tmp_path / 'file.yaml'}:{says}" in str(caught.value)
    assert "pydantic" not in str(caught.value)


def test_all_errors_one_a_line_in_order(load):
    with pytest.raises(InputError) as caught:
        load("text: 1\nsize: x\nflag: 3\nother: 1").validate(Outer)
    lines = str(caught.value).split("\n")
    assert [line.split(":")[1] for line in lines] == ["1", "2", "3", "4"]


def test_replaced_values_name_where_they_come_from(load):
    document = load("size: 1\ninner:\n  names: [a]\n")
    other = document.replace(("inner", "names"), [1], "--set names=[1]")
    assert document.data["inner"]["names"] == ["a"]
    with pytest.raises(InputError, match=r"^--set names=\[1\]: inner\.names\[0\]: is the number 1"):
        other.validate(Outer)


def parse_value(text, origin):
    return Reader(origin, with_line=False).read(text)


def test_values_of_the_command_line_have_no_lines():
    assert parse_value("[1e-3, x]", "--set a=…") == [0.001, "x"]
    with pytest.raises(InputError, match=r"^--set a=…: '\*a' makes an anchor"):
        parse_value("{x: *a}", "--set a=…")
    with pytest.raises(InputError, match=r"^--set a=…: x: is there twice"):
        parse_value("{x: 1, x: 2}", "--set a=…")


def test_words():
    assert dotted(("a", 1, "b-c", "d/e", "f")) == "a[1].b-c.'d/e'.f"
    assert describe("x" * 100) == f"the text '{'x' * 39} … {'x' * 9}'"
    assert describe({}) == "a mapping"
    assert unknown("key", "COERS", ["cores"]) == (
        "unknown key 'COERS'; did you mean 'cores'? Known keys: cores"
    )
    assert unknown("key", "x", []) == "unknown key 'x'; known keys: none"


VALUES: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["C"]))
    | st.dates().map(datetime.date.isoformat),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc", min_size=1), inner),
    max_leaves=10,
)


@given(VALUES)
def test_reads_what_json_writes(value):
    assert parse_value(json.dumps(value, ensure_ascii=False), "x") == value


@given(st.text() | st.text("[]{}:-,&*!|>'\"%@`#? \n\tab1"))
def test_any_text_gives_a_value_or_an_input_error(text):
    with contextlib.suppress(InputError):
        parse_value(text, "x")
