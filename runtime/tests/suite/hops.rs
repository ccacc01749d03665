//! What must hold at and around a hop.

use crate::tools::{Invocation, compile, root, scratch};
use crate::trial;
use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Stdio};

/// All trials.
pub fn trials() -> Vec<Trial> {
    let mut trials: Vec<Trial> = Vec::new();
    for vehicle in ["pair", "exec"] {
        trials.push(trial(format!("hops::memory_is_not_changed::{vehicle}"), move || memory_is_not_changed(vehicle)));
        trials.push(trial(format!("hops::pid_and_status_stay::{vehicle}"), move || pid_and_status_stay(vehicle)));
        trials.push(trial(format!("hops::signals_are_statuses::{vehicle}"), move || signals_are_statuses(vehicle)));
        trials.push(trial(format!("hops::on_request::{vehicle}"), move || on_request(vehicle)));
        for call in ["read", "poll", "nanosleep"] {
            let name = format!("hops::from_a_call_that_blocks::{vehicle}::{call}");
            trials.push(trial(name, move || from_a_call_that_blocks(vehicle, call)));
        }
    }
    for name in ["nqueens", "tree", "cg", "fft", "sort", "report", "words"] {
        for level in ["O0", "O2", "O3"] {
            trials.push(trial(format!("hops::come_soon::{name}::{level}"), move || hops_come_soon(name, level)));
        }
    }
    for isa in ["x86_64", "aarch64"] {
        trials.push(trial(format!("hops::not_in_a_handler::{isa}"), move || hops_not_in_a_handler(isa)));
    }
    trials.push(trial("hops::go_where_told", hops_go_where_told));
    trials.push(trial("hops::of_all_threads", hops_of_all_threads));
    trials.push(trial("hops::every_so_often", hops_every_so_often));
    trials.push(trial("hops::from_far_code", hops_from_far_code));
    trials.push(trial("hops::with_signals_blocked", hops_with_signals_blocked));
    trials
}

/// `twin run --check` hashes stack, heap and data before and after a hop.
fn memory_is_not_changed(vehicle: &str) -> Result<()> {
    let directory = scratch()?;
    for (name, every) in [("tree", 1009), ("fft", 499), ("words", 907)] {
        let source = std::fs::read_to_string(root().join("examples").join(name).with_extension("c"))?;
        let executable = compile(directory.path(), name, &source, &["-O2"])?;
        let every = format!("every={every}");
        let options = ["--check", "--timeline", "--vehicle", vehicle, "--stress", &every];
        let outcome = Invocation::twin_run(directory.path(), &options).arg(executable).run()?;
        ensure!(outcome.hops()? >= 20, "{name}: only {} hops", outcome.hops()?);
    }
    Ok(())
}

/// Prints its PID and its parent's again and again, and ends with status 42.
const WHO: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(void) {
    for (int i = 0; i < 30; i++) {
        char directory[4096];
        printf("%d %d %s\n", getpid(), getppid(), getcwd(directory, sizeof directory));
    }
    exit(42);
}
"#;

