//! The Debian package in a booted machine: installed, over Debian's own, and purged.
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests as well")]

mod support;

use std::process::Command;

use support::machine::{Machine, may_boot, text};
use support::{eventually, package, so};

const PROGRAM: &str = "[program:sleeper]\ncommand=/bin/sleep 1000\n";
const DROP_IN: &str = "/etc/systemd/system/supervisor.service.d/own.conf";

#[test]
fn lintian_has_nothing_to_say() {
    let changes = package::only(&package::built(), ".changes");
    let out = Command::new("lintian")
        .args(["--display-info", "--display-experimental", "--pedantic"])
        .arg(changes)
        .output()
        .expect("lintian (tests/support/install-deps)");
    let said = text(&out.stdout);
    // Whether machine code reads like a misspelt word differs from build to build.
    let counts =
        |line: &&str| !line.starts_with("N: ") && !line.contains("unused-override spelling-error-in-binary");
    let said: Vec<&str> = said.lines().filter(counts).collect();
    assert!(said.is_empty(), "{said:#?}\n{}", text(&out.stderr));
}

/// Files and links that are there because of us: by their names, and whatever starts services.
fn files(machine: &Machine) -> String {
    machine.sh(
        "find /etc /lib/systemd /run /usr /var -xdev -path /var/lib/dpkg/info -prune -o -path /run/runit -prune -o \
         \\( -iname '*superv*' -o -name 'pidproxy*' -o -path '/etc/systemd/*' -o -path '/etc/rc?.d/*' \\) -print | sort",
    )
}

#[test]
fn it_is_started_and_enabled_and_a_purge_leaves_nothing() {
    if !may_boot() {
        return;
    }
    let machine = Machine::bare("deb");
    let before = files(&machine);
    machine.install(&package::deb());
    assert_eq!(machine.property("ActiveState"), "active");
    assert_eq!(machine.sh("systemctl is-enabled supervisord"), "enabled\n");
    assert_eq!(machine.sh("systemctl is-active supervisor supervisord"), "active\nactive\n", "by both names");
    let main = machine.property("MainPID");
    assert_eq!(machine.ctl("pid").trim(), main);
    machine.enable_now();

    machine.write("/etc/supervisor/conf.d/sleeper.conf", PROGRAM);
    machine.sh("systemctl reload supervisord");
    let sleeper = machine.running_pid("sleeper");
    machine.install(&package::deb());
    assert_eq!(machine.property("MainPID"), main, "installed again, nothing was stopped");
    assert_eq!(machine.running_pid("sleeper"), sleeper);

    machine.sh("rm /etc/supervisor/conf.d/sleeper.conf; dpkg --purge supervisor 2>&1");
    machine.sh(&format!("! test -e /proc/{main} && ! test -e /proc/{sleeper}"));
    assert_eq!(files(&machine), before);
}

/// Upgrades to a package that differs in its version; what dpkg says.
fn upgrade(machine: &Machine, version: &str) -> String {
    let deb = package::deb();
    let name = deb.file_name().unwrap().to_str().unwrap();
    machine.sh(&format!(
        "rm -rf /tmp/deb; dpkg-deb -R /share/{name} /tmp/deb
         sed -i 's/^Version: .*/Version: {version}/' /tmp/deb/DEBIAN/control
         dpkg-deb -Zgzip -z1 -b /tmp/deb /tmp/deb.deb >&2
         dpkg --force-unsafe-io --install /tmp/deb.deb </dev/null 2>&1"
    ))
}

