//! The daemon is killed, again and again, under real systemd: no program notices, and nothing that it writes is lost.
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests as well")]

mod support;

use support::machine::{Machine, may_boot};
use support::{eventually, so};

/// Numbers, a line each, as fast as a chatty program.
const PRINTER: &str = r#"$| = 1; while (1) { print ++$i, "\n"; select undef, undef, undef, 0.02 }"#;

/// Kills the daemon as often as it is told to, each time after a while that nobody knows, and waits until the next one answers.
const KILLER: &str = r#"
times=$1
for n in $(seq "$times"); do
  sleep "0.$((RANDOM % 8))$((RANDOM % 10))"
  kill -9 "$(systemctl show --value -p MainPID supervisord)"
  until supervisorctl pid >/dev/null 2>&1; do sleep 0.02; done
done
"#;

/// Starts, stops, restarts, updates and has the daemon taken over, for as long as it is let.
const BUSYBODY: &str = r#"
while [ ! -e /run/enough ]; do
  supervisorctl restart toy:toy_0 || true
  supervisorctl stop toy:toy_1 || true
  supervisorctl start toy:toy_1 || true
  sed -i "s/[0-9]*$/$((RANDOM % 1000 + 1000))/" /etc/supervisor/conf.d/edited.conf
  supervisorctl update || true
  supervisorctl reexec || true
done >/run/busybody 2>&1
"#;

/// Every line of each printer, once and in its order, however its log was rotated.
const CHECK: &str = r#"
for n in $(seq 0 $(($1 - 1))); do
  log=/var/log/supervisor/printer_$n.log
  cat $(ls -v $log.* 2>/dev/null | tac) $log | perl -ne '
    chomp; $_ eq ++$n or die "line $n is \"$_\"\n"; END { print "$n lines\n" }' || { echo "printer $n"; exit 1; }
done | awk '{ lines += $1 } END { print lines " lines" }'
"#;

fn number(name: &str, otherwise: u32) -> u32 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn a_killed_daemon_is_not_noticed_by_any_program() {
    if !may_boot() {
        return;
    }
    // `make crash`: 200 and 100.
    let (programs, kills) = (number("CRASH_PROGRAMS", 20), number("CRASHES", 10));
    let machine = Machine::boot("crash");
    machine.write("/run/printer.pl", PRINTER);
    machine.write("/run/killer", KILLER);
    machine.write("/run/busybody.sh", BUSYBODY);
    machine.write("/run/check", CHECK);
    machine.write(
        "/etc/supervisor/conf.d/printer.conf",
        &format!(
            "[program:printer]\ncommand=/usr/bin/perl /run/printer.pl\nnumprocs={programs}\nprocess_name=%(program_name)s_%(process_num)d\n\
             stdout_logfile=/var/log/supervisor/printer_%(process_num)d.log\nstdout_logfile_maxbytes=4KB\nstdout_logfile_backups=100000\n\
             [program:toy]\ncommand=/bin/sleep 1000\nnumprocs=2\nprocess_name=%(program_name)s_%(process_num)d\n"
        ),
    );
    machine.write("/etc/supervisor/conf.d/edited.conf", "[program:edited]\ncommand=/bin/sleep 1000\n");
    machine.enable_now();
    eventually("every printer runs", || {
        let status = machine.ctl("status printer:*");
        so(status.matches("RUNNING").count() == usize::try_from(programs).unwrap(), status.clone())
    });
    let pids = machine.sh("supervisorctl pid 'printer:*' | sort");
    machine.sh("systemd-run --quiet --unit=busybody --property=KillMode=control-group bash /run/busybody.sh");
    machine.sh(&format!("bash /run/killer {kills}"));
    machine.sh("touch /run/enough; while systemctl is-active --quiet busybody; do sleep 0.05; done");
    eventually("what was stopped or started is", || {
        let status = machine.ctl("status");
        so(status.matches("RUNNING").count() == usize::try_from(programs).unwrap() + 3, status.clone())
    });
    assert_eq!(machine.sh("supervisorctl pid 'printer:*' | sort"), pids, "nobody has noticed");
    assert!(machine.property("NRestarts").parse::<u32>().unwrap() >= kills);
    assert_eq!(machine.property("NFileDescriptorStore"), "4");
    assert_eq!(machine.sh("pgrep -c -x sleep").trim(), "3", "toys, and one that was edited");
    machine.sh("supervisorctl stop 'printer:*'");
    println!("{programs} programs, {kills} kills: {}", machine.sh(&format!("bash /run/check {programs}")));
    machine.sh("systemctl stop supervisord; ! pgrep -x sleep");
    assert_eq!(machine.property("NFileDescriptorStore"), "0");
}

