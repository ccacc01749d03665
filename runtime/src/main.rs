//! `twin`: runs twin programs, has them hop between ISAs, and shows what is in them.

mod error;
mod frames;
mod hop;
mod inspect;
mod isa;
mod program;
mod run;
mod supervise;
mod sys;
mod timeline;
mod verify;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(
    name = "twin",
    version,
    about = "Runs, hops and inspects twin programs (x86-64 and aarch64 in one executable)"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a program, on either ISA, hopping on request or all the time
    Run(run::RunArguments),
    /// Ask a running program to go on on another ISA
    Hop(hop::HopArguments),
    /// Show what is in an executable
    Inspect(inspect::InspectArguments),
    /// Prove from an executable alone that it is uniform
    Verify(verify::VerifyArguments),
    /// Show the frames of a function on both ISAs, slot by slot
    Frames(frames::FramesArguments),
}

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    // `twin run` has to stay for its program's sake.
    if !matches!(command, Command::Run(_)) {
        twin_linker::sigpipe::end_with_reader();
    }
    let result = match command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Hop(arguments) => hop::hop(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Inspect(arguments) => inspect::inspect(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Verify(arguments) => verify::verify(&arguments),
        Command::Frames(arguments) => frames::frames(&arguments).map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|failure| {
        eprintln!("twin: {failure:#}");
        ExitCode::from(error::status(&failure))
    })
}
