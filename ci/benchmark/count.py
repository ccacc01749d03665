"""Counts of executed instructions: the same ones each time. A plugin of qemu-user counts on both ISAs."""

from .machine import ISAS, ROOT, WORK, Failure, parallel, run


def plugin(name):
    """Compiles one of our plugins, unless that is done; its file."""
    source, compiled = ROOT / "ci/benchmark" / f"{name}.c", WORK / f"{name}.so"
    newest = max(path.stat().st_mtime for path in (source, source.with_name("qemu-plugin.h")))
    if not compiled.exists() or compiled.stat().st_mtime < newest:
        compiled.parent.mkdir(parents=True, exist_ok=True)
        run(["clang-22", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", source, "-o", compiled])
    return compiled


def under(compiled, executable, isa, arguments, label, options=""):
    """Runs a program with a plugin: the plugin's lines, as numbers, and the program's output."""
    result = WORK / "counts" / f"{label}-{isa}"
    result.parent.mkdir(exist_ok=True)
    result.unlink(missing_ok=True)
    # Counts may depend on what the kernel puts on the stack: the environment is a fixed one.
    outcome = run(["env", "-i", f"QEMU_PLUGIN={compiled},out={result}{options}", f"qemu-{isa}", executable, *arguments])
    return [tuple(map(int, line.split())) for line in result.read_text().splitlines()], outcome.output


def _poll_page(executable):
    for line in run(["llvm-nm-22", "--format=posix", executable]).output.splitlines():
        if line.startswith("__twin_poll_page "):
            return int(line.split()[2], 16)
    raise Failure(f"{executable} has no poll page")


def _count(compiled, executable, isa, arguments, label, poll):
    """Instructions, output, and the classes of distances between polls (if asked for)."""
    options = f",poll={_poll_page(executable)}" if poll else ""
    ((number,), *classes), output = under(compiled, executable, isa, arguments, label, options)
    return number, output, classes


def _waits(classes):
    """How many instructions a request waits for a poll, if it may come at any of them with equal chance."""
    total = sum(size for _, size, _ in classes)
    low, high = 0, max((largest for *_, largest in classes), default=0)
    longest = high
    while high - low > 1:
        middle = (low + high) // 2
        if sum(max(0, size - number * middle) for number, size, _ in classes) > 0.01 * total:
            low = middle
        else:
            high = middle
    return {"polls": sum(number for number, *_ in classes), "p99": high, "max": longest}


def count(builds, variants):
    """For each program and ISA the instructions of clang's program and of each variant of Twin's; and for each program
    how far its polls are apart on x86-64, in instructions.

    All of them must print the same, or else the benchmark has found a mistake of the compiler."""
    compiled = plugin("count")
    programs = list(builds.programs())
    jobs = {
        (program.name, isa, compiler): (
            compiled, builds.executable(program.build, compiler, isa), isa, program.arguments["count"],
            f"{program.name}-{compiler}", (isa, compiler) == ("x86_64", "twin"),
        )
        for program in programs for isa in ISAS for compiler in [f"clang-{isa}", *builds.variants(program.build, variants)]
    }
    found = parallel("instructions", _count, jobs)
    for (name, isa, compiler), (_, output, _) in found.items():
        if output != found[name, "x86_64", "clang-x86_64"][1]:
            raise Failure(f"{name}: {compiler} on {isa} prints something else than clang on x86_64")
    instructions = {
        program.name: {
            isa: {
                "clang": found[program.name, isa, f"clang-{isa}"][0],
                **{variant: found[program.name, isa, variant][0] for variant in builds.variants(program.build, variants)},
            } for isa in ISAS
        }
        for program in programs
    }
    return instructions, {program.name: _waits(found[program.name, "x86_64", "twin"][2]) for program in programs}
