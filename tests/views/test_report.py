"""The page of a report: what is on it, and that it is inert and not too large."""

import re
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner
from report_stores import HOSTILE, report_of, store_of

from dask_espresso.cli import main
from dask_espresso.errors import InputError
from dask_espresso.views.report import write_report


class Page(HTMLParser):
    """Texts, tags and attributes of a page."""

    def __init__(self, text):
        super().__init__()
        self.texts, self.tags, self.inside = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside.append(tag)

    def handle_endtag(self, tag):
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data):
        if not {"script", "style"} & set(self.inside[-1:]):
            self.texts.append(data.strip())


@pytest.fixture
def page(tmp_path):
    return Page(report_of(tmp_path).read_text())


def test_texts_of_the_user_are_texts(page):
    assert HOSTILE in page.texts
    assert f"energy{HOSTILE}" in page.texts
    assert [tag for tag, _ in page.tags].count(
        "script"
    ) == 4  # bokeh, its settings, figures, tables
    assert not [
        tag for tag, _ in page.tags if tag in ("b", "img", "iframe", "object", "link", "form")
    ]
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    (policy,) = (attrs["content"] for _, attrs in page.tags if attrs.get("http-equiv"))
    assert policy.startswith("default-src 'none';")
    assert not [
        attrs for _, attrs in page.tags if {"src", "href", "srcset", "action"} & attrs.keys()
    ]


def test_says_what_was_run_and_what_came_out(page):
    said = " ".join(page.texts)
    assert "32 done, 8 failed of 40" in said
    assert "python Python 3.12" in said
    assert "3 machines: node0, node1, node2" in said
    assert "2023-11-14 22:13 UTC to 2023-11-14 22:13 UTC" in said
    assert "0.1150(52)" in said  # by four of 0.01 and their scatter, 0.0065
    assert "exit code" not in said
    assert "ValueError: <b>" in said
    assert "Bars, and brackets below: one standard error." in said


def test_intervals_are_those_of_the_confidence(tmp_path):
    page = tmp_path / "s.html"
    write_report(store_of(tmp_path), page, 95)
    assert "0.115(11)" in page.read_text()
    assert "95 % confidence" in page.read_text()


@pytest.mark.parametrize(
    "keys", [{"n": 1}, {"texts": ()}, {"n": 1, "texts": ("a",), "replicas": 1}]
)
def test_studies_of_all_shapes_have_a_page(tmp_path, keys):
    assert "<h2>Results</h2>" in report_of(tmp_path, **keys).read_text()


def test_command(tmp_path):
    path = store_of(tmp_path)
    done = CliRunner().invoke(main, ["report", str(path)], catch_exceptions=False)
    assert done.output.startswith(f"wrote {tmp_path / 's.html'}\n")
    with pytest.raises(
        InputError, match=r"s\.pdf: a report is a page; name a file that ends in .html"
    ):
        write_report(path, tmp_path / "s.pdf")
    (tmp_path / "d.html").mkdir()
    with pytest.raises(InputError, match="is there, and is no file"):
        write_report(path, tmp_path / "d.html")


@pytest.mark.slow
def test_of_a_hundred_thousand_simulations(tmp_path):
    path = store_of(tmp_path, n=25_000, texts=(), replicas=4)
    page = tmp_path / "s.html"
    notes = write_report(path, page)
    assert page.stat().st_size < 5e6
    assert any(re.fullmatch(r"figures have every \dth point", note) for note in notes)
    assert any(note.startswith("24,500 more points") for note in notes)
