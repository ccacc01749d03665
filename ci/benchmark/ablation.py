"""What each ingredient of Twin's code costs, in instructions against clang's program.

The convention and the frame pointer are measured with clang alone, which knows both. Polls, padding and accesses to
memory are counted as they are executed in Twin's program."""

import re
import shutil

from . import aims, build, count
from .machine import ISAS, ROOT, WORK, Failure, parallel, run

_FRAME_POINTER = ("-fno-omit-frame-pointer", "-mno-omit-leaf-frame-pointer")
# Of clang's program: options of the front end, and whether calls get Twin's convention.
_VARIANTS = {"clang": ((), False), "frame pointer": (_FRAME_POINTER, False), "convention": ((), True), "both": (_FRAME_POINTER, True)}

_LINKAGE = r"(?:(?:internal|private|weak|weak_odr|linkonce|linkonce_odr|dso_local|hidden|protected) )*"
_MATH = r"(?:(?:fast|nnan|ninf|nsz|arcp|contract|afn|reassoc) )*"


def preserve_none(text):
    """Gives `preserve_none` to all functions of a module that are only ever called by name; their number with it."""
    number = 0
    definitions = re.findall(rf"^define {_LINKAGE}(?:fastcc )?[^@\n]*@([\w.$]+)\((.*)$", text, re.MULTILINE)
    for name, rest in definitions:
        if name == "main" or "..." in rest:
            continue
        quoted = re.escape(name)
        pattern = re.compile(
            rf"(?P<head>^define {_LINKAGE}|call {_MATH})(?:fastcc )?(?P<tail>[^@\n(]*(?:\([^()@\n]*\) [^@\n(]*)*@{quoted}\()", re.MULTILINE
        )
        replaced, calls = pattern.subn(r"\g<head>preserve_nonecc \g<tail>", text)
        if calls == len(re.findall(rf"@{quoted}(?![\w.$])", text)):
            text, number = replaced, number + 1
    return text, number


def _variant(builds, name, isa, variant, root):
    """Builds one of clang's programs: one module, optimised file by file as usual, then changed, then compiled."""
    options, convention = _VARIANTS[variant]
    recipe = builds.recipes[name]
    clang = ROOT / build.CLANG[isa].command
    directory = WORK / "ablation" / f"{name}-{isa}-{variant.replace(' ', '-')}"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    files, flags = builds.inputs(name, root)
    modules = []
    for index, file in enumerate(files):
        modules.append(directory / f"{index}.bc")
        run([clang, *build.FLAGS, *options, *flags, "-emit-llvm", "-c", file, "-o", modules[-1]])
    module, executable = directory / "all.ll", directory / "program"
    run(["llvm-link-22", "-S", *modules, "-o", module])
    if convention:
        text, number = preserve_none(module.read_text())
        # There may be main only, or functions that are only called through pointers.
        others = set(re.findall(r"^define [^@\n]*@([\w.$]+)\(", text, re.MULTILINE)) - {"main"}
        if not number and others & set(re.findall(r"call [^@\n]*@([\w.$]+)\(", text)):
            raise Failure(f"{name}: no function that can have another convention")
        module.write_text(text)
    run([clang, "-O2", "-Xclang", "-disable-llvm-passes", "-w", "-x", "ir", module, "-o", executable, "-lm"])
    return executable


def measure(builds):
    """For each program and ISA: instructions of clang's variants, of Twin's program, and what is in that."""
    roots = builds.make([*build.CLANG.values(), build.TWIN])
    programs = list(builds.programs())
    variants = {
        (name, isa, variant): (builds, name, isa, variant, roots[name])
        for name in builds.recipes for isa in ISAS for variant in _VARIANTS
    }
    executables = parallel("variants", _variant, variants)
    for name in builds.recipes:
        for isa in ISAS:
            executables[name, isa, "twin"] = builds.executable(name, "twin", isa)
    _, polls = count.count(builds, ["twin"])
    kinds = count.plugin("kinds")
    jobs = {
        (program.name, isa, variant): (
            kinds, executables[program.build, isa, variant], isa, program.arguments["count"], f"{program.name}-{variant}"
        )
        for program in programs for isa in ISAS for variant in [*_VARIANTS, "twin"]
    }
    runs = parallel("kinds", count.under, jobs)
    found = {}
    for (name, isa, variant), ((numbers,), output) in runs.items():
        if output != runs[name, "x86_64", "clang"][1]:
            raise Failure(f"{name}: {variant} on {isa} prints something else")
        found[name, isa, variant] = dict(zip(("all", "padding", "reads", "writes"), numbers))
    return {program.name: {isa: _row(found, polls, program.name, isa) for isa in ISAS} for program in programs}


def _row(found, polls, name, isa):
    clang, twin = found[name, isa, "clang"], found[name, isa, "twin"]
    row = {variant: found[name, isa, variant]["all"] / clang["all"] - 1 for variant in _VARIANTS if variant != "clang"}
    row["polls"] = polls[name]["polls"] / clang["all"]
    for kind in ("padding", "reads", "writes"):
        row[kind] = (twin[kind] - clang[kind]) / clang["all"]
    row["all"] = twin["all"] / clang["all"] - 1
    return row


def markdown(rows):
    """Two tables."""
    columns = list(next(iter(rows.values()))[ISAS[0]])
    out = []
    for isa in ISAS:
        out += ["", f"| {isa} | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
        for name, row in rows.items():
            out.append(f"| {name} | " + " | ".join(f"{100 * row[isa][column]:+.1f}" for column in columns) + " |")
        means = (aims.mean(1 + row[isa][column] for row in rows.values()) - 1 for column in columns)
        out.append("| mean | " + " | ".join(f"{100 * value:+.1f}" for value in means) + " |")
    return "\n".join(out[1:])