fn pid_and_status_stay(vehicle: &str) -> Result<()> {
    let directory = scratch()?;
    let executable = compile(directory.path(), "who", WHO, &["-O2"])?;
    for isa in ["x86_64", "aarch64"] {
        // The shell says which process it started, itself, and how that ended.
        let shell = Invocation::new(directory.path(), "/bin/sh")
            .args(["-c", r#""$@" & wait $!; echo "$! $$ $PWD $?""#, "sh"])
            .args(Invocation::twin_run("/", &["--isa", isa, "--vehicle", vehicle, "--stress", "every=10"]).words())
            .arg(&executable);
        let outcome = shell.run()?;
        let text = String::from_utf8(outcome.stdout)?;
        let lines: Vec<&str> = text.lines().collect();
        let (last, lines) = lines.split_last().context("no output")?;
        let (expected, status) = last.rsplit_once(' ').context("no status")?;
        ensure!(status == "42", "{isa}: status {status}");
        ensure!(lines.len() == 30 && lines.iter().all(|line| line == &expected), "{isa}:\n{text}{}", outcome.stderr);
    }
    Ok(())
}

fn signals_are_statuses(vehicle: &str) -> Result<()> {
    let directory = scratch()?;
    let source = "#include <stdio.h>\n#include <stdlib.h>\n\
                  int main(void) { for (int i = 0; i < 20; i++) { puts(\"x\"); } abort(); }\n";
    let executable = compile(directory.path(), "dies", source, &["-O2"])?;
    for every in [1, 2, 3, 5] {
        let every = format!("every={every}");
        let options = ["--vehicle", vehicle, "--stress", &every];
        Invocation::twin_run(directory.path(), &options).arg(&executable).status(134).run()?;
    }
    Ok(())
}

/// Prints its PID, and then works until a file called `stop` is there. When a file called `mark` appears, it removes
/// that, works once more and prints a line.
const ROUNDS: &str = r#"
#include <stdio.h>
#include <unistd.h>
static volatile unsigned long sum;
static void work(void) {
    for (int i = 0; i < 100000; i++) {
        sum += i;
    }
}
int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("%d\n", getpid());
    while (access("stop", F_OK) != 0) {
        work();
        if (unlink("mark") == 0) {
            work();
            puts("mark");
        }
    }
    return 7;
}
"#;

/// A running ROUNDS.
struct Rounds {
    child: std::process::Child,
    lines: Lines<BufReader<ChildStdout>>,
    pid: String,
}

impl Rounds {
    fn start(directory: &Path, options: &[&str]) -> Result<Rounds> {
        let executable = compile(directory, "rounds", ROUNDS, &["-O2"])?;
        let mut command =
            Invocation::twin_run(directory, &["--timeline", "--json"]).args(options).arg(executable).command();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("piped")?).lines();
        let pid = lines.next().context("no PID")??;
        Ok(Rounds { child, lines, pid })
    }

    /// Runs `twin hop` with `options` and waits until the hop must be over.
    fn hop(&mut self, directory: &Path, options: &[&str]) -> Result<()> {
        Invocation::tool(directory, "twin").arg("hop").args(options).arg(&self.pid).run()?;
        std::fs::write(directory.join("mark"), "")?;
        let line = self.lines.next().context("it ended")??;
        ensure!(line == "mark", "{line}");
        Ok(())
    }

    /// Stops it and returns its hops, as ISA and vehicle of each.
    fn finish(self, directory: &Path) -> Result<Vec<(String, String)>> {
        std::fs::write(directory.join("stop"), "")?;
        let output = self.child.wait_with_output()?;
        ensure!(output.status.code() == Some(7), "{}", output.status);
        let text = String::from_utf8(output.stderr)?;
        let field = |hop: &serde_json::Value, name: &str| hop[name].as_str().unwrap_or_default().to_owned();
        text.lines()
            .map(|line| {
                let hop: serde_json::Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
                ensure!(hop["waited"].as_u64() > Some(0), "no time of the request: {line}");
                Ok((field(&hop, "to"), field(&hop, "vehicle")))
            })
            .collect()
    }
}

/// `twin hop PID`, with either vehicle.
fn on_request(vehicle: &str) -> Result<()> {
    let directory = scratch()?;
    let mut rounds = Rounds::start(directory.path(), &[])?;
    for _ in 0..6 {
        rounds.hop(directory.path(), &["--vehicle", vehicle])?;
    }
    let hops = rounds.finish(directory.path())?;
    let expected: Vec<_> =
        ["aarch64", "x86_64"].iter().cycle().take(6).map(|&to| (to.to_owned(), vehicle.to_owned())).collect();
    ensure!(hops == expected, "{hops:?}");
    Ok(())
}

