//! The installed programs under real systemd, each test in a booted machine of its own.
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests as well")]

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use support::machine::{Machine, may_boot, running, text};
use support::{eventually, so};

const LARAVEL_CONF: &str = include_str!("laravel/my.conf");
const ARTISAN: &str = include_str!("laravel/artisan");

/// The line without its pid and uptime, which differ from run to run.
fn columns(line: &str) -> Option<&str> {
    let (head, tail) = line.split_once("pid ")?;
    let (pid, uptime) = tail.split_once(", uptime 0:")?;
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (minutes, seconds) = uptime.split_once(':')?;
    (digits(pid) && digits(minutes) && digits(seconds) && minutes.len() == 2 && seconds.len() == 2)
        .then_some(head)
}

/// Eight queue workers, as Laravel's documentation configures them, through a working day.
#[test]
fn the_laravel_story() {
    if !may_boot() {
        return;
    }
    let machine = Machine::boot("laravel");
    machine.write("/www/myproject/artisan", ARTISAN);
    machine.write("/etc/supervisor/conf.d/my.conf", LARAVEL_CONF);
    // A supplementary group, so that it shows whether the workers get theirs.
    machine.sh("usermod --append --groups adm www-data");
    machine.enable_now();

    eight_workers_run(&machine);
    workers_are_www_data(&machine);
    a_killed_worker_comes_back(&machine);
    new_edited_and_deleted_programs(&machine);
    a_killed_daemon_leaves_its_programs(&machine);
}

fn eight_workers_run(machine: &Machine) {
    let wanted: Vec<String> =
        (0..8).map(|n| format!("{:<33}{:<10}", format!("myprogram:myprogram_0{n}"), "RUNNING")).collect();
    eventually("eight workers in Supervisor's columns", || {
        let status = machine.ctl("status");
        let lines: Vec<&str> = status.lines().map(|line| columns(line).unwrap_or(line)).collect();
        so(lines == wanted, status.clone())
    });
    assert!(machine.run(&["supervisorctl", "status"]).status.success());
}

