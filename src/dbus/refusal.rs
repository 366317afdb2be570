//! Why a call is not done, as D-Bus tells it.

use super::NAME;
use crate::api::{Fault, FaultCode};

/// An error reply: its name, and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// `org.….Error.Word`
    pub name: String,
    /// What is wrong.
    pub message: String,
}

impl Refusal {
    /// One of D-Bus's own errors.
    #[must_use]
    pub fn standard(word: &str, message: impl Into<String>) -> Self {
        Self { name: format!("org.freedesktop.DBus.Error.{word}"), message: message.into() }
    }

    /// The arguments are not those of the method.
    #[must_use]
    pub fn arguments(message: impl Into<String>) -> Self {
        Self::standard("InvalidArgs", message)
    }

    /// The caller may not do this.
    #[must_use]
    pub fn denied(message: impl Into<String>) -> Self {
        Self::standard("AccessDenied", message)
    }

    /// There is nothing under that path.
    #[must_use]
    pub fn no_object(path: &str) -> Self {
        Self::standard("UnknownObject", format!("there is no object {path}"))
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self { name: error_name(fault.code), message: fault.to_string() }
    }
}

/// The name of a fault: `BAD_NAME` is `org.supervisord.Supervisor1.Error.BadName`.
#[must_use]
pub fn error_name(code: FaultCode) -> String {
    let capital = |word: &str| {
        let (first, rest) = word.split_at(1);
        format!("{first}{}", rest.to_ascii_lowercase())
    };
    format!("{NAME}.Error.{}", code.name().split('_').map(capital).collect::<String>())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use zbus::names::ErrorName;

    use super::*;

    #[test]
    fn every_fault_has_an_error_of_its_own() {
        let names: BTreeSet<String> = FaultCode::ALL.iter().map(|code| error_name(*code)).collect();
        assert_eq!(names.len(), FaultCode::ALL.len());
        for name in &names {
            assert!(ErrorName::try_from(name.as_str()).is_ok(), "{name}");
        }
        let bad_name = Refusal::from(Fault::new(FaultCode::BadName, "web"));
        assert_eq!(bad_name.name, "org.supervisord.Supervisor1.Error.BadName");
        assert_eq!(bad_name.message, "BAD_NAME: web");
        assert_eq!(error_name(FaultCode::CantReread), "org.supervisord.Supervisor1.Error.CantReread");
    }
}
