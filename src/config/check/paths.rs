//! Files and directories: that they are there, and that whoever uses them may.

use std::io;
use std::path::Path;

use super::{Check, Program, Who};
use crate::config::machine::{Access, Ground};
use crate::config::section::Section;
use crate::config::spec::{DaemonSpec, LogTarget, ServerAddress, SocketAddress, ToJournal};

/// What keeps a user from a path: the first directory above it that he may not enter, or the file itself, as `ls -ld`
/// lists it; `None` when neither does.
fn culprit(ground: &dyn Ground, uid: Option<u32>, path: &Path, access: Access) -> Option<String> {
    let mut way: Vec<&Path> = path.ancestors().filter(|step| !step.as_os_str().is_empty()).collect();
    way.reverse();
    way.into_iter().find_map(|step| {
        let look = ground.look(step).ok()?;
        let wanted = if step == path { access } else { Access::Execute };
        let refused = ground.may(uid, step, wanted).is_err();
        refused.then(|| format!("{} {}", look.listing, step.display()))
    })
}

/// The kernel's words: `permission denied`.
pub(super) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

impl Check<'_> {
    /// Why somebody may not do that, with the culprit.
    pub(super) fn because(&self, who: &Who, path: &Path, access: Access, error: &io::Error) -> String {
        match culprit(self.ground, who.uid, path, access) {
            Some(culprit) => format!("{} ({culprit})", words(error)),
            None => words(error),
        }
    }

    pub(super) fn daemon_paths(&mut self, spec: &DaemonSpec) {
        let origins = self.origins;
        let Some(section) = origins.section("supervisord") else { return };
        if let Some(user) = &spec.user
            && self.ground.own_uid() != 0
            && user.uid != self.ground.own_uid()
        {
            let problem = format!("can't become {}: this is not root", user.name);
            let help = "start supervisord as root, or take user= away".to_owned();
            self.error(section, "user", problem, help);
            self.daemon.uid = None;
        }
        let daemon = self.daemon.clone();
        if spec.journal {
            self.journal(section, "logfile", ToJournal::Lines);
        }
        if let Some(logfile) = &spec.logfile {
            self.writable(section, "logfile", logfile, &daemon, "the main log");
        }
        self.writable(section, "pidfile", &spec.pidfile, &daemon, "the pidfile");
        for server in &spec.servers {
            let ServerAddress::Unix { path, uid, gid, .. } = &server.address else { continue };
            let Some(section) = origins.section(&server.section) else { continue };
            self.bindable(section, "file", path);
            self.may_give_away(section, "chown", *uid, *gid);
        }
        if spec.servers.is_empty() {
            let problem = "there is no server: supervisorctl cannot reach this supervisord".to_owned();
            let help = "add [unix_http_server] with file=/var/run/supervisor.sock".to_owned();
            self.warn(section, "", problem, help);
        } else if !spec.rpcinterface {
            let problem = "there is no [rpcinterface:supervisor]: supervisorctl can do nothing".to_owned();
            let help = "add [rpcinterface:supervisor] with supervisor.rpcinterface_factory = \
                        supervisor.rpcinterface:make_main_rpcinterface"
                .to_owned();
            self.warn(section, "", problem, help);
        }
    }

    /// The user of a program can be switched to.
    pub(super) fn programs_user(&mut self, program: &Program<'_>) {
        let Some(user) = &program.spec.user else { return };
        let is_root = self.daemon.uid.unwrap_or_else(|| self.ground.own_uid()) == 0;
        let same = user.uid == self.daemon.uid.unwrap_or_else(|| self.ground.own_uid());
        if is_root || same {
            return;
        }
        let problem = format!("can't become {}: supervisord does not run as root", user.name);
        let help = "run supervisord as root, or take user= away".to_owned();
        self.error(program.section, "user", problem, help);
    }

    pub(super) fn directory(&mut self, program: &Program<'_>) {
        let Some(directory) = &program.spec.directory else { return };
        let path = self.base.join(directory);
        let who = &program.user;
        let told = format!("can't enter directory {}{}", directory.display(), who.suffix());
        let (why, help) = match self.ground.look(&path) {
            Ok(look) if !look.is_dir => {
                ("it is not a directory".to_owned(), "name the directory that it is in".to_owned())
            }
            Ok(_) => match self.may(who, &path, Access::Execute) {
                Ok(()) => return,
                Err(error) => (
                    self.because(who, &path, Access::Execute, &error),
                    format!("let {} through: chmod o+x, or chgrp and chmod g+x", who.called()),
                ),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                (words(&error), format!("create it (mkdir -p {}), or correct the path", directory.display()))
            }
            Err(error) => (words(&error), "correct the path".to_owned()),
        };
        self.error(program.section, "directory", format!("{told}: {why}"), help);
    }

    pub(super) fn logs(&mut self, program: &Program<'_>) {
        let daemon = self.daemon.clone();
        let logs = [("stdout_logfile", &program.spec.stdout), ("stderr_logfile", &program.spec.stderr)];
        for (option, log) in logs {
            self.journal(program.section, option, log.journal);
            match &log.target {
                LogTarget::None => {}
                LogTarget::Auto => {
                    let (temporary, origins) = (self.temporary, self.origins);
                    if let Some(section) = origins.section("supervisord") {
                        self.fillable(section, "childlogdir", temporary, &daemon, "log files");
                    }
                }
                LogTarget::File(file) => {
                    let path = self.base.join(file);
                    self.writable(program.section, option, &path, &daemon, "the log");
                }
            }
        }
    }

    /// journald listens where we would look for it.
    pub(super) fn journal(&mut self, section: &Section, option: &str, journal: ToJournal) {
        let (door, what) = match journal {
            ToJournal::No => return,
            ToJournal::Lines => {
                ("/run/systemd/journal/socket", "what should go there is lost, or goes elsewhere")
            }
            ToJournal::Stream => ("/run/systemd/journal/stdout", "the program cannot be started"),
        };
        let Err(error) = self.ground.look(Path::new(door)) else { return };
        let problem = format!("there is no journal at {door} ({}): {what}", words(&error));
        let help = "start systemd-journald, or name a file".to_owned();
        match journal {
            ToJournal::Stream => self.error(section, option, problem, help),
            ToJournal::Lines | ToJournal::No => self.warn(section, option, problem, help),
        }
    }

    pub(super) fn socket(&mut self, program: &Program<'_>) {
        let Some(socket) = &program.spec.socket else { return };
        let SocketAddress::Unix { path, uid, gid, .. } = &socket.address else { return };
        self.bindable(program.section, "socket", path);
        self.may_give_away(program.section, "socket_owner", *uid, *gid);
    }

    /// A file can be opened or created.
    pub(super) fn writable(&mut self, section: &Section, option: &str, path: &Path, who: &Who, what: &str) {
        // Terminals, pipes and the like are opened by whoever has them.
        if path.starts_with("/dev") || path.starts_with("/proc") {
            return;
        }
        match self.ground.look(path) {
            Ok(look) if look.is_dir => {
                let problem = format!("can't write {what} {}: it is a directory", path.display());
                self.error(section, option, problem, "name a file in it".to_owned());
            }
            Ok(_) => {
                if let Err(error) = self.may(who, path, Access::Write) {
                    let why = self.because(who, path, Access::Write, &error);
                    let problem = format!("can't write {what} {}{}: {why}", path.display(), who.suffix());
                    let help = format!("let {} write it: chown {}", who.called(), who.called());
                    self.error(section, option, problem, help);
                }
            }
            Err(_) => {
                let directory = path.parent().unwrap_or_else(|| Path::new("/"));
                self.fillable(section, option, directory, who, what);
            }
        }
    }

    /// Files can be created in a directory.
    fn fillable(&mut self, section: &Section, option: &str, directory: &Path, who: &Who, what: &str) {
        let entered = self.may(who, directory, Access::Execute).map_err(|error| (error, Access::Execute));
        let mut written = || self.may(who, directory, Access::Write).map_err(|error| (error, Access::Write));
        let Err((error, access)) = entered.and_then(|()| written()) else { return };
        let why = self.because(who, directory, access, &error);
        let problem = format!("can't create {what} in {}{}: {why}", directory.display(), who.suffix());
        let name = who.called();
        let help = match error.kind() {
            io::ErrorKind::NotFound => format!("create it: mkdir -p {}", directory.display()),
            _ => format!("let {name} write there: chown {name} {}, or name another", directory.display()),
        };
        self.error(section, option, problem, help);
    }

    /// A socket can be made, in place of one that is there already.
    fn bindable(&mut self, section: &Section, option: &str, path: &Path) {
        if self.ground.look(path).is_ok_and(|look| look.is_dir || look.is_file) {
            let problem = format!("can't create the socket {}: there is a file of that name", path.display());
            return self.error(section, option, problem, "remove it, or name another".to_owned());
        }
        let daemon = self.daemon.clone();
        let directory = path.parent().unwrap_or_else(|| Path::new("/"));
        self.fillable(section, option, directory, &daemon, "the socket");
    }

    /// Only root gives files to others, and nobody else to groups that he is not in.
    fn may_give_away(&mut self, section: &Section, option: &str, uid: Option<u32>, gid: Option<u32>) {
        let own = self.daemon.uid.unwrap_or_else(|| self.ground.own_uid());
        let what = match (uid, gid) {
            _ if own == 0 => return,
            (Some(uid), _) if uid != own => "owner",
            (_, Some(gid)) if !self.ground.is_member(self.daemon.uid, gid) => "group",
            _ => return,
        };
        let problem = format!("can't change the {what} of the socket: supervisord does not run as root");
        self.error(section, option, problem, "run supervisord as root, or take it away".to_owned());
    }
}
