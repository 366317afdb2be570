//! A life that goes on where another daemon has died: the programs are there, and so is what the service manager has kept for
//! us. Nothing of the configuration is read, so that nothing in it can stop us.

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use super::life::{House, Past};
use super::takeover::{go_on_logging, invocation, listeners};
use super::{Footing, become_user, begin, lives, say, settle_in};
use crate::api::Level;
use crate::runtime::kept::Recovered;
use crate::system::cgroup::Tree;
use crate::system::files;
use crate::system::rlimit::{self, Limit};
use crate::systemd::listen::Passed;
use crate::systemd::unit;

/// Whoever has ended the daemon has ended its programs too (`--empty-cgroups`), and somebody has asked for this start: this is no
/// crash, but a stop that took too long, and another beginning.
pub(super) fn was_ended_for_good(recovered: &Recovered) -> bool {
    !recovered.treasure.anybody_lives() && unit::was_asked_for() == Some(true)
}

/// Goes on with what is left. A failure must not look like a wrong configuration, after which nobody would start us again, and
/// all that is kept would be lost.
pub(super) fn go_on(
    program: &str,
    arguments: &[OsString],
    recovered: Recovered,
    passed: Vec<Passed>,
) -> ExitCode {
    resurrect(program, arguments, recovered, passed).unwrap_or_else(|problem| {
        say(&mut io::stderr(), &format!("{program}: can't go on after a crash: {problem}"));
        ExitCode::FAILURE
    })
}

fn resurrect(
    program: &str,
    arguments: &[OsString],
    mut recovered: Recovered,
    passed: Vec<Passed>,
) -> Result<ExitCode, String> {
    let mut ears = recovered.ears();
    let ground = recovered.ground.clone();
    let invocation = invocation(&ground);
    let spec = ground.spec.clone();
    let mut footing = Footing::new(arguments, Tree::take(), passed);
    let mut lines = Vec::new();
    if let (Ok(tree), Some(user)) = (&footing.cgroups, &spec.user) {
        tree.give_to(user.uid);
    }
    lines.push(become_user(&spec)?);
    for (limit, wanted) in [(Limit::Files, spec.minfds), (Limit::Processes, spec.minprocs)] {
        match rlimit::ensure(limit, wanted) {
            Ok(text) => lines.extend(text.map(|text| (Level::Info, text))),
            Err(problem) => lines.push((Level::Error, problem)),
        }
    }
    let listeners = listeners(&ground, &mut ears)?;
    // Wherever we are is better than nowhere.
    lines.extend(settle_in(&spec).err().map(|problem| (Level::Error, problem)));
    footing.supervision = Some(begin().map_err(|error| format!("can't listen to signals: {error}"))?);
    let log = go_on_logging(&spec)?;
    log.line(Level::Warn, "the supervisord before this one has died; going on with its programs");
    for (level, text) in lines {
        log.line(level, text);
    }
    let wrote_pid = files::write_pidfile(&spec.pidfile).is_ok();
    let house = House::on(ground, listeners, log, wrote_pid, Past::Died(Box::new(recovered)));
    lives(program, &[], &invocation, footing, Some(house))
}
