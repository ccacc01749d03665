"""What a hop costs and how long a request waits. Times of the clock, unlike everything else: what other processes do
to the machine is in them."""

import json
import math
import signal
import statistics
import subprocess

from .build import CLANG, FLAGS, TWIN
from .machine import BIN, ISAS, ROOT, WORK, Failure, Progress, run

# Seconds of each program with requests, and between two of them.
_ASKED_FOR, _ASKED_EVERY = 4, "1ms"
_MEBIBYTES = [1, 4, 16, 64, 256]


def quantile(values, share):
    """The smallest value that is not below this share of them."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def _summary(values):
    return {"number": len(values), "median": statistics.median(values), "p99": quantile(values, 0.99), "max": max(values)}


def _hops(options, command, seconds):
    """The hops of a program that is ended after a time."""
    child = subprocess.Popen(
        [BIN / "twin", "run", "--timeline", "--json", *options, *command],
        cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )
    try:
        _, errors = child.communicate(timeout=seconds)
        expected = 0
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGTERM)
        _, errors = child.communicate()
        expected = 128 + signal.SIGTERM
    lines = errors.splitlines()
    hops = [json.loads(line) for line in lines if line.startswith('{"n":')]
    if child.returncode not in (0, expected) or not hops:
        other = [line for line in lines if not line.startswith('{"n":')]
        raise Failure(f"{command[0]}: hopping failed ({child.returncode}): {' '.join(other[:1]) or 'not one hop'}")
    return hops


def _ways(hops, key="ns"):
    """Times of one direction each, by the ISA that is left; without the first hop, which starts the partner."""
    return {isa: [hop[key] for hop in hops[1:] if hop["from"] == isa] for isa in ISAS}


def waiting(builds):
    """For each program: nanoseconds from the request to the poll that takes it, on x86-64."""
    programs = list(builds.programs())
    found = {}
    with Progress("time to hop", len(programs)) as progress:
        for program in programs:
            command = [builds.executable(program.build, "twin"), *program.arguments["time"]]
            waits = [hop["waited"] for hop in _hops(["--hop-every", _ASKED_EVERY], command, _ASKED_FOR) if hop["from"] == "x86_64"]
            found[program.name] = _summary(waits) | {"values": sorted(waits)}
            progress.step(program.name)
    return found


def _memory_program():
    executable = WORK / "build/twin/memory"
    run([ROOT / TWIN.command, *FLAGS, ROOT / "examples/bench/memory.c", "-o", executable])
    return executable


def _ping_pong(count, pause):
    """Bare futexes between the same two kinds of processes: native, and under the emulator."""
    paths = {}
    for isa, compiler in CLANG.items():
        paths[isa] = WORK / "build" / f"pingpong-{isa}"
        run([ROOT / compiler.command, "-O2", ROOT / "ci/benchmark/pingpong.c", "-o", paths[isa]])
    output = run([paths["x86_64"], count, pause, "qemu-aarch64", paths["aarch64"]]).output
    pairs = [tuple(map(int, line.split())) for line in output.splitlines()][1:]
    return {"x86_64": [there for there, _ in pairs], "aarch64": [back for _, back in pairs]}


def pair():
    """The pair vehicle, for programs of several sizes, against bare futexes; one round of all after the other."""
    program = _memory_program()
    sizes = [_MEBIBYTES[0], _MEBIBYTES[-1]]
    times = {}
    rounds = 3
    with Progress("pair vehicle", rounds * (len(sizes) + 2)) as progress:

        def add(name, ways):
            for isa in ISAS:
                times.setdefault(name, {}).setdefault(isa, []).extend(ways[isa])
            progress.step(name)

        for _ in range(rounds):
            add("futex, at once", _ping_pong(2000, 0))
            add("futex, after 1 ms", _ping_pong(1000, 1_000_000))
            for size in sizes:
                hops = _hops(["--hop-every", "1ms", "--vehicle", "pair"], [program, str(size), "1000000000"], 4)
                add(f"hop, after 1 ms, {size} MiB", _ways(hops))
    return {name: {isa: _summary(values) for isa, values in ways.items()} for name, ways in times.items()}


def exec_vehicle():
    """The exec vehicle by touched memory, against memcpy of as much."""
    program = _memory_program()
    found = {}
    with Progress("exec vehicle", len(_MEBIBYTES)) as progress:
        for size in _MEBIBYTES:
            hops = _hops(["--hop-every", "100ms", "--vehicle", "exec"], [program, str(size), "1000000000"], 6)
            copies = [list(map(int, run([program, "-t", size, "1"]).output.splitlines()[:2])) for _ in range(5)]
            fresh, again = (statistics.median(times) for times in zip(*copies))
            later = _ways(hops)
            found[size] = {
                "first": hops[0]["ns"], "copied": hops[0]["copied"], "copied later": sum(hop["copied"] for hop in hops[1:]),
                "to aarch64": statistics.median(later["x86_64"]), "to x86_64": statistics.median(later["aarch64"]),
                "hops": len(hops), "memcpy": again, "memcpy to new pages": fresh,
            }
            progress.step(f"{size} MiB")
    return found


def untouched():
    """How many hops left every byte of the program's memory as it was: `--check` ends the program otherwise."""
    program = _memory_program()
    found = 0
    for vehicle in ("pair", "exec"):
        command = [BIN / "twin", "run", "--check", "--timeline", "--json", "--stress", "every=100", "--vehicle", vehicle, program, 1, 20]
        found += sum(1 for line in run(command).errors.splitlines() if line.startswith('{"n":'))
    if not found:
        raise Failure("the run with --check has no hops")
    return found
