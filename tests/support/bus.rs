//! A bus of its own for a test, and what busctl says on it.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::home::Outcome;
use super::{Daemon, Home, eventually};

/// The name of the daemon on a bus.
pub const NAME: &str = "org.supervisord.Supervisor1";
/// The path of the supervisor as a whole.
pub const ROOT: &str = "/org/supervisord/Supervisor1";

/// Room for ten thousand calls of one client.
const CONFIGURATION: &str = r#"<busconfig>
  <type>session</type>
  <listen>ADDRESS</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
  <limit name="max_incoming_bytes">1000000000</limit>
  <limit name="max_outgoing_bytes">1000000000</limit>
  <limit name="max_replies_per_connection">100000</limit>
</busconfig>
"#;

/// A running bus; gone when dropped.
pub struct Bus {
    child: Child,
    socket: PathBuf,
}

impl Bus {
    /// Starts a bus in a directory.
    #[track_caller]
    pub fn start(dir: &Path) -> Self {
        let (configuration, socket) = (dir.join("bus.conf"), socket(dir));
        let address = format!("unix:path={}", socket.display());
        fs::write(&configuration, CONFIGURATION.replace("ADDRESS", &address)).unwrap();
        let child = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", configuration.display()))
            .args(["--nofork", "--nopidfile", "--nosyslog"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("dbus-daemon: {error}: run `make deps`"));
        let bus = Self { child, socket };
        eventually("the bus answers", || UnixStream::connect(&bus.socket).map_err(|error| error.to_string()));
        bus
    }

    /// Runs busctl.
    pub fn busctl(&self, words: &[&str]) -> Outcome {
        let out = Command::new("timeout")
            .args(["-k", "1", "60", "busctl", "--no-pager", "--user"])
            .args(words)
            .env("DBUS_SESSION_BUS_ADDRESS", self.address())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Outcome {
            code: out.status.code(),
            stdout: String::from_utf8_lossy(&out.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&out.stderr).into_owned(),
            command: format!("busctl {}", words.join(" ")),
        }
    }

    /// Calls a method of the supervisor as a whole.
    pub fn call(&self, method: &str, args: &[&str]) -> Outcome {
        let interface = format!("{NAME}.Manager");
        self.busctl(&[["call", NAME, ROOT, &interface, method].as_slice(), args].concat())
    }

    /// Calls a method of the process at a path below the others.
    pub fn call_process(&self, path: &str, method: &str, args: &[&str]) -> Outcome {
        let (path, interface) = (format!("{ROOT}/process/{path}"), format!("{NAME}.Process"));
        self.busctl(&[["call", NAME, &path, &interface, method].as_slice(), args].concat())
    }

    /// Waits until somebody has the daemon's name.
    #[track_caller]
    pub fn await_name(&self) {
        eventually("the name is taken", || {
            let version = self.busctl(&["get-property", NAME, ROOT, &format!("{NAME}.Manager"), "Version"]);
            if version.code == Some(0) { Ok(()) } else { Err(version.stderr) }
        });
    }

    /// Sends a signal to it.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Its address.
    pub fn address(&self) -> String {
        format!("unix:path={}", self.socket.display())
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.socket);
    }
}

fn socket(dir: &Path) -> PathBuf {
    dir.join("bus")
}

/// Starts a daemon that looks for its bus in a directory, and waits until it is ready.
#[track_caller]
pub fn daemon_on(dir: &Path, home: Home) -> Daemon {
    let command = home.daemon_command(&["-n", "-c", "supervisord.conf"]);
    command_on(dir, home, command)
}

/// The same, with a command of its own.
#[track_caller]
pub fn command_on(dir: &Path, home: Home, mut command: Command) -> Daemon {
    command.env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", socket(dir).display()));
    command.stdout(fs::File::create(home.path("stdout")).unwrap());
    let mut daemon = Daemon::spawn_command(home, command);
    daemon.await_line(&format!("INFO supervisord started with pid {}", daemon.pid));
    daemon
}
