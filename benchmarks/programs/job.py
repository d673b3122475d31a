"""What every contestant's program gets, and what it has to give.

Needs no more than what a simulation script has, so that importing it costs little.
"""

import json
import subprocess
import sys
from pathlib import Path

from dask_espresso import decode_transport_data, encode_transport_data


def run_script(command, text):
    """Run a simulation script in a process of its own; text in, text out."""
    done = subprocess.run(command, input=text, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


class Job:
    """The simulations to run, as the program's only argument says.

    Attributes
    ----------
    count, cores : int
        How many there are, and how many run at a time.
    command : list of str
        Interpreter and script.
    parameters : list of dict
        Of every simulation.
    """

    def __init__(self):
        given = json.loads(sys.argv[1])
        self.count, self.cores, self.command = given["count"], given["cores"], given["command"]
        self.parameters = [{**given["parameters"], "i": i} for i in range(self.count)]
        self._wanted = given["wanted"]

    def texts(self):
        """Give what the scripts read."""
        return [encode_transport_data(parameters) for parameters in self.parameters]

    def finish_texts(self, texts):
        """Check and keep what the scripts printed."""
        self.finish([decode_transport_data(text) for text in texts])

    def finish(self, results):
        """Check and keep the results."""
        wanted = [float(result[self._wanted]) for result in results]
        if len(wanted) != self.count:
            raise SystemExit(f"{len(wanted)} results of {self.count} simulations")
        Path("results.json").write_text(json.dumps(wanted))
