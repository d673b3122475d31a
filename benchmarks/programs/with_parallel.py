"""GNU parallel: each line of its input is the input of one script."""

import shlex
import subprocess

from job import Job


def main():
    """Run the job."""
    job = Job()
    command = ["parallel", "--will-cite", f"--jobs={job.cores}", "--pipe", "-N1"]
    done = subprocess.run(
        [*command, shlex.join(job.command)],
        input="\n".join(job.texts()) + "\n",
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    job.finish_texts(done.stdout.split())


if __name__ == "__main__":
    main()
