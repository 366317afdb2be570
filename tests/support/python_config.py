"""Reads configurations with Supervisor 4.3.0's own code: a JSON question a line in, a JSON answer a line out.

- `{"text": TEXT}`: the sections of a file, {section: {option: value}}, or null when it cannot be read.
- `{"load": FILE, "directory": DIR, "environment": {...}}`: what supervisord makes of a file when it is started in DIR:
  {"settings": ...}, {"refused": MESSAGE} or, where it would end with a traceback, {"crashed": MESSAGE}.
- `{"ctl": FILE, ...}`: the same for supervisorctl.
"""
import io
import json
import os
import signal
import sys
import tempfile

from supervisor import datatypes, events, options


class Refused(Exception):
    pass


def refuse(self, message):
    raise Refused(str(message))


options.Options.usage = refuse


def sections(text):
    parser = options.UnhosedConfigParser()
    try:
        # As open() gives it: newlines of every kind are one.
        parser.read_file(io.TextIOWrapper(io.BytesIO(text.encode("utf-8")), encoding="utf-8"))
    except Exception:
        return None
    found = {name: dict(values) for name, values in parser._sections.items()}
    if parser._defaults:
        found["DEFAULT"] = dict(parser._defaults)
    return found


NAMES = {
    datatypes.Automatic: "AUTO",
    datatypes.RestartUnconditionally: "true",
    datatypes.RestartWhenExitUnexpected: "unexpected",
    False: "false",
    None: "NONE",
}


def channel(config, name):
    # No log, in two spellings.
    target = getattr(config, name + "_logfile") or None
    return {
        "logfile": NAMES.get(target, target),
        "maxbytes": getattr(config, name + "_logfile_maxbytes"),
        "backups": getattr(config, name + "_logfile_backups"),
        "capture_maxbytes": getattr(config, name + "_capture_maxbytes"),
        "events_enabled": getattr(config, name + "_events_enabled"),
        "syslog": getattr(config, name + "_syslog"),
    }


def process(config):
    plain = (
        "name command directory umask priority autostart startsecs startretries exitcodes stopwaitsecs stopasgroup "
        "killasgroup redirect_stderr environment serverurl uid"
    )
    found = {name: getattr(config, name) for name in plain.split()}
    found["stopsignal"] = int(config.stopsignal)
    found["autorestart"] = NAMES[config.autorestart]
    found["stdout"] = channel(config, "stdout")
    found["stderr"] = channel(config, "stderr")
    return found


def group(config):
    found = {"name": config.name, "priority": config.priority}
    # In a [group:x] ours follows the priorities of the processes (RE-13).
    found["processes"] = [process(one) for one in sorted(config.process_configs, key=lambda one: one.priority)]
    if isinstance(config, options.EventListenerPoolConfig):
        found["events"] = sorted(events.getEventNameByType(kind) for kind in config.pool_events)
        found["buffer_size"] = config.buffer_size
    # Without a process there is nobody to have the socket.
    if isinstance(config, options.FastCGIGroupConfig) and found["processes"]:
        socket = config.socket_config
        found["socket"] = {"url": socket.url, "backlog": socket.backlog}
        if isinstance(socket, datatypes.UnixStreamSocketConfig):
            found["socket"].update(mode=socket.mode, owner=socket.owner)
    return found


def server(config):
    # Without a name nobody is asked for a password.
    login = ("username", "password") if config["username"] else ()
    found = {"section": config["section"], "username": None, "password": None}
    found.update({name: config[name] for name in login})
    own = ("file", "chmod", "chown") if "file" in config else ("host", "port")
    found.update({name: config[name] for name in own})
    return found


def daemon(read):
    plain = (
        "logfile logfile_maxbytes logfile_backups loglevel pidfile umask nodaemon silent minfds minprocs nocleanup "
        "childlogdir directory strip_ansi identifier"
    )
    found = {name: getattr(read, name) for name in plain.split()}
    for flag in "nodaemon", "silent", "nocleanup", "strip_ansi":
        found[flag] = bool(found[flag])
    for path in "childlogdir", "directory":
        found[path] = found[path] and os.path.abspath(found[path])
    section = read.configroot.supervisord
    found["uid"] = read.uid
    found["environment"] = section.environment
    return {
        "supervisord": found,
        "servers": [server(config) for config in read.server_configs],
        "groups": [group(config) for config in read.process_group_configs],
        # Supervisor repeats those of a program for each of its processes.
        "warnings": list(dict.fromkeys(read.parse_warnings)),
        "infos": read.parse_infos,
    }


def client(read):
    return {name: getattr(read, name) for name in "serverurl username password prompt history_file".split()}


def load(question, file, make, describe):
    os.chdir(question["directory"])
    os.environ.clear()
    os.environ.update(question["environment"])
    tempfile.tempdir = None
    try:
        read = make()
        read.realize(["-c", file], doc="", progname="supervisor")
        return {"settings": describe(read)}
    except Refused as refused:
        return {"refused": str(refused)}
    except Exception as error:
        return {"crashed": "%s: %s" % (type(error).__name__, error)}


def answer(question):
    if "text" in question:
        return sections(question["text"])
    if "load" in question:
        return load(question, question["load"], options.ServerOptions, daemon)
    return load(question, question["ctl"], options.ClientOptions, client)


# Ending a test from the keyboard is the business of the test.
signal.signal(signal.SIGINT, signal.SIG_IGN)
for line in sys.stdin:
    sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
    sys.stdout.flush()
