//! The system calls that the standard library does not have. All `unsafe` of this crate is here.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// An unnamed file in memory, closed on exec.
pub fn memory_file(name: &str) -> io::Result<File> {
    let name = CString::new(name)?;
    // SAFETY: the name is a C string; the result is checked and owned by nobody else.
    unsafe { Ok(File::from_raw_fd(check(libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC))?)) }
}

/// A duplicate of `file`, kept on exec; with a number out of the way of what a program expects, if the limit allows.
pub fn high_duplicate(file: &impl AsRawFd) -> io::Result<OwnedFd> {
    const OUT_OF_THE_WAY: libc::c_int = 100;
    const BEHIND_STANDARD: libc::c_int = 3;
    let duplicate = |from: libc::c_int| -> io::Result<OwnedFd> {
        // SAFETY: duplicates an open descriptor; the new one is owned by nobody else.
        unsafe { Ok(OwnedFd::from_raw_fd(check(libc::fcntl(file.as_raw_fd(), libc::F_DUPFD, from))?)) }
    };
    duplicate(OUT_OF_THE_WAY).or_else(|_| duplicate(BEHIND_STANDARD))
}

/// Sends SIGURG with a value.
pub fn send_request(pid: libc::pid_t, value: u64) -> io::Result<()> {
    let value = libc::sigval { sival_ptr: value as usize as *mut libc::c_void };
    // SAFETY: the value is not used as a pointer, neither here nor by the receiver.
    check(unsafe { libc::sigqueue(pid, libc::SIGURG, value) }).map(drop)
}

/// Sends a signal.
pub fn kill(pid: libc::pid_t, signal: libc::c_int) -> io::Result<()> {
    // SAFETY: no memory is involved.
    check(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// Something that happened to a process that supervises another one.
pub enum Event {
    /// A child changed its state.
    Child,
    /// A signal that a process sent on purpose.
    Signal(libc::c_int),
    /// A signal of the terminal, which the whole process group got.
    Terminal,
    /// Nothing, for as long as was asked for.
    Timeout,
}

/// Signals that a supervisor waits for instead of being interrupted by them.
pub struct Supervisor {
    waited: libc::sigset_t,
    before: libc::sigset_t,
}

impl Supervisor {
    /// Blocks the signals that are to be forwarded, and SIGCHLD.
    pub fn new() -> io::Result<Supervisor> {
        const FORWARDED: [libc::c_int; 10] = [
            libc::SIGCHLD,
            libc::SIGHUP,
            libc::SIGINT,
            libc::SIGQUIT,
            libc::SIGTERM,
            libc::SIGUSR1,
            libc::SIGUSR2,
            libc::SIGALRM,
            libc::SIGWINCH,
            libc::SIGURG,
        ];
        // SAFETY: both sets are initialised by the calls that get them.
        unsafe {
            let mut waited = std::mem::zeroed();
            let mut before = std::mem::zeroed();
            check(libc::sigemptyset(&mut waited))?;
            for signal in FORWARDED {
                check(libc::sigaddset(&mut waited, signal))?;
            }
            check(libc::sigprocmask(libc::SIG_BLOCK, &waited, &mut before))?;
            Ok(Supervisor { waited, before })
        }
    }

    /// Gives the child of `command` the signal mask that this process had.
    pub fn restore_mask_in(&self, command: &mut Command) {
        let before = self.before;
        // SAFETY: sigprocmask is async-signal-safe, and nothing else happens in the child.
        unsafe {
            command
                .pre_exec(move || check(libc::sigprocmask(libc::SIG_SETMASK, &before, std::ptr::null_mut())).map(drop));
        }
    }

    /// Waits for the next event, forever if there is no time-out.
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<Event> {
        let timeout = timeout.map(|t| libc::timespec {
            tv_sec: t.as_secs() as libc::time_t,
            tv_nsec: libc::c_long::from(t.subsec_nanos()),
        });
        let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: all pointers are to live objects, or null where that is allowed.
        let (signal, info) = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            (libc::sigtimedwait(&self.waited, &mut info, timeout), info)
        };
        match signal {
            libc::SIGCHLD => Ok(Event::Child),
            signal if signal > 0 && info.si_code > 0 => Ok(Event::Terminal),
            signal if signal > 0 => Ok(Event::Signal(signal)),
            _ => match io::Error::last_os_error() {
                e if e.kind() == io::ErrorKind::WouldBlock || e.kind() == io::ErrorKind::Interrupted => {
                    Ok(Event::Timeout)
                }
                e => Err(e),
            },
        }
    }
}
