//! The daemon on the system bus of a booted machine: polkit decides who may (docs/dbus.md).
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests as well")]

mod support;

use supervisord::dbus::table::{Interface, METHODS, Right};
use support::machine::{Machine, may_boot, text};
use support::{eventually, so};

const NAME: &str = "org.supervisord.Supervisor1";
const ROOT: &str = "/org/supervisord/Supervisor1";

const PROGRAMS: &str = "[program:web]\ncommand=/bin/sleep 1000\nnumprocs=2\nprocess_name=web_%(process_num)d\nautostart=false\n\
     [program:secret]\ncommand=/bin/sh -c 'echo the-hidden-word; exec sleep 1000'\nautostart=false\nstdout_events_enabled=true\n";

/// Deployers may do what they like with the group web.
const RULE: &str = r#"polkit.addRule(function(action, subject) {
    if (action.id == "org.supervisord.Supervisor1.manage-processes" &&
        action.lookup("group") == "web" && subject.isInGroup("deployers"))
        return polkit.Result.YES;
});
"#;

/// Somebody at the machine.
struct Person<'a> {
    machine: &'a Machine,
    name: &'static str,
}

impl Person<'_> {
    /// Runs busctl; exit status, standard output and standard error.
    fn busctl(&self, words: &[&str]) -> (bool, String, String) {
        let before = ["runuser", "-u", self.name, "--", "busctl", "--system", "--no-pager"];
        let out = self.machine.run(&[&before, words].concat());
        (out.status.success(), text(&out.stdout), text(&out.stderr))
    }

    fn call_at(
        &self,
        path: &str,
        interface: Interface,
        method: &str,
        args: &[&str],
    ) -> (bool, String, String) {
        self.busctl(&[["call", NAME, path, interface.name(), method].as_slice(), args].concat())
    }

    fn call(&self, method: &str, args: &[&str]) -> (bool, String, String) {
        self.call_at(ROOT, Interface::Manager, method, args)
    }

    #[track_caller]
    fn does(&self, method: &str, args: &[&str], answer: &str) {
        assert_eq!(
            self.call(method, args),
            (true, answer.to_owned(), String::new()),
            "{}",
            self.machine.journal()
        );
    }

    #[track_caller]
    fn may_not(&self, method: &str, args: &[&str], why: &str) {
        let (done, answer, error) = self.call(method, args);
        assert!(!done && error.contains(why), "{method}: {answer}{error}");
    }
}

const ASK: &str = "this needs authentication (org.supervisord.Supervisor1.";

fn await_name(root: &Person<'_>) {
    eventually("the name is taken", || {
        let (there, _, error) = root.call("ListProcesses", &[]);
        so(there, format!("{error}\n{}", root.machine.journal()))
    });
}

/// Root does everything; anybody looks; others do what a rule of polkit allows, and nothing without polkit.
#[test]
fn polkit_says_who_may() {
    if !may_boot() {
        return;
    }
    let machine = Machine::boot("dbus");
    machine.write("/etc/supervisor/conf.d/programs.conf", PROGRAMS);
    machine.sh("groupadd deployers; useradd --groups deployers alice; useradd bob");
    machine.enable_now();
    let person = |name| Person { machine: &machine, name };
    let (root, alice, bob) = (person("root"), person("alice"), person("bob"));
    await_name(&root);

    root_sees_and_controls(&root);
    others_may_only_look(&bob);
    a_rule_allows_what_it_says(&alice);
    without_polkit_only_root_may(&machine, &root, &alice);
    the_bus_is_found_again(&machine, &root);
}

