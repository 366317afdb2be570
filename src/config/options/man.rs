//! supervisord.conf(5), in roff.

use std::fmt::Write as _;

use super::{OptionRow, SECTIONS};

const HEAD: &str = r#".\" Made from the table of options (src/config/options); do not edit.
.TH SUPERVISORD.CONF 5 "" "supervisord 5.0.0"
.SH NAME
supervisord.conf \- what supervisord runs, and how
.SH DESCRIPTION
The file is made of
.BI [ section ]
headers and
.IB name = value
lines; a value goes on in the lines below it that are indented more. A line that begins with
.B ;
or
.B #
is a comment, and so is the rest of a line behind a blank and a
.BR ; .
Of equal sections and options the later counts. What nothing reads is told as a warning.
.PP
In values,
.B %(here)s
is the directory of the file,
.B %(ENV_NAME)s
a variable of the environment of supervisord, and in programs also
.BR %(program_name)s ,
.BR %(group_name)s ,
.BR %(process_num)d ,
.B %(numprocs)d
and
.BR %(host_node_name)s ,
with the formats of Python's % operator.
.B %%
is a per cent sign.
.PP
Without
.BR \-c ,
the file is looked for as ../etc/supervisord.conf and ../supervisord.conf (relative to the program), supervisord.conf,
etc/supervisord.conf, /etc/supervisord.conf and /etc/supervisor/supervisord.conf.
.B supervisord \-\-check
tells what is wrong with a file, without starting anything.
"#;

/// The manual page.
#[must_use]
pub fn man_page() -> String {
    let mut text = HEAD.to_owned();
    for section in SECTIONS {
        let name =
            if section.name.ends_with(':') { format!("{}x", section.name) } else { section.name.to_owned() };
        let _ = write!(text, ".SH [{}]\n{}\n", escaped(&name), escaped(section.doc));
        for option in section.options.first().copied().unwrap_or_default() {
            write_option(&mut text, option);
        }
        if section.options.len() > 1 {
            text.push_str(".PP\nAnd every option of [program:x].\n");
        }
    }
    text.push_str(
        ".SH SEE ALSO\n.BR supervisord (8),\n.BR supervisorctl (1),\n.BR echo_supervisord_conf (1)\n",
    );
    text
}

fn write_option(text: &mut String, option: &OptionRow) {
    let (name, kind) = (escaped(option.name), escaped(option.kind.name()));
    let (doc, default) = (escaped(option.doc), escaped(option.default));
    let _ = write!(text, ".TP\n.B {name}\n({kind}) {doc} Default: {default}.\n");
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-").replace("\n.", "\n\\&.")
}
