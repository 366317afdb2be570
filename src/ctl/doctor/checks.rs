//! What may be off, in a table: each row knows the facts and says, in plain words, what is wrong and what helps.

use super::facts::{Facts, Unit};

/// What is wrong, and what helps.
pub(super) type Finding = (String, String);

/// What is looked at, and what it finds.
pub(super) struct Check {
    /// What it is about.
    pub(super) name: &'static str,
    /// Whether it is a fault, or only good to know.
    pub(super) fault: bool,
    pub(super) find: fn(&Facts) -> Option<Finding>,
}

const fn fault(name: &'static str, find: fn(&Facts) -> Option<Finding>) -> Check {
    Check { name, fault: true, find }
}

const fn note(name: &'static str, find: fn(&Facts) -> Option<Finding>) -> Check {
    Check { name, fault: false, find }
}

/// Others may write.
const WORLD_WRITABLE: u32 = 0o002;

/// Controllers without which limits cannot be set.
const WANTED: [&str; 3] = ["cpu", "memory", "pids"];

/// A reload of the unit's settings.
const RELOAD: &str = "systemctl daemon-reload";
/// How it should be.
const KILL_MODE: &str = "take KillMode= out of the drop-in, or set it to process";

pub(super) const CHECKS: &[Check] = &[
    fault("daemon", unreachable),
    note("configuration", warned),
    fault("Supervisor in Python", python),
    fault("unit", unit_missing),
    fault("second unit", copied),
    fault("main process", not_the_units),
    fault("daemon-reload", stale),
    fault("KillMode", kill_mode),
    fault("FileDescriptorStoreMax", store),
    fault("Delegate", delegate),
    fault("TimeoutStopSec", stop_time),
    fault("control socket", open_socket),
    fault("cgroups", cgroup_v1),
    fault("polkit", deaf_polkit),
    note("controllers", no_controllers),
    note("bus", bus),
];

fn finding(problem: impl Into<String>, help: impl Into<String>) -> Option<Finding> {
    Some((problem.into(), help.into()))
}

fn loaded(facts: &Facts) -> Option<&Unit> {
    facts.unit.as_ref().filter(|unit| unit.get("LoadState") == "loaded")
}

fn runs(unit: &Unit) -> bool {
    matches!(unit.get("ActiveState"), "active" | "reloading" | "activating" | "deactivating")
}

fn unreachable(facts: &Facts) -> Option<Finding> {
    let why = facts.unreachable.as_ref()?;
    let help = match loaded(facts) {
        Some(unit) if !runs(unit) => {
            "systemctl start supervisord; what it said is in journalctl -u supervisord"
        }
        Some(_) => {
            "is it the socket of this daemon? Compare serverurl= in [supervisorctl] with file= in [unix_http_server]"
        }
        None => "start supervisord, or name its configuration with -c",
    };
    finding(why.clone(), help)
}

fn warned(facts: &Facts) -> Option<Finding> {
    let first = facts.warnings.first()?;
    let more = facts.warnings.len() - 1;
    let others = if more == 0 { String::new() } else { format!(" (and {more} more)") };
    finding(format!("{first}{others}"), "supervisord --check -c FILE tells everything, with the remedy")
}

fn python(facts: &Facts) -> Option<Finding> {
    let pid = facts.python.first()?;
    finding(
        format!("a Supervisor in Python runs as well, with pid {pid}: programs may run twice"),
        "end it with its own supervisorctl shutdown, and see what starts it",
    )
}

fn unit_missing(facts: &Facts) -> Option<Finding> {
    let unit = facts.unit.as_ref().filter(|_| facts.systemd)?;
    match unit.get("LoadState") {
        "loaded" => None,
        "masked" => {
            finding("supervisord.service is masked, and cannot be started", "systemctl unmask supervisord")
        }
        state => finding(
            format!("systemd has no unit supervisord.service ({state})"),
            "install the package, or systemd/supervisord.service",
        ),
    }
}

fn copied(facts: &Facts) -> Option<Finding> {
    let path = facts.copied_unit.as_ref()?;
    finding(
        format!("{} is a second unit, which starts a second supervisord", path.display()),
        "remove it, and make what it changes a drop-in: systemctl edit supervisord",
    )
}

fn not_the_units(facts: &Facts) -> Option<Finding> {
    let unit = loaded(facts)?;
    let (daemon, main) = (facts.daemon_pid?, unit.get("MainPID"));
    if main == daemon.to_string() {
        return None;
    }
    finding(
        format!(
            "the daemon that answers has pid {daemon}, and is not that of supervisord.service (pid {main})"
        ),
        "somebody has started it by hand: supervisorctl shutdown, then systemctl start supervisord",
    )
}

fn stale(facts: &Facts) -> Option<Finding> {
    let stale = loaded(facts)?.get("NeedDaemonReload") == "yes";
    stale.then(|| ("the unit was changed, and systemd has not read it since".to_owned(), RELOAD.to_owned()))
}

