//! `twin-cc`: a C compiler driver that takes clang's command line and makes twin objects and executables.

use std::process::ExitCode;

fn main() -> ExitCode {
    twin_linker::sigpipe::end_with_reader();
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    match twin_compiler::driver::run(&arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            match error.downcast_ref::<twin_compiler::error::Unsupported>() {
                // Compilers put the place first.
                Some(unsupported) => eprintln!("{unsupported}"),
                None => eprintln!("twin-cc: error: {error:#}"),
            }
            ExitCode::FAILURE
        }
    }
}
