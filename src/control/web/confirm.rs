//! Asked before something is done that came as a link: an address alone changes nothing.

use super::action::{Action, Verb};
use super::html::{Around, esc, frame, token_field};

/// A page that asks, and whose form does it.
#[must_use]
pub fn page(around: &Around, action: &Action) -> String {
    let question = action.question();
    let (word, name, label) = match action {
        Action::Refresh => ("refresh".to_owned(), None, "Refresh"),
        Action::All(verb) => (format!("{}all", verb.word()), None, verb.label()),
        Action::Named(verb, name) => (verb.word().to_owned(), Some(name), verb.label()),
    };
    let harm = matches!(action, Action::All(Verb::Stop) | Action::Named(Verb::Stop, _));
    let form = match &around.token {
        None => "<p>This page is read-only: nothing can be changed here.</p>\n<p><a class=\"button\" href=\"./\">Back</a></p>\n"
            .to_owned(),
        Some(token) => format!(
            "<form method=\"post\" action=\"index.html\">{token}<input type=\"hidden\" name=\"action\" value=\"{word}\">{name}\
             <p class=\"choices\"><button class=\"{class}\" autofocus>{label}</button> <a class=\"button\" href=\"./\">Cancel</a></p></form>\n",
            token = token_field(token),
            name = name.map_or_else(String::new, |name| format!(
                "<input type=\"hidden\" name=\"processname\" value=\"{}\">",
                esc(name)
            )),
            class = if harm { "harm" } else { "main" },
        ),
    };
    let body = format!("<section class=\"ask\">\n<h1>{}</h1>\n{form}</section>\n", esc(&question));
    frame(around, &question, "", &[], &body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::web::html::tests::around;

    #[test]
    fn a_link_is_answered_with_a_question() {
        let action = Action::Named(Verb::Stop, "\"><script>".into());
        let page = page(&around(Some("t0k")), &action);
        for part in [
            "<h1>Stop &quot;&gt;&lt;script&gt;?</h1>",
            "method=\"post\"",
            "name=\"token\" value=\"t0k\"",
            "name=\"action\" value=\"stop\"",
            "name=\"processname\" value=\"&quot;&gt;&lt;script&gt;\"",
        ] {
            assert!(page.contains(part), "{part}\n{page}");
        }
    }

    #[test]
    fn where_nothing_can_be_changed_nothing_is_asked() {
        let page = page(&around(None), &Action::All(Verb::Stop));
        assert!(page.contains("read-only: nothing can be changed"), "{page}");
        assert!(!page.contains("<form"), "{page}");
    }
}