fn kill_mode(facts: &Facts) -> Option<Finding> {
    match loaded(facts)?.get("KillMode") {
        "control-group" => finding(
            "KillMode=control-group: at a stop systemd signals every program itself, whatever its stopsignal and its priority, and \
             when supervisord crashes it ends them all",
            KILL_MODE,
        ),
        "mixed" => finding("KillMode=mixed: when supervisord crashes, systemd ends all programs", KILL_MODE),
        "none" => finding("KillMode=none: a daemon that hangs is never ended", KILL_MODE),
        _ => None,
    }
}

fn store(facts: &Facts) -> Option<Finding> {
    (loaded(facts)?.get("FileDescriptorStoreMax") == "0").then(|| {
        (
            "FileDescriptorStoreMax=0: systemd keeps nothing for supervisord, and when it crashes, all programs start anew"
                .to_owned(),
            "set FileDescriptorStoreMax=16 in a drop-in: systemctl edit supervisord".to_owned(),
        )
    })
}

fn delegate(facts: &Facts) -> Option<Finding> {
    let unit = loaded(facts)?;
    (facts.cgroup2 && unit.get("Delegate") == "no").then(|| {
        (
            "Delegate=no: programs get no cgroups of their own, so that what leaves their process group outlives them".to_owned(),
            "set Delegate=yes: systemctl edit supervisord".to_owned(),
        )
    })
}

fn stop_time(facts: &Facts) -> Option<Finding> {
    let unit = loaded(facts)?;
    // A daemon that notifies asks for more time.
    if unit.get("Type").starts_with("notify") {
        return None;
    }
    let limit = seconds(unit.get("TimeoutStopUSec"))?;
    let (wanted, whose) = facts.longest_stop.as_ref()?;
    (*wanted >= limit).then(|| {
        (
            format!(
                "TimeoutStopSec= is {limit} s, and {whose} may take {wanted} s to stop: it would be killed"
            ),
            "set Type=notify, or a larger TimeoutStopSec=".to_owned(),
        )
    })
}

/// As `systemctl show` writes a time: `1min 30s`; `None`: for ever.
fn seconds(text: &str) -> Option<u64> {
    let mut total = 0;
    for word in text.split_whitespace() {
        let digits = word.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = word.get(..digits)?.parse().ok()?;
        total += match word.get(digits..)? {
            "us" | "ms" => 0,
            "s" => number,
            "min" => number * 60,
            "h" => number * 3600,
            "d" => number * 86_400,
            _ => return None,
        };
    }
    (!text.is_empty()).then_some(total)
}

fn open_socket(facts: &Facts) -> Option<Finding> {
    let socket = facts.socket.as_ref()?;
    let mode = socket.mode.filter(|mode| mode & WORLD_WRITABLE != 0)?;
    finding(
        format!(
            "everybody on this machine may control programs through {} (mode {mode:04o})",
            socket.path.display()
        ),
        "set chmod=0700 in [unix_http_server], or 0770 with chown=root:supervisor",
    )
}

fn cgroup_v1(facts: &Facts) -> Option<Finding> {
    (facts.systemd && !facts.cgroup2).then(|| {
        (
            "this machine has the old cgroups (version 1): what leaves its process group outlives its program".to_owned(),
            "boot with systemd.unified_cgroup_hierarchy=1".to_owned(),
        )
    })
}

fn no_controllers(facts: &Facts) -> Option<Finding> {
    let there = facts.controllers.as_ref().filter(|_| facts.cgroup2)?;
    let missing: Vec<&str> =
        WANTED.into_iter().filter(|wanted| !there.iter().any(|controller| controller == wanted)).collect();
    if missing.is_empty() {
        return None;
    }
    finding(
        format!(
            "limits (memory_max, cpu_quota, tasks_max) cannot be set: no controller {}",
            missing.join(", ")
        ),
        "Delegate=yes in the unit; in a container, whoever runs it must give them",
    )
}

/// It is there, and cannot be reached: everybody is refused, whatever the rules say.
fn deaf_polkit(facts: &Facts) -> Option<Finding> {
    let polkit = facts.polkit_unit.as_ref().filter(|_| facts.bus && facts.polkit)?;
    let (what, help) = if polkit.get("LoadState") == "masked" {
        ("is masked", "systemctl unmask polkit")
    } else if polkit.get("ActiveState") == "failed" {
        ("has failed", "see: systemctl status polkit")
    } else {
        return None;
    };
    finding(
        format!("polkit.service {what}: over D-Bus only root and the daemon's own user may change anything"),
        help,
    )
}

