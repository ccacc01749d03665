"""What building costs: compiling against clang for one ISA, linking against two runs of ld.lld, and sizes against those
of two builds with clang. Programs are in costs.toml."""

import re
import shlex
import shutil
import statistics

from . import build
from .machine import BIN, ISAS, ROOT, WORK, Failure, Progress, run

_CLANG, _OTHER = (build.CLANG[isa] for isa in ISAS)
_LINKS = 7
# Phases are those of the largest files.
_REPORTED = 10


def _compile(compiler, flags, file, out, *more):
    return run([ROOT / compiler.command, *build.FLAGS, *flags, *more, "-c", file, "-o", out])


def _objects(name, compiler, files):
    return [WORK / "costs" / name / compiler.name / f"{index}-{file.stem}.o" for index, file in enumerate(files)]


def _compiling(name, files, flags, rounds):
    """Seconds in user mode: each file is compiled by clang and by twin-cc right after one another."""
    outs = {compiler: _objects(name, compiler, files) for compiler in (_CLANG, build.TWIN, _OTHER)}
    for paths in outs.values():
        shutil.rmtree(paths[0].parent, ignore_errors=True)
        paths[0].parent.mkdir(parents=True)
    pairs = []
    with Progress(f"compiling {name}", rounds * len(files)) as progress:
        for turn in range(rounds):
            for index, file in enumerate(files):
                order = [_CLANG, build.TWIN]
                if (turn + index) % 2:
                    order.reverse()
                seconds = {compiler: _compile(compiler, flags, file, outs[compiler][index]).seconds for compiler in order}
                pairs.append((seconds[_CLANG], seconds[build.TWIN]))
                if turn == 0:
                    _compile(_OTHER, flags, file, outs[_OTHER][index])
                progress.step(file.name)
    ratios = [twin / clang for clang, twin in pairs]
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    clang, twin = (sum(seconds) / rounds for seconds in zip(*pairs))
    return {"files": len(files), "pairs": len(pairs), "median": median, "low": low, "high": high, "clang": clang, "twin": twin}


def phases(report):
    """Seconds of each phase in what twin-cc -ftime-report says, and what its padding took."""
    table = report.partition("Twin: CPU time")[2]
    rows = {what: float(seconds) for seconds, what in re.findall(r"^ *([\d.]+) +[\d.]+  (\S.*)$", table, re.MULTILINE)}
    counts = re.search(r"^padding: (\d+) rounds, (\d+) functions", table, re.MULTILINE)
    if not rows or not counts:
        raise Failure("twin-cc -ftime-report has no table of Twin's")
    return rows, *map(int, counts.groups())


def _reported(name, files, flags):
    chosen = sorted(files, key=lambda file: -file.stat().st_size)[:_REPORTED]
    found, numbers = {}, []
    for file in chosen:
        report = _compile(build.TWIN, flags, file, WORK / "costs" / name / "reported.o", "-ftime-report").errors
        rows, *counts = phases(report)
        numbers.append(counts)
        for what, seconds in rows.items():
            found[what] = found.get(what, 0) + seconds
    rounds, functions = zip(*numbers)
    return {"files": len(chosen), "seconds": found, "rounds": max(rounds), "functions": sum(functions)}


def _linkers(name, files):
    """The linkers' own command lines, by what they make."""
    commands = {}
    for isa, compiler in build.CLANG.items():
        out = WORK / "costs" / name / compiler.name / "program"
        plan = run([ROOT / compiler.command, *_objects(name, compiler, files), "-lm", "-o", out, "-###"]).errors
        commands[compiler.name] = (shlex.split(plan.splitlines()[-1]), out)
    # As twin-cc calls it.
    library, out = ROOT / "target/twin/lib", WORK / "costs" / name / "twin" / "program"
    libraries = ["-L", library, "--start-group", "-lc", "-ltwin", "--end-group"]
    commands["twin"] = ([BIN / "twin-ld", library / "crt1.o", *_objects(name, build.TWIN, files), "-lm", "-o", out, *libraries], out)
    return commands


