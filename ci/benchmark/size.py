"""Size of the code, and stack use of deep recursion. Neither changes from run to run."""

import collections

from .machine import ISAS, ROOT, WORK, run

# Of the section .text: what the linker adds to a program for hops counts, too.
_CODE = (".text", ".init", ".fini")


def _sections(executable):
    lines = run(["size", "-A", executable]).output.splitlines()
    return sum(int(line.split()[1]) for line in lines if line.split() and line.split()[0] in _CODE)


def _functions(executable):
    """Bytes of each function; of all of them, if several have one name."""
    sizes, counts = collections.Counter(), collections.Counter()
    for line in run(["llvm-nm-22", "--defined-only", "--format=posix", executable]).output.splitlines():
        fields = line.split()
        if len(fields) == 4 and fields[1] in "tTwW":
            sizes[fields[0]] += int(fields[3], 16)
            counts[fields[0]] += 1
    return sizes, counts


def text(builds):
    """For each executable and ISA: bytes of the functions that all have, with clang, with clang if each were as long as on the
    ISA where it is longer, and with Twin; and of all code."""
    found = {}
    for build in builds.recipes:
        files = {(kind, isa): builds.executable(build, "twin" if kind == "twin" else f"clang-{isa}", isa)
                 for kind in ("clang", "twin") for isa in ISAS}
        functions = {key: _functions(file) for key, file in files.items()}
        # A function that was inlined into all its callers by one compiler only is none that all have; nor is one of musl's in
        # assembly, which have no size.
        common = [name for name, number in functions["twin", ISAS[0]][1].items()
                  if all(counts[name] == number and sizes[name] for sizes, counts in functions.values())]
        longer = sum(max(functions["clang", isa][0][name] for isa in ISAS) for name in common)
        found[build] = {
            isa: {
                "longer": longer,
                **{kind: sum(functions[kind, isa][0][name] for name in common) for kind in ("clang", "twin")},
                "all": {kind: _sections(files[kind, isa]) for kind in ("clang", "twin")},
                "functions": len(common),
            } for isa in ISAS
        }
    return found


def stack():
    """For each shape of a recursive function: bytes a level, on clang's ISAs and in Twin's frames."""
    source = ROOT / "examples/bench/recursion.c"
    compilers = {"x86_64": "target/baseline/bin/static-clang", "aarch64": "target/baseline/bin/static-clang-aarch64",
                 "twin": "target/release/twin-cc"}
    found = {}
    for name, compiler in compilers.items():
        executable = WORK / "build" / f"recursion-{name}"
        run([ROOT / compiler, "-O2", source, "-o", executable])
        emulator = ["qemu-aarch64"] if name == "aarch64" else []
        for line in run([*emulator, executable, "-s", "1000"]).output.splitlines():
            shape, size = line.split()
            found.setdefault(shape, {})[name] = int(size)
    return found