/// What ends while nobody looks is told with its true status, and restarted by its own rule.
#[test]
fn who_dies_meanwhile_is_told_of() {
    if !may_boot() {
        return;
    }
    let machine = Machine::boot("meanwhile");
    machine.drop_in("RestartSec=2s");
    let wait = |code: u8| {
        format!("/bin/sh -c 'echo begin; until [ -e /run/go ]; do sleep 0.05; done; echo end; exit {code}'")
    };
    let program = |name: &str, code, rule| {
        format!(
            "[program:{name}]\ncommand={}\nautorestart={rule}\nstdout_logfile=/var/log/supervisor/{name}.log\n",
            wait(code)
        )
    };
    machine.write(
        "/etc/supervisor/conf.d/mortal.conf",
        &(program("gone", 7, "false")
            + &program("done", 0, "unexpected")
            + &program("again", 7, "unexpected")),
    );
    machine.enable_now();
    let again = machine.running_pid("again");
    let (gone, done) = (machine.running_pid("gone"), machine.running_pid("done"));
    machine.sh("kill -9 $(systemctl show --value -p MainPID supervisord); touch /run/go");
    machine.sh(&format!(
        "while [ -e /proc/{gone} ] || [ -e /proc/{done} ] || [ -e /proc/{again} ]; do sleep 0.05; done; rm /run/go"
    ));
    // Nobody is refused meanwhile: whoever connects waits for the next one.
    let pid = machine.ctl("pid");
    assert!(pid.trim().parse::<u32>().is_ok(), "{pid}");
    assert_ne!(machine.running_pid("again"), again);
    let log = machine.sh("cat /var/log/supervisor/supervisord.log");
    for line in ["exited: gone (exit status 7; not expected)", "exited: done (exit status 0; expected)"] {
        assert!(log.contains(line), "{line}\n{log}");
    }
    assert!(machine.status_line("gone").unwrap().contains("EXITED"));
    assert_eq!(machine.sh("cat /var/log/supervisor/gone.log"), "begin\nend\n", "its last words too");
}

/// A child that is on its way to its program when the daemon dies tells the next one what stood in its way.
#[test]
fn what_fails_before_a_program_runs_is_told_to_the_next_daemon() {
    is_told_after("on-its-way", "kill -9 $(systemctl show --value -p MainPID supervisord)");
}

#[test]
fn what_fails_before_a_program_runs_is_told_to_whoever_takes_over() {
    is_told_after("on-its-way-2", "supervisorctl reexec");
}

/// A child is held where it is born while that happens, and goes on when another daemon answers.
fn is_told_after(machine: &str, what: &str) {
    if !may_boot() {
        return;
    }
    let machine = Machine::boot(machine);
    let program = "[program:late]\ncommand=/bin/cat\ndirectory=/srv/late\nstartretries=0\n";
    machine.write("/etc/supervisor/conf.d/late.conf", program);
    machine.sh("mkdir -p /srv/late");
    machine.enable_now();
    machine.running_pid("late");
    let leaf = "/sys/fs/cgroup/system.slice/supervisord.service/late:late";
    machine.sh(&format!(
        "supervisorctl stop late; rmdir /srv/late; mkdir -p {leaf}; echo 1 > {leaf}/cgroup.freeze"
    ));
    let born = format!("until grep -q . {leaf}/cgroup.procs; do sleep 0.05; done; cat {leaf}/cgroup.procs");
    let child = machine.sh(&format!("supervisorctl start late > /dev/null 2>&1 & {born}"));
    let spawned = format!("spawned: 'late' with pid {}", child.trim());
    let said = format!("grep -q \"{spawned}\" /var/log/supervisor/supervisord.log");
    machine.sh(&format!("until {said}; do sleep 0.05; done"));
    machine.sh(what);
    let daemon = machine.ctl("pid");
    assert!(daemon.trim().parse::<u32>().is_ok(), "{daemon}");
    machine.sh(&format!("echo 0 > {leaf}/cgroup.freeze"));
    let told = machine.sh("until supervisorctl status late | grep FATAL; do sleep 0.05; done");
    assert!(told.contains("can't enter directory /srv/late: no such file or directory"), "{told}");
}

