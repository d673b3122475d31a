"""Which of the tests that pytest finds are run."""


def leave_out(config, items, is_out):
    """Have some of the tests not be part of the suite."""
    deselected = [item for item in items if is_out(item)]
    config.hook.pytest_deselected(items=deselected)
    items[:] = [item for item in items if not is_out(item)]
