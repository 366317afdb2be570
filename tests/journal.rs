//! The journal of a booted machine: whose lines are there, what the daemon says of itself, and how that is explained.
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests as well")]

mod support;

use serde_json::Value as Json;
use support::machine::{Machine, may_boot};
use support::{eventually, so};

/// Writes what it is told to, by files that appear in `/tmp/orders`.
const PUPPET: &str = "#!/usr/bin/python3
import os, sys, time
print('up', flush=True)
print('<3>bad', flush=True)
sys.stderr.write('to stderr\\n')
os.write(1, b'x' * 300000 + b'\\n')
os.write(1, b'a\\x00\\xff\\x1bb\\n')
os.system('echo from a grandchild')
for number in range(10**9):
    print('line', number, flush=True)
    time.sleep(0.05)
";

const PROGRAMS: &str = "[program:web]
command=/usr/local/bin/puppet
numprocs=2
process_name=%(program_name)s_%(process_num)d
stdout_logfile=journal
stderr_logfile=/var/log/web.err, journal
[program:own]
command=/usr/local/bin/puppet
redirect_stderr=true
stdout_logfile=journal-stream
";

fn boot(name: &str) -> Machine {
    let machine = Machine::boot(name);
    machine.write("/usr/local/bin/puppet", PUPPET);
    machine.sh("chmod 755 /usr/local/bin/puppet");
    machine
}

