"""Counts of executed instructions: the same ones each time. A plugin of qemu-user counts on both ISAs."""

import concurrent.futures
import os

from .machine import ISAS, ROOT, WORK, Failure, Progress, run


def _plugin():
    source, plugin = ROOT / "ci/benchmark/count.c", WORK / "count.so"
    if not plugin.exists() or plugin.stat().st_mtime < source.stat().st_mtime:
        plugin.parent.mkdir(parents=True, exist_ok=True)
        run(["clang-22", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", source, "-o", plugin])
    return plugin


def _count(plugin, executable, isa, arguments, name):
    result = WORK / "counts" / f"{name}-{isa}"
    result.parent.mkdir(exist_ok=True)
    result.unlink(missing_ok=True)
    # The number may depend on what the kernel puts on the stack: the environment is a fixed one.
    outcome = run(["env", "-i", f"QEMU_PLUGIN={plugin},out={result}", f"qemu-{isa}", executable, *arguments])
    return int(result.read_text()), outcome.output


def count(builds, variants):
    """For each program and ISA the instructions of clang's program and of each variant of Twin's.

    All of them must print the same, or else the benchmark has found a mistake of the compiler."""
    plugin = _plugin()
    programs = list(builds.programs())
    jobs = {
        (program.name, isa, compiler): (builds.executable(program.build, compiler, isa), isa, program.arguments["count"])
        for program in programs for isa in ISAS for compiler in [f"clang-{isa}", *variants]
    }
    found = {}
    with Progress("instructions", len(jobs)) as progress, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = {
            pool.submit(_count, plugin, *job, f"{key[0]}-{key[2]}"): key for key, job in jobs.items()
        }
        for future in concurrent.futures.as_completed(futures):
            found[futures[future]] = future.result()
            progress.step(futures[future][0])
    for (name, isa, compiler), (_, output) in found.items():
        expected = found[name, "x86_64", "clang-x86_64"][1]
        if output != expected:
            raise Failure(f"{name}: {compiler} on {isa} prints something else than clang on x86_64")
    return {
        program.name: {
            isa: {"clang": found[program.name, isa, f"clang-{isa}"][0], **{v: found[program.name, isa, v][0] for v in variants}}
            for isa in ISAS
        }
        for program in programs
    }