/// An upgrade of ours replaces the daemon, and no program notices; where it cannot, the old one goes on.
#[test]
fn an_upgrade_is_noticed_by_no_program() {
    if !may_boot() {
        return;
    }
    let machine = Machine::installed("own");
    machine.write("/etc/supervisor/conf.d/sleeper.conf", PROGRAM);
    machine.sh("systemctl reload supervisord");
    let (main, sleeper) = (machine.property("MainPID"), machine.running_pid("sleeper"));
    let is_new = || machine.sh(&format!("[ /proc/{main}/exe -ef /usr/bin/supervisord ]"));

    let said = upgrade(&machine, "5.0.1");
    assert!(said.contains(&format!("supervisor: Taken over: supervisord 5.0.0 (pid {main})\n")), "{said}");
    is_new();
    assert_eq!(machine.ctl("version"), "5.0.0\n");

    machine.write("/etc/supervisor/conf.d/broken.conf", "[program:broken]\n");
    let said = upgrade(&machine, "5.0.2");
    let old = format!("supervisor: the old supervisord (pid {main}) goes on: ERROR: not taken over, ");
    assert!(said.contains(&old) && said.contains("command"), "{said}");
    machine.sh(&format!("! [ /proc/{main}/exe -ef /usr/bin/supervisord ]"));
    machine.sh("rm /etc/supervisor/conf.d/broken.conf");
    assert_eq!(machine.ctl("reexec"), format!("Taken over: supervisord 5.0.0 (pid {main})\n"));
    is_new();

    machine.sh("mv /run/supervisor.sock /run/away");
    let said = upgrade(&machine, "5.0.3");
    assert!(
        said.contains("goes on: it does not answer where /etc/supervisor/supervisord.conf says"),
        "{said}"
    );
    machine.sh("mv /run/away /run/supervisor.sock");

    machine.forbid_starting();
    let said = upgrade(&machine, "5.0.4");
    assert!(said.contains("goes on: policy-rc.d does not allow it to be replaced"), "{said}");
    machine.sh("rm /usr/sbin/policy-rc.d");
    assert_eq!((machine.property("MainPID"), machine.running_pid("sleeper")), (main, sleeper));

    machine.sh("systemctl disable --now supervisord 2>&1");
    let said = upgrade(&machine, "5.0.5");
    assert!(!said.contains("goes on"), "{said}");
    assert_eq!(machine.property("ActiveState"), "inactive");
}

/// The tests that Debian runs on an installed package.
#[test]
fn its_own_tests_pass() {
    if !may_boot() {
        return;
    }
    let machine = Machine::installed("autopkgtest");
    for (name, script) in [
        ("version", include_str!("../debian/tests/version")),
        ("service", include_str!("../debian/tests/service")),
    ] {
        machine.write(&format!("/root/{name}"), script);
        machine.sh(&format!("sh /root/{name}"));
    }
}

#[test]
fn systemd_finds_nothing_wrong_with_its_units() {
    if !may_boot() {
        return;
    }
    let machine = Machine::boot("verify");
    machine.write("/etc/systemd/system/supervisord.socket", include_str!("../systemd/supervisord.socket"));
    let units = machine.sh("dpkg -L supervisor | grep '^/lib/systemd/system/.*\\.'");
    let units = units.replace('\n', " ") + "/etc/systemd/system/supervisord.socket";
    assert_eq!(machine.sh(&format!("systemd-analyze verify --man=no {units} 2>&1")), "");
    let user = "/usr/lib/systemd/user/supervisord.service";
    assert_eq!(
        machine.sh(&format!("XDG_RUNTIME_DIR=/run systemd-analyze verify --user --man=no {user} 2>&1")),
        ""
    );
    machine.sh("getent group supervisor");
}

/// Debian's own package, as an administrator may have it.
fn with_debians(name: &str) -> Machine {
    let machine = Machine::bare(name);
    machine.install(&package::debians());
    machine.write("/etc/supervisor/conf.d/sleeper.conf", PROGRAM);
    machine.sh("sed -i 's/^chmod=0700 .*/chmod=0770 ; ours/' /etc/supervisor/supervisord.conf");
    machine.write(DROP_IN, "[Service]\nEnvironment=OWN=yes\n");
    machine.sh("systemctl daemon-reload; systemctl restart supervisor");
    eventually("Supervisor runs its program", || {
        let status = machine.ctl("status");
        so(status.contains("RUNNING"), status.clone())
    });
    assert!(machine.sh("ls /etc/rc3.d").contains("supervisor"), "the init script has its links");
    machine
}