/// The entries that match.
fn entries(machine: &Machine, matches: &str) -> Vec<Json> {
    let text = machine.sh(&format!("journalctl --all --no-pager -o json {matches}"));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Waits for an entry with that message.
fn entry(machine: &Machine, matches: &str, message: &str) -> Json {
    eventually(&format!("{matches} {message}"), || {
        let entries = entries(machine, matches);
        let found = entries.iter().find(|entry| entry["MESSAGE"] == message);
        found.cloned().ok_or_else(|| format!("{entries:#?}"))
    })
}

#[test]
fn lines_of_programs_are_in_the_journal_with_their_fields() {
    if !may_boot() {
        return;
    }
    let machine = boot("journal");
    machine.write("/etc/supervisor/conf.d/web.conf", PROGRAMS);
    machine.enable_now();
    let pid = machine.running_pid("web:web_0").to_string();
    let one = "SUPERVISOR_GROUP=web SUPERVISOR_PROCESS=web_0";
    let up = entry(&machine, one, "up");
    for (field, value) in [
        ("SYSLOG_IDENTIFIER", "web_0"),
        ("SUPERVISOR_STREAM", "stdout"),
        ("PRIORITY", "6"),
        ("OBJECT_PID", &pid),
        ("OBJECT_COMM", "puppet"),
        ("_SYSTEMD_UNIT", "supervisord.service"),
    ] {
        assert_eq!(up[field], value, "{field} of {up:#?}");
    }
    assert_eq!(entry(&machine, one, "bad")["PRIORITY"], "3");
    assert_eq!(entry(&machine, one, "to stderr")["SUPERVISOR_STREAM"], "stderr");
    assert_eq!(machine.sh("grep -c 'to stderr' /var/log/web.err").trim(), "2", "and beside it in the file");
    entry(&machine, one, &"x".repeat(300_000));
    entry(&machine, "SUPERVISOR_PROCESS=web_1", "up");
    let bytes = eventually("a line of bytes", || {
        let entries = entries(&machine, one);
        let found = entries.iter().find(|entry| entry["MESSAGE"].is_array());
        found.cloned().ok_or_else(|| format!("{entries:#?}"))
    });
    assert_eq!(bytes["MESSAGE"], serde_json::json!([97, 0, 255, 27, 98]));
    asked_by_clients(&machine);
    through_a_restart_of_journald(&machine, one);
    a_stream_of_its_own(&machine);
}

/// The last lines are kept for those who ask the daemon.
fn asked_by_clients(machine: &Machine) {
    eventually("tail shows the last lines", || {
        let tail = machine.ctl("tail web:web_0");
        so(tail.contains("line "), tail)
    });
    assert!(machine.ctl("describe web:web_0").contains("line "));
    let refused = machine.ctl("tail own");
    assert_eq!(refused, "own: ERROR (no log file)\n");
}

fn through_a_restart_of_journald(machine: &Machine, one: &str) {
    machine.sh("systemctl restart systemd-journald");
    let tail = machine.ctl("tail web:web_0");
    let last = tail.lines().filter_map(|line| line.strip_prefix("line ")).next_back();
    let after: u32 = last.unwrap().parse().unwrap();
    entry(machine, one, &format!("line {}", after + 40));
    let entries = entries(machine, one);
    let lines = entries.iter().filter_map(|entry| entry["MESSAGE"].as_str()?.strip_prefix("line "));
    let numbers: Vec<u32> = lines.map(|number| number.parse().unwrap()).collect();
    let expected: Vec<u32> = (0..u32::try_from(numbers.len()).unwrap()).collect();
    assert_eq!(numbers, expected, "every line, in order");
}

/// The writer's own pid, even of one that is gone; nothing of it comes to us.
fn a_stream_of_its_own(machine: &Machine) {
    let pid = machine.running_pid("own").to_string();
    let up = entry(machine, "-t own", "up");
    assert_eq!((&up["_PID"], &up["_TRANSPORT"]), (&Json::from(pid.as_str()), &Json::from("stdout")));
    assert_eq!(entry(machine, "-t own", "bad")["PRIORITY"], "3");
    entry(machine, "-t own", "to stderr");
    let grandchild = entry(machine, "-t own", "from a grandchild");
    assert_ne!(grandchild["_PID"], pid.as_str());
    assert_eq!(grandchild["_SYSTEMD_UNIT"], "supervisord.service");
}

const CATALOG: &str = include_str!("../systemd/supervisord.catalog");

const FATES: &str = "[supervisord]
logfile=journal
[program:good]
command=/bin/sleep 1000
[program:bad]
command=/bin/sh -c 'echo no config >&2; exit 3'
startretries=0
[program:nowhere]
command=/no/such/program
startretries=0
";

#[test]
fn the_main_log_is_in_the_journal_and_explained() {
    if !may_boot() {
        return;
    }
    let machine = boot("mainlog");
    machine.write("/usr/lib/systemd/catalog/supervisord.catalog", CATALOG);
    machine.sh("journalctl --update-catalog");
    machine.write("/etc/supervisor/conf.d/fates.conf", FATES);
    machine.enable_now();
    let pid = machine.running_pid("good").to_string();
    let own = "SYSLOG_IDENTIFIER=supervisord _SYSTEMD_UNIT=supervisord.service";
    let started = entry(&machine, own, &format!("spawned: 'good' with pid {pid}"));
    let main = machine.property("MainPID");
    for (field, value) in [
        ("SUPERVISOR_PROCESS", "good"),
        ("SUPERVISOR_GROUP", "good"),
        ("SUPERVISOR_PID", &pid),
        ("PRIORITY", "6"),
        ("_PID", &main),
    ] {
        assert_eq!(started[field], value, "{field} of {started:#?}");
    }
    let failed = entry(&machine, own, "exited: bad (exit status 3; not expected)");
    assert_eq!((&failed["PRIORITY"], &failed["SUPERVISOR_STATUS"]), (&"4".into(), &"exit status 3".into()));
    explained(&machine);
    machine.sh("! test -e /var/log/supervisor/supervisord.log");
    assert!(machine.ctl("maintail").contains("ERROR"), "which clients are told");
    machine.sh("systemctl restart systemd-journald");
    assert_eq!(machine.ctl("stop good"), "good: stopped\n");
    entry(&machine, own, "stopped: good (terminated by SIGTERM)");
}

/// `journalctl -x` says what an entry means, with names and causes.
fn explained(machine: &Machine) {
    let wanted = [
        "Subject: Process good of group good was started",
        &format!("{} Subject: Process bad of group bad was given up (FATAL)", '\u{2591}'),
        "it last wrote: no config",
        "Subject: Process nowhere of group nowhere could not be started",
        "can't find command '/no/such/program'",
        "supervisorctl describe nowhere:nowhere",
        "Documentation: man:supervisord(8)",
    ];
    eventually("everything is explained", || {
        let text = machine.sh("journalctl --no-pager -x SYSLOG_IDENTIFIER=supervisord");
        let missing: Vec<&str> = wanted.iter().copied().filter(|part| !text.contains(part)).collect();
        so(missing.is_empty(), format!("{missing:#?}\n{text}"))
    });
}
