//! The daemon on a bus of its own: what is seen, done, told and refused (docs/dbus.md).
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests as well")]

mod support;

use std::collections::HashMap;
use std::future::poll_fn;
use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::pin::Pin;
use std::{fs, thread};

use futures_core::Stream as _;
use nix::sys::signal::Signal;
use serde_json::json;
use support::bus::{Bus, NAME, ROOT, command_on, daemon_on};
use support::{Daemon, Home, PATIENCE, Subject, eventually, so};
use zbus::message::{Flags, Type};
use zbus::{Connection, MatchRule, Message, MessageStream, OwnedVariant};

const PROGRAMS: &str = "[supervisord]\ndbus=session\n\
     [program:cat]\ncommand=/bin/cat\nautostart=false\n\
     [program:web]\ncommand=/bin/cat\nautostart=false\nstartsecs=0\nnumprocs=2\nprocess_name=w-%(process_num)d\n\
     [program:bad]\ncommand=/bin/false\nautostart=false\nstartretries=0\n";

/// A daemon with these programs, and the bus on which it is.
fn on_a_bus(sections: &str) -> (Bus, Daemon) {
    let home = Home::with(Subject::Ours, sections);
    let dir = home.dir().to_owned();
    let bus = Bus::start(&dir);
    let daemon = daemon_on(&dir, home);
    bus.await_name();
    (bus, daemon)
}

/// Runs with a connection of a client.
fn client<T>(bus: &Bus, work: impl AsyncFnOnce(Connection) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let builder = zbus::connection::Builder::address(bus.address().as_str());
        work(builder.build().await.unwrap()).await
    })
}

async fn next(stream: &mut MessageStream) -> Message {
    let next = poll_fn(|context| Pin::new(&mut *stream).poll_next(context));
    tokio::time::timeout(PATIENCE, next).await.expect("a message in time").unwrap().unwrap()
}

/// The object tree is that of the groups and processes, and properties say how they are.
#[test]
fn programs_are_seen() {
    let (bus, daemon) = on_a_bus(PROGRAMS);
    let tree = bus.busctl(&["tree", "--list", NAME]);
    for path in
        ["", "/group/web", "/process/web", "/process/web/w_2d0", "/process/web/w_2d1", "/process/cat/cat"]
    {
        assert!(tree.stdout.lines().any(|line| line == format!("{ROOT}{path}")), "{path} in {}", tree.stdout);
    }
    let list = bus.call("ListProcesses", &[]);
    list.says(
        0,
        "a(sosu) 4 \"bad\" \"/org/supervisord/Supervisor1/process/bad/bad\" \"STOPPED\" 0 \
         \"cat\" \"/org/supervisord/Supervisor1/process/cat/cat\" \"STOPPED\" 0 \
         \"web:w-0\" \"/org/supervisord/Supervisor1/process/web/w_2d0\" \"STOPPED\" 0 \
         \"web:w-1\" \"/org/supervisord/Supervisor1/process/web/w_2d1\" \"STOPPED\" 0\n",
    );
    bus.call("GetProcess", &["s", "web:w-1"]).says(0, &format!("o \"{ROOT}/process/web/w_2d1\"\n"));
    bus.call("GetGroup", &["s", "web"]).says(0, &format!("o \"{ROOT}/group/web\"\n"));
    bus.call("GetProcess", &["s", "web:*"]).complains(1, "Call failed: BAD_NAME: web:*\n");
    bus.call("GetGroup", &["s", "no"]).complains(1, "Call failed: BAD_NAME: no\n");

    let manager = format!("{NAME}.Manager");
    let get =
        |names: &[&str]| bus.busctl(&[["get-property", NAME, ROOT, &manager].as_slice(), names].concat());
    get(&["State", "PID", "NStopped", "NRunning", "Identifier"])
        .says(0, &format!("s \"RUNNING\"\nu {}\nu 4\nu 0\ns \"supervisor\"\n", daemon.pid));
    let set = bus.busctl(&["set-property", NAME, ROOT, &manager, "State", "s", "x"]);
    assert!(set.stderr.contains("State can only be read"), "{set:?}");
    let introspect = bus.busctl(&["introspect", "--list", NAME, &format!("{ROOT}/process/cat/cat")]);
    for line in [".OpenLog", ".StartWithFlags", ".MemoryCurrent"] {
        assert!(introspect.stdout.contains(line), "{line} in {}", introspect.stdout);
    }
    let nobody = bus.busctl(&["introspect", NAME, &format!("{ROOT}/process/cat/dog")]);
    assert!(nobody.stderr.contains("there is no object"), "{nobody:?}");
}

