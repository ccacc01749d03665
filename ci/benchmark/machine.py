"""Where things are, and how commands are run and measured."""

import concurrent.futures
import dataclasses
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = ROOT / "target/release"
SOURCES = ROOT / "target/sources"
WORK = ROOT / "target/benchmark"
ISAS = ["x86_64", "aarch64"]


class Failure(Exception):
    """What went wrong, on one line."""


@dataclasses.dataclass
class Outcome:
    """What became of a command."""

    output: str
    errors: str
    seconds: float  # of CPU, in user mode, with its children
    system: float  # of CPU, in the kernel
    elapsed: float  # by the clock


def run(command, cwd=ROOT, environment=None):
    """Runs a command to its end. Raises Failure if that is not a good one."""
    command = [str(word) for word in command]
    with open(os.devnull) as nothing, tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        start = time.monotonic()
        child = subprocess.Popen(
            command, cwd=cwd, stdin=nothing, stdout=output, stderr=errors, env=dict(os.environ, LC_ALL="C", **(environment or {}))
        )
        _, status, usage = os.wait4(child.pid, 0)
        elapsed = time.monotonic() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for file in (output, errors):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    if child.returncode != 0:
        lines = (texts[1].strip() or texts[0].strip() or "no message").splitlines()
        reason = next((line for line in lines if "error" in line), lines[-1])
        raise Failure(f"`{' '.join(command)}` failed ({child.returncode}): {reason}")
    return Outcome(*texts, usage.ru_utime, usage.ru_stime, elapsed)


class Progress:
    """A bar on a terminal; nothing otherwise."""

    WIDTH = 30

    def __init__(self, title, total):
        self.title, self.total, self.done, self.shown = title, max(total, 1), 0, sys.stderr.isatty()

    def step(self, what=""):
        self.done += 1
        if self.shown:
            full = self.WIDTH * self.done // self.total
            bar = "█" * full + "░" * (self.WIDTH - full)
            sys.stderr.write(f"\r\x1b[K{self.title:18} {bar} {self.done}/{self.total} {what:.30}")
            sys.stderr.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def parallel(title, function, jobs):
    """Calls function(*arguments) for all jobs, {key: arguments}, as many at once as there are processors; the results
    by key. The first failure ends it."""
    found = {}
    with Progress(title, len(jobs)) as progress, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = {pool.submit(function, *arguments): key for key, arguments in jobs.items()}
        try:
            for future in concurrent.futures.as_completed(futures):
                key = futures[future]
                found[key] = future.result()
                progress.step(" ".join(map(str, key)))
        except Failure:
            pool.shutdown(cancel_futures=True)
            raise
    return found
