//! pidproxy: runs a command, and hands the signals that it gets to the daemon whose pid is in a file.
//!
//! *May import:* api, system. *Invariants:* nothing polls; no signal is lost: where the daemon cannot have it, the command gets
//! it. *Tested:* here, `tests/compliance/pidproxy.rs`, `tests/pidproxy.rs`.

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::future::{pending, poll_fn};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::task::Poll;
use std::time::Duration;

use tokio::io::unix::AsyncFd;
use tokio::runtime::Builder;
use tokio::signal::unix::{self, SignalKind};
use tokio::time::{Instant, sleep_until};

use crate::api::{Signal, WaitStatus};
use crate::system::PidFd;
use crate::system::errno::io_errno_words;

/// The signals that are handed on.
const HEARD: [Signal; 6] = [Signal::TERM, Signal::HUP, Signal::INT, Signal::USR1, Signal::USR2, Signal::QUIT];

/// Those after which the daemon is expected to end.
const ENDING: [Signal; 3] = [Signal::TERM, Signal::INT, Signal::QUIT];

/// How long the command may outlive its daemon before it is told as well.
const GRACE: Duration = Duration::from_secs(1);

/// More than any pid has.
const PIDFILE_LIMIT: u64 = 64;

/// As shells end when a program is not there, or cannot be executed.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;

/// Runs pidproxy; the first argument is the program's name.
#[must_use]
pub fn run(args: &[OsString]) -> ExitCode {
    let [_, pidfile, command @ ..] = args else { return usage(args) };
    let [word, arguments @ ..] = command else { return usage(args) };
    ExitCode::from(start(Path::new(pidfile), word, arguments).unwrap_or_else(|(code, problem)| {
        // Whoever closed our stderr is not told.
        let _ = writeln!(io::stderr(), "pidproxy: {problem}");
        code
    }))
}

fn usage(args: &[OsString]) -> ExitCode {
    let program = args.first().map_or_else(|| "pidproxy".into(), |name| name.to_string_lossy());
    say(&format!(
        "pidproxy -- run command and proxy signals to it via its pidfile.\n\n\
         This executable runs a command and then monitors a pidfile.  When this\n\
         executable receives a signal, it sends the same signal to the pid\n\
         in the pidfile.\n\n\
         Usage: {program} <pidfile name> <command> [<cmdarg1> ...]\n"
    ));
    ExitCode::FAILURE
}

fn say(text: &str) {
    // Whoever closed our stdout is not told; the signal goes on.
    let _ = writeln!(io::stdout(), "{text}");
}

/// The status of the command; or ours, and why there is none.
fn start(pidfile: &Path, word: &OsStr, arguments: &[OsString]) -> Result<u8, (u8, String)> {
    let failed = |error: io::Error| (1, io_errno_words(&error));
    let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        // Before the command runs: its end and our signals may come at once.
        let mut signals = Signals::listen().map_err(failed)?;
        let child = Command::new(program(word)).arg0(word).args(arguments).spawn();
        let child = child.map_err(|error| {
            let code = if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE };
            (code, format!("can't run {}: {}", word.display(), io_errno_words(&error)))
        })?;
        let pid = i32::try_from(child.id()).map_err(|error| (1, error.to_string()))?;
        let child = PidFd::open(pid).and_then(PidFd::in_reactor).map_err(failed)?;
        Proxy { pidfile, child, wait: Wait::Command }.follow(&mut signals).await.map_err(failed)
    })
}

/// What is executed: a file of the current directory, as Supervisor looks for it, before one of PATH.
fn program(word: &OsStr) -> PathBuf {
    let here = Path::new(".").join(word);
    let is_here =
        here.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
    if is_here { here } else { PathBuf::from(word) }
}

