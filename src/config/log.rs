//! `stdout_logfile=`, `stderr_logfile=`, and what belongs to them.

use super::reader::Reader;
use super::spec::{LogSpec, LogTarget, ToJournal};

/// How much of what goes to the journal is kept for those who ask us.
const WINDOW: i64 = 1 << 20;

/// What is the same for a channel of every process of a section.
pub(super) fn channel(reader: &mut Reader<'_, '_>, channel: &str) -> LogSpec {
    LogSpec {
        target: LogTarget::Auto,
        maxbytes: 0,
        backups: 0,
        capture_maxbytes: reader.bytes(&format!("{channel}_capture_maxbytes"), 0),
        events_enabled: reader.boolean(&format!("{channel}_events_enabled"), false),
        syslog: false,
        journal: ToJournal::No,
    }
}

/// Where a channel of one process goes; whether that is a file by name, or the journal.
pub(super) fn read(reader: &mut Reader<'_, '_>, channel: &str, spec: &mut LogSpec) -> bool {
    let section = &reader.section.name;
    let [key, syslog] = ["logfile", "syslog"].map(|option| format!("{channel}_{option}"));
    // Supervisor expands it twice: a literal per cent sign is written `%%%%`.
    let text = reader.text(&key);
    let text = text.and_then(|text| reader.expanded(&key, &text, &key));
    spec.backups = reader.integer(&format!("{key}_backups"), 10);
    spec.maxbytes = reader.bytes(&format!("{key}_maxbytes"), 50 << 20);
    spec.syslog = reader.boolean(&syslog, false);
    let text = text.unwrap_or_else(|| "auto".to_owned());
    let (journal, file) = split(&text);
    spec.journal = journal;
    spec.target = match (file.to_lowercase().as_str(), journal) {
        ("", ToJournal::Lines) => {
            (spec.maxbytes, spec.backups) = (WINDOW, 0);
            LogTarget::Auto
        }
        ("auto", _) => LogTarget::Auto,
        ("none" | "off" | "", _) => LogTarget::None,
        ("syslog", _) => {
            let problem = format!(
                "For [{section}], {key}=syslog but this is deprecated and will be removed.  Use {syslog}=true to enable syslog instead."
            );
            warn(reader, &key, problem);
            spec.syslog = true;
            LogTarget::None
        }
        _ => LogTarget::File(reader.checked_file(&key, file).into()),
    };
    if spec.target == LogTarget::Auto && spec.maxbytes == 0 {
        let problem = format!(
            "For [{section}], AUTO logging used for {key} without rollover, set maxbytes > 0 to avoid filling up filesystem unintentionally"
        );
        warn(reader, &format!("{key}_maxbytes"), problem);
    }
    refuse_what_nobody_sees(reader, channel, spec);
    text.is_empty() || journal != ToJournal::No || matches!(spec.target, LogTarget::File(_))
}

/// `journal` or `journal-stream`, alone, before or behind a file and a comma; and that file. A comma may stand in the name of
/// a file, too.
pub(super) fn split(text: &str) -> (ToJournal, &str) {
    let word = |part: &str| match part.trim().to_lowercase().as_str() {
        "journal" => ToJournal::Lines,
        "journal-stream" => ToJournal::Stream,
        _ => ToJournal::No,
    };
    let (first, behind) = text.split_once(',').unwrap_or((text, ""));
    let (before, last) = text.rsplit_once(',').unwrap_or(("", text));
    match (word(first), word(last)) {
        (ToJournal::No, ToJournal::No) => (ToJournal::No, text),
        (ToJournal::No, journal) => (journal, before.trim()),
        (journal, _) => (journal, behind.trim()),
    }
}

/// What a program writes to a stream of its own does not come by us.
fn refuse_what_nobody_sees(reader: &mut Reader<'_, '_>, channel: &str, spec: &LogSpec) {
    if spec.journal != ToJournal::Stream {
        return;
    }
    let others = [
        ("logfile", spec.target != LogTarget::None, "there is no other log beside it"),
        ("capture_maxbytes", spec.capture_maxbytes > 0, "nothing can be captured"),
        ("events_enabled", spec.events_enabled, "there are no events"),
        ("syslog", spec.syslog, "nothing can be sent to syslog"),
    ];
    for (option, _, what) in others.into_iter().filter(|(_, wanted, _)| *wanted) {
        let problem = format!(
            "{channel}_logfile=journal-stream leads past supervisord: {what}; use {channel}_logfile=journal"
        );
        reader.fail(&format!("{channel}_{option}"), problem);
    }
    let is_listener = reader.section.name.starts_with("eventlistener:");
    if is_listener && channel == "stdout" {
        let problem = "stdout_logfile=journal-stream leads past supervisord, which must hear the listener";
        reader.fail("stdout_logfile", problem.to_owned());
    }
}

/// A warning that Supervisor has as well.
pub(super) fn warn(reader: &mut Reader<'_, '_>, key: &str, problem: String) {
    let warning = reader.section.warning_of_theirs(problem, key);
    reader.context.warn_once(warning);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_stands_alone_or_beside_a_file() {
        for (text, expected) in [
            ("journal", (ToJournal::Lines, "")),
            ("JOURNAL ", (ToJournal::Lines, "")),
            ("journal-stream", (ToJournal::Stream, "")),
            ("/var/log/x, journal", (ToJournal::Lines, "/var/log/x")),
            ("journal,/var/log/a,b", (ToJournal::Lines, "/var/log/a,b")),
            ("/var/log/a,b,journal", (ToJournal::Lines, "/var/log/a,b")),
            ("/var/log/a,b", (ToJournal::No, "/var/log/a,b")),
            ("/var/log/journal", (ToJournal::No, "/var/log/journal")),
            ("./journal", (ToJournal::No, "./journal")),
            ("AUTO", (ToJournal::No, "AUTO")),
        ] {
            assert_eq!(split(text), expected, "{text}");
        }
    }
}
