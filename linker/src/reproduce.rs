//! A reproduction bundle: with `TWIN_REPRODUCE=DIRECTORY` in the environment, each run of twin-cc and twin-ld leaves a
//! directory in there with its inputs, its versions and a script `replay` that does the same again elsewhere.

use crate::args::Args;
use crate::input::File;
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Names the directory that takes the bundles.
pub const VARIABLE: &str = "TWIN_REPRODUCE";

/// One bundle.
pub struct Bundle {
    directory: PathBuf,
}

impl Bundle {
    /// A new bundle of `tool`'s, if the environment asks for one.
    ///
    /// # Errors
    /// If the directory cannot be made.
    pub fn wanted(tool: &str) -> Result<Option<Bundle>> {
        let Some(parent) = std::env::var_os(VARIABLE) else { return Ok(None) };
        let context = || format!("{VARIABLE}={}", parent.display());
        fs::create_dir_all(&parent).with_context(context)?;
        let directory =
            tempfile::Builder::new().prefix(&format!("{tool}-")).tempdir_in(&parent).with_context(context)?;
        let bundle = Bundle { directory: directory.keep() };
        bundle.permit(&bundle.directory)?;
        Ok(Some(bundle))
    }

    /// Where a file of the bundle lies.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Copies `file` as input number `index`, under its own name, which the executable holds; returns its path in the
    /// bundle.
    ///
    /// # Errors
    /// If it cannot be copied.
    pub fn copy(&self, index: usize, file: &Path) -> Result<String> {
        let name = format!("{index}/{}", file.file_name().unwrap_or_default().display());
        fs::create_dir(self.path(&index.to_string()))
            .and_then(|()| fs::copy(file, self.path(&name)))
            .with_context(|| format!("{VARIABLE}: cannot copy {}", file.display()))?;
        Ok(name)
    }

    /// Writes the script `replay` that runs `tool` with `arguments` in the bundle, and notes `versions`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(&self, tool: &str, arguments: &[String], versions: &str) -> Result<()> {
        let words: Vec<String> = arguments.iter().map(|a| format!("'{}'", a.replace('\'', "'\\''"))).collect();
        let notes: String = versions.lines().map(|line| format!("# {line}\n")).collect();
        let script = format!(
            "#!/bin/sh\n# Does again what {tool} did, with the {tool} of $PATH or the one that is named.\n\
             # Usage: replay [{}]\n{notes}tool=$(command -v \"${{1:-{tool}}}\") && cd \"$(dirname \"$0\")\" && \
             exec \"$tool\" {}\n",
            tool.to_uppercase(),
            words.join(" ")
        );
        let path = self.path("replay");
        fs::write(&path, script).with_context(|| format!("cannot write {}", path.display()))?;
        self.permit(&path)
    }

    fn permit(&self, path: &Path) -> Result<()> {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).with_context(|| format!("{}", path.display()))
    }
}

/// Saves a link job if the environment asks for it. Members of thin archives are files of their own and stay where
/// they are.
///
/// # Errors
/// If a file cannot be copied or written.
pub fn save(args: &Args, files: &[File]) -> Result<()> {
    let Some(bundle) = Bundle::wanted("twin-ld")? else { return Ok(()) };
    let mut words = args.options.clone();
    words.extend(["-o", "output"].map(str::to_owned));
    for (index, file) in files.iter().enumerate() {
        let name = bundle.copy(index, &file.path)?;
        let whole = ["--no-whole-archive", "--whole-archive"][usize::from(file.whole_archive)];
        let [begin, end] = if file.lazy { ["--start-lib", "--end-lib"] } else { ["", ""] };
        let all = [whole, begin, &name, end];
        words.extend(all.into_iter().filter(|word| !word.is_empty()).map(str::to_owned));
    }
    bundle.finish("twin-ld", &words, &format!("twin-ld {}", env!("CARGO_PKG_VERSION")))
}
