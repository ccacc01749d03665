//! `twin-ld`: see `twin-ld --help`.

use anyhow::bail;
use std::process::ExitCode;
use twin_linker::args::{self, Command};
use twin_linker::errors::Errors;
use twin_linker::{link, options, sigpipe};

fn main() -> ExitCode {
    sigpipe::end_with_reader();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            match error.downcast_ref::<Errors>() {
                Some(errors) => errors.messages().iter().for_each(|message| eprintln!("twin-ld: error: {message}")),
                None => eprintln!("twin-ld: error: {error:#}"),
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    // Configure scripts look for these words to see whether the GNU options work.
    const VERSION: &str = concat!("twin-ld ", env!("CARGO_PKG_VERSION"), " (compatible with GNU linkers)");
    let arguments = std::env::args_os().skip(1).map(|a| a.to_string_lossy().into_owned());
    match args::parse(arguments)? {
        Command::Help => print!("{}", options::HELP),
        Command::Version => println!("{VERSION}"),
        Command::Link(args, version) => {
            if version {
                println!("{VERSION}");
            }
            args.warnings.iter().for_each(|warning| eprintln!("twin-ld: warning: {warning}"));
            if args.fatal_warnings && !args.warnings.is_empty() {
                bail!("warnings are errors (--fatal-warnings)");
            }
            link::run(&args)?;
        }
    }
    Ok(())
}