fn root_sees_and_controls(root: &Person<'_>) {
    let (_, tree, _) = root.busctl(&["tree", "--list", NAME]);
    assert!(tree.lines().any(|line| line == format!("{ROOT}/process/web/web_5f0")), "{tree}");
    root.machine
        .sh("busctl monitor --match \"type='signal',sender='org.supervisord.Supervisor1'\" >/run/told 2>&1 &
         while ! grep -q Monitoring /run/told; do sleep 0.05; done");
    root.does("StartProcess", &["s", "secret"], "a(sss) 1 \"secret\" \"\" \"\"\n");
    root.machine.running_pid("secret");
    eventually("the transition was told, and not what the program wrote", || {
        let told = root.machine.sh("cat /run/told");
        assert!(!told.contains("hidden-word"), "{told}");
        let all =
            ["Member=ProcessStateChanged", "Member=PropertiesChanged", "PROCESS_LOG_STDOUT", "\"RUNNING\""];
        so(all.iter().all(|text| told.contains(text)), told)
    });
    eventually("the main log says who did it", || {
        let log = root.machine.sh("cat /var/log/supervisor/supervisord.log");
        so(log.contains("INFO start of 'secret' for uid 0 (pid "), log)
    });
}

fn others_may_only_look(bob: &Person<'_>) {
    let before = bob.machine.ctl("status");
    let (looked, list, error) = bob.call("ListProcesses", &[]);
    assert!(looked && list.contains("\"web:web_1\""), "{list}{error}");
    for row in METHODS.iter().filter(|row| row.right != Right::Look) {
        let path = match row.interface {
            Interface::Manager => ROOT.to_owned(),
            Interface::Group => format!("{ROOT}/group/web"),
            Interface::Process => format!("{ROOT}/process/secret/secret"),
        };
        let args: Vec<&str> = match row.signature(false).as_str() {
            "" => vec![],
            "s" if row.right == Right::Logs => vec!["s", "stdout"],
            "s" if row.name.starts_with("Signal") => vec!["s", "KILL"],
            "s" => vec!["s", "secret"],
            "ss" => vec!["ss", "secret", "KILL"],
            "as" => vec!["as", "1", "secret"],
            "ay" => vec!["ay", "1", "10"],
            "say" => vec!["say", "secret", "1", "10"],
            other => panic!("{other}"),
        };
        let (done, answer, error) = bob.call_at(&path, row.interface, row.name, &args);
        assert!(!done && error.contains(ASK), "{}: {answer}{error}", row.name);
    }
    let states =
        |status: &str| status.lines().map(|line| line[..50.min(line.len())].to_owned()).collect::<Vec<_>>();
    assert_eq!(states(&bob.machine.ctl("status")), states(&before));
    let (_, _, error) = bob.busctl(&[
        "call",
        "org.freedesktop.DBus",
        "/org/freedesktop/DBus",
        "org.freedesktop.DBus",
        "RequestName",
        "su",
        NAME,
        "0",
    ]);
    assert!(error.contains("Access denied"), "{error}");
    let asked = METHODS.iter().filter(|row| row.right != Right::Look).count();
    eventually("some refusals are said, and not all", || {
        let log = bob.machine.sh("cat /var/log/supervisor/supervisord.log");
        let refusals = log.lines().filter(|line| line.contains(" refused to uid ")).count();
        so(refusals >= 10 && refusals < asked, log)
    });
}

fn a_rule_allows_what_it_says(alice: &Person<'_>) {
    alice.may_not("StartProcess", &["s", "web:web_0"], ASK);
    alice.machine.write("/etc/polkit-1/rules.d/50-web.rules", RULE);
    eventually("polkit has read the rule", || {
        let (done, _, error) = alice.call("StartProcess", &["s", "web:web_0"]);
        so(done, error)
    });
    alice.machine.running_pid("web:web_0");
    alice.does("StopProcess", &["s", "web:*"], "a(sss) 1 \"web:web_0\" \"\" \"\"\n");
    for (method, args) in [
        ("StartProcess", ["s", "secret"].as_slice()),
        ("StopProcess", &["s", "all"]),
        ("StopAll", &[]),
        ("ClearLogs", &["as", "2", "web:web_0", "secret"]),
        ("RemoveGroup", &["s", "web"]),
        ("Shutdown", &[]),
    ] {
        alice.may_not(method, args, ASK);
    }
}

fn without_polkit_only_root_may(machine: &Machine, root: &Person<'_>, alice: &Person<'_>) {
    machine.sh("systemctl mask --runtime --now polkit");
    alice.may_not("StartProcess", &["s", "web:web_0"], "Access denied");
    root.does("StartProcess", &["s", "web:web_0"], "a(sss) 1 \"web:web_0\" \"\" \"\"\n");
    machine.sh("systemctl unmask --runtime polkit");
}

fn the_bus_is_found_again(machine: &Machine, root: &Person<'_>) {
    let (daemon, web) = (machine.property("MainPID"), machine.running_pid("web:web_0"));
    machine.sh("kill -9 $(systemctl show --value -p MainPID dbus)");
    eventually("the daemon has seen it", || {
        let log = machine.sh("cat /var/log/supervisor/supervisord.log");
        so(log.contains("INFO D-Bus: the system bus is gone; waiting for it"), log)
    });
    await_name(root);
    let now = machine.ctl("pid");
    assert_eq!((now.trim(), machine.running_pid("web:web_0")), (daemon.as_str(), web));
}