/// Calls answer when the state is reached, names mean what they mean to supervisorctl, and every refusal has its name.
#[test]
fn programs_are_controlled() {
    let (bus, daemon) = on_a_bus(PROGRAMS);
    bus.call("StartProcess", &["s", "cat"]).says(0, "a(sss) 1 \"cat\" \"\" \"\"\n");
    daemon.await_state("cat", "RUNNING");
    let before = daemon.pid_of("cat");
    bus.call("StartProcess", &["s", "cat"]).complains(1, "Call failed: ALREADY_STARTED: cat\n");
    bus.call("RestartProcess", &["s", "cat"]).says(0, "a(sss) 1 \"cat\" \"\" \"\"\n");
    assert_ne!(daemon.pid_of("cat"), before);
    bus.call_process("cat/cat", "Stop", &[]).says(0, "");
    bus.call_process("cat/cat", "Stop", &[]).complains(1, "Call failed: NOT_RUNNING: cat\n");
    bus.call_process("cat/dog", "Start", &[]).complains(1, "Call failed: BAD_NAME: cat:dog\n");
    bus.call("StartProcess", &["s", "bad"]).complains(1, "Call failed: <ANY>: bad\n");

    let both = "a(sss) 2 \"web:w-0\" \"\" \"\" \"web:w-1\" \"\" \"\"\n";
    bus.call("StartProcessWithFlags", &["sas", "web:*", "1", "no-wait"]).says(0, both);
    bus.call("SignalGroup", &["ss", "web", "TERM"]).says(0, both);
    bus.call("SignalProcess", &["ss", "web:w-0", "NOPE"]).complains(1, "Call failed: BAD_SIGNAL: NOPE\n");
    bus.call("StopProcess", &["s", "all"]).says(0, "a(sss) <ANY>\n");
    bus.call("StartAllWithFlags", &["as", "1", "soon"])
        .complains(1, "Call failed: BAD_ARGUMENTS: there is no flag 'soon', only 'no-wait'\n");
    bus.call("StartProcess", &["u", "7"])
        .complains(1, "Call failed: StartProcess takes arguments of type 's', not 'u'\n");
    bus.call("Nothing", &[]).complains(1, "Call failed: there is no method Nothing\n");

    let name = client(&bus, async |connection| {
        let interface = format!("{NAME}.Manager");
        let call = connection.call_method(Some(NAME), ROOT, Some(interface.as_str()), "StartProcess", &"no");
        match call.await.unwrap_err() {
            zbus::Error::MethodError(name, text, _) => (name.to_string(), text.unwrap()),
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(name, (format!("{NAME}.Error.BadName"), "BAD_NAME: no".to_owned()));
    for line in ["start of 'cat' requested by uid ", "over D-Bus: done\n", "over D-Bus: BAD_NAME: no\n"] {
        eventually(&format!("the main log says {line:?}"), || {
            let log = daemon.home.read("main.log");
            so(log.contains(line), log)
        });
    }
}

/// A log is handed over as a descriptor that cannot be written to; a stdin takes bytes.
#[test]
fn a_log_is_handed_over() {
    let (bus, daemon) =
        on_a_bus(&format!("{PROGRAMS}stdout_logfile=NONE\nstderr_logfile=%(here)s/bad.err\n"));
    bus.call_process("cat/cat", "Start", &[]).says(0, "");
    bus.call("SendStdin", &["say", "cat", "3", "104", "105", "10"]).says(0, "");
    daemon.await_log_of("cat", "hi\n");
    let (text, writable) = client(&bus, async |connection| {
        let (path, interface) = (format!("{ROOT}/process/cat/cat"), format!("{NAME}.Process"));
        let call =
            connection.call_method(Some(NAME), path.as_str(), Some(interface.as_str()), "OpenLog", &"stdout");
        let reply = call.await.unwrap();
        let descriptor: zbus::OwnedFd = reply.body().deserialize().unwrap();
        let mut file = fs::File::from(std::os::fd::OwnedFd::from(descriptor));
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        (text, std::io::Write::write(&mut file, b"x").is_ok())
    });
    assert_eq!((text.as_str(), writable), ("hi\n", false));
    bus.call_process("bad/bad", "OpenLog", &["s", "stdout"]).complains(1, "Call failed: NO_FILE: bad\n");
    bus.call_process("cat/cat", "OpenLog", &["s", "main"])
        .complains(1, "Call failed: BAD_ARGUMENTS: there is no log 'main', only 'stdout' and 'stderr'\n");
}

/// What a signal says, shortly.
fn shown(message: &Message) -> Option<String> {
    let header = message.header();
    let member = header.member().unwrap().to_string();
    let body = message.body();
    let below = header.path().unwrap().strip_prefix(ROOT).unwrap_or_default().to_owned();
    Some(match member.as_str() {
        "ProcessStateChanged" => {
            let (name, _, from, to, _) =
                body.deserialize::<(String, zbus::OwnedObjectPath, String, String, u32)>().unwrap();
            format!("{name}: {from} {to}")
        }
        "PropertiesChanged" if !below.is_empty() => {
            let (_, values, _) =
                body.deserialize::<(String, HashMap<String, OwnedVariant>, Vec<String>)>().unwrap();
            format!("{below}: {}", values["State"].downcast_ref::<String>().unwrap())
        }
        "Event" => {
            let (name, headers, _) = body.deserialize::<(String, HashMap<String, String>, String)>().unwrap();
            if name.starts_with("TICK") {
                return None;
            }
            format!(
                "event {name} {}",
                headers.get("processname").or(headers.get("groupname")).map_or("", String::as_str)
            )
        }
        "GroupAdded" | "GroupRemoved" => format!("{member} {}", body.deserialize::<String>().unwrap()),
        "ConfigurationReread" => {
            format!("reread {:?}", body.deserialize::<(Vec<String>, Vec<String>, Vec<String>)>().unwrap())
        }
        "InterfacesAdded" => {
            let added =
                body.deserialize::<(zbus::OwnedObjectPath, HashMap<String, HashMap<String, OwnedVariant>>)>();
            format!("+{}", added.unwrap().0.strip_prefix(ROOT).unwrap())
        }
        "InterfacesRemoved" => {
            let removed = body.deserialize::<(zbus::OwnedObjectPath, Vec<String>)>().unwrap();
            format!("-{}", removed.0.strip_prefix(ROOT).unwrap())
        }
        _ => return None,
    })
}

/// Every transition is told, and every group that comes and goes, with its objects.
#[test]
fn what_happens_is_told() {
    let (bus, daemon) = on_a_bus(PROGRAMS);
    let told = client(&bus, async |connection| {
        let rule = MatchRule::builder().msg_type(Type::Signal).sender(NAME).build().unwrap();
        let mut stream =
            MessageStream::for_match_rule(rule, &connection, Some(256.try_into().unwrap())).await.unwrap();
        daemon.must("startProcess", json!(["cat"]));
        let text = daemon.home.read("supervisord.conf").replace("[program:bad]", "[program:new]");
        daemon.home.write("supervisord.conf", text.replace("<DIR>", daemon.home.dir().to_str().unwrap()));
        let interface = format!("{NAME}.Manager");
        let nothing: Vec<String> = Vec::new();
        let update = connection.call_method(Some(NAME), ROOT, Some(interface.as_str()), "Update", &nothing);
        let done: (Vec<String>, Vec<String>, Vec<String>) =
            update.await.unwrap().body().deserialize().unwrap();
        assert_eq!(done, (vec!["new".to_owned()], Vec::new(), vec!["bad".to_owned()]));
        let mut told = Vec::new();
        while told.last().is_none_or(|last| last != "event PROCESS_GROUP_ADDED new") {
            told.extend(shown(&next(&mut stream).await));
        }
        told
    });
    assert_eq!(
        told,
        [
            "cat: STOPPED STARTING",
            "/process/cat/cat: STARTING",
            "event PROCESS_STATE_STARTING cat",
            "cat: STARTING RUNNING",
            "/process/cat/cat: RUNNING",
            "event PROCESS_STATE_RUNNING cat",
            "reread ([\"new\"], [], [\"bad\"])",
            "GroupRemoved bad",
            "-/process/bad/bad",
            "-/group/bad",
            "event PROCESS_GROUP_REMOVED bad",
            "GroupAdded new",
            "+/group/new",
            "+/process/new/new",
            "event PROCESS_GROUP_ADDED new",
        ]
    );
}

/// A bus that is not there harms nobody; one that comes, goes and comes again is found each time.
#[test]
fn a_bus_comes_and_goes() {
    let home = Home::with(Subject::Ours, PROGRAMS);
    let dir = home.dir().to_owned();
    let mut daemon = daemon_on(&dir, home);
    daemon.await_line("WARN D-Bus: going without the session bus: <ANY>");
    daemon.must("startProcess", json!(["cat"]));
    let pid = daemon.pid_of("cat");
    for _ in 0..2 {
        let bus = Bus::start(&dir);
        daemon.await_line(&format!("INFO D-Bus: on the session bus as {NAME}"));
        bus.call("ListProcesses", &[]).says(0, "a(sosu) <ANY>\n");
        drop(bus);
        daemon.await_line("INFO D-Bus: the session bus is gone; waiting for it");
    }
    assert_eq!(daemon.pid_of("cat"), pid);
}

/// Of two daemons the first has the name; the second says so, and has it when the first is gone.
#[test]
fn two_daemons_do_not_fight_over_the_name() {
    let (bus, first) = on_a_bus(PROGRAMS);
    let mut second = daemon_on(first.home.dir(), Home::with(Subject::Ours, PROGRAMS));
    second.await_line(&format!(
        "WARN D-Bus: another process is {NAME} on the session bus; waiting until it ends"
    ));
    let owner = || bus.busctl(&["get-property", NAME, ROOT, &format!("{NAME}.Manager"), "PID"]).stdout;
    assert_eq!(owner(), format!("u {}\n", first.pid));
    first.must("shutdown", json!([]));
    eventually("the second has the name", || so(owner() == format!("u {}\n", second.pid), owner()));
}

/// A client that floods is refused what is too much, and holds up nobody.
#[test]
fn ten_thousand_calls_hold_up_nobody() {
    let (bus, daemon) = on_a_bus(PROGRAMS);
    let (answered, refused) = client(&bus, async |connection| {
        let mut stream = MessageStream::from(&connection);
        let call = |member: &str, argument: &str| {
            Message::method_call(ROOT, member)
                .destination(NAME)
                .interface(format!("{NAME}.Manager"))
                .sender(connection.unique_name().unwrap())
                .build(&argument)
                .unwrap()
        };
        let calls: Vec<Message> = (0..10_000).map(|_| call("GetProcess", "cat")).collect();
        let sender = connection.clone();
        let sending = tokio::spawn(async move { sender.send_all(&calls).await.unwrap() });
        let (mut answered, mut refused) = (0, 0);
        while answered + refused < 10_000 {
            let message = next(&mut stream).await;
            match message.message_type() {
                Type::MethodReturn => answered += 1,
                Type::Error => {
                    let name = message.header().error_name().unwrap().to_string();
                    assert_eq!(name, "org.freedesktop.DBus.Error.LimitsExceeded");
                    refused += 1;
                }
                Type::Signal | Type::MethodCall => {}
            }
        }
        sending.await.unwrap();
        // A caller that wants no answer gets none, and what is too long is not read.
        let silent = call("GetProcess", "cat");
        let silent = zbus::message::Builder::from(silent.header()).with_flags(Flags::NO_REPLY_EXPECTED);
        connection.send(&silent.build(&"cat").unwrap()).await.unwrap();
        let (interface, name) = (format!("{NAME}.Manager"), "x".repeat(2 << 20));
        let long = connection.call_method(Some(NAME), ROOT, Some(interface.as_str()), "GetProcess", &name);
        let error = long.await.unwrap_err().to_string();
        assert!(error.contains("must not have more than 1 MiB"), "{error}");
        (answered, refused)
    });
    assert!(answered > 0, "{answered} answered, {refused} refused");
    bus.call("GetProcess", &["s", "cat"]).says(0, "o <ANY>\n");
    assert_eq!(daemon.ctl("pid").stdout.trim(), daemon.pid.to_string());
}

/// Whoever shuts the daemon down is answered, and the last transition is told before the daemon leaves the bus.
#[test]
fn a_shutdown_is_answered_and_told() {
    let (bus, mut daemon) = on_a_bus(PROGRAMS);
    daemon.must("startProcess", json!(["cat"]));
    client(&bus, async |connection| {
        let rule = MatchRule::builder().msg_type(Type::Signal).sender(NAME).build().unwrap();
        let queue = Some(256.try_into().unwrap());
        let mut stream = MessageStream::for_match_rule(rule, &connection, queue).await.unwrap();
        let interface = format!("{NAME}.Manager");
        let call = connection.call_method(Some(NAME), ROOT, Some(interface.as_str()), "Shutdown", &());
        call.await.unwrap();
        while shown(&next(&mut stream).await).is_none_or(|told| told != "cat: STOPPING STOPPED") {}
    });
    assert!(daemon.await_end().success());
}

/// A bus that hangs, with calls and signals on the way to it, holds up nobody; when it goes on, so does everything.
#[test]
fn a_bus_that_hangs_holds_up_nobody() {
    let (bus, daemon) = on_a_bus(PROGRAMS);
    bus.signal(Signal::SIGSTOP);
    for _ in 0..20 {
        daemon.must("startProcessGroup", json!(["web"]));
        daemon.must("stopProcessGroup", json!(["web"]));
    }
    bus.signal(Signal::SIGCONT);
    bus.call("StartProcess", &["s", "cat"]).says(0, "a(sss) 1 \"cat\" \"\" \"\"\n");
}

/// A daemon of which the home has the binary, so that it can be replaced.
fn replaceable(sections: &str) -> (Bus, Daemon) {
    let home = Home::with(Subject::Ours, sections);
    symlink(Subject::Ours.program("supervisord"), home.path("supervisord")).unwrap();
    let (dir, command) = (
        home.dir().to_owned(),
        home.binary_command(&home.path("supervisord"), &["-n", "-c", "supervisord.conf"]),
    );
    let bus = Bus::start(&dir);
    let mut daemon = command_on(&dir, home, command);
    daemon.await_line(&format!("INFO D-Bus: on the session bus as {NAME}"));
    (bus, daemon)
}

/// Whoever has the installed binary take over is answered, and finds the other one on the bus; or is told why not.
#[test]
fn another_binary_takes_over() {
    let (bus, mut daemon) = replaceable(PROGRAMS);
    bus.call_process("cat/cat", "Start", &[]).says(0, "");
    let pid = daemon.pid_of("cat");
    for _ in 0..3 {
        bus.call("Reexec", &[]).says(0, "");
        daemon.await_line("INFO supervisord 5.0.0 has taken over from supervisord 5.0.0");
        daemon.await_line(&format!("INFO D-Bus: on the session bus as {NAME}"));
        let is = |property: &str| {
            bus.busctl(&["get-property", NAME, ROOT, &format!("{NAME}.Manager"), property]).stdout
        };
        assert_eq!(is("PID"), format!("u {}\n", daemon.pid));
        assert_eq!(daemon.pid_of("cat"), pid);
    }
    fs::remove_file(daemon.home.path("supervisord")).unwrap();
    daemon.home.script("supervisord", "#!/bin/sh\necho it is broken >&2\nexit 1\n");
    bus.call("Reexec", &[]).complains(1, "Call failed: FAILED: <ANY>/supervisord: it is broken\n");
    bus.call_process("cat/cat", "Stop", &[]).says(0, "");
}

/// What takes several steps is not cut in two by a takeover.
#[test]
fn a_takeover_waits_for_a_restart() {
    let (bus, daemon) = replaceable(
        "[supervisord]\ndbus=session\n[program:deaf]\nstopwaitsecs=1\nkillasgroup=true\nstdout_logfile=%(here)s/deaf\n\
         command=/bin/sh -c 'trap \"\" TERM; echo up; while :; do sleep 0.1; done'\n",
    );
    daemon.await_file("deaf", "up\n");
    let pid = daemon.pid_of("deaf");
    thread::scope(|scope| {
        let restart = scope.spawn(|| bus.call("RestartProcess", &["s", "deaf"]));
        daemon.await_state("deaf", "STOPPING");
        daemon.ctl("reexec").says(0, "Taken over: <ANY>\n");
        restart.join().unwrap().says(0, "a(sss) 1 \"deaf\" \"\" \"\"\n");
    });
    daemon.await_state("deaf", "RUNNING");
    assert_ne!(daemon.pid_of("deaf"), pid);
}

/// A call that takes too long holds up no takeover: the bus tells its client, and what it asked for is done all the same.
#[test]
fn a_takeover_waits_for_no_call_for_ever() {
    let (bus, daemon) = replaceable(
        "[supervisord]\ndbus=session\n[program:deaf]\nstopwaitsecs=600\nkillasgroup=true\nstdout_logfile=%(here)s/deaf\n\
         command=/bin/sh -c 'trap \"\" TERM; echo up; while :; do sleep 0.1; done'\n",
    );
    daemon.await_file("deaf", "up\n");
    thread::scope(|scope| {
        let stop = scope.spawn(|| bus.call("StopProcess", &["s", "deaf"]));
        daemon.await_state("deaf", "STOPPING");
        daemon.ctl("reexec").says(0, "Taken over: <ANY>\n");
        stop.join()
            .unwrap()
            .complains(1, "Call failed: Message recipient disconnected from message bus without replying\n");
    });
    daemon.ctl("signal KILL deaf").says(0, "deaf: signalled\n");
    daemon.await_state("deaf", "STOPPED");
}
