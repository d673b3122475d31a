"""A real browser, for the tests that with-chromium.sh runs."""

import os
from pathlib import Path

import pytest
from selection import leave_out

pytest.register_assert_rewrite("browser")

from browser import Browser  # noqa: E402

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config, items):
    """Elsewhere these tests are not part of the suite."""
    if os.environ.get("DASK_ESPRESSO_BROWSER"):
        return
    leave_out(config, items, lambda item: item.path.parent == HERE)


@pytest.fixture(scope="session")
def _browser(tmp_path_factory):
    browser = Browser(os.environ["DASK_ESPRESSO_BROWSER"], tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.fixture
def browser(_browser):
    """Give a browser that has seen nothing yet."""
    _browser.forget()
    return _browser
