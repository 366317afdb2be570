//! A life that goes on where another binary has left it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use tokio::sync::oneshot;

use super::life::{House, Past};
use super::{Footing, Invocation, begin, lives, open_log, read, say};
use crate::api::Level;
use crate::config::error;
use crate::config::spec::{DaemonSpec, ServerSpec};
use crate::control::http::Listener;
use crate::logs::main_log::{MainLog, MainLogSpec};
use crate::runtime::handle::{Answer, Arrived};
use crate::runtime::kept::Kept;
use crate::runtime::record::{ClientRecord, Ground, Life, Record};
use crate::runtime::takeover::{FINE, Legacy};
use crate::system::cgroup::{NoTree, Tree};
use crate::system::machine::OsMachine;
use crate::system::reexec::{Inheritance, boot_id, inherited_text, read_whole};
use crate::system::spawn;
use crate::systemd::listen::Passed;

/// What the loops and the clients of another binary were doing.
pub(super) struct Left {
    pub(super) life: Life,
    pub(super) clients: Vec<ClientRecord>,
    pub(super) inheritance: Inheritance,
    pub(super) kept: Option<Kept>,
}

impl Left {
    /// What is the loop's, and what is the surfaces'.
    pub(super) fn divide(self) -> (Legacy, Vec<Arrived>, Option<Kept>) {
        let Self { life, clients, mut inheritance, kept } = self;
        let mut answers = HashMap::new();
        let mut waiting: HashMap<u64, (Answer, Option<String>)> = HashMap::new();
        for (ticket, origin) in &life.answers {
            let (tell, told) = oneshot::channel();
            answers.insert(*ticket, tell);
            waiting.insert(origin.connection, (told, origin.given.clone()));
        }
        let arrive = |ClientRecord { connection, server, fd }: ClientRecord| {
            // One whose connection is gone is gone.
            let fd = inheritance.give(fd).ok()?;
            Some(Arrived { connection, server, fd, waits: waiting.remove(&connection) })
        };
        let arrived = clients.into_iter().filter_map(arrive).collect();
        (Legacy { life, inheritance, answers }, arrived, kept)
    }
}

pub(super) fn invocation(ground: &Ground) -> Invocation {
    Invocation {
        machine: OsMachine::having_kept(&ground.file, ground.text.clone()),
        file: ground.file.clone(),
        overrides: ground.overrides.clone(),
        nofile_soft: ground.nofile_soft,
    }
}

/// Says whether we could go on with the record on our stdin, and why not.
pub(super) fn examine() -> Result<ExitCode, String> {
    let text = read_whole(&io::stdin()).map_err(|error| format!("no record on stdin: {error}"))?;
    let record = Record::read(&text)?;
    read(&invocation(&record.ground)).map_err(|error| error::render(&error.0))?;
    open_log(&record.ground.spec)?;
    say(&mut io::stdout(), FINE);
    Ok(ExitCode::SUCCESS)
}

/// Goes on with what another binary has left.
pub(super) fn resume(arguments: &[OsString], number: &str) -> Result<ExitCode, String> {
    let lost = |error: io::Error| format!("the state of the supervisord before us is lost: {error}");
    spawn::prepare();
    let number = number.parse().map_err(|_| lost(io::ErrorKind::InvalidInput.into()))?;
    let record = Record::read(&inherited_text(number).map_err(lost)?)?;
    if record.boot != boot_id() {
        return Err("the state of the supervisord before us is of another start of the machine".to_owned());
    }
    let mut inheritance = Inheritance::take(record.descriptors());
    let Record { ground, mut life, clients, writer, kept, .. } = record;
    let invocation = invocation(&ground);
    let listeners = listeners(&ground, &mut inheritance)?;
    let tree =
        ground.cgroups.clone().map(Tree::at).ok_or(NoTree::Unusable("there were none before".to_owned()));
    let passed = ground.passed.clone().into_iter();
    // One that is missing is bound when it is needed.
    let passed = passed.filter_map(|(name, fd)| Some(Passed { name, fd: inheritance.give(fd).ok()? }));
    let mut footing = Footing::new(arguments, tree, passed.collect());
    footing.supervision = Some(begin().map_err(|error| format!("can't listen to signals: {error}"))?);
    let log = go_on_logging(&ground.spec)?;
    let text = format!("supervisord {} has taken over from supervisord {writer}", crate::api::VERSION);
    log.line(Level::Info, text);
    let kept = kept.map(|kept| Kept::resume(&kept, &mut inheritance)).transpose();
    let kept = kept.unwrap_or_else(|why| {
        log.line(Level::Warn, format!("what was kept for a crash of supervisord is begun anew: {why}"));
        Kept::end();
        None
    });
    if kept.is_none() {
        life.is_kept_nowhere();
    }
    let past = Past::Left(Box::new(Left { life, clients, inheritance, kept }));
    let wrote_pid = ground.wrote_pid;
    let house = House::on(ground, listeners, log, wrote_pid, past);
    let program = arguments.first().map_or("supervisord".into(), |name| name.to_string_lossy());
    lives(&program, &[], &invocation, footing, Some(house))
}

pub(super) fn listeners(
    ground: &Ground,
    inheritance: &mut Inheritance,
) -> Result<Vec<(Listener, ServerSpec)>, String> {
    let one = |(server, fd): (&ServerSpec, &i32)| {
        let fd = inheritance.give(*fd);
        let fd = fd.map_err(|error| format!("the socket of {} is lost: {error}", server.section))?;
        Ok((Listener::of(&server.address, fd), server.clone()))
    };
    ground.spec.servers.iter().zip(&ground.listeners).map(one).collect()
}

/// The main log; where it cannot be opened any more, the programs must not suffer for that.
pub(super) fn go_on_logging(spec: &DaemonSpec) -> Result<MainLog, String> {
    open_log(spec).or_else(|problem| {
        let nowhere = MainLogSpec {
            level: spec.loglevel,
            file: Some("/dev/stderr".into()),
            maxbytes: 0,
            backups: 0,
            stdout: false,
            journal: false,
            stays: spec.nodaemon,
        };
        let log = MainLog::open(&nowhere).map_err(|error| format!("{problem}; {error}"))?;
        log.line(Level::Error, problem);
        Ok(log)
    })
}
