//! Logs that cannot be written: programs go on, what is lost is counted and said once, and the logs come back by themselves.
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests as well")]

mod support;

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::json;
use supervisord::wire::xmlrpc::Value;
use support::{Daemon, Home, PATIENCE, Subject, eventually, so};

/// Prints numbered lines of 16 bytes until it is told to stop; how many is in the file that it is given.
const PRINTER: &str = "#!/bin/sh
trap stop=1 TERM
n=0
while [ -z \"$stop\" ]; do
  i=0
  while [ $i -lt 100 ]; do n=$((n+1)) i=$((i+1)); printf '%015d\\n' $n; done
  echo $n >$1
  sleep 0.02
done
echo $n >$1
";
const LINE: u64 = 16;
const NAMES: [&str; 3] = ["a", "b", "c"];

fn printers(directory: &str) -> String {
    let one = |name: &str| {
        format!(
            "[program:{name}]\ncommand=%(here)s/printer %(here)s/{name}.count\nstartsecs=0\nredirect_stderr=true\n\
             stdout_logfile=%(here)s/{directory}/{name}.out\nstdout_logfile_maxbytes=0\n"
        )
    };
    NAMES.map(one).concat()
}

fn home(sections: &str) -> Home {
    let home = Home::with(Subject::Ours, sections);
    home.script("printer", PRINTER);
    fs::create_dir(home.path("logs")).unwrap();
    home
}

/// A daemon for which `logs` is a disk of its own, which goes with it.
struct Disk {
    daemon: Daemon,
    logs: PathBuf,
}

impl Disk {
    /// `None` where no disk can be had.
    fn start(sections: &str) -> Option<Self> {
        let home = home(sections);
        let mount = "mount -t tmpfs -o size=8m,mode=755 tmpfs logs";
        let mut command = home.mounted_command(mount, &["-n", "-s", "-c", "supervisord.conf"])?;
        command.stdout(Stdio::null());
        let daemon = Daemon::spawn_command(home, command);
        let logs = PathBuf::from(format!("/proc/{}/root{}", daemon.pid, daemon.home.path("logs").display()));
        eventually("the daemon answers", || {
            daemon
                .call("getState", &json!([]))
                .map_err(|refusal| format!("{refusal:?} {}", daemon.home.read("stderr")))
        });
        Some(Self { daemon, logs })
    }

    fn fill(&self) {
        let mut file = fs::File::create(self.logs.join("filler")).unwrap();
        let full = std::iter::repeat_with(|| file.write_all(&[0; 4096])).find_map(Result::err).unwrap();
        assert_eq!(full.raw_os_error(), Some(libc::ENOSPC));
    }

    fn free(&self) {
        fs::remove_file(self.logs.join("filler")).unwrap();
    }

    fn read(&self, name: &str) -> String {
        self.daemon.home.neutral(&fs::read(self.logs.join(name)).unwrap_or_default())
    }
}

fn printed(daemon: &Daemon, name: &str) -> u64 {
    daemon.home.read(&format!("{name}.count")).trim().parse().unwrap_or(0)
}

/// Each program prints some more.
fn await_progress(daemon: &Daemon) {
    let before = NAMES.map(|name| printed(daemon, name));
    eventually("every program goes on", || {
        let now = NAMES.map(|name| printed(daemon, name));
        so(now.iter().zip(before).all(|(now, before)| *now > before + 300), format!("{before:?} {now:?}"))
    });
}

fn dropped(daemon: &Daemon, name: &str) -> u64 {
    let details = daemon.must("getProcessDetails", json!([name]));
    let Some(Value::Double(bytes)) = details.member("stdout_dropped") else { panic!("{details:?}") };
    format!("{bytes}").parse().unwrap()
}

/// The numbered lines of a log, which must rise, and the bytes that it says are missing. Only the line before a gap may be cut.
fn lines_of(log: &str) -> (u64, u64) {
    let (mut bytes, mut missing, mut last) = (0, 0, 0);
    let lines: Vec<&str> = log.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        if let Some(rest) = line.strip_prefix("supervisord: ") {
            assert!(rest.ends_with(" bytes of output are missing here: no space left on device"), "{line}");
            missing += rest.split(' ').next().unwrap().parse::<u64>().unwrap();
            continue;
        }
        let before_gap = lines.get(at + 1).is_some_and(|next| next.starts_with("supervisord: "));
        let whole = line.len() == 15;
        assert!(whole || before_gap, "{line:?} is cut");
        bytes += u64::try_from(line.len()).unwrap() + u64::from(whole);
        if whole {
            let number = line.parse().unwrap();
            assert!(number > last, "{number} after {last}");
            last = number;
        }
    }
    (bytes, missing)
}

