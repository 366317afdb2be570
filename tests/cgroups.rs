//! A cgroup for each program, under real systemd: stopped means empty.
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests as well")]

mod support;

use support::machine::{Machine, may_boot};
use support::{eventually, so};

/// A daemon that turns away from whoever started it, and does not listen to SIGTERM.
const STUBBORN: &str =
    "#!/bin/sh\nsetsid sh -c 'trap \"\" TERM; while :; do sleep 0.1; done' </dev/null >/dev/null 2>&1 &\n";

/// The same, but it ends when it is asked to.
const DOCILE: &str = "#!/bin/sh\nsetsid sleep 1000 </dev/null >/dev/null 2>&1 &\n";

fn machine(name: &str, programs: &str) -> Machine {
    let machine = Machine::boot(name);
    machine.write("/usr/local/bin/stubborn", STUBBORN);
    machine.write("/usr/local/bin/docile", DOCILE);
    machine.write("/etc/supervisor/conf.d/programs.conf", programs);
    machine.sh("chmod +x /usr/local/bin/stubborn /usr/local/bin/docile");
    machine.enable_now();
    machine
}

/// The processes in the cgroup of a program.
fn members(machine: &Machine, leaf: &str) -> usize {
    let path = format!("/sys/fs/cgroup/system.slice/supervisord.service/{leaf}/cgroup.procs");
    machine.sh(&format!("cat '{path}' 2>/dev/null || true")).lines().count()
}

#[test]
fn stopped_means_empty() {
    if !may_boot() {
        return;
    }
    let machine = machine(
        "cgroups",
        "[program:deaf]\ncommand=/bin/sh -c 'stubborn; exec sleep 1000'\nstopwaitsecs=1\n\
         [program:meek]\ncommand=/bin/sh -c 'docile; docile; exec sleep 1000'\nstopwaitsecs=60\n\
         [program:leaver]\ncommand=/bin/sh -c 'docile; exec sleep 1000'\nleftovers=leave\n\
         [program:limited]\ncommand=/bin/sleep 1000\nmemory_max=64M\ntasks_max=10\nlimit_nofile=100:200\nlimit_core=0\n",
    );
    for program in ["deaf", "meek", "leaver", "limited"] {
        machine.running_pid(program);
    }
    assert_eq!(members(&machine, "supervisor"), 1, "the daemon sits by itself");
    eventually("everybody is where he belongs", || {
        let counts = ["deaf:deaf", "meek:meek", "leaver:leaver"].map(|leaf| members(&machine, leaf));
        // The stubborn one is a shell that sleeps.
        so(counts[0] >= 2 && counts[1] == 3 && counts[2] == 2, format!("{counts:?}"))
    });

    // All that is in its cgroup is counted as its own, whatever has left its process group and its parents.
    let details = machine.ctl("status --json meek");
    assert!(details.contains("\"tasks\":3,") || details.contains("\"tasks\": 3,"), "{details}");

    assert_eq!(machine.ctl("stop deaf"), "deaf: stopped\n");
    assert_eq!(members(&machine, "deaf:deaf"), 0, "killed after stopwaitsecs");
    assert_eq!(machine.ctl("stop meek"), "meek: stopped\n");
    assert_eq!(members(&machine, "meek:meek"), 0, "they were asked, and went");
    assert_eq!(machine.ctl("stop leaver"), "leaver: stopped\n");
    assert_eq!(members(&machine, "leaver:leaver"), 1, "it was told to leave them");

    let limits =
        machine.sh("grep -E '^Max (open files|core)' /proc/$(supervisorctl pid limited)/limits | tr -s ' '");
    assert_eq!(limits, "Max core file size 0 0 bytes \nMax open files 100 200 files \n");
    let log = machine.sh("cat /var/log/supervisor/supervisord.log");
    // There are no controllers in the box.
    for (option, controller) in [("memory_max", "memory"), ("tasks_max", "pids")] {
        let line =
            format!("WARN {option} of 'limited' does not hold: the controller {controller} is not there\n");
        assert!(log.contains(&line), "{log}");
    }
}