/// Prints its PID, does a call that blocks, and prints what came of it.
const BLOCKS: &str = r#"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
static void nothing(int signal) { (void)signal; }
int main(int argc, char **argv) {
    char text[10] = "";
    struct timespec left = {1000, 0};
    sigaction(SIGUSR1, &(struct sigaction){.sa_handler = nothing}, NULL);
    printf("%d\n", getpid());
    fflush(stdout);
    if (argc > 1 && strcmp(argv[1], "read") == 0) {
        printf("%zd %s\n", read(0, text, 4), text);
    } else if (argc > 1 && strcmp(argv[1], "poll") == 0) {
        struct pollfd input = {0, POLLIN, 0};
        int ready = poll(&input, 1, -1);
        printf("%d %d\n", ready, (input.revents & POLLIN) != 0);
    } else {
        int result = nanosleep(&left, &left);
        printf("%d %d %d\n", result, errno == EINTR, left.tv_sec > 0 && left.tv_sec < 1000);
    }
    return 0;
}
"#;

/// A request ends a blocking call, and the other ISA goes on with it: the program does not see anything.
fn from_a_call_that_blocks(vehicle: &str, call: &str) -> Result<()> {
    let directory = scratch()?;
    let executable = compile(directory.path(), "blocks", BLOCKS, &["-O2"])?;
    let invocation = Invocation::twin_run(directory.path(), &["--timeline", "--json"]).arg(executable).arg(call);
    let mut command = invocation.command();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("piped")?).lines();
    let pid = lines.next().context("no PID")??;
    Invocation::tool(directory.path(), "twin").args(["hop", "--vehicle", vehicle, &pid]).run()?;
    // The process becomes qemu's, or gets a child that is the visitor's keeper.
    let process = Path::new("/proc").join(&pid);
    let has_hopped = || -> Result<bool> {
        Ok(match vehicle {
            "exec" => process.join("exe").read_link()?.to_string_lossy().contains("qemu"),
            _ => !std::fs::read_to_string(process.join("task").join(&pid).join("children"))?.is_empty(),
        })
    };
    while !has_hopped().context("it ended")? {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let expected = match call {
        "read" => "4 word",
        "poll" => "1 1",
        _ => "-1 1 1",
    };
    if call == "nanosleep" {
        // Again and again: a signal may come before the call has begun anew.
        let script = format!("while kill -USR1 {pid} 2> /dev/null; do sleep 0.01; done");
        Invocation::new(directory.path(), "/bin/sh").args(["-c", &script]).run()?;
    } else {
        child.stdin.take().context("piped")?.write_all(b"word")?;
    }
    let line = lines.next().context("it ended")??;
    ensure!(line == expected, "{line}");
    let output = child.wait_with_output()?;
    let text = String::from_utf8(output.stderr)?;
    ensure!(output.status.success() && text.lines().count() == 1, "{}: {text}", output.status);
    Ok(())
}

/// Handlers full of polls, one of them on a stack of its own, and polls behind.
const HANDLERS: &str = r#"
#include <signal.h>
#include <stdlib.h>
static volatile int turns;
__attribute__((noinline)) static int inside(int n) { turns++; return n ? inside(n - 1) + turns : 0; }
__attribute__((noinline)) static int behind(int n) { turns++; return n ? behind(n - 1) + turns : 0; }
static void nested(int signal) { inside(signal); }
static void handler(int signal) { inside(signal); raise(SIGUSR2); inside(signal); }
int main(void) {
    sigaltstack(&(stack_t){.ss_sp = malloc(1 << 16), .ss_size = 1 << 16}, NULL);
    sigaction(SIGUSR1, &(struct sigaction){.sa_handler = handler, .sa_flags = SA_ONSTACK}, NULL);
    signal(SIGUSR2, nested);
    for (int i = 0; i < 20; i++) {
        raise(SIGUSR1);
        behind(3);
    }
    return turns == 0;
}
"#;

