//! `[unix_http_server]` and `[inet_http_server]`, several of each.

use std::path::{Path, PathBuf};

use super::daemon::owner;
use super::load::Context;
use super::password::Password;
use super::reader::Reader;
use super::spec::{Credentials, ServerAddress, ServerSpec};
use super::value;

/// All of them, in the order in which Supervisor opens them.
pub(super) fn read(context: &mut Context<'_>) -> Vec<ServerSpec> {
    let mut servers = Vec::new();
    for section in context.sections_named("inet_http_server") {
        servers.push(inet_server(&mut Reader::without_here(context, &section)));
    }
    for section in context.sections_named("unix_http_server") {
        let mut reader = Reader::new(context, &section);
        if section.get("file").is_none() {
            reader.fail("file", format!("section [{}] has no file value", section.name));
        }
        let path = socket_file(&mut reader);
        let mut reader = Reader::without_here(context, &section);
        let mode = reader.parse("chmod", 0o700, |text| {
            value::octal(text).map_err(|_| format!("Invalid chmod value {text}"))
        });
        let owner = owner(&mut reader, "chown", "Invalid sockchown value");
        let (uid, gid) = owner.map_or((None, None), |(uid, gid)| (Some(uid), gid));
        servers.push(server(&mut reader, ServerAddress::Unix { path, mode, uid, gid }));
    }
    servers
}

fn inet_server(reader: &mut Reader<'_, '_>) -> ServerSpec {
    let (name, errors) = (reader.section.name.clone(), reader.context.errors.len());
    if reader.section.get("port").is_none() {
        reader.fail("port", format!("section [{name}] has no port value"));
    }
    let address = reader.parse("port", ServerAddress::Inet { host: String::new(), port: 0 }, inet);
    let open = !address.is_local();
    let spec = ServerSpec {
        hosts: reader.text("hosts").map(|text| value::list(&text.to_lowercase())).unwrap_or_default(),
        ..server(reader, address)
    };
    let insecure = reader.boolean("insecure", false);
    let well_meant = spec.auth.is_some() || reader.context.errors.len() > errors;
    if open && !insecure && !well_meant {
        let problem = format!(
            "[{name}] would let everybody who can reach this machine run programs: it listens beyond the machine itself, and asks \
             for no password"
        );
        reader.fail("port", problem);
    }
    spec
}

/// What servers of both kinds have.
fn server(reader: &mut Reader<'_, '_>, address: ServerAddress) -> ServerSpec {
    ServerSpec {
        section: reader.section.name.clone(),
        address,
        auth: credentials(reader),
        readonly: reader.boolean("readonly", false),
        hosts: Vec::new(),
    }
}

/// Where a socket is to appear. Supervisor finds out that the directory is missing when it binds.
fn socket_file(reader: &mut Reader<'_, '_>) -> PathBuf {
    let text = reader.text("file").unwrap_or_default();
    let path = reader.absolute(Path::new(&reader.home(text.trim())));
    if path.parent().is_some_and(|directory| !reader.context.machine.is_dir(directory)) {
        let problem = format!("The directory named as part of the path {text} does not exist");
        reader.fail("file", problem);
    }
    path
}

fn credentials(reader: &mut Reader<'_, '_>) -> Option<Credentials> {
    let (username, password) = (reader.text("username"), reader.text("password"));
    if username.is_some() != password.is_some() {
        let problem = format!(
            "Section [{}] contains incomplete authentication: If a username or a password is specified, both the \
             username and password must be specified",
            reader.section.name
        );
        reader.fail("username", problem);
    }
    let username = username.filter(|name| !name.is_empty())?;
    let password = reader.good("password", Password::parse(&password?))?;
    Some(Credentials { username, password })
}

/// `port`, `:port`, `*:port`, `host:port` or `[address]:port`.
fn inet(text: &str) -> Result<ServerAddress, String> {
    let (host, port) = match text.rsplit_once(':') {
        Some((_, "")) => return Err("no port number specified in ''".to_owned()),
        Some((host, port)) => (host.to_lowercase(), value::port(port)?),
        None => {
            let port =
                value::port(text).map_err(|_| format!("not a valid port number: {} ", value::repr(text)))?;
            (String::new(), port)
        }
    };
    Ok(ServerAddress::Inet { host: if host == "*" { String::new() } else { host }, port })
}
