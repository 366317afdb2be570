//! A Python Supervisor that systemd runs: systemd has to start ours in its place. So a helper takes everything in hand, lets
//! systemd start the service again, and gives everything to the daemon that comes.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Adoption, Findings, Giver, Obstacle};
use crate::api::Signal;
use crate::runtime::adopt::{Adoptee, Bundle};
use crate::system::errno::io_errno_words;
use crate::system::foreign::service_cgroup;
use crate::system::handover;
use crate::system::pidfd::kill_group;

/// Tells the daemon that systemd starts where it gets them.
pub(in crate::daemon) const VARIABLE: &str = "SUPERVISORD_ADOPTS";
/// What it says when it has them.
const MINE: &[u8] = b"mine\n";
/// How long it may take to come, and to say so.
const PATIENCE: Duration = Duration::from_secs(45);
/// The programs' time to end when nobody comes.
const GRACE: Duration = Duration::from_secs(10);

/// A service of systemd.
pub(super) struct Service {
    name: String,
}

fn systemctl(words: &[&str]) -> Result<String, String> {
    let run = Command::new("systemctl").args(words).stdin(Stdio::null()).output();
    let out = run.map_err(|error| format!("can't run systemctl: {}", io_errno_words(&error)))?;
    if !out.status.success() {
        let said = String::from_utf8_lossy(&out.stderr).trim().to_owned();
        return Err(format!("systemctl {}: {said}", words.join(" ")));
    }
    Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

impl Service {
    /// The service whose main process this is, and which would start us; `None`: nobody restarts it.
    pub(super) fn of(pid: i32) -> Result<Option<Self>, String> {
        if !Path::new("/run/systemd/system").exists() {
            return Ok(None);
        }
        let cgroup = service_cgroup(pid).unwrap_or_default();
        let mut parts = cgroup.iter().filter_map(|part| part.to_str());
        let Some(unit) = parts.rfind(|part| part.ends_with(".service")) else { return Ok(None) };
        if unit.starts_with("user@") || cgroup.iter().any(|part| part.to_string_lossy().starts_with("user@"))
        {
            return match unit.starts_with("user@") {
                true => Ok(None),
                false => Err(format!(
                    "it may be run by a user's own systemd as {unit}, which would end its programs"
                )),
            };
        }
        let show =
            |property: &str| systemctl(&["show", "--value", &format!("--property={property}"), "--", unit]);
        if show("MainPID")? != pid.to_string() {
            return Ok(None);
        }
        let (name, start) = (show("Id")?, show("ExecStart")?);
        let path = start.split("path=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default();
        let same =
            |one: &Path, other: &Path| Some(fs::canonicalize(one).ok()? == fs::canonicalize(other).ok()?);
        if same(Path::new(path), Path::new("/proc/self/exe")) != Some(true) {
            return Err(format!("systemd runs it as {name}, which starts {path}, and not this supervisord"));
        }
        Ok(Some(Self { name }))
    }
}

/// The service behaves otherwise for a moment.
struct Meanwhile {
    directory: PathBuf,
    /// What says so; none in a test.
    drop_in: Option<PathBuf>,
    listener: UnixListener,
}

impl Meanwhile {
    fn begin(service: &Service) -> Result<Self, String> {
        let failed = |what: &Path| {
            let what = what.display().to_string();
            move |error: io::Error| format!("can't make {what}: {}", io_errno_words(&error))
        };
        let directory = PathBuf::from(format!("/run/supervisord-takeover.{}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&directory).map_err(failed(&directory))?;
        let socket = directory.join("socket");
        let listener = UnixListener::bind(&socket).map_err(failed(&socket))?;
        let units = Path::new("/run/systemd/system").join(format!("{}.d", service.name));
        let drop_in = units.join("zz-takeover.conf");
        let meanwhile = Self { directory, drop_in: Some(drop_in.clone()), listener };
        fs::create_dir_all(&units).map_err(failed(&units))?;
        // Its end harms nobody, and is followed at once by another start, which finds us.
        let text = format!(
            "# For the length of a takeover by pid {}\n[Service]\nKillMode=process\nRestart=always\nRestartSec=20ms\n\
             RestartPreventExitStatus=\nExecStop=\nExecStopPost=\nEnvironment={VARIABLE}={}\n",
            std::process::id(),
            socket.display()
        );
        fs::write(&drop_in, text).map_err(failed(&drop_in))?;
        systemctl(&["daemon-reload"])?;
        Ok(meanwhile)
    }

    /// The daemon that comes, one after the other until one has taken everything.
    fn give(&self, text: &[u8], bundle: &Bundle) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        let mut why = "nobody came".to_owned();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let wait = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(0),
                tv_nsec: left.subsec_nanos().into(),
            };
            match poll(&mut [PollFd::new(&self.listener.as_fd(), PollFlags::IN)], Some(&wait)) {
                Err(rustix::io::Errno::INTR) => continue,
                Ok(0) | Err(_) => return Err(why),
                Ok(_) => {}
            }
            let given = self.listener.accept().and_then(|(stream, _)| give_to(stream, text, bundle));
            match given {
                Ok(()) => return Ok(()),
                Err(error) => why = format!("it did not take them: {}", io_errno_words(&error)),
            }
        }
    }
}

fn give_to(mut stream: UnixStream, text: &[u8], bundle: &Bundle) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    handover::send(&stream, text, bundle.all())?;
    let mut said = Vec::new();
    stream.read_to_end(&mut said)?;
    if said == MINE { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

impl Drop for Meanwhile {
    fn drop(&mut self) {
        let Some(drop_in) = &self.drop_in else { return };
        let _ = fs::remove_file(drop_in);
        let _ = drop_in.parent().map(fs::remove_dir);
        let _ = systemctl(&["daemon-reload"]);
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Has the service's next start take over what `take` takes in hand; what was taken over.
pub(super) fn hand_over(
    service: &Service,
    take: impl FnOnce() -> Result<Adoption, String>,
) -> Result<String, Obstacle> {
    let meanwhile = Meanwhile::begin(service).map_err(Obstacle::Lasting)?;
    let Adoption { findings, bundle, giver } = take().map_err(Obstacle::Lasting)?;
    let text = serde_json::to_vec(&findings).map_err(|error| Obstacle::Lasting(error.to_string()))?;
    giver.seal().map_err(Obstacle::Lasting)?;
    match meanwhile.give(&text, &bundle) {
        Ok(()) => Ok(findings.summary()),
        Err(why) => {
            end(&findings.adoptees, &bundle);
            let text = format!("{} starts anew, and its programs with it: {why}", service.name);
            Err(Obstacle::Over(text))
        }
    }
}

/// Nobody looks after them any more: they are started by whoever starts next.
fn end(adoptees: &[Adoptee], bundle: &Bundle) {
    let ends = adoptees.iter().filter_map(|one| Some((one, bundle.get(one.ends?.pidfd)?)));
    let alive: Vec<_> = ends.filter_map(|(one, pidfd)| Some((one.pid()?, pidfd))).collect();
    let deadline = Instant::now() + GRACE;
    for (pid, _) in &alive {
        let _ = kill_group(*pid, Signal::TERM);
    }
    for (pid, pidfd) in &alive {
        let left = deadline.saturating_duration_since(Instant::now());
        let wait = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(0),
            tv_nsec: left.subsec_nanos().into(),
        };
        if !poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&wait)).is_ok_and(|ended| ended > 0) {
            let _ = kill_group(*pid, Signal::KILL);
        }
    }
}

/// Takes what the helper has for us; `None`: it is gone, and what it had with it.
///
/// # Errors
/// When not everything arrives: the helper has it still, for the next of us that comes.
pub(in crate::daemon) fn receive(path: &str) -> Result<Option<Adoption>, String> {
    let failed = |error: io::Error| format!("can't take over what {path} has: {}", io_errno_words(&error));
    let stream = match UnixStream::connect(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        connected => connected.map_err(failed)?,
    };
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    let (text, descriptors) = handover::receive(&stream).map_err(failed)?;
    let findings: Findings = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    Ok(Some(Adoption { findings, bundle: Bundle::of(descriptors), giver: Giver::Helper(stream) }))
}

/// Tells the helper that we have everything.
pub(super) fn acknowledge(mut stream: UnixStream) -> io::Result<()> {
    stream.write_all(MINE)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::system::reexec::{in_memory, read_whole};

    fn findings() -> Findings {
        Findings { pid: 7, version: "4.2.5".to_owned(), adoptees: Vec::new(), sockets: BTreeMap::new() }
    }

    #[test]
    fn what_one_does_not_take_the_next_one_gets() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let meanwhile = Meanwhile { listener, directory: PathBuf::new(), drop_in: None };
        let mut bundle = Bundle::default();
        bundle.put(in_memory(b"a pipe").unwrap());
        let text = serde_json::to_vec(&findings()).unwrap();
        let socket = path.to_str().unwrap().to_owned();
        let daemons = std::thread::spawn(move || {
            drop(receive(&socket).unwrap());
            let adoption = receive(&socket).unwrap().unwrap();
            let Giver::Helper(stream) = adoption.giver else { panic!("nobody gave it") };
            acknowledge(stream).unwrap();
            (adoption.findings, read_whole(adoption.bundle.get(0).unwrap()).unwrap())
        });
        meanwhile.give(&text, &bundle).unwrap();
        assert_eq!(daemons.join().unwrap(), (findings(), b"a pipe".to_vec()));
    }

    #[test]
    fn where_the_helper_is_gone_the_daemon_starts_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        assert!(receive(path.to_str().unwrap()).unwrap().is_none());
        drop(UnixListener::bind(&path).unwrap());
        assert!(receive(path.to_str().unwrap()).unwrap().is_none());
    }
}