/// Three programs print while the disk is full: nothing waits, every byte is either written or counted, and the logs come back.
#[test]
fn a_full_disk_stops_nobody_and_every_byte_is_accounted_for() {
    let Some(disk) = Disk::start(&printers("logs")) else { return };
    let log = || disk.daemon.home.read("main.log");
    let count = |text: &str| log().matches(text).count();
    await_progress(&disk.daemon);
    disk.fill();
    let failed = |name: &str| {
        format!("ERRO cannot write to '<DIR>/logs/{name}.out', dropping output: no space left on device\n")
    };
    eventually("the full disk is said", || so(NAMES.iter().all(|name| count(&failed(name)) == 1), log()));
    let asked = Instant::now();
    let status = disk.daemon.ctl("status");
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    assert_eq!(status.stdout.matches("RUNNING").count(), 3, "{status:?}");
    await_progress(&disk.daemon);
    let so_far = NAMES.map(|name| dropped(&disk.daemon, name));
    assert!(so_far.iter().all(|bytes| *bytes > 0), "{so_far:?}");
    disk.free();
    let works = |name: &str| format!("WARN writing to '<DIR>/logs/{name}.out' works again, ");
    eventually("the logs are written again", || so(NAMES.iter().all(|name| count(&works(name)) == 1), log()));
    await_progress(&disk.daemon);
    disk.daemon.must("stopAllProcesses", json!([]));
    for name in NAMES {
        let (written, missing) = lines_of(&disk.read(&format!("{name}.out")));
        let lost = dropped(&disk.daemon, name);
        assert_eq!(
            written + lost,
            printed(&disk.daemon, name) * LINE,
            "{name}: {written} written, {lost} dropped"
        );
        assert_eq!(missing, lost, "{name}");
        assert_eq!(count(&format!("{}{lost} bytes were dropped\n", works(name))), 1, "{name}\n{}", log());
        assert_eq!(count(&failed(name)), 1, "{name}: said once\n{}", log());
    }
}

/// The main log on a full disk: the daemon works on, says so on stderr, and the log tells what is missing.
#[test]
fn a_full_disk_under_the_main_log_is_survived() {
    let sections = "[supervisord]\nlogfile=%(here)s/logs/main.log\n[program:x]\ncommand=/bin/cat\nautostart=false\nstartsecs=0\n";
    let Some(disk) = Disk::start(sections) else { return };
    disk.fill();
    let restart = || {
        disk.daemon.answers("startProcess", json!(["x"]), "true");
        disk.daemon.answers("stopProcess", json!(["x"]), "true");
    };
    let failed = "ERRO cannot write to '<DIR>/logs/main.log', dropping output: no space left on device\n";
    eventually("the full disk is said", || {
        restart();
        let told = disk.daemon.home.read("stderr");
        so(told.contains(failed), told)
    });
    disk.free();
    eventually("the main log goes on", || {
        restart();
        let log = disk.read("main.log");
        so(log.contains("WARN writing to '<DIR>/logs/main.log' works again, "), log)
    });
    let log = disk.read("main.log");
    assert!(log.contains(" bytes of output are missing here: no space left on device\n"), "{log}");
    assert!(log.lines().last().unwrap().starts_with("20"), "whole lines again: {log}");
    assert_eq!(disk.daemon.home.read("stderr").matches(failed).count(), 1);
}

