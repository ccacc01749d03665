//! `twin run` as the parent of the program: asks for hops, forwards signals, collects the timeline.

use crate::isa::{Vehicle, request_value};
use crate::program::Program;
use crate::sys::{self, Event, Supervisor};
use crate::timeline::{Hop, Timeline};
use anyhow::{Context, Result};
use std::io::{BufRead, BufReader, PipeReader};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// What to do beside waiting.
pub struct Supervision {
    /// How often to ask for a hop.
    pub hop_every: Option<Duration>,
    /// By which vehicle; the program's default if there is none.
    pub vehicle: Option<Vehicle>,
    /// Whether to show the hops at the end.
    pub timeline: bool,
    /// Whether to show them as JSON.
    pub json: bool,
}

/// Status of a command that a signal ended, for a shell: this plus the signal's number.
const SIGNALLED: i32 = 128;
/// How long the last lines of a program's trace may take after its end: a child of it may hold the pipe open.
const LAST_LINES: Duration = Duration::from_millis(100);

/// Starts `command` and stays until it ends.
pub fn supervise(
    mut command: Command,
    inherited: Vec<OwnedFd>,
    program: &Program,
    what: &Supervision,
) -> Result<ExitCode> {
    let trace = if what.timeline {
        let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
        let writer_in_child = sys::high_duplicate(&writer)?;
        command.env("__TWIN_TRACE", writer_in_child.as_raw_fd().to_string());
        Some((reader, writer_in_child))
    } else {
        None
    };
    let signals = Supervisor::new().context("cannot block signals")?;
    signals.restore_mask_in(&mut command);
    let mut child = command.spawn().with_context(|| command.get_program().display().to_string())?;
    drop(inherited);
    let hops = trace.map(|(reader, _writer)| read_trace(reader));
    let status = wait(&mut child, &signals, what)?;
    if let Some(hops) = hops {
        let timeline = Timeline::new(collect(&hops), program);
        if what.json { timeline.print_json()? } else { timeline.print() }
    }
    Ok(ExitCode::from(exit_code(status)))
}

fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().unwrap_or_else(|| SIGNALLED + status.signal().unwrap_or_default());
    u8::try_from(code).unwrap_or(u8::MAX)
}

fn wait(child: &mut Child, signals: &Supervisor, what: &Supervision) -> Result<ExitStatus> {
    let pid = child.id() as libc::pid_t;
    let request = request_value(None, what.vehicle);
    let mut next = what.hop_every.map(|every| Instant::now() + every);
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for the program")? {
            return Ok(status);
        }
        let left = next.map(|next| next.saturating_duration_since(Instant::now()));
        match signals.wait(left).context("cannot wait for signals")? {
            // A signal can only fail to arrive when the program has just ended, which the next wait tells.
            Event::Signal(signal) => drop(sys::kill(pid, signal)),
            Event::Child | Event::Terminal | Event::Timeout => {}
        }
        if let (Some(at), Some(every)) = (next, what.hop_every)
            && Instant::now() >= at
        {
            drop(sys::send_request(pid, request));
            next = Some(Instant::now() + every);
        }
    }
}

/// Reads the program's trace as it is written, so that the program never waits for us.
fn read_trace(reader: PipeReader) -> Receiver<Hop> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(reader).lines().map_while(Result::ok) {
            // Lines of two processes of one program may run into each other.
            if let Ok(hop) = serde_json::from_str(&line)
                && sender.send(hop).is_err()
            {
                break;
            }
        }
    });
    receiver
}

fn collect(hops: &Receiver<Hop>) -> Vec<Hop> {
    let mut all = Vec::new();
    while let Ok(hop) = hops.recv_timeout(LAST_LINES) {
        all.push(hop);
    }
    all
}
