"""Builds the programs of programs.toml with each compiler."""

import dataclasses
import hashlib
import json
import shutil
import subprocess
import tomllib

from .machine import BIN, ISAS, ROOT, SOURCES, WORK, Failure, parallel, run

# Contraction would be another result where an ISA has a fused multiply-add.
FLAGS = ["-O2", "-ffp-contract=off"]


@dataclasses.dataclass(frozen=True)
class Compiler:
    """A compiler with options, by a name of ours."""

    name: str
    command: str
    flags: tuple = ()

    def key(self):
        """Changes when what the compiler makes may change."""
        command = ROOT / self.command
        key = command.read_bytes() + " ".join(self.flags).encode()
        if command.is_relative_to(BIN):
            return key + (BIN / "twin-ld").read_bytes() + (ROOT / "target/twin/key").read_bytes()
        return key + subprocess.run(["clang-22", "--version"], capture_output=True, check=True).stdout


CLANG = {
    "x86_64": Compiler("clang-x86_64", "target/baseline/bin/static-clang"),
    "aarch64": Compiler("clang-aarch64", "target/baseline/bin/static-clang-aarch64"),
}
TWIN = Compiler("twin", "target/release/twin-cc")
TWIN_LTO = Compiler("twin-lto", "target/release/twin-cc", ("-flto",))


@dataclasses.dataclass(frozen=True)
class Program:
    """An executable and its command lines."""

    build: str
    name: str
    set: str
    arguments: dict  # "count" and "time": words


class Builds:
    """The recipes that were chosen, and what was made of them."""

    def __init__(self, only, quick, table="programs.toml"):
        everything = tomllib.loads((ROOT / "ci/benchmark" / table).read_text())
        unknown = [name for name in only if name not in everything]
        if unknown:
            raise Failure(f"no program {' '.join(unknown)}; there are {' '.join(everything)}")
        self.recipes = {
            name: recipe for name, recipe in everything.items()
            if (name in only if only else not (quick and recipe.get("slow")))
        }
        self.records = {}  # (recipe, compiler's name): {"seconds": of the compilations, "files": number of files}
        self.failures = []  # of variants, a line each

    def packages(self):
        return sorted({package for recipe in self.recipes.values() for package in recipe.get("packages", [])})

    def sources(self):
        return sorted({recipe["source"] for recipe in self.recipes.values() if "source" in recipe})

    def programs(self):
        for build, recipe in self.recipes.items():
            for name, lines in recipe["run"].items():
                full = build if list(recipe["run"]) == [build] else f"{build}.{name}"
                yield Program(build, full, recipe["set"], {kind: line.split() for kind, line in lines.items()})

    def executable(self, build, compiler, isa="x86_64"):
        """The file to run on an ISA: Twin's have one for each."""
        suffix = "" if isa == "x86_64" or "clang" in compiler else f".{isa}"
        return WORK / "build" / compiler / (build + suffix)

    def make(self, compilers):
        """Builds everything that has changed, with all compilers. Returns where the sources are."""
        roots = {name: self.source(name) for name in self.recipes}
        # What takes longest comes first.
        names = sorted(self.recipes, key=lambda name: not self.recipes[name].get("slow"))
        jobs = {(name, compiler.name): (name, compiler, roots[name]) for name in names for compiler in compilers}
        self.records = parallel("building", self._attempt, jobs)
        self.failures = [record["failure"] for record in self.records.values() if "failure" in record]
        return roots

    def variants(self, build, names):
        """Those of Twin's variants that could be built."""
        return [name for name in names if "failure" not in self.records[build, name]]

    def _attempt(self, name, compiler, root):
        """Without Twin's program and clang's there is nothing to compare; without a variant there is less."""
        try:
            return self._make(name, compiler, root)
        except Failure as failure:
            if compiler in (TWIN, *CLANG.values()):
                raise
            return {"failure": f"{name}: {compiler.name}: {failure}"}

    def source(self, name):
        """The directory of the source, prepared."""
        recipe = self.recipes[name]
        if "source" not in recipe:
            return ROOT
        source = SOURCES / recipe["source"]
        if "prepare" not in recipe:
            return source
        copy = WORK / "sources" / name
        done = copy / ".prepared"
        if not done.exists() or done.read_text() != recipe["prepare"]:
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(source, copy, symlinks=True)
            run(["sh", "-c", recipe["prepare"]], cwd=copy)
            done.write_text(recipe["prepare"])
        return copy

    def inputs(self, name, root):
        """Files and options of a recipe."""
        recipe = self.recipes[name]
        left_out = {path for pattern in recipe.get("except", []) for path in root.glob(pattern)}
        files = [path for pattern in recipe.get("files", []) for path in sorted(root.glob(pattern)) if path not in left_out]
        files += [ROOT / path for path in recipe.get("driver", [])]
        return files, [*recipe.get("flags", []), *(f"-I{root / path}" for path in recipe.get("include", []))]

    def _make(self, name, compiler, root):
        files, flags = self.inputs(name, root)
        flags = [*FLAGS, *compiler.flags, *flags]
        key = self._key(compiler, flags, files)
        out = self.executable(name, compiler.name)
        note = out.with_suffix(".json")
        if note.exists():
            record = json.loads(note.read_text())
            if record["key"] == key:
                return record
        objects = out.parent / f"{name}.objects"
        shutil.rmtree(objects, ignore_errors=True)
        objects.mkdir(parents=True)
        seconds, linked = 0.0, []
        for index, file in enumerate(files):
            linked.append(objects / f"{index}-{file.stem}.o")
            seconds += run([ROOT / compiler.command, *flags, "-c", file, "-o", linked[-1]]).seconds
        run([ROOT / compiler.command, *flags, *linked, "-lm", "-o", out])
        if compiler in (TWIN, TWIN_LTO):
            run([BIN / "twin", "verify", out])
            for isa in ISAS[1:]:
                _extract(out, isa, self.executable(name, compiler.name, isa))
        record = {"key": key, "seconds": seconds, "files": len(files)}
        note.write_text(json.dumps(record) + "\n")
        return record

    @staticmethod
    def _key(compiler, flags, files):
        digest = hashlib.sha256(compiler.key() + repr(flags).encode())
        directories = {file.parent for file in files}
        for file in sorted({*files, *(header for directory in directories for header in directory.glob("*.h"))}):
            digest.update(file.read_bytes())
        return digest.hexdigest()


def _extract(executable, isa, to):
    """Writes the other image of a twin executable to a file of its own."""
    section = f".twin.image.{isa}"
    run(["objcopy", "-O", "binary", f"--only-section={section}", f"--set-section-flags={section}=alloc", executable, to])
    to.chmod(0o755)