/// Where nothing is kept, the programs start anew, and the old ones do not meet them; the log has said so before.
#[test]
fn without_a_store_programs_start_anew_and_never_twice() {
    if !may_boot() {
        return;
    }
    let machine = Machine::boot("store");
    machine.drop_in("FileDescriptorStoreMax=0");
    machine.write("/etc/supervisor/conf.d/sleeper.conf", "[program:sleeper]\ncommand=/bin/sleep 1234\n");
    machine.enable_now();
    let before = machine.running_pid("sleeper");
    let log = || machine.sh("cat /var/log/supervisor/supervisord.log");
    eventually("what is off is told", || {
        let log = log();
        so(log.contains("programs do not outlive a crash of supervisord: FileDescriptorStoreMax=0"), log)
    });
    machine.sh("kill -9 $(systemctl show --value -p MainPID supervisord)");
    eventually("it runs anew", || {
        let status = machine.ctl("status sleeper");
        so(status.contains("RUNNING") && !status.contains(&format!("pid {before},")), status)
    });
    assert_eq!(machine.sh("pgrep -fxc '/bin/sleep 1234'").trim(), "1");
    assert!(log().contains("ended what a supervisord before this one had left of 1 programs"), "{}", log());
}

/// How a record may be spoilt while nobody holds it but systemd, and what is said of it.
const SPOILT: [(&str, &str); 5] = [
    ("f.write(bytes(40))", "it is of form 0, and this supervisord knows form 2"),
    ("f.write(bytes([99, 0, 0, 0]))", "it is of form 99, and this supervisord knows form 2"),
    ("f.seek(4); f.write(b'x')", "it is of another start of the machine"),
    ("f.seek(64); f.write(bytes(128))", "no state was written down yet"),
    ("f.seek(4096); f.write(bytes(os.fstat(f.fileno()).st_size - 4096))", "ground is missing"),
];

/// A record that cannot be gone on with: the programs are adopted by what else there is, and go on.
#[test]
fn a_spoilt_record_costs_no_program() {
    if !may_boot() {
        return;
    }
    let machine = Machine::boot("spoilt");
    machine.drop_in("RestartSec=1s");
    machine.write("/run/printer.pl", PRINTER);
    machine.write("/run/check", CHECK);
    machine.write(
        "/etc/supervisor/conf.d/printer.conf",
        "[program:printer]\ncommand=/usr/bin/perl /run/printer.pl\nstdout_logfile=/var/log/supervisor/printer_0.log\n\
         [inet_http_server]\nport=127.0.0.1:9001\n",
    );
    machine.enable_now();
    let pid = machine.running_pid("printer");
    let log = || machine.sh("cat /var/log/supervisor/supervisord.log");
    for (spoil, said) in SPOILT {
        let script = format!(
            // systemd may close any other in the meantime.
            "import os, glob\nfor n in glob.glob('/proc/1/fd/*'):\n  if os.path.realpath(n).startswith('/memfd:supervisord-record'):\n    \
             with open(n, 'r+b', buffering=0) as f:\n      {spoil}\n"
        );
        machine.write("/run/spoil.py", &script);
        let before = machine.property("MainPID");
        machine.sh(&format!("kill -9 {before}; python3 /run/spoil.py"));
        eventually("the next one goes on with it", || {
            let answer = machine.ctl("pid");
            so(answer.trim().parse::<u32>().is_ok() && answer.trim() != before, answer)
        });
        assert_eq!(machine.running_pid("printer"), pid, "after {spoil}\n{}", log());
        assert!(log().contains(said), "{said}\n{}", log());
        assert_eq!(machine.property("NFileDescriptorStore"), "4");
    }
    // And what was adopted outlives the next crash like everybody else.
    machine.sh("kill -9 $(systemctl show --value -p MainPID supervisord)");
    eventually("the next one goes on with it", || {
        let answer = machine.ctl("pid printer");
        so(answer.trim() == pid.to_string(), answer)
    });
    machine.sh("supervisorctl stop printer; bash /run/check 1");
}

/// A restart of the service is a new beginning, also where the daemon hangs and has to be killed for that.
#[test]
fn a_restart_that_takes_too_long_is_still_a_restart() {
    if !may_boot() {
        return;
    }
    let machine = Machine::boot("late");
    machine.drop_in("TimeoutStopSec=1s");
    machine.write(
        "/etc/supervisor/conf.d/once.conf",
        "[program:once]\ncommand=/bin/sleep 1234\nautorestart=false\n",
    );
    machine.enable_now();
    let before = machine.running_pid("once");
    machine.sh("kill -STOP $(systemctl show --value -p MainPID supervisord); systemctl restart supervisord");
    assert_ne!(machine.running_pid("once"), before);
    assert_eq!(machine.sh("pgrep -fxc '/bin/sleep 1234'").trim(), "1");
    let log = machine.sh("cat /var/log/supervisor/supervisord.log");
    assert!(!log.contains("has died"), "{log}");
}
