//! What happens when whoever reads the output goes away.

/// Makes the process end when it writes to a pipe that nobody reads any more, as other tools do. Rust's runtime
/// ignores SIGPIPE, so that `print!` would panic.
pub fn end_with_reader() {
    // SAFETY: no handler of ours runs; called before there are threads.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
}
