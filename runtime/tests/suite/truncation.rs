//! Files that end too early, at every byte: an error that names the file; no panic, and nothing that is believed.

use crate::errors::refuses;
use crate::tools::{Invocation, root, scratch};
use crate::{Test, group};
use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use std::panic::catch_unwind;
use std::path::PathBuf;
use tempfile::TempDir;
use twin_linker::args::Args;
use twin_linker::image::Image;
use twin_linker::input::{self, File};
use twin_linker::link::link;

/// All trials.
pub fn trials() -> Vec<Trial> {
    let tests: &[Test] = &[
        ("object", object),
        ("native_object", native_object),
        ("object_with_debug_information", object_with_debug_information),
        ("object_with_bitcode", object_with_bitcode),
        ("archive", archive),
        ("archive_without_index", archive_without_index),
        ("thin_archive", thin_archive),
        ("executable", executable),
        ("tools", tools),
    ];
    group("truncation", tests)
}

/// Small objects of all kinds, and a program made of them.
struct Bench(TempDir);

/// Names of the uniform objects; `runtime.o` is native.
const UNIFORM: [&str; 3] = ["tiny", "start", "more"];
/// What an archive starts with. It is an archive without members, as musl's libm.a.
const MAGIC: usize = 8;

impl Bench {
    fn new() -> Result<Bench> {
        let bench = Bench(scratch()?);
        for name in UNIFORM {
            bench.compile(name, &[])?;
        }
        bench.compile("runtime", &["-mtwin=native"])?;
        Ok(bench)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> Result<Vec<u8>> {
        std::fs::read(self.path(name)).with_context(|| name.to_owned())
    }

    /// Compiles one of the sources that fuzzing starts from.
    fn compile(&self, name: &str, flags: &[&str]) -> Result<()> {
        let source = root().join("runtime/fuzz/seeds").join(name).with_extension("c");
        let compiler = Invocation::tool(self.0.path(), "twin-cc").args(flags).args(["-Os", "-w", "-c"]);
        compiler.arg(source).arg("-o").arg(format!("{name}.o")).run().map(drop)
    }

    /// Makes an archive of the objects that [`START`] needs.
    fn archive(&self, options: &str) -> Result<()> {
        let members = ["start.o", "tiny.o", "more.o", "runtime.o"];
        Invocation::new(self.0.path(), "ar").args([options, "all.a"]).args(members).run().map(drop)
    }

    /// Links `name`, then each shorter part of it that is not an exception, which has to fail.
    fn object(&self, name: &str) -> Result<()> {
        let bytes = self.read(name)?;
        links(&bytes, true).context("the whole object")?;
        for length in 0..bytes.len() {
            let error = links(&bytes[..length], true).err();
            is_named(error, length)?;
        }
        Ok(())
    }
}

/// Links `bytes` under the name of `cut`, with something for each undefined symbol of the objects if they are `alone`.
fn links(bytes: &[u8], alone: bool) -> Result<Vec<u8>> {
    const SYMBOLS: [&str; 7] = ["__twin_poll", "__twin_poll_mapped", "_start", "helper", "more", "other", "twice"];
    let definitions = match alone {
        true => SYMBOLS.map(|name| (name.to_owned(), "0x400000".to_owned())).to_vec(),
        false => Vec::new(),
    };
    let args = Args { definitions, allow_multiple_definition: true, ..Args::default() };
    survives(|| Ok(link(&args, &[File::new("cut", bytes.to_vec())])?.executable))
}

/// Turns a panic into another kind of failure.
fn survives<T>(work: impl FnOnce() -> Result<T> + std::panic::UnwindSafe) -> Result<T> {
    catch_unwind(work).unwrap_or_else(|_| anyhow::bail!("PANIC"))
}

/// Asserts that reading a part of a file called `cut` failed with an error that names it.
fn is_named(error: Option<anyhow::Error>, length: usize) -> Result<()> {
    let text = error.map(|error| format!("{error:#}"));
    let text = text.with_context(|| format!("{length} bytes are as good as all"))?;
    ensure!(text.starts_with("cut: ") || text.starts_with("cut("), "{length} bytes: {text}");
    Ok(())
}

fn object() -> Result<()> {
    let bench = Bench::new()?;
    UNIFORM.iter().try_for_each(|name| bench.object(&format!("{name}.o")))
}

fn native_object() -> Result<()> {
    Bench::new()?.object("runtime.o")
}

fn object_with_debug_information() -> Result<()> {
    let bench = Bench::new()?;
    bench.compile("more", &["-g", "-gz=zlib"])?;
    bench.object("more.o")
}

fn object_with_bitcode() -> Result<()> {
    let bench = Bench::new()?;
    bench.compile("tiny", &["-flto"])?;
    bench.object("tiny.o")
}

fn archive() -> Result<()> {
    let bench = Bench::new()?;
    bench.archive("crsD")?;
    let bytes = bench.read("all.a")?;
    links(&bytes, false).context("the whole archive")?;
    for length in (0..bytes.len()).filter(|&length| length != MAGIC) {
        is_named(links(&bytes[..length], false).err(), length)?;
    }
    let error = links(&bytes[..MAGIC], false).err().context("a program without any object")?;
    ensure!(error.to_string().starts_with("undefined"), "{error:#}");
    Ok(())
}

/// Without an index, an archive that ends between two members is one of fewer members, which nobody can tell.
fn archive_without_index() -> Result<()> {
    const HEADER: usize = 60;
    let bench = Bench::new()?;
    bench.archive("crSD")?;
    let bytes = bench.read("all.a")?;
    links(&bytes, false).context("the whole archive")?;
    let mut ends = vec![MAGIC];
    for member in UNIFORM.iter().chain(&["runtime"]) {
        ensure!(bench.read(&format!("{member}.o"))?.len() % 2 == 0, "an odd size needs padding");
    }
    for member in ["start.o", "tiny.o", "more.o"] {
        let end = ends[ends.len() - 1] + HEADER + bench.read(member)?.len();
        ends.push(end);
    }
    for length in 0..bytes.len() {
        let error = links(&bytes[..length], false).err();
        if ends.contains(&length) {
            let text = error.context("a program without some objects")?.to_string();
            ensure!(text.contains("undefined"), "{length} bytes: {text}");
        } else {
            is_named(error, length)?;
        }
    }
    Ok(())
}

/// Its members are files of their own.
fn thin_archive() -> Result<()> {
    let bench = Bench::new()?;
    bench.archive("crsDT")?;
    let bytes = bench.read("all.a")?;
    let cut = bench.path("cut");
    let name = cut.display().to_string();
    let links = || {
        let arguments = [name.clone(), "-o".to_owned(), "out".to_owned()];
        let twin_linker::args::Command::Link(args, _) = twin_linker::args::parse(arguments)? else {
            anyhow::bail!("no link job");
        };
        survives(|| link(&args, &input::read_all(&args)?).map(drop))
    };
    std::fs::write(&cut, &bytes)?;
    links().context("the whole archive")?;
    for length in (0..bytes.len()).filter(|&length| length != MAGIC) {
        std::fs::write(&cut, &bytes[..length])?;
        let error = links().err().with_context(|| format!("{length} bytes are as good as all"))?;
        ensure!(format!("{error:#}").starts_with(&format!("{name}: ")), "{length} bytes: {error:#}");
    }
    std::fs::write(&cut, &bytes)?;
    let member = bench.read("tiny.o")?;
    for length in 0..member.len() {
        std::fs::write(bench.path("tiny.o"), &member[..length])?;
        let error = links().err().with_context(|| format!("{length} bytes are as good as all"))?;
        ensure!(format!("{error:#}").starts_with(&format!("{name}(tiny.o): ")), "{length} bytes: {error:#}");
    }
    Ok(())
}

/// Something that takes a program apart.
type Reader = fn(&[u8]) -> Result<()>;

/// What `twin inspect`, `twin run`, `twin verify` and `twin frames` read; the tools add the name of the file.
fn executable() -> Result<()> {
    let bench = Bench::new()?;
    bench.archive("crsD")?;
    let bytes = links(&bench.read("all.a")?, false)?;
    let readers: [Reader; 3] = [
        |bytes| Image::parse(bytes).map(drop).context("image"),
        |bytes| twin_verify::verify(bytes).map(drop).context("verify"),
        |bytes| twin_verify::picture::draw(bytes, None).map(drop).context("frames"),
    ];
    for read in readers {
        read(&bytes)?;
        for length in 0..bytes.len() {
            let error = survives(|| read(&bytes[..length])).err();
            let error = error.with_context(|| format!("{length} bytes are as good as all"))?;
            ensure!(error.root_cause().to_string() == "not a Twin program", "{length} bytes: {error:#}");
        }
    }
    Ok(())
}

/// The command-line tools themselves, for a few lengths.
fn tools() -> Result<()> {
    let bench = Bench::new()?;
    let objects = ["start.o", "tiny.o", "more.o", "runtime.o"];
    Invocation::tool(bench.0.path(), "twin-ld").args(objects).args(["-o", "whole"]).run()?;
    std::fs::copy(bench.path("whole"), bench.path("cut"))?;
    bench.cuts("whole", "./cut: ", &["run"].map(|c| ("twin", vec![c, "./cut"])))?;
    let commands = ["inspect", "verify", "frames"].map(|command| ("twin", vec![command, "cut"]));
    bench.cuts("whole", "cut: ", &commands)?;
    let commands = [
        ("twin-ld", vec!["cut", "tiny.o", "more.o", "runtime.o", "-o", "out"]),
        ("twin-cc", vec!["-nostdlib", "cut", "tiny.o", "more.o", "runtime.o", "-o", "out"]),
    ];
    bench.cuts("start.o", "cut: ", &commands)?;
    for (object, target) in [("home.o", "x86_64"), ("visitor.o", "aarch64")] {
        let source = root().join("runtime/fuzz/seeds/runtime.c");
        let target = format!("--target={target}-linux-musl");
        Invocation::new(bench.0.path(), "clang-22").args([&*target, "-c", "-o", object]).arg(source).run()?;
    }
    bench.cuts("home.o", "cut: ", &[("twin-cc", vec!["-mtwin=pack", "cut", "visitor.o", "-o", "out"])])?;
    bench.cuts("visitor.o", "cut: ", &[("twin-cc", vec!["-mtwin=pack", "home.o", "cut", "-o", "out"])])
}

impl Bench {
    /// Each command refuses each part of `file`, as the file `cut`, with a message that contains `text`.
    fn cuts(&self, file: &str, text: &str, commands: &[(&str, Vec<&str>)]) -> Result<()> {
        let bytes = self.read(file)?;
        for length in [0, 1, 4, 63, 64, bytes.len() / 2, bytes.len() - 1] {
            std::fs::write(self.path("cut"), &bytes[..length])?;
            for (tool, arguments) in commands {
                let invocation = Invocation::tool(self.0.path(), tool).args(arguments);
                refuses(&invocation, text, &self.path("out")).with_context(|| format!("{length} bytes of {file}"))?;
            }
        }
        Ok(())
    }
}
