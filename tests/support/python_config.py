"""Reads configuration files as Supervisor 4.3.0 does: a JSON string (the text) a line in, a JSON value a line out.

Out comes {section: {option: value}} or null when the file cannot be read.
"""
import io
import json
import sys

from supervisor.options import UnhosedConfigParser

for line in sys.stdin:
    data = json.loads(line).encode("utf-8")
    parser = UnhosedConfigParser()
    try:
        # As open() gives it: newlines of every kind are one.
        parser.read_file(io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
        found = {name: dict(options) for name, options in parser._sections.items()}
        if parser._defaults:
            found["DEFAULT"] = dict(parser._defaults)
    except Exception:
        found = None
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
