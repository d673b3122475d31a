"""Arguments and options that several commands have."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from ..paths import expand

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class _ExpandedPath(click.Path):
    """A path in which ``~`` and variables are replaced, also where no shell has done so."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it."""
        try:
            value = expand(str(value))
        except ValueError as error:
            name = param.human_readable_name if param else "path"
            raise InputError(f"{name}: {error}") from None
        return super().convert(value, param, ctx)


PATH = _ExpandedPath(path_type=Path)


class Words(click.Choice[str]):
    """A choice whose values may be several words, which a shell is to take for one."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Give what the value may be; other shells than bash quote it by themselves."""
        items = super().shell_complete(ctx, param, incomplete)
        if os.environ.get("_DASK_ESPRESSO_COMPLETE", "").startswith("bash"):
            for item in items:
                item.value = shlex.quote(item.value)
        return items


def complete_files(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Have the shell complete the names of files."""
    from click.shell_completion import CompletionItem  # late: only a shell needs it

    return [CompletionItem(incomplete, type="file")]


STUDY = click.argument("study", shell_complete=complete_files)


def _check_name(_context: click.Context, _parameter: click.Parameter, path: Path) -> Path:
    """Refuse what has no name to give to the files beside it."""
    if not path.name:
        raise InputError(f"{path}: no store; name a file, as in study.h5")
    return path


def _check_names(
    context: click.Context, parameter: click.Parameter, paths: tuple[Path, ...]
) -> tuple[Path, ...]:
    return tuple(_check_name(context, parameter, path) for path in paths)


STORE = click.argument("store", type=PATH, callback=_check_name)
STORES = click.argument(
    "stores", metavar="STORE...", nargs=-1, required=True, type=PATH, callback=_check_names
)


def _check_confidence(
    _context: click.Context, _parameter: click.Parameter, percent: str | None
) -> float | None:
    """Refuse what is no percentage before anything is read."""
    if percent is None:
        return None
    from ..views.intervals import check_confidence  # late: it needs numpy

    return check_confidence(percent)


CONFIDENCE = click.option(
    "--confidence", metavar="PERCENT", callback=_check_confidence,
    help="Give intervals of this confidence, such as 95. Default: one standard error.",
)  # fmt: skip
PROFILE = click.option(
    "--profile", metavar="PROFILE", shell_complete=complete_files,
    help="Where to run: a profile's file. Default: this machine.",
)  # fmt: skip
SET = click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE",
    help="Replace a parameter of the study, such as n_steps=200 or volume_fraction=[0.1,0.3], "
    "for a quick look.",
)  # fmt: skip

RUN_STORE = click.option(
    "--store", metavar="FILE.h5", type=PATH,
    help="Where the results go. Default: the study's name, with what is --set.",
)  # fmt: skip
RETRY_FAILED = click.option(
    "--retry-failed", is_flag=True, help="Run again what did not end as done."
)
CHANGED_SCRIPT = click.option(
    "--changed-script", type=click.Choice(["keep", "rerun"]),
    help="If the script has changed since: keep what is recorded, or run everything again.",
)  # fmt: skip
ONLY = click.option(
    "--only", multiple=True, metavar="ID",
    help="Only this simulation, by its id or the beginning of it; may be given more than once.",
)  # fmt: skip
WHERE = click.option(
    "--where", multiple=True, metavar="CONDITION",
    help="Only those of which this is true, such as 'phi > 0.3 and replica > 4'. Given more than "
    "once, all of it.",
)  # fmt: skip
NOT_DONE = click.option(
    "--status", "ended", multiple=True,
    type=Words(("failed", "timed out", "lost", "not finite")),
    help="Only those that ended like this; may be given more than once.",
)  # fmt: skip

YES = click.option(
    "--yes", is_flag=True,
    help="Do not ask before what is recorded is replaced, or no longer part of the study.",
)  # fmt: skip


def overrides(settings: tuple[str, ...]) -> dict[str, str]:
    """Give what --set says, a text a parameter.

    Examples
    --------
    >>> overrides(("n_steps=200", "volume_fraction=[0.1, 0.3]"))
    {'n_steps': '200', 'volume_fraction': '[0.1, 0.3]'}
    """
    overrides: dict[str, str] = {}
    for setting in settings:
        name, sign, value = setting.partition("=")
        if not sign:
            raise InputError(f"--set {setting}: write NAME=VALUE")
        if name in overrides:
            raise InputError(
                f"--set {setting}: {name} is set twice; write one, or --set {name}=[…] for several"
            )
        overrides[name] = value
    return overrides