#[test]
fn debians_own_is_replaced_and_what_was_edited_stays() {
    if !may_boot() {
        return;
    }
    let machine = with_debians("upgrade");
    let python = machine.sh("systemctl show --value -p MainPID supervisor").trim().to_owned();
    assert!(machine.sh(&format!("cat /proc/{python}/cmdline")).contains("python"));
    let edited = machine.sh("cat /etc/supervisor/supervisord.conf");
    let sleeper = machine.running_pid("sleeper");

    let said = machine.install(&package::deb());
    assert!(!said.contains("onfiguration file"), "a question was asked:\n{said}");
    assert_eq!(machine.sh("cat /etc/supervisor/supervisord.conf"), edited);
    assert_eq!(machine.sh("ls /etc/supervisor"), "conf.d\nsupervisord.conf\n");
    assert_eq!(machine.sh("stat -c %a /run/supervisor.sock"), "770\n");

    let main = machine.property("MainPID");
    assert_eq!(machine.ctl("pid").trim(), main);
    assert_eq!(machine.sh("readlink -f /proc/$(supervisorctl pid)/exe"), "/usr/bin/supervisord\n");
    machine.sh(&format!("! test -e /proc/{python}"));
    assert_eq!(machine.running_pid("sleeper"), sleeper);
    assert_eq!(machine.sh("pgrep -cfx '/bin/sleep 1000'"), "1\n");

    assert_eq!(machine.sh("systemctl is-enabled supervisord"), "enabled\n");
    assert_eq!(machine.sh("systemctl is-active supervisor"), "active\n");
    assert!(machine.property("DropInPaths").contains(DROP_IN));
    let environment = machine.sh(&format!("tr '\\0' '\\n' </proc/{main}/environ"));
    assert!(environment.contains("OWN=yes"), "{environment}");
    assert_eq!(
        machine.sh(
            "ls -d /etc/init.d/supervisor /etc/default/supervisor /etc/rc?.d/*supervisor 2>/dev/null || true"
        ),
        ""
    );
    assert_eq!(
        machine.sh("find /etc/systemd/system -name 'supervisor*' | sort"),
        format!(
            "/etc/systemd/system/multi-user.target.wants/supervisord.service\n{}\n",
            "/etc/systemd/system/supervisor.service.d"
        )
    );
}

/// Prints numbered lines, and ends with a status when it is asked to.
const COUNT: &str = "#!/bin/sh\ntrap 'exit 37' TERM\nsleep 1000 &\nn=0\nwhile :; do n=$((n+1)); echo line $n; sleep 0.005; done\n";

