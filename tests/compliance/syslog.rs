//! What goes to syslog: a listener of ours stands in for the system's, in a `/dev` that only the daemon sees.

use std::fs;
use std::os::unix::net::UnixDatagram;

use serde_json::json;

use crate::support::{Daemon, Home, PATIENCE, Subject};

compliance!(lines_go_to_syslog, the_main_log_goes_to_syslog);

/// A home with a `dev`, and the listener there.
fn home(subject: Subject, sections: &str) -> (Home, UnixDatagram) {
    let home = Home::with(subject, sections);
    fs::create_dir(home.path("dev")).unwrap();
    let listener = UnixDatagram::bind(home.path("dev/log")).unwrap();
    listener.set_read_timeout(Some(PATIENCE)).unwrap();
    (home, listener)
}

/// `None` where nobody may mount.
fn start(home: Home) -> Option<Daemon> {
    let mounts = "for name in null zero urandom; do touch dev/$name; mount --bind /dev/$name dev/$name; done; \
                  mount --rbind dev /dev";
    let mut command = home.mounted_command(mounts, &["-n", "-c", "supervisord.conf"])?;
    command.stdout(fs::File::create(home.path("stdout")).unwrap());
    Some(Daemon::spawn_command(home, command))
}

/// What syslog hears, without its time: `<14>Nov 24 22:09:30 `.
fn heard(listener: &UnixDatagram) -> String {
    let mut buffer = [0; 65536];
    let length = listener.recv(&mut buffer).unwrap();
    let text = String::from_utf8_lossy(&buffer[..length]).trim_end().to_owned();
    assert!(text.is_char_boundary(20), "{text}");
    format!("{}{}", &text[..4], &text[20..])
}

/// LOG-41.
fn lines_go_to_syslog(subject: Subject) {
    let (home, listener) = home(
        subject,
        "[program:x]\ncommand=%(here)s/puppet\nstartsecs=0\nstdout_syslog=true\nstdout_logfile=%(here)s/out\n\
         stderr_syslog=true\nstderr_logfile=NONE\n",
    );
    let Some(mut daemon) = start(home) else { return };
    daemon.await_line("INFO success: x entered RUNNING state, <ANY>");
    daemon.tell("x", "printf 'one\\ntwo\\n'");
    assert_eq!(heard(&listener), "<14>supervisord: x one");
    assert_eq!(heard(&listener), "<14>supervisord: x two");
    daemon.await_file("out", "one\ntwo\n");
    daemon.tell("x", "echo three >&2");
    assert_eq!(heard(&listener), "<14>supervisord: x three");
}

/// LOG-5.
fn the_main_log_goes_to_syslog(subject: Subject) {
    let (home, listener) = home(
        subject,
        "[supervisord]\nlogfile=syslog\n[program:x]\ncommand=/bin/cat\nautostart=false\nstartsecs=0\n",
    );
    let Some(daemon) = start(home) else { return };
    let wanted = format!("INFO supervisord started with pid {}", daemon.pid);
    while !heard(&listener).ends_with(&wanted) {}
    daemon.answers("startProcess", json!(["x"]), "true");
    while !heard(&listener).contains("INFO spawned: 'x' with pid ") {}
    daemon.answers("readLog", json!([0, 0]), "fault 20 NO_FILE: syslog");
    daemon.answers("clearLog", json!([]), "fault 20 NO_FILE");
}
