"""CPU time on x86-64: pairs of runs, clang's and Twin's program in turn, so that what else the machine does meets both."""

import statistics
import time

from .machine import Failure, Progress, run

# Pairs go on until the program has had this many, or this many and the time for it is over.
LEAST, MOST, BUDGET = 5, 25, 12.0


def _pairs(builds, program, variants):
    """Seconds of user time, one list a compiler; runs of one round are next to each other."""
    seconds = {name: [] for name in variants}
    outputs = {}
    start = time.monotonic()
    while (rounds := len(seconds[variants[0]])) < MOST and (rounds < LEAST or time.monotonic() - start < BUDGET):
        # Each is the first one as often as any other.
        shift = rounds % len(variants)
        for name in variants[shift:] + variants[:shift]:
            outcome = run([builds.executable(program.build, name), *program.arguments["time"]])
            seconds[name].append(outcome.seconds)
            outputs[name] = outcome.output
    for name, output in outputs.items():
        if output != outputs[variants[0]]:
            raise Failure(f"{program.name}: {name} prints something else than {variants[0]}")
    return seconds


def ratios(seconds, name, base):
    """Median, quartiles and number of the ratios of the pairs."""
    all_ratios = [a / b for a, b in zip(seconds[name], seconds[base])]
    low, median, high = statistics.quantiles(all_ratios, n=4, method="inclusive")
    return {"median": median, "low": low, "high": high, "pairs": len(all_ratios)}


def measure(builds):
    """For each program the ratios of Twin's time to clang's, and of that with -flto to that without."""
    programs = list(builds.programs())
    found = {}
    with Progress("CPU time", len(programs)) as progress:
        for program in programs:
            seconds = _pairs(builds, program, ["clang-x86_64", *builds.variants(program.build, ["twin", "twin-lto"])])
            found[program.name] = {
                "seconds": {name: statistics.median(all_seconds) for name, all_seconds in seconds.items()},
                "twin": ratios(seconds, "twin", "clang-x86_64"),
            }
            if "twin-lto" in seconds:
                found[program.name]["lto"] = ratios(seconds, "twin-lto", "twin")
            progress.step(program.name)
    return found
