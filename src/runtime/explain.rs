//! Why a process failed, asked of the machine.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use tokio::sync::mpsc;

use super::driver::Fact;
use crate::api::ProcessName;
use crate::config::check::{Failed, Trouble, trouble};
use crate::config::limits::INFINITY;
use crate::config::spec::ProcessSpec;
use crate::engine::ProcessId;
use crate::system::command::CommandError;
use crate::system::machine::OsMachine;
use crate::system::mask;
use crate::system::spawn::{ExecFailure, Step, dispatcher_problem};

/// Questions that may wait; who asks more often gets no answer.
const QUEUE: usize = 1024;

/// A process that ended badly.
struct Question {
    id: ProcessId,
    spec: Arc<ProcessSpec>,
    failure: Option<ExecFailure>,
}

/// A thread that looks at files for us, because it may have to wait for a disk. Started when it is first needed.
pub(super) struct Explainer {
    teller: mpsc::UnboundedSender<Fact>,
    questions: Option<SyncSender<Question>>,
}

impl Explainer {
    /// Tells what it finds as [`Fact::Explained`].
    pub(super) fn new(teller: mpsc::UnboundedSender<Fact>) -> Self {
        Self { teller, questions: None }
    }

    /// Asks what was wrong with a process that ended badly; whether there will be an answer.
    pub(super) fn ask(
        &mut self,
        id: ProcessId,
        spec: &Arc<ProcessSpec>,
        failure: Option<ExecFailure>,
    ) -> bool {
        let question = Question { id, spec: Arc::clone(spec), failure };
        if self.questions.is_none() {
            self.questions = self.start().ok();
        }
        self.questions.as_ref().is_some_and(|questions| questions.try_send(question).is_ok())
    }

    fn start(&self) -> io::Result<SyncSender<Question>> {
        let (questions, asked) = sync_channel::<Question>(QUEUE);
        let teller = self.teller.clone();
        let answer = move || {
            for Question { id, spec, failure } in asked {
                // A loop that has ended wants no answer.
                let _ = teller.send(Fact::Explained(id, end(&spec, failure)));
            }
        };
        let thread = std::thread::Builder::new().name("explain".to_owned());
        mask::aside(|| thread.spawn(answer))?;
        Ok(questions)
    }
}

/// A problem whose remedy is not known.
pub(super) fn only(problem: String) -> Trouble {
    Trouble { problem, help: String::new() }
}

/// The command cannot be run. The problem is Supervisor's sentence.
pub(super) fn command(spec: &ProcessSpec, error: &CommandError) -> Trouble {
    let help =
        trouble(&OsMachine::default(), spec, Failed::Command).map(|found| found.help).unwrap_or_default();
    Trouble { problem: error.to_string(), help }
}

/// A log cannot be opened.
pub(super) fn log(
    name: &ProcessName,
    spec: &ProcessSpec,
    path: Option<Arc<Path>>,
    error: &io::Error,
) -> Trouble {
    let found = path.and_then(|path| trouble(&OsMachine::default(), spec, Failed::Log(&path)));
    found.unwrap_or_else(|| only(dispatcher_problem(&name.process, error)))
}

/// Why a child never became its program, as far as it told itself.
pub(super) fn plainly(spec: &ProcessSpec, program: &str, failure: ExecFailure) -> String {
    let user = spec.user.as_ref().map(|user| user.name.as_str());
    failure.describe(spec.directory.as_deref(), user, program)
}

/// What the kernel has ended a process for, when memory ran out.
pub(super) fn starved(spec: &ProcessSpec) -> String {
    let limit = spec.limits.memory_max.filter(|limit| *limit != INFINITY);
    let asked = limit.map_or("the machine has", |_| "memory_max lets it have");
    format!("the kernel ended it, because it wanted more memory than {asked}")
}

/// What was wrong with a process that ended badly.
fn end(spec: &ProcessSpec, failure: Option<ExecFailure>) -> Option<Trouble> {
    let Some(failure) = failure else { return trouble(&OsMachine::default(), spec, Failed::Program) };
    let visible = [libc::ENOENT, libc::EACCES, libc::ENOTDIR, libc::ENOEXEC, libc::ELOOP];
    let failed = match failure.step {
        Step::Groups | Step::Gid | Step::Uid | Step::Verify => Failed::User,
        Step::Chdir => Failed::Directory,
        Step::Exec if visible.contains(&failure.errno) => Failed::Command,
        Step::Gate | Step::Umask | Step::Limit | Step::Exec => return None,
    };
    trouble(&OsMachine::default(), spec, failed)
}