fn workers_are_www_data(machine: &Machine) {
    let pid = machine.running_pid("myprogram:myprogram_03");
    let status = machine.sh(&format!("cat /proc/{pid}/status"));
    let field = |name: &str| -> Vec<String> {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().skip(1).map(str::to_owned).collect()
    };
    let id = |flag: &str| -> Vec<String> {
        machine.sh(&format!("id {flag} www-data")).split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(field("Uid:"), vec![id("-u").concat(); 4]);
    assert_eq!(field("Gid:"), vec![id("-g").concat(); 4]);
    let (has, should): (BTreeSet<_>, BTreeSet<_>) =
        (field("Groups:").into_iter().collect(), id("-G").into_iter().collect());
    assert_eq!(has, should);
    assert!(should.len() > 1, "{should:?}");
    assert_eq!(machine.sh(&format!("readlink /proc/{pid}/cwd")).trim(), "/www/myproject");
}

fn a_killed_worker_comes_back(machine: &Machine) {
    let name = "myprogram:myprogram_05";
    let before = machine.running_pid(name);
    machine.sh(&format!("kill -9 {before}"));
    eventually("the killed worker is back with another pid", || {
        let line = machine.status_line(name).unwrap_or_default();
        so(running(&line).is_some_and(|pid| pid != before), line)
    });
    let log = machine.sh("cat /var/log/supervisor/supervisord.log");
    let wanted = "WARN exited: myprogram_05 (terminated by SIGKILL; not expected)";
    assert!(log.contains(wanted), "{log}");
}

fn new_edited_and_deleted_programs(machine: &Machine) {
    let conf = "/etc/supervisor/conf.d/extra.conf";
    let workers = machine.ctl("pid all");
    assert_eq!(machine.ctl("reread"), "No config updates to processes\n");

    machine.write(conf, "[program:extra]\ncommand=/bin/sleep 1000\n");
    assert_eq!(machine.ctl("reread"), "extra: available\n");
    assert_eq!(machine.status_line("extra"), None, "seen is not started");
    assert_eq!(machine.ctl("update"), "extra: added process group\n");
    let first = machine.running_pid("extra");

    machine.write(conf, "[program:extra]\ncommand=/bin/sleep 2000\n");
    assert_eq!(machine.ctl("reread"), "extra: changed\n");
    assert_eq!(machine.ctl("update"), "extra: stopped\nextra: updated process group\n");
    let second = machine.running_pid("extra");
    assert_ne!(first, second);
    let command = machine.sh(&format!("tr '\\0' ' ' < /proc/{second}/cmdline"));
    assert_eq!(command, "/bin/sleep 2000 ");

    machine.sh(&format!("rm {conf}"));
    assert_eq!(machine.ctl("reread"), "extra: disappeared\n");
    assert_eq!(machine.ctl("update"), "extra: stopped\nextra: removed process group\n");
    assert_eq!(machine.status_line("extra"), None);
    machine.sh(&format!("! test -e /proc/{second}"));
    assert_eq!(machine.ctl("update"), "", "nothing to do, nothing said");
    assert_eq!(machine.ctl("pid all"), workers, "no worker was touched");
}

fn a_killed_daemon_leaves_its_programs(machine: &Machine) {
    let (before, workers) = (machine.property("MainPID"), machine.ctl("pid all"));
    machine.sh(&format!("kill -9 {before}"));
    eventually("systemd starts the daemon again, and it answers", || {
        let pid = machine.ctl("pid");
        so(pid.trim().parse::<u32>().is_ok() && pid.trim() != before, pid)
    });
    eventually("it says what it found", || {
        let journal = machine.journal();
        so(journal.contains("has died; going on with its programs"), journal.clone())
    });
    eight_workers_run(machine);
    assert_eq!(machine.ctl("pid all"), workers, "no worker has noticed");
    assert_eq!(machine.sh("pgrep --count --uid www-data").trim(), "8", "and no orphans");
    assert_eq!(machine.property("NFileDescriptorStore"), "4");
}

/// Ready when it answers, a status line for people, and an orderly end.
#[test]
fn a_citizen_of_systemd() {
    if !may_boot() {
        return;
    }
    let machine = Machine::boot("citizen");
    machine.write(
        "/etc/supervisor/conf.d/eight.conf",
        "[program:sleeper]\ncommand=/bin/sleep 1000\nnumprocs=8\n\
         process_name=%(program_name)s_%(process_num)d\n",
    );
    machine.enable_now();
    assert_eq!(machine.property("ActiveState"), "active");
    assert_eq!(machine.sh("systemctl is-enabled supervisord").trim(), "enabled");
    eventually("the status text counts them", || {
        let status = machine.property("StatusText");
        so(status.contains("8 running"), status.clone())
    });

    let pid = machine.running_pid("sleeper:sleeper_0");
    let environ = machine.sh(&format!("tr '\\0' '\\n' < /proc/{pid}/environ"));
    for name in [
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "WATCHDOG_PID",
        "LISTEN_FDS",
        "LISTEN_PID",
        "LISTEN_FDNAMES",
        "JOURNAL_STREAM",
    ] {
        let found = environ.lines().any(|line| line.split('=').next() == Some(name));
        assert!(!found, "a child must not have {name}:\n{environ}");
    }
    assert!(environ.contains("SUPERVISOR_ENABLED=1"), "{environ}");
    // The daemon has more than programs that use select(2) can do with.
    let soft = |pid: &str| {
        machine.sh(&format!("sed -n 's/^Max open files *\\([0-9]*\\).*/\\1/p' /proc/{pid}/limits"))
    };
    assert_eq!(soft(&pid.to_string()), "1024\n");
    assert_ne!(soft(&machine.property("MainPID")), "1024\n");

    // An orderly shutdown is a success, and systemd leaves it at that.
    assert_eq!(machine.ctl("shutdown"), "Shut down\n");
    eventually("it stays down", || {
        let state = machine.property("ActiveState");
        so(state == "inactive", state.clone())
    });
    assert_eq!(machine.property("Result"), "success");
    assert_eq!(machine.property("NRestarts"), "0");
    machine.sh(&format!("! test -e /proc/{pid}"));
}

/// A daemon that hangs is noticed, and replaced.
#[test]
fn the_watchdog_restarts_a_daemon_that_hangs() {
    if !may_boot() {
        return;
    }
    let machine = Machine::boot("watchdog");
    machine.drop_in("WatchdogSec=2");
    machine.write("/etc/supervisor/conf.d/one.conf", "[program:one]\ncommand=/bin/sleep 1000\n");
    machine.enable_now();
    machine.running_pid("one");
    // Longer than the watchdog's time: one that does not hang is left alone.
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(machine.property("NRestarts"), "0", "{}", machine.journal());

    let before = machine.property("MainPID");
    machine.sh(&format!("kill -STOP {before}"));
    eventually("restarted, once", || {
        let (restarts, main) = (machine.property("NRestarts"), machine.property("MainPID"));
        so(restarts == "1" && main != before && main != "0", format!("{restarts} {main}"))
    });
    eventually("and it is active", || {
        let state = machine.property("ActiveState");
        so(state == "active", state.clone())
    });
    machine.running_pid("one");
    assert_eq!(machine.property("NRestarts"), "1", "{}", machine.journal());
}

/// A program may take its `stopwaitsecs`, however short the unit's `TimeoutStopSec=` is.
#[test]
fn a_slow_program_is_waited_for() {
    if !may_boot() {
        return;
    }
    let machine = Machine::boot("slow");
    machine.drop_in("TimeoutStopSec=5");
    machine.write(
        "/usr/local/bin/slow",
        "#!/bin/sh\ntrap 'sleep 8; echo done > /var/log/orderly; exit 0' TERM\n\
         while :; do sleep 0.2; done\n",
    );
    machine.write(
        "/etc/supervisor/conf.d/slow.conf",
        "[program:slow]\ncommand=/bin/sh /usr/local/bin/slow\nstopwaitsecs=30\n",
    );
    machine.enable_now();
    machine.running_pid("slow");

    let begin = Instant::now();
    machine.sh("systemctl stop supervisord");
    let took = begin.elapsed();
    assert!(took >= Duration::from_secs(7), "stopped after {took:?}\n{}", machine.journal());
    assert_eq!(machine.sh("cat /var/log/orderly"), "done\n", "the program ended by itself");
    assert_eq!(machine.property("Result"), "success", "{}", machine.journal());
}

/// `systemctl reload` applies what has changed, and nothing else; a broken configuration fails it, with the reason.
#[test]
fn a_reload_touches_only_what_has_changed() {
    if !may_boot() {
        return;
    }
    let machine = Machine::boot("reload");
    let conf = "/etc/supervisor/conf.d/programs.conf";
    let programs = |changing: &str| {
        format!(
            "[program:same]\ncommand=/bin/sleep 1000\n[program:changing]\ncommand=/bin/sleep {changing}\n"
        )
    };
    machine.write(conf, &programs("1000"));
    machine.enable_now();
    let (same, changing) = (machine.running_pid("same"), machine.running_pid("changing"));

    machine.write(conf, &programs("2000"));
    machine.sh("systemctl reload supervisord");
    assert_ne!(machine.running_pid("changing"), changing, "it was over when systemctl returned");
    assert_eq!(machine.running_pid("same"), same);

    machine.write(conf, "[program:broken]\ncommand=/bin/sleep 1\nstartsecs=soon\n");
    let failed = machine.run(&["systemctl", "reload", "supervisord"]);
    assert!(!failed.status.success(), "{failed:?}");
    let journal = machine.journal();
    assert!(journal.contains("invalid literal for int() with base 10: 'soon'"), "{journal}");
    assert_eq!(machine.running_pid("same"), same);
    assert_eq!(machine.property("ActiveState"), "active");
}

/// systemd opens the socket; who connects before there is a daemon starts it, and is answered.
#[test]
fn a_connection_before_the_daemon_is_answered() {
    if !may_boot() {
        return;
    }
    let machine = Machine::boot("socket");
    machine.write("/etc/systemd/system/supervisord.socket", include_str!("../systemd/supervisord.socket"));
    machine.write("/etc/supervisor/conf.d/one.conf", "[program:one]\ncommand=/bin/sleep 1000\n");
    machine.sh("systemctl daemon-reload; systemctl enable --now supervisord.socket");
    assert_eq!(machine.property("ActiveState"), "inactive");

    let answered = machine.ctl("pid");
    assert_eq!(answered.trim(), machine.property("MainPID"));
    let journal = machine.journal();
    assert!(!journal.contains("stale socket"), "{journal}");
    let pid = machine.running_pid("one");
    let environ = machine.sh(&format!("tr '\\0' '\\n' < /proc/{pid}/environ; ls /proc/{pid}/fd"));
    assert!(!environ.contains("LISTEN_"), "{environ}");

    // Whoever comes between the end of one and the start of the next waits.
    machine.drop_in("ExecStartPre=/bin/sh -c 'until [ -e /run/go ]; do sleep 0.05; done'");
    let answered = machine.sh("systemctl restart --no-block supervisord
        until [ \"$(systemctl show --value -p SubState supervisord)\" = start-pre ]; do sleep 0.05; done
        supervisorctl pid > /run/answered & client=$!
        touch /run/go
        wait $client
        cat /run/answered");
    assert_eq!(answered.trim(), machine.property("MainPID"));
    machine.running_pid("one");
}

/// Whatever the daemon had to leave, the unit takes away when it stops, though systemd itself would not.
#[test]
fn a_stopped_service_leaves_nothing() {
    if !may_boot() {
        return;
    }
    let machine = Machine::boot("leftovers");
    machine.write(
        "/etc/supervisor/conf.d/leaver.conf",
        "[program:leaver]\ncommand=/bin/sh -c 'setsid sleep 1234 </dev/null >/dev/null 2>&1 & exec sleep 1000'\nleftovers=leave\n",
    );
    machine.enable_now();
    machine.running_pid("leaver");
    machine.sh("supervisorctl stop leaver; pgrep -fx 'sleep 1234'");
    machine.sh("systemctl stop supervisord");
    machine.sh("! pgrep -fx 'sleep 1234'");
    assert_eq!(machine.property("Result"), "success", "{}", machine.journal());
    machine.sh("! test -e /sys/fs/cgroup/system.slice/supervisord.service");
}

/// A package that was just installed is sound; each thing that is off is told of.
#[test]
fn the_doctor_says_what_is_off() {
    if !may_boot() {
        return;
    }
    let machine = Machine::boot("doctor");
    let down = machine.run(&["supervisorctl", "doctor"]);
    let said = text(&down.stdout);
    assert!(
        said.contains("supervisor.sock no such file") && said.contains("systemctl start supervisord"),
        "{said}"
    );
    assert_eq!(down.status.code(), Some(1), "{said}");

    machine.enable_now();
    let sound = machine.run(&["supervisorctl", "doctor"]);
    let said = text(&sound.stdout);
    // In the box there are no controllers.
    let faults: Vec<&str> =
        said.lines().filter(|line| !line.starts_with("note: ") && !line.starts_with(' ')).collect();
    assert_eq!((faults, sound.status.code()), (vec!["Nothing is off."], Some(0)), "{said}");

    machine.drop_in("KillMode=control-group\nDelegate=no");
    machine.sh("cp /lib/systemd/system/supervisord.service /etc/systemd/system/supervisor.service");
    machine.sh("systemctl daemon-reload; chmod 0777 /run/supervisor.sock");
    let off = machine.run(&["supervisorctl", "doctor"]);
    let said = text(&off.stdout);
    for name in ["KillMode: ", "Delegate: ", "second unit: ", "control socket: "] {
        assert!(said.lines().any(|line| line.starts_with(name)), "{name}\n{said}");
    }
    assert_eq!(off.status.code(), Some(1));
}

/// Another binary takes over: systemd sees the same service, with the same main process, which is alive and reachable.
#[test]
fn a_takeover_is_no_restart() {
    if !may_boot() {
        return;
    }
    let machine = Machine::boot("takeover");
    machine.write("/etc/supervisor/conf.d/x.conf", "[program:x]\ncommand=/bin/sleep 1000\nstartsecs=0\n");
    machine.enable_now();
    let shown = || machine.sh("systemctl show -p MainPID -p ActiveState -p NRestarts supervisord");
    let (before, pid) = (shown(), machine.running_pid("x"));
    for _ in 0..5 {
        let told = machine.ctl("reexec");
        assert!(told.starts_with("Taken over: supervisord 5.0.0 (pid "), "{told}");
    }
    eventually("the service is active", || so(shown() == before, shown()));
    assert!(before.contains("ActiveState=active") && before.contains("NRestarts=0"), "{before}");
    assert_eq!(machine.running_pid("x"), pid);
    let cgroup = machine.sh(&format!("cat /proc/{pid}/cgroup"));
    assert!(cgroup.contains("supervisord.service/x:x"), "{cgroup}");
    machine.ctl("restart x");
    assert_ne!(machine.running_pid("x"), pid);
}