fn bus(facts: &Facts) -> Option<Finding> {
    if !facts.systemd {
        return None;
    }
    if !facts.bus {
        return finding(
            "there is no system bus: nobody reaches the daemon over D-Bus",
            "install dbus, if you want it",
        );
    }
    if !facts.bus_policy {
        return finding(
            "the bus has no policy for org.supervisord.Supervisor1: the daemon may not have its name",
            "install systemd/org.supervisord.Supervisor1.conf to /usr/share/dbus-1/system.d",
        );
    }
    (!facts.polkit).then(|| {
        (
            "there is no polkit: over D-Bus only root and the daemon's own user may change anything"
                .to_owned(),
            "install polkitd, if others should".to_owned(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::doctor::facts::SocketFile;

    const SOUND: &str = "LoadState=loaded\nActiveState=active\nMainPID=7\nType=notify\nKillMode=process\nFileDescriptorStoreMax=16\nDelegate=yes\n\
                         TimeoutStopUSec=30s\nNeedDaemonReload=no\n";

    /// A machine on which nothing is off.
    fn sound() -> Facts {
        Facts {
            systemd: true,
            unit: Some(Unit::parse(SOUND)),
            daemon_pid: Some(7),
            longest_stop: Some((3600, "slow".into())),
            socket: Some(SocketFile { path: "/run/s".into(), mode: Some(0o700) }),
            cgroup2: true,
            controllers: Some(["cpu", "memory", "pids"].map(str::to_owned).to_vec()),
            bus: true,
            bus_policy: true,
            polkit: true,
            ..Facts::default()
        }
    }

    /// The names of what is found, and the problems.
    fn found(facts: &Facts) -> Vec<(&'static str, String)> {
        CHECKS.iter().filter_map(|check| Some((check.name, (check.find)(facts)?.0))).collect()
    }

    fn with(change: impl FnOnce(&mut Facts)) -> Facts {
        let mut facts = sound();
        change(&mut facts);
        facts
    }

    fn unit(change: &str) -> Facts {
        with(|facts| facts.unit = Some(Unit::parse(&format!("{change}\n{SOUND}"))))
    }

    #[test]
    fn nothing_is_found_where_nothing_is_off() {
        assert_eq!(found(&sound()), []);
        // Without systemd, and without a daemon of ours that tells more.
        assert_eq!(found(&Facts::default()), []);
    }

    #[test]
    fn each_check_finds_what_it_is_for() {
        let socket = |mode| with(|facts| facts.socket = Some(SocketFile { path: "/run/s".into(), mode }));
        let cases = [
            (
                "daemon",
                with(|facts| facts.unreachable = Some("unix:///s no such file".into())),
                "no such file",
            ),
            (
                "configuration",
                with(|facts| facts.warnings = vec!["one".into(), "two".into()]),
                "one (and 1 more)",
            ),
            ("Supervisor in Python", with(|facts| facts.python = vec![12]), "with pid 12"),
            ("unit", unit("LoadState=masked"), "masked"),
            ("unit", unit("LoadState=not-found"), "(not-found)"),
            (
                "second unit",
                with(|facts| facts.copied_unit = Some("/etc/u".into())),
                "/etc/u is a second unit",
            ),
            ("main process", with(|facts| facts.daemon_pid = Some(8)), "has pid 8, and is not that"),
            ("daemon-reload", unit("NeedDaemonReload=yes"), "has not read it"),
            ("KillMode", unit("KillMode=control-group"), "signals every program itself"),
            ("KillMode", unit("KillMode=none"), "never ended"),
            ("KillMode", unit("KillMode=mixed"), "ends all programs"),
            ("FileDescriptorStoreMax", unit("FileDescriptorStoreMax=0"), "start anew"),
            ("Delegate", unit("Delegate=no"), "no cgroups of their own"),
            (
                "TimeoutStopSec",
                unit("Type=simple\nTimeoutStopUSec=1min 30s"),
                "is 90 s, and slow may take 3600 s",
            ),
            ("control socket", socket(Some(0o777)), "/run/s (mode 0777)"),
            ("cgroups", with(|facts| facts.cgroup2 = false), "version 1"),
            (
                "controllers",
                with(|facts| facts.controllers = Some(vec!["cpu".into()])),
                "no controller memory, pids",
            ),
            ("bus", with(|facts| facts.bus = false), "no system bus"),
            ("bus", with(|facts| facts.bus_policy = false), "no policy"),
            ("bus", with(|facts| facts.polkit = false), "no polkit"),
            (
                "polkit",
                with(|facts| facts.polkit_unit = Some(Unit::parse("LoadState=masked\n"))),
                "polkit.service is masked",
            ),
            (
                "polkit",
                with(|facts| {
                    facts.polkit_unit = Some(Unit::parse("LoadState=loaded\nActiveState=failed\n"));
                }),
                "polkit.service has failed",
            ),
        ];
        for (name, facts, words) in cases {
            let all = found(&facts);
            assert!(all.len() == 1 && all[0].0 == name && all[0].1.contains(words), "{name}: {all:?}");
        }
        assert_eq!(found(&socket(None)), [], "it is the daemon that does not answer");
        assert_eq!(found(&unit("Type=simple\nTimeoutStopUSec=infinity")), []);
    }

    #[test]
    fn a_daemon_that_is_down_is_told_how_to_start() {
        let mut facts = unit("ActiveState=inactive");
        facts.unreachable = Some("refused".into());
        let (_, help) = unreachable(&facts).unwrap();
        assert!(help.starts_with("systemctl start supervisord"), "{help}");
    }
}
