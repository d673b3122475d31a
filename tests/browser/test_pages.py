"""The page of a report in a real browser: it opens from the disk, and does what it should."""

import re

import pytest
from report_stores import HOSTILE, report_of

# texts of hover boxes, and canvases, are in trees of their own
INSIDE = """
function inside(node, what) {
  let found = [...node.querySelectorAll(what)];
  for (const other of node.querySelectorAll("*"))
    if (other.shadowRoot) found = found.concat(inside(other.shadowRoot, what));
  return found;
}
"""


@pytest.mark.parametrize("width", [390, 1200])
def test_opens_from_the_disk_and_asks_for_nothing(browser, tmp_path, width):
    page = report_of(tmp_path)
    browser.open(page, width, 900)
    drawn = "inside(document, 'canvas').filter(one => one.width > 100).length"
    browser.wait_for(f"{INSIDE} {drawn} >= {len(re.findall('data-root-id', page.read_text()))}")
    browser.wait_for(f"document.documentElement.scrollWidth <= {width}")
    assert [url for url in browser.requests if not url.startswith("data:")] == [page.as_uri()]
    assert browser.errors == []
    assert browser.see("document.title") == "s"  # what texts of the user's would have changed
    assert HOSTILE in browser.see("document.querySelector('tbody').innerText")


def test_tables_are_sorted_by_numbers(browser, tmp_path):
    browser.open(report_of(tmp_path), 1200, 900)
    cells = "[...document.querySelector('tbody').rows].map(row => row.cells[0].innerText)"
    head = "document.querySelector('th button')"
    browser.see(f"{head}.click()")
    ascending = browser.see(cells)
    browser.see(f"{head}.click()")
    descending = browser.see(cells)
    assert list(map(float, ascending)) == sorted(map(float, ascending))
    assert list(map(float, descending)) == sorted(map(float, ascending), reverse=True)
    assert float(ascending[0]) < float(ascending[-1])


# where the first point of the first figure is on the screen
FIRST_POINT = """(() => {
  const views = window.Bokeh ? [...Bokeh.index.roots] : [];
  const view = views.find(one => one.model.left[0].axis_label === "pressure");
  if (!view) return null;
  const points = view.model.renderers.find(one => one.data_source.data.width);
  const box = view.canvas_view.el.getBoundingClientRect();
  const [x, y] = ['x', 'y'].map(name => points.data_source.data[name][0]);
  return [box.x + view.frame.x_scale.compute(x), box.y + view.frame.y_scale.compute(y)];
})()"""


def test_a_point_says_what_it_is_under_the_mouse(browser, tmp_path):
    browser.open(report_of(tmp_path), 1200, 900)
    x, y = browser.wait_for(FIRST_POINT)
    browser.move_to(5, 5)
    browser.move_to(x, y)
    said = browser.wait_for(
        INSIDE + "inside(document, '.bk-tooltip-content').map(one => one.textContent)"
        ".find(text => text.includes('pressure'))"
    )
    assert "phi" in said
    assert browser.errors == []
