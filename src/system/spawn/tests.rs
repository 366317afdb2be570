use std::fs::File;
use std::io::{ErrorKind, Read as _};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::*;
use crate::api::{Signal, WaitStatus};
use crate::system::pidfd::kill_group;

fn plan(words: &[&str]) -> SpawnPlan {
    let argv: Vec<CString> = words.iter().map(|w| CString::new(*w).unwrap()).collect();
    SpawnPlan { program: argv[0].clone(), argv, envp: vec![c"A=1".into()], ..SpawnPlan::default() }
}

fn wait_for(fd: &impl AsFd) {
    let moment = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
    // As the loop does, which gives back what children need no more of ours.
    while poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&moment)).unwrap() == 0 {
        tidy();
    }
}

fn end_of(child: &PidFd) -> WaitStatus {
    wait_for(child);
    child.try_reap().unwrap().unwrap()
}

fn all_of(fd: OwnedFd) -> String {
    let (mut file, mut text) = (File::from(fd), Vec::new());
    loop {
        match file.read_to_end(&mut text) {
            Ok(_) => return String::from_utf8(text).unwrap(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait_for(&file),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_program_runs_once_its_gate_is_open() {
    let child = spawn(plan(&["/bin/sh", "-c", "echo out $A; echo err >&2; exit 3"])).unwrap();
    assert_eq!(child.pidfd.try_reap().unwrap(), None);
    child.gate.open();
    assert_eq!(all_of(child.stdout.unwrap()), "out 1\n");
    assert_eq!(all_of(child.stderr.unwrap()), "err\n");
    assert_eq!(end_of(&child.pidfd), WaitStatus::Exited(3));
    assert_eq!(child.report.read(), None);
}

#[test]
fn a_child_whose_gate_is_dropped_runs_nothing() {
    let child = spawn(plan(&["/bin/sh", "-c", "echo no"])).unwrap();
    drop(child.gate);
    assert_eq!(all_of(child.stdout.unwrap()), "");
    assert_eq!(end_of(&child.pidfd), WaitStatus::Exited(127));
    assert_eq!(child.report.read(), Some(ExecFailure { step: Step::Gate, errno: 0 }));
}

#[test]
fn each_tells_its_own_and_whoever_goes_on_with_us_hears_it() {
    let failing = |place: &CStr| SpawnPlan { directory: Some(place.to_owned()), ..plan(&["/bin/true"]) };
    let mut children = Vec::new();
    for _ in 0..40 {
        for (place, told) in
            [(c"/", None), (c"/no/where", Some(libc::ENOENT)), (c"/dev/null", Some(libc::ENOTDIR))]
        {
            let child = spawn(failing(place)).unwrap();
            child.gate.open();
            children.push((child.pidfd, child.report, told));
        }
    }
    children.iter().for_each(|(pidfd, ..)| assert!(matches!(end_of(pidfd), WaitStatus::Exited(_))));
    // As another process would have them, at numbers of its own.
    let kept =
        with_report_ends(|[read, write]| Ok([read.try_clone_to_owned()?, write.try_clone_to_owned()?]));
    go_on_with_reports(&kept.unwrap()).unwrap();
    for (_, report, errno) in children.iter().rev() {
        let told = errno.map(|errno| ExecFailure { step: Step::Chdir, errno });
        assert_eq!(report.read(), told);
        assert_eq!(report.read(), None, "it is told once");
    }
}

#[test]
fn a_report_with_a_pipe_of_its_own_is_read() {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
    let report = Report::from(read);
    assert_eq!(report.read(), None);
    // As the child of a supervisord before us tells it.
    let [a, b, c, d] = libc::ENOENT.to_ne_bytes();
    rustix::io::write(&write, &[Step::Exec as u8, a, b, c, d, 0, 0, 0]).unwrap();
    assert_eq!(report.read(), Some(ExecFailure { step: Step::Exec, errno: libc::ENOENT }));
}

#[test]
fn what_fails_is_told_to_us_and_to_its_stderr() {
    let mut nowhere = plan(&["/bin/true"]);
    nowhere.directory = Some(c"/no/where".into());
    let missing = plan(&["/no/such/file", "-x"]);
    for (plan, step, text) in [
        (nowhere, Step::Chdir, "supervisor: couldn't chdir to /no/where: ENOENT\n"),
        (missing, Step::Exec, "supervisor: couldn't exec /no/such/file: ENOENT\n"),
    ] {
        let child = spawn(plan).unwrap();
        child.gate.open();
        assert_eq!(end_of(&child.pidfd), WaitStatus::Exited(127));
        assert_eq!(child.report.read(), Some(ExecFailure { step, errno: libc::ENOENT }));
        let stderr = all_of(child.stderr.unwrap());
        assert_eq!(stderr, format!("{text}supervisor: child process was not spawned\n"));
    }
}

#[test]
fn failures_are_described_to_people() {
    let failure = ExecFailure { step: Step::Chdir, errno: libc::EACCES };
    let text = failure.describe(Some(Path::new("/x")), Some("www-data"), "/bin/cat");
    assert_eq!(text, "can't enter directory /x as www-data: permission denied");
    let failure = ExecFailure { step: Step::Uid, errno: libc::EPERM };
    assert_eq!(
        failure.describe(None, Some("bob"), "x"),
        "can't become the user bob: operation not permitted"
    );
    let failure = ExecFailure { step: Step::Exec, errno: libc::ENOEXEC };
    assert_eq!(failure.describe(None, None, "/x"), "can't execute /x: exec format error");
}

#[test]
fn a_group_is_killed_as_a_whole() {
    let child = spawn(plan(&["/bin/sh", "-c", "sleep 100 & echo up; wait"])).unwrap();
    child.gate.open();
    wait_for(child.stdout.as_ref().unwrap());
    kill_group(child.pid, Signal::KILL).unwrap();
    let killed = WaitStatus::Signalled { signal: Signal::KILL, core_dumped: false };
    assert_eq!(end_of(&child.pidfd), killed);
    // The sleeper held the other end of this pipe.
    assert_eq!(all_of(child.stdout.unwrap()), "up\n");
}

#[test]
fn real_time_signals_are_told() {
    let child = spawn(plan(&["/bin/sh", "-c", "echo up; exec sleep 100"])).unwrap();
    let signal = Signal::from_number(40).unwrap();
    child.gate.open();
    wait_for(child.stdout.as_ref().unwrap());
    child.pidfd.signal(signal).unwrap();
    assert_eq!(end_of(&child.pidfd), WaitStatus::Signalled { signal, core_dumped: false });
}

#[test]
fn a_child_has_its_umask_directory_limit_and_default_signals() {
    let mut plan = plan(&[
        "/bin/sh",
        "-c",
        "umask; pwd; ulimit -Sn; ls /proc/self/fd | wc -l; kill -PIPE $$; echo survived",
    ]);
    plan.umask = Some(0o27);
    plan.directory = Some(c"/".into());
    plan.limits = vec![ProcessLimit { resource: libc::RLIMIT_NOFILE, soft: 64, hard: None }];
    plan.redirect_stderr = true;
    plan.envp = vec![c"PATH=/usr/bin:/bin".into()];
    let child = spawn(plan).unwrap();
    assert!(child.stderr.is_none());
    child.gate.open();
    // 0, 1, 2 and the directory that ls reads.
    assert_eq!(all_of(child.stdout.unwrap()), "0027\n/\n64\n4\n");
    let signal = Signal::from_number(libc::SIGPIPE).unwrap();
    assert_eq!(end_of(&child.pidfd), WaitStatus::Signalled { signal, core_dumped: false });
}

#[test]
fn an_output_may_be_brought() {
    let mut plan = plan(&["/bin/sh", "-c", "echo out; echo err >&2"]);
    let (read, write) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    plan.stdout = Some(write);
    plan.redirect_stderr = true;
    let child = spawn(plan).unwrap();
    assert!(child.stdout.is_none() && child.stderr.is_none());
    child.gate.open();
    assert_eq!(all_of(read), "out\nerr\n");
    assert_eq!(end_of(&child.pidfd), WaitStatus::Exited(0));
}

#[test]
fn nobody_is_let_through_by_what_another_did_not_hear() {
    let born = || spawn(plan(&["/bin/sh", "-c", "echo here"])).unwrap();
    for _ in 0..40 {
        let child = born();
        child.pidfd.signal(Signal::KILL).unwrap();
        end_of(&child.pidfd);
        child.gate.open();
        let next = born();
        drop(next.gate);
        assert_eq!(all_of(next.stdout.unwrap()), "");
        assert_eq!(end_of(&next.pidfd), WaitStatus::Exited(127));
    }
}

#[test]
fn more_may_wait_at_their_gates_than_there_are_places_and_each_place_is_free_again() {
    let born = |_| spawn(plan(&["/bin/sh", "-c", "echo here; exit 7"])).unwrap();
    let mut children: Vec<Spawned> = (0..40).map(born).collect();
    // Some are killed where they wait, whether they have their descriptors or not.
    for child in children.drain(30..) {
        child.pidfd.signal(Signal::KILL).unwrap();
        let killed = WaitStatus::Signalled { signal: Signal::KILL, core_dumped: false };
        assert_eq!(end_of(&child.pidfd), killed);
    }
    for child in children {
        child.gate.open();
        assert_eq!(all_of(child.stdout.unwrap()), "here\n");
        assert_eq!(end_of(&child.pidfd), WaitStatus::Exited(7));
    }
    // Other tests have children as well, but for a moment each.
    while tidy() {
        std::thread::yield_now();
    }
}

#[test]
fn nobody_else_hears_of_an_end_while_a_child_is_born() {
    use nix::sys::signal::{SigSet, Signal as Number};

    let before = SigSet::thread_get_mask().unwrap();
    let during = |but: &[i32]| child::with_signals_blocked(but, || SigSet::thread_get_mask().unwrap());
    assert!(during(&[]).contains(Number::SIGCHLD));
    let open = during(&nursery::UNHEEDED);
    // Nothing happens to whoever gets that one and has no handler; what ends a process waits.
    assert!(!open.contains(Number::SIGCHLD));
    assert!(
        [Number::SIGTERM, Number::SIGHUP, Number::SIGUSR1, Number::SIGPIPE]
            .iter()
            .all(|it| open.contains(*it))
    );
    assert_eq!(SigSet::thread_get_mask().unwrap(), before);
}
