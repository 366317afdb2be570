//! Python's own clients, as they are: `supervisor.xmlrpc.SupervisorTransport`, and `xmlrpc.client` alone.

use crate::support::home::theirs;
use crate::support::pattern::assert_like;
use crate::support::{Daemon, Home, Subject, free_port};

compliance!(supervisors_transport_talks_to_us, pythons_xmlrpc_client_talks_to_us);

/// Calls much of what there is, and shows what comes of it. Whether the connection was kept is shown last.
const SCRIPT: &str = r##"
import sys, time, xmlrpc.client
from supervisor.xmlrpc import SupervisorTransport

kind, url, user, password = sys.argv[1:]
if kind == "supervisor":
    transport = SupervisorTransport(user, password, url)
    server = xmlrpc.client.ServerProxy("http://127.0.0.1", transport)
    socket = lambda: transport.connection.sock
    wrong = xmlrpc.client.ServerProxy("http://127.0.0.1", SupervisorTransport(user, "wrong", url))
else:
    address = lambda password: url.replace("://", "://%s:%s@" % (user, password)) + "/RPC2"
    transport = xmlrpc.client.Transport(use_builtin_types=True)
    server = xmlrpc.client.ServerProxy(address(password), transport, use_builtin_types=True, allow_none=True)
    socket = lambda: transport._connection[1].sock
    wrong = xmlrpc.client.ServerProxy(address("wrong"))

def show(what, call, *arguments):
    try:
        print(what, repr(call(*arguments)))
    except xmlrpc.client.Fault as fault:
        print(what, "fault", fault.faultCode, fault.faultString)
    except xmlrpc.client.ProtocolError as error:
        print(what, "status", error.errcode, error.errmsg)

def logged(text):
    while text not in server.supervisor.readProcessStdoutLog("p", 0, 0):
        time.sleep(0.02)

show("state", server.supervisor.getState)
first = socket()
show("api", server.supervisor.getAPIVersion)
show("start", server.supervisor.startProcess, "p")
show("again", server.supervisor.startProcess, "p")
show("nobody", server.supervisor.getProcessInfo, "no:body")
info = server.supervisor.getProcessInfo("p")
print("info", info["statename"], info["pid"] > 1, info["description"].startswith("pid %d, uptime " % info["pid"]))
show("stdin", server.supervisor.sendProcessStdin, "p", "gr\u00fcn < \u20ac & 'x'\n")
logged("'x'\n")
show("read", server.supervisor.readProcessStdoutLog, "p", 0, 0)
show("tail", server.supervisor.tailProcessStdoutLog, "p", 0, 5)
show("clear", server.supervisor.clearProcessLogs, "p")
show("unknown", server.supervisor.nonsense)
show("arguments", server.supervisor.getProcessInfo)
show("signature", server.system.methodSignature, "supervisor.startProcess")
show("methods", lambda: len(server.system.listMethods()) >= 41)

call = lambda name, *params: {"methodName": name, "params": params}
show("many", server.system.multicall, [call("supervisor.getIdentification"), call("supervisor.stopProcess", "nobody")])
# Supervisor answers with bare values, of which `MultiCall` understands the faults alone.
calls = xmlrpc.client.MultiCall(server)
calls.supervisor.startProcess("nobody")
results = calls()
show("first of many", lambda: results[0])

show("long", server.supervisor.sendProcessStdin, "p", "x" * 300000 + "end\n")
logged("end\n")
show("length", lambda: len(server.supervisor.readProcessStdoutLog("p", 0, 0)))
server.supervisor.clearProcessLogs("p")
show("stop", server.supervisor.stopProcess, "p")
print("kept", socket() is first)
show("wrong password", wrong.supervisor.getState)
show("and right", server.supervisor.getIdentification)
"##;

const SHOWN: &str = "state {'statecode': 1, 'statename': 'RUNNING'}
api '3.0'
start True
again fault 60 ALREADY_STARTED: p
nobody fault 10 BAD_NAME: no:body
info RUNNING True True
stdin True
read \"gr\u{fc}n < \u{20ac} & 'x'\\n\"
tail [\" 'x'\\n\", 18, True]
clear True
unknown fault 1 UNKNOWN_METHOD
arguments fault 2 INCORRECT_PARAMETERS
signature ['boolean', 'string', 'boolean']
methods True
many ['supervisor', {'faultCode': 10, 'faultString': 'BAD_NAME: nobody'}]
first of many fault 10 BAD_NAME: nobody
long True
length 300004
stop True
kept True
wrong password status 401 Unauthorized
and right 'supervisor'
";

const PROGRAM: &str = "[program:p]\ncommand=/bin/cat\nautostart=false\nstartsecs=0\n";

#[track_caller]
fn shows(daemon: &Daemon, kind: &str, url: &str) {
    daemon.home.write("client.py", SCRIPT);
    let python = theirs("python");
    let args = ["client.py", kind, url, "me", "sec:ret"];
    let outcome = daemon.home.run(daemon.home.command_at(&python, &args));
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{outcome:?}");
    assert_like(&outcome.stdout, SHOWN, &format!("{kind} at {url}"));
}

fn start(subject: Subject) -> (Daemon, String) {
    let port = free_port();
    let login = "username=me\npassword=sec:ret\n";
    let sections =
        format!("[unix_http_server]\n{login}[inet_http_server]\nport=127.0.0.1:{port}\n{login}{PROGRAM}");
    // The helper's own calls give no password.
    let mut daemon = Daemon::spawn(Home::with(subject, &sections), &[]);
    daemon.await_line(&format!("INFO supervisord started with pid {}", daemon.pid));
    (daemon, format!("http://127.0.0.1:{port}"))
}

fn supervisors_transport_talks_to_us(subject: Subject) {
    let (daemon, url) = start(subject);
    shows(&daemon, "supervisor", &format!("unix://{}", daemon.socket().display()));
    shows(&daemon, "supervisor", &url);
}

fn pythons_xmlrpc_client_talks_to_us(subject: Subject) {
    let (daemon, url) = start(subject);
    shows(&daemon, "python", &url);
}
