//! What callers may: root and our own user everything, others what polkit allows them.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::timeout;
use zbus::Connection;
use zbus::message::{Flags, Header};
use zbus::proxy::CacheProperties;
use zbus_polkit::policykit1::{AuthorityProxy, CheckAuthorizationFlags, Subject};

use super::asker::Caller;
use super::bus::Bus;
use super::limits::Limits;
use super::refusal::Refusal;
use super::table::Right;
use crate::api::Target;

/// What a decision without people may take.
const PATIENCE: Duration = Duration::from_secs(25);
/// What people may take to type a password.
const PEOPLE: Duration = Duration::from_secs(300);

/// A wish to be decided on.
#[derive(Debug)]
pub struct Wish<'a> {
    /// The call.
    pub header: &'a Header<'a>,
    /// Whose it is.
    pub caller: &'a Caller,
    /// What it needs.
    pub right: Right,
    /// The method.
    pub verb: &'a str,
    /// Whom it is about.
    pub about: Option<Target>,
}

/// Lets it pass, or not.
///
/// # Errors
/// `AccessDenied`, or `InteractiveAuthorizationRequired` when a password would help.
pub async fn allow(
    connection: &Connection,
    bus: Bus,
    limits: &Limits,
    wish: &Wish<'_>,
) -> Result<(), Refusal> {
    let Some(action) = wish.right.action() else { return Ok(()) };
    if wish.caller.may_everything() {
        return Ok(());
    }
    match bus {
        // polkit lives on the system bus, and knows nobody here.
        Bus::Session => Err(Refusal::denied("only root and the user of supervisord may do this")),
        Bus::System => ask(connection, limits, action, wish).await,
    }
}

async fn ask(connection: &Connection, limits: &Limits, action: &str, wish: &Wish<'_>) -> Result<(), Refusal> {
    let interactive = wish.header.primary().flags().contains(Flags::ALLOW_INTERACTIVE_AUTH);
    let question = if interactive {
        let full = || Refusal::standard("LimitsExceeded", "too many people are being asked for a password");
        Some(limits.question().ok_or_else(full)?)
    } else {
        None
    };
    let (flags, patience) = match &question {
        Some(_) => (CheckAuthorizationFlags::ALLOW_USER_INTERACTION, PEOPLE),
        None => (CheckAuthorizationFlags::empty(), PATIENCE),
    };
    let decide = async {
        let subject = Subject::new_for_message_header(wish.header).map_err(|error| error.to_string())?;
        let authority = AuthorityProxy::builder(connection)
            .cache_properties(CacheProperties::No)
            .build()
            .await
            .map_err(|error| error.to_string())?;
        let details = details(wish);
        let details = details.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let decision = authority.check_authorization(&subject, action, &details, flags, "").await;
        decision.map_err(|error| error.to_string())
    };
    let decision = timeout(patience, decide).await.map_err(|_| Refusal::denied("polkit does not answer"))?;
    let decision = decision.map_err(|error| {
        Refusal::denied(format!(
            "only root and the user of supervisord may do this while polkit cannot be asked: {error}"
        ))
    })?;
    if decision.is_authorized {
        Ok(())
    } else if decision.is_challenge {
        let message = format!("this needs authentication ({action})");
        Err(Refusal::standard("InteractiveAuthorizationRequired", message))
    } else {
        Err(Refusal::denied(format!("polkit does not allow this ({action})")))
    }
}

/// What a rule can look at: `verb`, and `process` and `group` of what it is about (`all` for all).
fn details(wish: &Wish<'_>) -> HashMap<&'static str, String> {
    let mut details = HashMap::from([("verb", wish.verb.to_owned())]);
    match &wish.about {
        Some(Target::Process(name)) => {
            details.insert("process", name.to_string());
            details.insert("group", name.group.to_string());
        }
        Some(Target::Group(group)) => {
            details.insert("group", group.clone());
        }
        Some(Target::All) => {
            details.insert("group", "all".to_owned());
        }
        None => {}
    }
    for value in details.values_mut() {
        *value = super::describe::clean(value);
    }
    details
}
