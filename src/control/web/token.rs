//! The token that a form of this start carries, and that no page from elsewhere can know.

use std::fmt::Write as _;
use std::io;

use rustix::rand::{GetRandomFlags, getrandom};
use sha1_smol::Sha1;
use subtle::ConstantTimeEq as _;

/// The token of this start of the daemon.
#[derive(Debug, Clone)]
pub struct Token(String);

impl Token {
    /// A new one, of 128 bits from the kernel.
    ///
    /// # Errors
    /// When the kernel has none to give.
    pub fn new() -> io::Result<Self> {
        let mut bytes = [0; 16];
        let count = getrandom(&mut bytes, GetRandomFlags::empty())?;
        if count < bytes.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut text = String::with_capacity(2 * bytes.len());
        for byte in bytes {
            // To write to a text cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Ok(Self(text))
    }

    /// As a form carries it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Names the start without giving the token away.
    #[must_use]
    pub fn boot(&self) -> String {
        Sha1::from(&self.0).digest().to_string()[..12].to_owned()
    }

    /// Whether that is it, found out in a time that does not tell how much of it is right.
    #[must_use]
    pub fn is(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_itself_alone() {
        let (one, other) = (Token::new().unwrap(), Token::new().unwrap());
        assert_eq!(one.text().len(), 32);
        assert!(one.is(one.text()));
        for wrong in [other.text(), "", &one.text()[1..], &one.boot()] {
            assert!(!one.is(wrong), "{wrong}");
        }
        assert_ne!(one.boot(), other.boot());
    }
}