def _linking(commands):
    """CPU time in both modes and time by the clock: rounds of both runs of ld.lld and one of twin-ld."""
    cpu, clock = [], []
    for turn in range(_LINKS):
        order = list(commands) if turn % 2 else list(reversed(commands))
        found = {kind: run(commands[kind][0]) for kind in order}
        cpu.append([sum(found[kind].seconds + found[kind].system for kind in kinds) for kinds in _sides(commands)])
        clock.append([sum(found[kind].elapsed for kind in kinds) for kinds in _sides(commands)])
    summary = {}
    for what, rounds in (("cpu", cpu), ("clock", clock)):
        lld, twin = (statistics.median(side) for side in zip(*rounds))
        summary[what] = {"lld": lld, "twin": twin, "ratio": statistics.median(b / a for a, b in rounds)}
    return summary


def _sides(commands):
    return [kind for kind in commands if kind != "twin"], ["twin"]


def _sizes(name, files, commands):
    """Bytes of the objects and of the executable: both of clang's, and Twin's one."""
    compilers = {compiler.name: compiler for compiler in (*build.CLANG.values(), build.TWIN)}
    found = {"objects": {}, "executable": {}}
    for kind, compiler in compilers.items():
        found["objects"][kind] = sum(path.stat().st_size for path in _objects(name, compiler, files))
        found["executable"][kind] = commands[kind][1].stat().st_size
    return found


def measure(builds):
    """For each program: compile time, phases, link time, sizes."""
    results = {}
    for name, recipe in builds.recipes.items():
        files, flags = builds.inputs(name, builds.source(name))
        large = [file for file in files if not file.is_relative_to(ROOT / "ci")]
        found = {"compile": _compiling(name, large, flags, recipe["rounds"]), "phases": _reported(name, large, flags)}
        # Our own driver makes it a program, and is not measured.
        for compiler in (*build.CLANG.values(), build.TWIN):
            for file, out in zip(files[len(large):], _objects(name, compiler, files)[len(large):]):
                _compile(compiler, flags, file, out)
        commands = _linkers(name, files)
        results[name] = found | {"link": _linking(commands)}
        results[name] |= _sizes(name, files, commands)
    return results


def rows(costs):
    """(what, aim, value, whether it is met)."""
    for name, found in costs.items():
        compiling, linking = found["compile"], found["link"]
        total = compiling["twin"] / compiling["clang"]
        yield (f"CPU time of compiling {name} against clang for one ISA", "≤ 2.0",
               f"{total:.2f} ({compiling['clang']:.1f} s, {compiling['twin']:.1f} s); median of {compiling['pairs']} pairs "
               f"{compiling['median']:.2f}, quartiles {compiling['low']:.2f}, {compiling['high']:.2f}", total <= 2)
        cpu, clock = linking["cpu"], linking["clock"]
        yield (f"linking {name} against two runs of ld.lld", "≤ 1.0",
               f"CPU {cpu['ratio']:.2f} ({1e3 * cpu['lld']:.0f} ms, {1e3 * cpu['twin']:.0f} ms), "
               f"by the clock {clock['ratio']:.2f} ({1e3 * clock['lld']:.0f} ms, {1e3 * clock['twin']:.0f} ms)",
               max(cpu["ratio"], clock["ratio"]) <= 1)
        for what in ("objects", "executable"):
            home, other, twin = (found[what][kind] for kind in (_CLANG.name, _OTHER.name, "twin"))
            yield (f"size of {name}'s {what} against two of clang's", "no aim",
                   f"{twin / (home + other):.2f} ({home / 1e6:.2f} + {other / 1e6:.2f} MB, {twin / 1e6:.2f} MB)", None)


def phase_table(costs):
    """Markdown: shares of twin-cc's CPU time."""
    names = list(costs)
    reports = {name: costs[name]["phases"] for name in names}
    out = ["| phase | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for what in reports[names[0]]["seconds"]:
        cells = ((found["seconds"].get(what, 0), found["seconds"]["total"]) for found in reports.values())
        out.append(f"| {what} | " + " | ".join(f"{seconds:.2f} s, {seconds / total:.0%}" for seconds, total in cells) + " |")
    labels = {"files": "files", "rounds": "most rounds of padding", "functions": "functions in all of them"}
    for what, label in labels.items():
        out.append(f"| {label} | " + " | ".join(str(found[what]) for found in reports.values()) + " |")
    return "\n".join(out)