#[test]
fn no_leftover_meets_the_next_instance() {
    if !may_boot() {
        return;
    }
    let machine = machine(
        "leftovers",
        "[program:deaf]\ncommand=/bin/sh -c 'stubborn; exec sleep 1000'\nstopwaitsecs=1\nautorestart=true\n\
         [program:leaver]\ncommand=/bin/sh -c 'stubborn; exec sleep 1000'\nleftovers=leave\nautorestart=true\n",
    );
    let (deaf, leaver) = (machine.running_pid("deaf"), machine.running_pid("leaver"));
    let before = machine.sh("cat '/sys/fs/cgroup/system.slice/supervisord.service/deaf:deaf/cgroup.procs'");
    machine.sh(&format!("kill -9 {deaf} {leaver}"));
    for (name, old) in [("deaf", deaf), ("leaver", leaver)] {
        eventually(&format!("{name} is back"), || {
            let new = machine.running_pid(name);
            so(new != old, machine.sh("cat /var/log/supervisor/supervisord.log"))
        });
    }
    let after = machine.sh("cat '/sys/fs/cgroup/system.slice/supervisord.service/deaf:deaf/cgroup.procs'");
    // The naps of the stubborn ones come and go; they themselves must not be the same.
    let stubborn = |pids: &str| pids.lines().nth(1).map(str::to_owned);
    assert_ne!(stubborn(&before), stubborn(&after), "{before}---\n{after}");
    let shells = machine.sh("pgrep -fc 'tra[p] \"\" TERM' || true");
    assert_eq!(shells.trim(), "3", "one of deaf, two of leaver");
    machine.sh("systemctl stop supervisord");
    assert_eq!(machine.sh("pgrep -fc 'tra[p] \"\" TERM' || true").trim(), "0");
}

#[test]
fn a_users_daemon_has_a_cgroup_for_each_program_and_is_on_the_session_bus() {
    if !may_boot() {
        return;
    }
    let machine = Machine::boot("user");
    machine.sh(
        "useradd -m -u 4321 visitor; install -d -m 700 -o visitor /run/user/4321; systemctl start user@4321",
    );
    let sections = "[unix_http_server]\nfile=/run/user/4321/s\n[supervisord]\nlogfile=/home/visitor/log\npidfile=/run/user/4321/pid\n\
         [rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n\
         [supervisorctl]\nserverurl=unix:///run/user/4321/s\n\
         [program:mine]\ncommand=/bin/sh -c 'setsid sleep 4321 & exec sleep 1000'\nstdout_logfile=NONE\nstderr_logfile=NONE\n";
    machine.write("/home/visitor/.config/supervisor/supervisord.conf", sections);
    machine.sh("chown -R visitor /home/visitor");
    let user = |command: &str| {
        machine.sh(&format!(
            "setpriv --reuid visitor --regid visitor --clear-groups env HOME=/home/visitor XDG_RUNTIME_DIR=/run/user/4321 \
             DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/4321/bus {command} 2>&1"
        ))
    };
    user("systemctl --user start supervisord");
    let ctl = |words: &str| {
        user(&format!("supervisorctl -c /home/visitor/.config/supervisor/supervisord.conf {words} || true"))
    };
    eventually("it runs", || {
        let status = ctl("status --json mine");
        so(status.contains("RUNNING") && status.contains("\"tasks\": 2"), status)
    });
    let place = "/sys/fs/cgroup/user.slice/user-4321.slice/user@4321.service/app.slice/supervisord.service";
    assert_eq!(machine.sh(&format!("cat {place}/mine:mine/cgroup.procs")).lines().count(), 2);
    assert_eq!(machine.sh(&format!("cat {place}/supervisor/cgroup.procs")).lines().count(), 1);
    let bus = user(
        "busctl --user call org.supervisord.Supervisor1 /org/supervisord/Supervisor1 \
         org.supervisord.Supervisor1.Manager StopProcess s mine",
    );
    assert_eq!(bus, "a(sss) 1 \"mine\" \"\" \"\"\n");
    assert_eq!(machine.sh("pgrep -fc 'sleep 432[1]' || true").trim(), "0", "nothing is left");
    user("systemctl --user stop supervisord");
    eventually("its cgroup is gone", || {
        let seen = machine.sh(&format!("ls -d {place} 2>/dev/null || true"));
        so(seen.is_empty(), seen)
    });
}