/// Programs that go on from Python's daemon to ours: same pids, every line, true ends; then nothing reminds of the takeover.
#[test]
fn what_debians_own_runs_goes_on() {
    if !may_boot() {
        return;
    }
    let machine = with_debians("adopted");
    machine.write("/usr/local/bin/count", COUNT);
    let count = "[program:count]\ncommand=/usr/local/bin/count\nstdout_logfile=/var/log/count\nautorestart=false\n\
                 [program:off]\ncommand=/bin/sleep 1001\n";
    machine.write("/etc/supervisor/conf.d/count.conf", count);
    machine.sh("chmod +x /usr/local/bin/count; supervisorctl update; supervisorctl stop off");
    let pids = ["sleeper", "count"].map(|name| machine.running_pid(name));
    let python = machine.sh("supervisorctl pid").trim().to_owned();

    let said = machine.install(&package::deb());
    let expected = format!("supervisor: 2 programs taken over from supervisord 4.2.5 (pid {python})\n");
    assert!(said.contains(&expected), "{said}");
    assert_eq!(["sleeper", "count"].map(|name| machine.running_pid(name)), pids);
    assert!(machine.ctl("status off").contains("STOPPED"));
    assert_eq!(machine.ctl("pid").trim(), machine.property("MainPID"));
    assert_eq!(machine.property("KillMode"), kill_mode());
    assert_eq!(
        machine.sh("ls /run/systemd/system /run | grep -c -e '^supervisord.service.d$' -e takeover || true"),
        "0\n"
    );
    let place = machine.sh(&format!("cat /proc/{}/cgroup", pids[1]));
    assert!(place.trim().ends_with("/count:count"), "{place}");
    machine.sh(&format!("! grep -z -q SUPERVISORD_ADOPTS /proc/{}/environ", pids[0]));
    assert!(!machine.property("Environment").contains("SUPERVISORD_ADOPTS"));

    // They outlive this daemon as well.
    let main = machine.property("MainPID");
    machine.sh(&format!("kill -9 {main}"));
    eventually("another goes on", || {
        let now = machine.property("MainPID");
        so(now != main && now != "0" && machine.ctl("pid").trim() == now, now)
    });
    assert_eq!(["sleeper", "count"].map(|name| machine.running_pid(name)), pids);

    assert_eq!(machine.ctl("stop count"), "count: stopped\n");
    machine.sh("grep -q 'stopped: count (exit status 37)' /var/log/supervisor/supervisord.log");
    machine.sh("awk '$2 != NR { print NR, $0; exit 1 } END { exit NR < 10 }' /var/log/count");
    machine.sh("! pgrep -fx 'sleep 1000'");
    machine.sh("systemctl stop supervisord");
    machine.sh(&format!("! test -e /proc/{}", pids[0]));

    let machine = with_debians("changed");
    let sleeper = machine.running_pid("sleeper");
    machine.write("/etc/supervisor/conf.d/sleeper.conf", "[program:sleeper]\ncommand=/bin/sleep 1002\n");
    let said = machine.install(&package::deb());
    let expected = "supervisor: the programs restart: not taken over, everything goes on as it was: sleeper: it runs with \
                    command=/bin/sleep 1000, and the configuration says command=/bin/sleep 1002\n";
    assert!(said.contains(expected), "{said}");
    assert_ne!(machine.running_pid("sleeper"), sleeper);
    machine.sh(&format!("! test -e /proc/{sleeper}"));
}

/// As the unit says.
fn kill_mode() -> &'static str {
    let unit = include_str!("../systemd/supervisord.service");
    unit.lines().find_map(|line| line.strip_prefix("KillMode=")).unwrap()
}

#[test]
fn what_was_switched_off_stays_off() {
    if !may_boot() {
        return;
    }
    let machine = with_debians("disabled");
    machine.sh("systemctl disable --now supervisor 2>&1");
    machine.install(&package::deb());
    assert_eq!(machine.sh("systemctl is-enabled supervisord || true"), "disabled\n");
    assert_eq!(machine.property("ActiveState"), "inactive");
    machine.sh("! pgrep -x supervisord");

    let machine = with_debians("masked");
    machine.sh("systemctl mask --now supervisor 2>&1");
    machine.install(&package::deb());
    assert_eq!(machine.sh("systemctl is-enabled supervisord || true"), "masked\n");
    machine.sh("! pgrep -x supervisord");
}

#[test]
fn one_that_only_runs_goes_on_and_a_copied_unit_is_told_of() {
    if !may_boot() {
        return;
    }
    let machine = with_debians("running");
    machine.sh("systemctl disable supervisor 2>&1");
    machine.install(&package::deb());
    assert_eq!(machine.sh("systemctl is-enabled supervisord || true"), "disabled\n");
    assert_eq!(machine.property("ActiveState"), "active", "it was disabled, and it ran");
    machine.running_pid("sleeper");

    let machine = with_debians("copied");
    machine.sh("cp /lib/systemd/system/supervisor.service /etc/systemd/system/; systemctl daemon-reload");
    let said = machine.install(&package::deb());
    assert!(said.contains("is a unit of your own, and would start a second"), "{said}");
}
