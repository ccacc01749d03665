//! Finds and reads the files of a link job: fat objects and archives of them.

use crate::args::{Args, InputName};
use anyhow::{Context, Result, anyhow, bail};
use memmap2::Mmap;
use object::elf;
use object::read::archive::{ArchiveFile, ArchiveMember};
use std::collections::HashSet;
use std::ops::Deref;
use std::path::{Path, PathBuf};

const ARCHIVE_MAGIC: &[u8] = b"!<arch>\n";
const THIN_MAGIC: &[u8] = b"!<thin>\n";

/// A file in memory.
pub struct File {
    /// Where it was found.
    pub path: PathBuf,
    /// Its content.
    pub bytes: Contents,
    /// Whether all members are wanted if this is an archive.
    pub whole_archive: bool,
    /// Whether an object is taken only if something needs it.
    pub lazy: bool,
    /// Contents of the members of a thin archive, which are files of their own, in order.
    thin_members: Vec<Contents>,
}

/// What is in a file.
pub enum Contents {
    /// In memory.
    Read(Vec<u8>),
    /// As it is on disk.
    Mapped(Mmap),
}

impl Deref for Contents {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Contents::Read(bytes) => bytes,
            Contents::Mapped(map) => map,
        }
    }
}

/// A member of an archive.
pub struct Member<'a> {
    /// `archive(member)`.
    pub name: String,
    /// Its content.
    pub bytes: &'a [u8],
}

/// Reads all inputs in the order of the command line.
///
/// # Errors
/// If a file or library cannot be found or read.
pub fn read_all(args: &Args) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for input in &args.inputs {
        let path = match &input.name {
            InputName::File(path) => path.clone(),
            InputName::Library(name) => find_library(args, name)?,
        };
        let bytes = read(&path)?;
        let thin_members = match bytes.starts_with(THIN_MAGIC) {
            true => read_thin_members(&path, &bytes)?,
            false => Vec::new(),
        };
        files.push(File { path, bytes, whole_archive: input.whole_archive, lazy: input.lazy, thin_members });
    }
    Ok(files)
}

fn read(path: &Path) -> Result<Contents> {
    let read = || {
        let file = std::fs::File::open(path)?;
        if !file.metadata()?.is_file() {
            return std::fs::read(path).map(Contents::Read);
        }
        // SAFETY: nobody may write to an input while it is linked; whoever does breaks this link whatever is done here.
        unsafe { Mmap::map(&file) }.map(Contents::Mapped)
    };
    read().map_err(|error: std::io::Error| anyhow!("cannot open {}: {error}", path.display()))
}

fn find_library(args: &Args, name: &str) -> Result<PathBuf> {
    let file = match name.strip_prefix(':') {
        Some(file) => file.to_owned(),
        None => format!("lib{name}.a"),
    };
    let below_sysroot = |directory: &PathBuf| {
        let text = directory.to_string_lossy();
        match text.strip_prefix('=').or_else(|| text.strip_prefix("$SYSROOT")) {
            Some(rest) => PathBuf::from(format!("{}{rest}", args.sysroot)),
            None => directory.clone(),
        }
    };
    let candidates = args.search.iter().map(|directory| below_sysroot(directory).join(&file));
    candidates.into_iter().find(|path| path.is_file()).with_context(|| format!("unable to find library -l{name}"))
}

fn read_thin_members(path: &Path, bytes: &[u8]) -> Result<Vec<Contents>> {
    let directory = path.parent().unwrap_or(Path::new(""));
    let archive = ArchiveFile::parse(bytes).with_context(|| format!("{}", path.display()))?;
    let mut contents = Vec::new();
    for member in archive.members() {
        let member = member.with_context(|| format!("{}", path.display()))?;
        contents.push(read(&directory.join(String::from_utf8_lossy(member.name()).as_ref()))?);
    }
    Ok(contents)
}

impl File {
    /// A file that is in memory already; no thin archive.
    pub fn new(path: impl Into<PathBuf>, bytes: Vec<u8>) -> File {
        File {
            path: path.into(),
            bytes: Contents::Read(bytes),
            whole_archive: false,
            lazy: false,
            thin_members: Vec::new(),
        }
    }

    /// Whether this is an archive.
    pub fn is_archive(&self) -> bool {
        self.bytes.starts_with(ARCHIVE_MAGIC) || self.bytes.starts_with(THIN_MAGIC)
    }

    /// Whether this is text, which a linker would take for a linker script.
    pub fn is_text(&self) -> bool {
        let start = &self.bytes[..self.bytes.len().min(256)];
        !start.is_empty() && start.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace())
    }

    /// The members of an archive in order, without its index.
    ///
    /// # Errors
    /// If the archive is damaged.
    pub fn members(&self) -> Result<Vec<Member<'_>>> {
        let archive = ArchiveFile::parse(&*self.bytes).with_context(|| self.path.display().to_string())?;
        let mut members = Vec::new();
        for (position, member) in archive.members().enumerate() {
            let member = member.with_context(|| self.path.display().to_string())?;
            let name = self.member_name(&member);
            let bytes = match self.thin_members.get(position) {
                Some(bytes) => bytes,
                None if member.is_thin() => bail!("{name}: member of a thin archive is missing"),
                None => member.data(&*self.bytes).with_context(|| name.clone())?,
            };
            members.push(Member { name, bytes });
        }
        self.check_index(&archive, &members)?;
        Ok(members)
    }

    /// An archive that was cut off between two members looks whole, but for its index; and so does a thin one if a
    /// member was cut off so early that it does not look like an object.
    fn check_index(&self, archive: &ArchiveFile<'_>, members: &[Member]) -> Result<()> {
        let path = || self.path.display().to_string();
        let cut = |member: &&Member| elf::ELFMAG.starts_with(member.bytes);
        let cut: HashSet<&str> = members.iter().filter(cut).map(|member| member.name.as_str()).collect();
        for symbol in archive.symbols().with_context(path)?.into_iter().flatten() {
            let symbol = symbol.with_context(path)?;
            let defines = || format!("that defines {}", String::from_utf8_lossy(symbol.name()));
            if symbol.offset().0 >= self.bytes.len() as u64 {
                bail!("{}: ends before the member {}", path(), defines());
            }
            let name = self.member_name(&archive.member(symbol.offset()).with_context(path)?);
            if cut.contains(name.as_str()) {
                bail!("{name}: is no object, but the member {}", defines());
            }
        }
        Ok(())
    }

    fn member_name(&self, member: &ArchiveMember<'_>) -> String {
        format!("{}({})", self.path.display(), String::from_utf8_lossy(member.name()))
    }
}
