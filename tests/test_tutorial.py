"""The tutorial's commands do what it says, and say what it shows, but for numbers.

A line ``…`` on the page stands for any lines. ``python tests/test_tutorial.py`` runs the study as
large as it is there, and makes what the page shows, and its figure, anew.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from figures import keep_figure

PAGE = Path(__file__).parents[1] / "docs/tutorial.md"
FIGURE = "my_study.png"
CUT = "…"
PROGRAMS = Path(sys.executable).parent
ONE_AT_A_TIME = "  threads_per_worker: 1"  # so that it can be seen at work
HERE = socket.gethostname()
_BLOCK = re.compile(r'(?ms)^```(\w+)(?: title="(\S+)")?\n(.*?)^```')
_ID = re.compile(r"(?<![.\w])[0-9a-f]{16}\b")
_PROGRESS = re.compile(
    r"(?m)^(\d+/\d+: |dashboard: |not shown: |\d+ seeds? |\w+: no error in ).*\n"
)
_MASKS = (
    (r"(?<![.\w])[0-9a-f]{8,16}\b", "N"),
    (r"[╸╺━]+", "BAR"),
    (r"[^\s\"]*/(?=python|simulation)", ""),
    (r"python[\d.]+", "python"),
    (r"([\d.]+ (min|h) )?[\d.]+ s\b|\d\d:\d\d:\d\d", "TIME"),
    (r"a (second|minute)\b", "a TIME"),
    (r"-?\d[\d.]*(e[-+]?\d+)?(\(\d+\))?", "N"),
    (r"[ \t]+", " "),
    (r"^ | $", ""),
)


def masked(line):
    """Leave out what differs from run to run: numbers, ids, times, paths."""
    for pattern, mask in _MASKS:
        line = re.sub(pattern, mask, line)
    return line


def as_the_page_has_it(said, output):
    """Give the lines of an output that the page would have, or None if it has others."""
    lines = _PROGRESS.sub("", output).splitlines()
    told = [(number, masked(line)) for number, line in enumerate(lines) if line.strip()]
    pattern = "".join(
        "(?:.*\n)*?" if line == CUT else f"({re.escape(masked(line))}\n)"
        for line in said.splitlines()
        if line.strip()
    )
    found = re.fullmatch(pattern, "".join(f"{line}\n" for _, line in told))
    if not found:
        return None
    before = [found.string.count("\n", 0, start) for start, _ in found.regs[1:]]
    shown = iter(lines[told[index][0]] for index in before)
    return "".join(f"{line if line in ('', CUT) else next(shown)}\n" for line in said.splitlines())


def edit(file, lines):
    """Put lines into a file, each for the one that begins with the same name."""
    text = file.read_text()
    for line in lines.splitlines():
        indent, name = re.match(r"(\s*)(\w+ ?[:=])", line).groups()
        text, n = re.subn(rf"(?m)^{indent}(# )?{name}.*$", line, text)
        assert n == 1, line
    file.write_text(text)


def watch(command, here, environment, said):
    """Give a screen that is as the page has it, of a command in a terminal while a study runs."""
    if not shutil.which("tmux"):
        printed = subprocess.check_output(["bash", "-c", command], cwd=here, env=environment)
        assert re.search(rb"\d+ done, \d+ failed, 0 to come", printed)
        return said
    tmux = ["tmux", "-u", "-L", f"tutorial-{os.getpid()}"]
    size = ["-x", "100", "-y", "40"]
    subprocess.run([*tmux, "new-session", "-d", *size, command], cwd=here, env=environment)
    screen = ""
    try:
        for _ in range(600):
            shown = subprocess.run([*tmux, "capture-pane", "-p"], text=True, stdout=subprocess.PIPE)
            if shown.returncode:  # it has ended
                break
            screen = shown.stdout.replace(HERE, "laptop")
            if as_the_page_has_it(said, screen):
                break
            time.sleep(0.1)
        return screen
    finally:
        subprocess.run([*tmux, "kill-server"], capture_output=True)


class Walk:
    """One through the page, from its first command to its last."""

    def __init__(self, folder, short):
        self.here, self.short = folder, short
        path = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"
        self.environment = os.environ | {"PATH": path}
        for name in ("COLUMNS", "LINES"):  # the terminal has a size of its own
            self.environment.pop(name, None)
        self.ids = {}

    def blocks(self):
        """Go through the page; give each command with what is said of it, and what it said."""
        for kind, title, text in _BLOCK.findall(PAGE.read_text(encoding="utf-8")):
            if title:
                edit(self.here / title, text)
            elif kind == "python":
                yield text, None, self.shell(sys.executable, "-c", text)
            elif kind == "console":
                steps = re.split(r"(?m)^\$ ", text)[1:]
                yield from self.console([step.partition("\n")[::2] for step in steps])

    def console(self, steps):
        """Run commands, each beside the one that watches it, if such a one follows."""
        for (command, said), (following, screen) in zip(steps, [*steps[1:], ("", "")], strict=True):
            if command.startswith("cd "):
                self.here /= command.removeprefix("cd ")
                if self.short:
                    edit(self.here / "study.yaml", "  n_steps: 500\nreplicas: 2")
                    edit(self.here / "profile.yaml", ONE_AT_A_TIME)
            elif "--watch" not in command:
                with self.started("bash", "-c", self.with_ids_of_here(command)) as process:
                    if "--watch" in following:
                        seen = watch(following, self.here, self.environment, screen)
                    output = process.communicate()[0]
                not_done = "see why:" in output or "failed in" in output
                assert process.returncode == not_done, output
                self.ids.update(zip(_ID.findall(said), _ID.findall(output), strict=False))
                yield command, said, output.replace(HERE, "laptop")
                if "--watch" in following:
                    yield following, screen, seen

    def with_ids_of_here(self, text):
        for shown, given in self.ids.items():
            text = text.replace(shown, given)
        return text

    def started(self, *command):
        return subprocess.Popen(
            command, cwd=self.here, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def shell(self, *command):
        with self.started(*command) as process:
            output = process.communicate()[0]
        assert process.returncode == 0, output
        return output


@pytest.mark.slow
def test_the_tutorial(tmp_path):
    walk = Walk(tmp_path, short=True)
    codes = 0
    for command, said, output in walk.blocks():
        if said is None:
            codes += 1
            assert len(output.split()) >= 9, command  # a mean for each point
        else:
            assert as_the_page_has_it(said, output) is not None, f"$ {command}\n{output}"
    assert codes == 2
    assert (walk.here / FIGURE).read_bytes().startswith(b"\x89PNG")


def made_anew(folder):
    """Give the page with what its commands say now."""
    page = PAGE.read_text(encoding="utf-8")
    walk = Walk(folder, short=False)
    for command, said, output in walk.blocks():
        if not said:
            continue
        output = output.replace(f"beside {PROGRAMS}/", "beside /home/me/venv/bin/")
        for place in (PROGRAMS, walk.here):
            output = output.replace(f"{place}/", "")
        now = as_the_page_has_it(said, output) or _PROGRESS.sub("", output)
        page = page.replace(f"$ {command}\n{said}", f"$ {command}\n{now}", 1)
        print(f"{'as before' if now == said else 'new'}: {command}")
    keep_figure(walk.here / FIGURE, PAGE.with_suffix(".png"))
    return walk.with_ids_of_here(page)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        PAGE.write_text(made_anew(Path(place)), encoding="utf-8")