/// No hop in a signal handler; one at the first poll behind it.
fn hops_not_in_a_handler(isa: &str) -> Result<()> {
    let directory = scratch()?;
    let executable = compile(directory.path(), "handlers", HANDLERS, &["-O1", "-fno-optimize-sibling-calls"])?;
    let options = ["--isa", isa, "--timeline", "--json", "--stress", "every=1"];
    let outcome = Invocation::twin_run(directory.path(), &options).arg(executable).run()?;
    let hops = |function: &str| outcome.stderr.matches(&format!(r#""function":"{function}""#)).count();
    ensure!(hops("inside") == 0, "{} hops in a handler", hops("inside"));
    ensure!(hops("behind") >= 20, "only {} hops behind 20 handlers: {}", hops("behind"), outcome.stderr);
    Ok(())
}

/// `twin hop --to`: a program that is there already stays.
fn hops_go_where_told() -> Result<()> {
    let directory = scratch()?;
    let mut rounds = Rounds::start(directory.path(), &[])?;
    for to in ["x86_64", "aarch64", "aarch64", "x86_64", "x86_64", "aarch64"] {
        rounds.hop(directory.path(), &["--to", to])?;
    }
    let hops: Vec<_> = rounds.finish(directory.path())?.into_iter().map(|(to, _)| to).collect();
    ensure!(hops == ["aarch64", "x86_64", "aarch64"], "{hops:?}");
    Ok(())
}

/// Two threads compute, one reads, and the first one waits for that. A request has arrived when the first one goes on; the
/// others poll once more behind that.
const THREADS: &str = r#"
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <unistd.h>
static sem_t has_read;
static volatile int has_arrived;
static volatile unsigned long sum;
static void *compute(void *unused) {
    while (!has_arrived) {
        sum++;
    }
    for (int i = 0; i < 100000; i++) {
        sum++;
    }
    return unused;
}
static void *wait_for_input(void *unused) {
    char byte;
    if (read(0, &byte, 1) == 1) {
        sem_post(&has_read);
    }
    return compute(unused);
}
int main(void) {
    pthread_t threads[3];
    sem_init(&has_read, 0, 0);
    for (int i = 0; i < 3; i++) {
        pthread_create(&threads[i], NULL, i ? compute : wait_for_input, NULL);
    }
    printf("%d\n", getpid());
    fflush(stdout);
    sem_wait(&has_read);
    has_arrived = 1;
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    return 7;
}
"#;

/// A request to a process asks each of its threads, whether it computes or waits.
fn hops_of_all_threads() -> Result<()> {
    let directory = scratch()?;
    let executable = compile(directory.path(), "threads", THREADS, &["-O2", "-pthread"])?;
    let mut command = Invocation::twin_run(directory.path(), &["--timeline", "--json"]).arg(executable).command();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let pid = BufReader::new(child.stdout.take().context("piped")?).lines().next().context("no PID")??;
    Invocation::tool(directory.path(), "twin").args(["hop", "--to", "aarch64", &pid]).run()?;
    child.stdin.take().context("piped")?.write_all(b"x")?;
    let output = child.wait_with_output()?;
    ensure!(output.status.code() == Some(7), "{}", output.status);
    let text = String::from_utf8(output.stderr)?;
    let hops = text.lines().filter(|line| line.contains(r#""to":"aarch64""#)).count();
    ensure!(hops == 4 && text.lines().count() == 4, "{text}");
    Ok(())
}

/// `twin run --hop-every`.
fn hops_every_so_often() -> Result<()> {
    let directory = scratch()?;
    let rounds = Rounds::start(directory.path(), &["--vehicle", "exec", "--hop-every", "5ms"])?;
    let executable = Path::new("/proc").join(&rounds.pid).join("exe");
    // It is qemu's process for half of the time.
    while !executable.read_link().context("it ended")?.to_string_lossy().contains("qemu") {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let hops = rounds.finish(directory.path())?;
    ensure!(!hops.is_empty(), "no hop");
    Ok(())
}

/// Code on both sides of a gap of 2 MiB asks for a hop to the ISA where it is, and turns until it has polled.
const FAR: &str = r#"
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
extern volatile unsigned char __twin_poll; // not 0 while a request waits for a poll
#define WAIT(name) \
    __attribute__((noinline)) static int name(void) { \
        sigqueue(getpid(), SIGURG, (union sigval){.sival_ptr = (void *)0x5457494e00000001ul}); /* runtime/rt/signals.c */ \
        int waited = __twin_poll; \
        while (__twin_poll) continue; \
        return waited; \
    }
WAIT(near)
__attribute__((aligned(2 << 20))) WAIT(far)
int main(void) {
    printf("%d %d %d\n", near(), far(), (char *)far - (char *)near > 1 << 20);
}
"#;

/// The code has several poll pages.
fn hops_from_far_code() -> Result<()> {
    let directory = scratch()?;
    let executable = compile(directory.path(), "far", FAR, &["-O1"])?;
    let output = Invocation::new(directory.path(), executable).run()?;
    ensure!(output.stdout == b"1 1 1\n", "{}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}

/// Computes with all signals blocked: polls raise one.
const BLOCKED: &str = r#"
#include <signal.h>
#include <stdio.h>
#include <time.h>
int main(void) {
    sigset_t all;
    unsigned long sum = 0;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    for (unsigned long i = 0; clock() < CLOCKS_PER_SEC / 2; i++) {
        for (int k = 0; k < 100000; k++) sum = sum * 3 + (i ^ sum >> 7);
    }
    printf("%d\n", sum != 0);
}
"#;

/// Requests reach a program that has blocked all signals.
fn hops_with_signals_blocked() -> Result<()> {
    let directory = scratch()?;
    let executable = compile(directory.path(), "blocked", BLOCKED, &["-O2"])?;
    let run = Invocation::twin_run(directory.path(), &["--hop-every", "20ms", "--timeline", "--json"]);
    let output = run.arg(executable).run()?;
    let hops = output.stderr.lines().filter(|line| line.contains(r#""to":"#)).count();
    ensure!(output.stdout == b"1\n" && hops > 1, "{}", output.stderr);
    Ok(())
}

/// Runs an example while a timer of CPU time asks for a hop to the ISA where the program is already, and fails if a
/// request is still there after 10 ms of CPU time. Only the timer's ticks look, so a request is never blamed wrongly.
const LATENCY: &str = r#"
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

extern volatile unsigned char __twin_poll; // not 0 while a request waits for a poll, outside of handlers
static volatile unsigned long asked, late, seen;
static struct timespec since;

static double elapsed(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)(now.tv_sec - since.tv_sec) * 1e3 + (double)(now.tv_nsec - since.tv_nsec) / 1e6;
}

static void tick(int signal) {
    (void)signal;
    if (__twin_poll) {
        late += elapsed() > 10.0;
        return;
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &since);
    asked++;
    sigqueue(getpid(), SIGURG, (union sigval){.sival_ptr = (void *)0x5457494e00000001ul}); // runtime/rt/signals.c
    kill(getpid(), SIGUSR1); // comes when this handler is over, mostly before the poll
}

static void look(int signal) {
    (void)signal;
    seen += __twin_poll;
}

int main(void) {
    char *arguments[] = {"example", NULL};
    (void)arguments;
    struct itimerval interval = {{0, 1000}, {0, 1000}};
    freopen("/dev/null", "w", stdout);
    struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
    sigaddset(&action.sa_mask, SIGUSR1);
    sigaction(SIGVTALRM, &action, NULL);
    signal(SIGUSR1, look);
    setitimer(ITIMER_VIRTUAL, &interval, NULL);
    while (asked < 50) {
        CALL;
    }
    fprintf(stderr, "%lu requests, %lu late, %lu seen to wait\n", asked, late, seen);
    return late || !seen;
}
"#;

fn hops_come_soon(name: &str, level: &str) -> Result<()> {
    let directory = scratch()?;
    let example: PathBuf = root().join("examples").join(name).with_extension("c");
    let takes_arguments = std::fs::read_to_string(&example)?.contains("int main(int argc, char **argv)");
    let arguments = if takes_arguments { "1, arguments" } else { "" };
    let source = format!(
        "#define main example_main\n#include \"{}\"\n#undef main\n#define CALL example_main({arguments})\n{LATENCY}",
        example.display()
    );
    let executable = compile(directory.path(), name, &source, &[&format!("-{level}")])?;
    Invocation::new(directory.path(), executable).run()?;
    Ok(())
}
