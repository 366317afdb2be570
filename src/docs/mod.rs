//! The manual pages and the completions for shells, made from the tables and kept in `docs/`.
//!
//! *May import:* api, cli, config::options, ctl::{commands, flags}. *Invariants:* pure; what is kept is what is made.
//! *Tested:* `docs::tests` holds the files in `docs/` against what is made, and writes them for `make docs`; `tests/documents.rs` has real
//! shells and real readers of manuals try them.

mod man;
mod shells;

#[cfg(test)]
mod tests;

/// A file below `docs/`.
#[derive(Debug)]
pub struct Document {
    /// Where it is kept, below `docs/`.
    pub path: &'static str,
    /// What is in it.
    pub text: String,
}

/// Every file that is made from the tables.
#[must_use]
pub fn documents() -> Vec<Document> {
    let page = |path, prose| Document { path, text: man::page(prose) };
    let script = |path, text| Document { path, text };
    vec![
        page("man/supervisord.8", include_str!("pages/supervisord.8")),
        page("man/supervisorctl.1", include_str!("pages/supervisorctl.1")),
        page("man/supervisord.conf.5", include_str!("pages/supervisord.conf.5")),
        page("man/pidproxy.1", include_str!("pages/pidproxy.1")),
        page("man/echo_supervisord_conf.1", include_str!("pages/echo_supervisord_conf.1")),
        script("completions/bash/supervisord", shells::bash(shells::SUPERVISORD)),
        script("completions/bash/supervisorctl", shells::bash(shells::SUPERVISORCTL)),
        script("completions/zsh/_supervisord", shells::zsh(shells::SUPERVISORD)),
        script("completions/zsh/_supervisorctl", shells::zsh(shells::SUPERVISORCTL)),
        script("completions/fish/supervisord.fish", shells::fish(shells::SUPERVISORD)),
        script("completions/fish/supervisorctl.fish", shells::fish(shells::SUPERVISORCTL)),
    ]
}
