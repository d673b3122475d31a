"""Let everything go wrong that can, again and again, and see that no outcome is lost.

Usage: ``python tests/faults/campaign.py [--seed N] [--budget SECONDS | --long]``.
A failed trial prints the command that repeats it. Exit status: 1 if a promise was not kept.
"""

import argparse
import dataclasses
import json
import logging
import math
import os
import random
import shlex
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

# native threads and fork do not go together; the libraries ask when they are imported
os.environ |= {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}

sys.path.append(str(Path(__file__).parents[1]))  # as pytest does it, for what all tests share

import driver_program
from faults import FAULTS, learn_calls
from trial import Findings, HangError, ImpossibleError, Process, Trial

# seconds after which only faults that were not tried yet are; hosts on a network take 300 alone
_BUDGETS = {"default": 300.0, "long": math.inf}
# in memory where possible: a SIGKILL does not see the difference, and an fsync is quick there
_PLACE = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
_FORMS = tuple(_BUDGETS)
_AT_ONCE = 2
_FINDINGS, _LINES = 5, 12  # to print of a trial, and of what a driver has said at its end
_COLUMNS = ("times tried", "lost", "doubled", "hangs", "broken otherwise", "longest recovery in s")


class Row:
    """A fault, and what has come of it."""

    def __init__(self, fault, form):
        self.fault = fault
        self.planned = fault.trials[_FORMS.index(form)]
        self.started = 0
        self.sum = Findings()

    @property
    def share(self):
        """How much of the plan has been started."""
        return self.started / self.planned

    def cells(self):
        """Give its row of the table."""
        s = self.sum
        tried = s.tried or "NOT TRIED"
        return self.fault.name, tried, s.lost, s.doubled, s.hangs, s.wrong, f"{s.recovery:.1f}"


class Campaign:
    """All faults, each as often as planned, or as the time allows."""

    def __init__(self, options):
        self._options = options
        self._rows = [Row(f, options.form) for f in FAULTS if options.fault in ("", f.name)]
        self._running = {}
        self._place = Path(tempfile.mkdtemp(prefix="dask-espresso-faults-", dir=_PLACE))

    def run(self):
        """Run it; say whether every promise was kept."""
        started = time.monotonic()
        driver_program.keys()
        learn_calls(self._place)
        while (row := self._next(time.monotonic() - started)) or self._running:
            if row and len(self._running) < _AT_ONCE:
                number = row.started if self._options.trial is None else self._options.trial
                self._start(row, number)
            self._collect()
        self._print(time.monotonic() - started)
        if not self._options.keep:
            shutil.rmtree(self._place)
        return not any(row.sum.is_bad for row in self._rows)

    def _next(self, elapsed):
        """Choose the fault that is most behind; after the budget only one that was not tried."""
        if self._options.trial is not None:
            waiting = [row for row in self._rows if not row.started]
        else:
            late = elapsed > self._options.budget
            waiting = [row for row in self._rows if row.share < 1 and not (late and row.started)]
        return min(waiting, key=lambda row: row.share, default=None)

    def _start(self, row, number):
        row.started += 1
        name = f"{self._rows.index(row)}.{number}"
        result = self._place / f"{name}.json"
        body = lambda: self._try(row, number, result)  # noqa: E731
        self._running[Process(body, result.with_suffix(".output"))] = row, number, result

    def _try(self, row, number, result):
        """Have one trial, in a process of its own."""
        order = random.Random(f"{self._options.seed} {row.fault.name}")
        rng = random.Random(f"{self._options.seed} {row.fault.name} {number}")
        trial = Trial(rng, self._place, number, order)
        try:
            row.fault.function(trial)
        except ImpossibleError as error:
            trial.found.impossible = str(error)
        except HangError as error:
            trial.wrong(str(error), "hangs")
        except Exception:
            trial.wrong(traceback.format_exc())
        finally:
            trial.close(keep=self._options.keep)
        if not trial.found.impossible:
            trial.found.tried = trial.found.tried or 1
        result.write_text(json.dumps(dataclasses.asdict(trial.found)))
        os._exit(0)

    def _collect(self):
        time.sleep(0.005)
        for process in [p for p in self._running if p.poll() is not None]:
            row, number, result = self._running.pop(process)
            if result.exists():
                found = Findings(**json.loads(result.read_text()))
            else:
                found = Findings(tried=1, wrong=1, said=[f"no findings: {process.said()}"])
            row.sum.add(found)
            if found.is_bad:
                self._report(row, number, found)

    def _report(self, row, number, found):
        o = self._options
        again = ["--seed", o.seed, "--fault", row.fault.name, "--trial", number]
        print("FAILED: campaign.py", shlex.join(map(str, again)))
        for said in [*found.said[:_FINDINGS], *found.said[_FINDINGS:][-1:]]:
            first, *rest = said.splitlines()
            print("\n    ".join([f"  {first}", *rest[-_LINES:]]), flush=True)

    def _print(self, elapsed):
        table = [("fault", *_COLUMNS), *(row.cells() for row in self._rows)]
        widths = [max(len(str(row[i])) for row in table) for i in range(len(table[0]))]
        for row in table:
            cells = [str(cell).rjust(width) for cell, width in zip(row, widths, strict=True)]
            print(" | ".join([str(row[0]).ljust(widths[0]), *cells[1:]]))
        for row in self._rows:
            if row.sum.impossible:
                print(f"NOT TRIED: {row.fault.name}: {row.sum.impossible}")
        kills = sum(row.sum.kills for row in self._rows)
        print(f"seed {self._options.seed}, {elapsed:.0f} s, drivers killed with SIGKILL: {kills}")


def main():
    """Run the campaign that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budget", type=float, metavar="SECONDS")
    parser.add_argument(
        "--long", dest="form", action="store_const", const="long", default="default"
    )
    parser.add_argument("--fault", default="", choices=[f.name for f in FAULTS], help="this alone")
    parser.add_argument("--trial", type=int, help="this of its trials alone")
    parser.add_argument("--keep", action="store_true", help="leave the trials' files")
    options = parser.parse_args()
    if options.budget is None:
        options.budget = _BUDGETS[options.form]
    logging.lastResort = None  # what reading warns of is expected here
    sys.exit(not Campaign(options).run())


if __name__ == "__main__":
    main()
