"""Pages that come from elsewhere: commands, keys and columns from the code, and notebooks."""

import json
import re
from pathlib import Path

import click
import mkdocs_gen_files
import pydantic

from dask_espresso.cli import main
from dask_espresso.inputs.engine_settings import EngineSettings
from dask_espresso.inputs.profile import Profile
from dask_espresso.inputs.study import Study
from dask_espresso.outcome import ATTRIBUTES, Outcome

_ATTRIBUTE = re.compile(r"(?m)^    (\w[\w, ]*) : (.+)\n((?:        .+\n)+)")
_NO_COLUMNS = ("id", "parameters", "result")


def attributes(cls):
    """Give name, type and meaning of each attribute, as the docstring of its class has them."""
    for names, kind, meaning in _ATTRIBUTE.findall(cls.__doc__):
        for name in names.split(", "):
            yield name, kind, " ".join(meaning.replace("``", "`").split())


def own_models(model):
    """Give a model, and those of this package whose keys it has, too."""
    ours = [each for each in model.__mro__ if each.__module__.startswith("dask_espresso.")]
    return [each for each in ours if issubclass(each, pydantic.BaseModel)]


def keys(model):
    """Give a table of the keys of a model."""
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name, kind, meaning in (row for each in own_models(model) for row in attributes(each)):
        field = model.model_fields[name]
        default = "*has to be there*" if field.is_required() else f"`{field.default}`"
        lines.append(f"| `{name}` | {kind} | {default} | {meaning} |")
    assert len(lines) == len(model.model_fields) + 2, f"not every key of {model} is described"
    return "\n".join(lines)


def columns():
    """Give a table of the columns that every store has."""
    described = [row for row in attributes(Outcome) if row[0] not in _NO_COLUMNS]
    undescribed = {*ATTRIBUTES} - {*_NO_COLUMNS} - {name for name, _, _ in described}
    assert not undescribed, f"not described: {undescribed}"
    lines = ["| column | type | units | meaning |", "|---|---|---|---|"]
    for name, kind, meaning in described:
        lines.append(f"| `{name}` | {kind} | {ATTRIBUTES[name].get('units', '')} | {meaning} |")
    return "\n".join(lines)


def helps():
    """Give what `--help` says of each command."""
    above = click.Context(main, info_name="dask-espresso", terminal_width=80)
    yield f"```text\n{main.get_help(above)}\n```"
    for name, command in main.commands.items():
        context = click.Context(command, info_name=name, parent=above)
        yield f"## {name}\n\n```text\n{command.get_help(context)}\n```"


def notebook(path):
    """Give the cells of a notebook, each with what it showed."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        yield source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```"
        for output in cell.get("outputs", ()):
            shown = output.get("data", {})
            text = "".join(output.get("text") or shown.get("text/plain", ""))
            if "image/png" in shown:
                image = "".join(shown["image/png"]).strip().replace("\n", "")
                yield f"![{text}](data:image/png;base64,{image})"
            else:
                yield f"```text\n{text.rstrip()}\n```"


def write(path, *parts, mode="w"):
    """Write a page, or the end of one."""
    with mkdocs_gen_files.open(path, mode) as file:
        file.write("\n\n".join(parts) + "\n")


write("reference/commands.md", *helps(), mode="a")
write("reference/study.md", "## Keys", keys(Study), mode="a")
write(
    "reference/profile.md",
    "## Keys",
    keys(Profile),
    "## Engines",
    "Below `engines`, and the name of the engine:",
    keys(EngineSettings),
    mode="a",
)
write("reference/store.md", columns(), mode="a")
for path in sorted((Path(__file__).parent / "notebooks").glob("*.ipynb")):
    file = f"[As a notebook]({path.name})"
    write(f"notebooks/{path.stem}.md", *notebook(path), file)
