//! `[fcgi-program:x]` (Supervisor 4.3 `options.py`, `process_groups_from_parser`; `datatypes.py`, `SocketConfig`).

use std::sync::Arc;

use super::load::Context;
use super::reader::Reader;
use super::section::Section;
use super::spec::{DaemonSpec, ProcessSpec, SocketAddress, SocketSpec};
use super::value::{self, Owner};
use super::{daemon, program};

/// The processes of one section, in one group: a program's, with a socket.
pub(super) fn processes(
    context: &mut Context<'_>,
    daemon: &DaemonSpec,
    section: &Section,
    program: &str,
    group: &str,
) -> Vec<Arc<ProcessSpec>> {
    let mut processes = program::processes(context, daemon, section, program, group);
    let user = processes.first().and_then(|process| process.user.as_ref()).map(|user| user.uid);
    let socket = socket(context, section, program, user).map(Box::new);
    for process in &mut processes {
        Arc::make_mut(process).socket.clone_from(&socket);
    }
    processes
}

fn socket(
    context: &mut Context<'_>,
    section: &Section,
    program: &str,
    user: Option<u32>,
) -> Option<SocketSpec> {
    let name = &section.name;
    let mut reader = Reader::new(context, section);
    let backlog = reader.parsed("socket_backlog", |text| {
        let number = value::integer(text)?;
        let backlog = u16::try_from(number).ok().filter(|backlog| *backlog > 0);
        backlog.ok_or_else(|| format!("Invalid socket_backlog value {number}"))
    });
    let owner = daemon::owner(&mut reader, "socket_owner", "Invalid socket_owner value");
    let mode = reader.parsed("socket_mode", |text| {
        value::octal(text).map_err(|_| format!("Invalid socket_mode value {text}"))
    });
    let mut reader = Reader::new(context, section);
    reader.names.insert("program_name".into(), program.into());
    let text = reader.text("socket");
    if section.get("socket").is_none() || text.as_ref().is_some_and(String::is_empty) {
        reader.fail("socket", format!("[{name}] section requires a \"socket\" line"));
        return None;
    }
    let text = text?;
    let address = if let Some(path) = text.strip_prefix("unix://") {
        if !path.starts_with('/') {
            reader.fail(
                "socket",
                format!("Unix socket path {path} is not an absolute path in [{name}] socket"),
            );
            return None;
        }
        let path = reader.absolute(std::path::Path::new(path));
        let owner = owner.or_else(|| owner_by_user(&reader, user));
        let (uid, gid) = owner.map_or((None, None), |(uid, gid)| (Some(uid), gid));
        SocketAddress::Unix { path, mode: mode.unwrap_or(0o700), uid, gid }
    } else {
        if mode.is_some() || owner.is_some() {
            let problem = format!(
                "socket_owner and socket_mode params should only be used with a Unix domain socket in [{name}] socket"
            );
            reader.fail(if mode.is_some() { "socket_mode" } else { "socket_owner" }, problem);
        }
        match tcp(&text) {
            Ok(address) => address,
            Err(problem) => {
                reader.fail("socket", format!("{problem} in [{name}] socket"));
                return None;
            }
        }
    };
    Some(SocketSpec { address, backlog })
}

/// Without `socket_owner=`, a socket belongs to whom its programs run as, if it is somebody else than we.
fn owner_by_user(reader: &Reader<'_, '_>, user: Option<u32>) -> Option<Owner> {
    let machine = reader.context.machine;
    let found = user.filter(|uid| *uid != machine.own_uid()).and_then(|uid| machine.user_by_id(uid));
    found.map(|user| (user.uid, Some(user.gid)))
}

fn tcp(text: &str) -> Result<SocketAddress, String> {
    let bad = || format!("Bad socket format {text}");
    let (host, port) = text.strip_prefix("tcp://").and_then(|rest| rest.split_once(':')).ok_or_else(bad)?;
    if host.is_empty() || host.contains(char::is_whitespace) || !port.chars().all(|c| c.is_ascii_digit()) {
        return Err(bad());
    }
    let port = if port.is_empty() { Err(bad()) } else { value::port(port) }?;
    Ok(SocketAddress::Tcp { host: host.to_lowercase(), port })
}
