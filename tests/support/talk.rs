//! A program that is talked to: on a terminal of its own, or over pipes.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Child, Command, Stdio};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::unistd::Pid;

use super::pattern::is_like;
use super::{PATIENCE, eventually};

/// A conversation. The program is gone when this is dropped.
pub struct Talk {
    child: Child,
    /// `None` when there is no more to say.
    input: Option<File>,
    output: File,
    /// What was heard and not looked at.
    heard: Vec<u8>,
}

impl Talk {
    /// Runs a command on a terminal of 80 columns, in a session of its own that it leads.
    pub fn on_terminal(command: &Command) -> Self {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(Some(&size), None).unwrap();
        let end = || Stdio::from(pair.slave.try_clone().unwrap());
        let mut leader = Command::new("setsid");
        leader.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
        leader.current_dir(command.get_current_dir().unwrap()).env_clear().env("TERM", "xterm");
        leader.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let child = leader.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let input = File::from(pair.master.try_clone().unwrap());
        Self { child, input: Some(input), output: File::from(pair.master), heard: Vec::new() }
    }

    /// Runs a command that reads from a pipe, and writes into one, its errors too.
    pub fn over_pipes(mut command: Command) -> Self {
        let (output, theirs) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
        let errors = theirs.try_clone().unwrap();
        let mut child = command.stdin(Stdio::piped()).stdout(theirs).stderr(errors).spawn().unwrap();
        let input = child.stdin.take().map(|input| File::from(OwnedFd::from(input)));
        Self { child, input, output: File::from(output), heard: Vec::new() }
    }

    /// Types.
    pub fn types(&mut self, text: &str) {
        self.input.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Says no more.
    pub fn closes(&mut self) {
        self.input = None;
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Whether the terminal shows what is typed.
    pub fn echoes(&self) -> bool {
        tcgetattr(&self.output).unwrap().local_flags.contains(LocalFlags::ECHO)
    }

    /// Waits until it sleeps, having nothing to do but wait for what is typed.
    ///
    /// Python's shell shows its prompt before it waits for a line, and does not hear a Ctrl-C between the two.
    #[track_caller]
    pub fn rests(&self) {
        let stat = format!("/proc/{}/stat", self.child.id());
        eventually("it waits for what is typed", || {
            let stat = fs::read_to_string(&stat).unwrap();
            let state = stat.rsplit_once(") ").unwrap().1;
            state.starts_with('S').then_some(()).ok_or_else(|| stat.clone())
        });
    }

    /// Reads no more of what it shows.
    pub fn turns_away(&mut self) {
        self.output = File::open("/dev/null").unwrap();
    }

    /// Waits until it shows this, and passes over it; gives what stood before it.
    #[track_caller]
    pub fn shows(&mut self, text: &str) -> String {
        loop {
            let shown = plain(&self.heard);
            if let Some(at) = shown.find(text) {
                self.heard = shown.as_bytes()[at + text.len()..].to_vec();
                return shown[..at].to_owned();
            }
            assert!(self.hears(), "it has ended without showing {text:?}; shown since: {shown:?}");
        }
    }

    /// Waits until it has ended, with this status; what it has shown since it was looked at last is like this.
    #[track_caller]
    pub fn ends(mut self, code: i32, pattern: &str) {
        while self.hears() {}
        let shown = plain(&self.heard);
        let status =
            eventually("it has ended", || self.child.try_wait().unwrap().ok_or_else(|| shown.clone()));
        assert!(is_like(&shown, pattern), "expected: {pattern:?}\nshown: {shown:?}");
        assert_eq!(status.code(), Some(code), "{shown:?}");
    }

    /// Waits for more; `false` at the end.
    #[track_caller]
    fn hears(&mut self) -> bool {
        let patience = PollTimeout::try_from(PATIENCE).unwrap();
        let come = poll(&mut [PollFd::new(self.output.as_fd(), PollFlags::POLLIN)], patience).unwrap();
        assert!(come > 0, "it says nothing more; shown since: {:?}", plain(&self.heard));
        let mut piece = [0; 4096];
        // A terminal whose program is gone cannot be read.
        let count = self.output.read(&mut piece).unwrap_or(0);
        self.heard.extend_from_slice(&piece[..count]);
        count > 0
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// As a reader sees it: without what moves the cursor.
fn plain(bytes: &[u8]) -> String {
    let mut plain = String::new();
    let text = String::from_utf8_lossy(bytes);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\r' | '\x07' => {}
            '\x1b' => {
                if letters.next() == Some('[') {
                    letters.find(char::is_ascii_alphabetic);
                }
            }
            other => plain.push(other),
        }
    }
    plain
}
