//! What the service manager would do for us if we died: asked of it (`systemctl show`), and judged.

use std::fs;
use std::process::{Command, Stdio};

/// What of our unit keeps programs from outliving us, a line for people each; nothing where nobody can be asked. Waits for the
/// service manager: not to be called by anybody whom others wait for.
#[must_use]
pub fn missing_guarantees() -> Vec<String> {
    ask("KillMode,FileDescriptorStoreMax,Restart").map_or_else(Vec::new, |(unit, said)| judge(&unit, &said))
}

/// Whether somebody has asked for this start, and it does not merely follow a failure; `None` where nobody can be asked. Waits for
/// the service manager.
#[must_use]
pub fn was_asked_for() -> Option<bool> {
    let (_, said) = ask("NRestarts")?;
    said.trim().strip_prefix("NRestarts=").map(|count| count == "0")
}

/// What the service manager says of our unit, and that unit.
fn ask(properties: &str) -> Option<(String, String)> {
    let cgroup = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let (unit, is_users) = unit_of(&cgroup)?;
    let mut command = Command::new("systemctl");
    command.args(is_users.then_some("--user"));
    command.args(["show", "-p", properties, "--", &unit]);
    let asked = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    Some((unit, String::from_utf8_lossy(&asked.stdout).into_owned()))
}

/// The unit whose cgroup that is, and whether it is one of a user's own service manager.
fn unit_of(cgroup: &str) -> Option<(String, bool)> {
    let of =
        |hierarchy: &str| cgroup.lines().find_map(|line| line.split_once(hierarchy).map(|(_, path)| path));
    let path = of("0::").or_else(|| of(":name=systemd:"))?;
    let is_users = path.contains("/user@");
    let mut services =
        path.split('/').filter(|part| part.ends_with(".service") && !part.starts_with("user@"));
    services.next_back().map(|unit| (unit.to_owned(), is_users))
}

fn judge(unit: &str, properties: &str) -> Vec<String> {
    let wrong = |line: &str| {
        let why = match line.split_once('=')? {
            ("KillMode", "control-group" | "mixed") => "systemd would end them all",
            ("FileDescriptorStoreMax", "0") => "systemd keeps nothing for them (set it to 16)",
            ("Restart", "no" | "on-success") => "nobody would start another",
            _ => return None,
        };
        Some(format!("programs do not outlive a crash of supervisord: {line} in {unit}: {why}"))
    };
    properties.lines().filter_map(wrong).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_that_of_the_cgroup() {
        let of = |text: &str| unit_of(text).map(|(unit, is_users)| format!("{unit} {is_users}"));
        assert_eq!(
            of("0::/system.slice/supervisord.service/supervisor\n").unwrap(),
            "supervisord.service false"
        );
        assert_eq!(
            of("0::/user.slice/user-1000.slice/user@1000.service/app.slice/supervisord.service\n").unwrap(),
            "supervisord.service true"
        );
        assert_eq!(of("2:cpu:/x\n1:name=systemd:/system.slice/a.service\n").unwrap(), "a.service false");
        assert_eq!(of("1:name=systemd:/\n0::/system.slice/b.service\n").unwrap(), "b.service false");
        assert_eq!(of("0::/user.slice/user-0.slice/session-1.scope\n"), None);
        assert_eq!(of(""), None);
    }

    #[test]
    fn what_would_end_the_programs_is_told() {
        assert!(
            judge("x.service", "KillMode=process\nFileDescriptorStoreMax=16\nRestart=on-failure\n")
                .is_empty()
        );
        let told = judge("x.service", "KillMode=mixed\nFileDescriptorStoreMax=0\nRestart=no\n");
        assert_eq!(told.len(), 3);
        assert_eq!(
            told[0],
            "programs do not outlive a crash of supervisord: KillMode=mixed in x.service: systemd would end them all"
        );
        assert!(judge("x.service", "").is_empty());
    }
}