/// The signals that were heard, each with its stream.
struct Signals {
    heard: Vec<(Signal, unix::Signal)>,
    /// Ignored, as our parent may have it, it would lose the status of the command.
    _child: unix::Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        let one = |signal: Signal| Ok((signal, unix::signal(SignalKind::from_raw(signal.number()))?));
        let heard = HEARD.into_iter().map(one).collect::<io::Result<_>>()?;
        Ok(Self { heard, _child: unix::signal(SignalKind::child())? })
    }

    async fn next(&mut self) -> Signal {
        poll_fn(|context| {
            let mut streams = self.heard.iter_mut();
            let come =
                streams.find_map(|(signal, stream)| stream.poll_recv(context).is_ready().then_some(*signal));
            come.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// What is waited for, apart from the end of the command.
enum Wait {
    /// Nothing: when the command ends, we do.
    Command,
    /// The end of the daemon, which this signal was sent.
    Daemon(AsyncFd<PidFd>, Signal),
    /// The moment when the command, whose daemon is gone, is sent the signal too.
    Grace(Instant, Signal),
}

impl Wait {
    async fn over(&self) {
        match self {
            Self::Command => pending().await,
            // A descriptor that cannot be waited for is one that is not waited for.
            Self::Daemon(daemon, _) => drop(daemon.readable().await),
            Self::Grace(moment, _) => sleep_until(*moment).await,
        }
    }
}

struct Proxy<'a> {
    pidfile: &'a Path,
    child: AsyncFd<PidFd>,
    wait: Wait,
}

impl Proxy<'_> {
    /// Until the command has ended, and the daemon too when it was told to.
    async fn follow(mut self, signals: &mut Signals) -> io::Result<u8> {
        let mut status = None;
        loop {
            tokio::select! {
                // A signal that came before the end of the command is still handed on.
                biased;
                signal = signals.next() => self.hand_on(signal),
                ended = ended(&self.child), if status.is_none() => status = Some(ended?),
                () = self.wait.over() => self.wait = self.waited(),
            }
            match (status, &self.wait) {
                (None, _) | (Some(_), Wait::Daemon(..)) => {}
                (Some(status), Wait::Command | Wait::Grace(..)) => return Ok(code(status)),
            }
        }
    }

    fn waited(&self) -> Wait {
        match self.wait {
            Wait::Daemon(_, signal) => Wait::Grace(Instant::now() + GRACE, signal),
            Wait::Grace(_, signal) => {
                self.tell_command(signal);
                Wait::Command
            }
            Wait::Command => Wait::Command,
        }
    }

    fn hand_on(&mut self, signal: Signal) {
        let Some(pid) = read_pid(self.pidfile) else {
            say(&format!("Can't read child pidfile {}!", self.pidfile.display()));
            return self.tell_command(signal);
        };
        let sent = PidFd::open(pid).and_then(|daemon| daemon.signal(signal).map(|()| daemon));
        match sent {
            Ok(daemon) if ENDING.contains(&signal) => {
                self.wait = daemon.in_reactor().map_or(Wait::Command, |daemon| Wait::Daemon(daemon, signal));
            }
            Ok(_) => {}
            Err(error) => {
                let (file, why) = (self.pidfile.display(), io_errno_words(&error));
                say(&format!("Can't signal pid {pid} of pidfile {file}: {why}"));
                self.tell_command(signal);
            }
        }
    }

    fn tell_command(&self, signal: Signal) {
        // It may have ended just now.
        let _ = self.child.get_ref().signal(signal);
    }
}

async fn ended(child: &AsyncFd<PidFd>) -> io::Result<WaitStatus> {
    loop {
        let mut ready = child.readable().await?;
        if let Some(status) = child.get_ref().try_reap()? {
            return Ok(status);
        }
        ready.clear_ready();
    }
}

/// As shells tell it.
fn code(status: WaitStatus) -> u8 {
    let number = match status {
        WaitStatus::Exited(code) => code,
        WaitStatus::Signalled { signal, .. } => 128 + signal.number(),
        WaitStatus::Lost => 1,
    };
    u8::try_from(number).unwrap_or(u8::MAX)
}

/// The pid in a file; `None` where there is none, and for what is nobody's daemon: PID 1, ourselves, a group.
fn read_pid(file: &Path) -> Option<i32> {
    // A FIFO that nobody writes to is read as an empty file.
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(file).ok()?;
    let mut text = String::new();
    opened.take(PIDFILE_LIMIT).read_to_string(&mut text).ok()?;
    let pid: i32 = text.trim().parse().ok()?;
    (pid > 1 && u32::try_from(pid) != Ok(std::process::id())).then_some(pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pidfile_has_the_pid_of_somebody_else() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pid");
        let own = std::process::id().to_string();
        for (text, expected) in [
            ("12\n", Some(12)),
            (" 12 ", Some(12)),
            ("", None),
            ("no", None),
            ("-12", None),
            ("0", None),
            ("1", None),
            (&own, None),
            ("12 13", None),
        ] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(read_pid(&file), expected, "{text:?}");
        }
        assert_eq!(read_pid(&dir.path().join("missing")), None);
        assert_eq!(read_pid(dir.path()), None);
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(read_pid(&fifo), None);
    }

    #[test]
    fn statuses_are_those_of_shells() {
        assert_eq!(code(WaitStatus::Exited(3)), 3);
        assert_eq!(code(WaitStatus::Signalled { signal: Signal::TERM, core_dumped: false }), 143);
    }
}