/// A log that is removed is made again, one that is replaced is followed, and one whose directory is gone waits for it.
#[test]
fn a_log_that_is_removed_or_replaced_is_followed() {
    let home = home(&printers("logs").replace("/logs/c.out", "/gone/c.out"));
    fs::create_dir(home.path("gone")).unwrap();
    let daemon = Daemon::start_in(home, &[]);
    await_progress(&daemon);
    let path = |name: &str| daemon.home.path(name);
    fs::remove_file(path("logs/a.out")).unwrap();
    fs::write(path("new"), "new\n").unwrap();
    fs::rename(path("logs/b.out"), path("logs/b.out.1")).unwrap();
    fs::rename(path("new"), path("logs/b.out")).unwrap();
    fs::remove_dir_all(path("gone")).unwrap();
    for name in ["a", "b"] {
        eventually("the log goes on under its name", || {
            let log = daemon.home.read(&format!("logs/{name}.out"));
            so(log.len() > 100 && log.starts_with(if name == "b" { "new\n0" } else { "0" }), log)
        });
    }
    let log = || daemon.home.read("main.log");
    let said = "INFO '<DIR>/logs/a.out' was removed or replaced: its output goes on in a new file\n";
    eventually("it is said once", || so(log().matches(said).count() == 1, log()));
    let failed = "ERRO cannot write to '<DIR>/gone/c.out', dropping output: no such file or directory\n";
    eventually("the directory is missed", || so(log().contains(failed), log()));
    await_progress(&daemon);
    assert!(dropped(&daemon, "c") > 0);
    assert!(!path("gone").exists(), "only its owner knows how it should be");
    fs::create_dir(path("gone")).unwrap();
    eventually("the log goes on in its directory", || {
        let log = daemon.home.read("gone/c.out");
        so(log.starts_with("supervisord: ") && log.lines().count() > 10, log)
    });
    assert_eq!(log().matches(failed).count(), 1);
}

/// Whoever does not read our stdout holds up neither the programs whose log it is nor us.
#[test]
fn a_stdout_that_nobody_reads_stops_nobody() {
    let home = home(&printers("logs").replace("%(here)s/logs/a.out", "/dev/stdout"));
    let mut command = home.daemon_command(&["-n", "-c", "supervisord.conf"]);
    let (reader, writer) = io::pipe().unwrap();
    command.stdout(writer);
    let daemon = Daemon::spawn_command(home, command);
    let log = || daemon.home.read("main.log");
    let failed = "ERRO cannot write to '/dev/stdout', dropping output: its reader does not keep up\n";
    eventually("the pipe is full", || so(log().contains(failed), log()));
    await_progress(&daemon);
    assert_eq!(daemon.ctl("status").stdout.matches("RUNNING").count(), 3);
    assert!(dropped(&daemon, "a") > 0);
    drop(reader);
}

/// Whoever waits for the end of what `supervisord` prints waits no longer than until the daemon is ready.
#[test]
fn a_daemon_keeps_no_descriptor_of_whoever_started_it() {
    let home = home("");
    let mut command = home.daemon_command(&["-c", "supervisord.conf"]);
    let (mut reader, writer) = io::pipe().unwrap();
    command.stdout(writer.try_clone().unwrap()).stderr(writer);
    assert!(command.status().unwrap().success());
    drop(command);
    let pid = eventually("the pidfile is written", || {
        home.read("pid").trim().parse().map_err(|error: std::num::ParseIntError| error.to_string())
    });
    let _daemon = Daemon::adopt(home, pid);
    let mut told = [PollFd::new(reader.as_fd(), PollFlags::POLLIN)];
    let ready = poll(&mut told, PollTimeout::try_from(PATIENCE).unwrap()).unwrap();
    assert_eq!(ready, 1, "somebody still holds the other end");
    let mut printed = String::new();
    reader.read_to_string(&mut printed).unwrap();
    assert_eq!(printed, "");
}
