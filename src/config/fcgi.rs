//! `[fcgi-program:x]` (Supervisor 4.3 `options.py`, `process_groups_from_parser`; `datatypes.py`, `SocketConfig`).

use super::load::Context;
use super::reader::Reader;
use super::section::Section;
use super::spec::{DaemonSpec, ProcessSpec, SocketAddress, SocketSpec};
use super::value;
use super::{daemon, program};

/// The processes of one section, in one group: a program's, with a socket.
pub(super) fn processes(
    context: &mut Context<'_>,
    daemon: &DaemonSpec,
    section: &Section,
    program: &str,
    group: &str,
) -> Vec<ProcessSpec> {
    let mut processes = program::processes(context, daemon, section, program, group);
    let user = processes.first().and_then(|process| process.user.as_ref()).map(|user| user.uid);
    let mut reader = Reader::new(context, section);
    reader.names.insert("program_name".into(), program.into());
    let socket = socket(&mut reader, user);
    for process in &mut processes {
        process.socket.clone_from(&socket);
    }
    processes
}

fn socket(reader: &mut Reader<'_, '_>, user: Option<u32>) -> Option<SocketSpec> {
    let name = reader.section.name.clone();
    let backlog = reader.text("socket_backlog").and_then(|text| {
        let backlog = value::integer(&text).ok().and_then(|number| u16::try_from(number).ok());
        if backlog.is_none_or(|backlog| backlog == 0) {
            reader.fail("socket_backlog", format!("Invalid socket_backlog value {text}"));
        }
        backlog
    });
    let owner = daemon::owner(reader, "socket_owner", "Invalid socket_owner value");
    let mode = reader.text("socket_mode").map(|text| {
        let mode = value::octal(&text);
        mode.unwrap_or_else(|_| {
            reader.fail("socket_mode", format!("Invalid socket_mode value {text}"));
            0o700
        })
    });
    let Some(text) = reader.text("socket") else {
        if reader.section.get("socket").is_none() {
            reader.fail("socket", format!("[{name}] section requires a \"socket\" line"));
        }
        return None;
    };
    let text = text.trim();
    let address = if let Some(path) = text.strip_prefix("unix://") {
        if !path.starts_with('/') {
            reader.fail(
                "socket",
                format!("Unix socket path {path} is not an absolute path in [{name}] socket"),
            );
            return None;
        }
        let path = reader.absolute(std::path::Path::new(path));
        let (uid, gid) = owner.unwrap_or_else(|| owner_by_user(reader, user));
        SocketAddress::Unix { path, mode: mode.unwrap_or(0o700), uid, gid }
    } else {
        if mode.is_some() || owner.is_some() {
            let problem = format!(
                "socket_owner and socket_mode params should only be used with a Unix domain socket in [{name}] socket"
            );
            reader.fail(if mode.is_some() { "socket_mode" } else { "socket_owner" }, problem);
        }
        match tcp(text) {
            Ok(address) => address,
            Err(problem) => {
                reader.fail("socket", format!("{problem} in [{name}] socket"));
                return None;
            }
        }
    };
    Some(SocketSpec { address, backlog })
}

/// Without `socket_owner=`, a socket belongs to whom its programs run as.
fn owner_by_user(reader: &Reader<'_, '_>, user: Option<u32>) -> (Option<u32>, Option<u32>) {
    let found = user.and_then(|uid| reader.context.machine.user_by_id(uid));
    found.map_or((None, None), |user| (Some(user.uid), Some(user.gid)))
}

fn tcp(text: &str) -> Result<SocketAddress, String> {
    let bad = || format!("Bad socket format {text}");
    let (host, port) = text.strip_prefix("tcp://").and_then(|rest| rest.rsplit_once(':')).ok_or_else(bad)?;
    let port = value::integer(port).map_err(|_| bad())?;
    match u16::try_from(port) {
        _ if port < 1 => Err(format!("{port} is below lower bound (1)")),
        Err(_) => Err(format!("{port} is above upper bound (65535)")),
        Ok(port) => Ok(SocketAddress::Tcp { host: host.to_lowercase(), port }),
    }
}
