//! `password=` of a server: plain, `{SHA}` (Supervisor 4.3 `http.py`), or a salted hash in the PHC string format.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::{Deserialize, Serialize};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How a salted hash begins.
const PBKDF2: &str = "$pbkdf2-sha256$";
/// More would keep a client waiting for seconds.
const ITERATIONS: std::ops::RangeInclusive<u32> = 1..=10_000_000;
/// Bytes of a salt, and of a hash.
const LENGTHS: std::ops::RangeInclusive<usize> = 8..=64;

/// What a given password is compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Password {
    /// Itself.
    Plain(String),
    /// Its SHA-1 in hexadecimal digits: `{SHA}…`.
    Sha1(String),
    /// `$pbkdf2-sha256$i=ITERATIONS$SALT$HASH`
    Pbkdf2(Pbkdf2),
}

/// A hash of PBKDF2 with HMAC-SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pbkdf2 {
    /// How often it is hashed.
    pub iterations: u32,
    /// What is hashed with it.
    pub salt: Vec<u8>,
    /// What comes out.
    pub hash: Vec<u8>,
}

impl Password {
    /// Reads it.
    ///
    /// # Errors
    /// When it begins like a salted hash, and is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(hash) = text.strip_prefix("{SHA}") {
            return Ok(Self::Sha1(hash.to_owned()));
        }
        match text.strip_prefix(PBKDF2) {
            None => Ok(Self::Plain(text.to_owned())),
            Some(rest) => Pbkdf2::parse(rest)
                .map(Self::Pbkdf2)
                .ok_or_else(|| "the password begins like a salted hash, and is none".to_owned()),
        }
    }
}

impl Pbkdf2 {
    /// `i=600000[,l=32]$SALT$HASH`, or as passlib writes it, `600000$SALT$HASH` with dots for plus signs.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('$');
        let (cost, salt, hash) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let (iterations, length) = cost.split_once(",l=").map_or((cost, None), |(i, l)| (i, Some(l)));
        let iterations = iterations.strip_prefix("i=").unwrap_or(iterations).parse().ok()?;
        let bytes = |text: &str| {
            let bytes = BASE64.decode(text.replace('.', "+")).ok()?;
            LENGTHS.contains(&bytes.len()).then_some(bytes)
        };
        let (salt, hash) = (bytes(salt)?, bytes(hash)?);
        let fits = length.is_none_or(|length| length.parse() == Ok(hash.len()));
        (fits && ITERATIONS.contains(&iterations)).then_some(Self { iterations, salt, hash })
    }
}

/// As it stands in the file.
impl fmt::Display for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(text) => f.write_str(text),
            Self::Sha1(hash) => write!(f, "{{SHA}}{hash}"),
            Self::Pbkdf2(Pbkdf2 { iterations, salt, hash }) => {
                let (salt, hash) = (BASE64.encode(salt), BASE64.encode(hash));
                write!(f, "{PBKDF2}i={iterations}${salt}${hash}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_have_three_forms() {
        for text in ["", "secret", "$6$x", "{SHA}0a", "$pbkdf2-sha256$i=1000$c2FsdHNhbHQ$aGFzaGhhc2g"] {
            assert_eq!(Password::parse(text).unwrap().to_string(), text);
        }
        let salted = Pbkdf2 { iterations: 1000, salt: b"saltsalt".to_vec(), hash: vec![0xfb; 9] };
        for text in [
            "i=1000$c2FsdHNhbHQ$+/v7+/v7+/v7",
            "i=1000,l=9$c2FsdHNhbHQ=$+/v7+/v7+/v7",
            "1000$c2FsdHNhbHQ$./v7./v7./v7",
        ] {
            let read = Password::parse(&format!("{PBKDF2}{text}"));
            assert_eq!(read, Ok(Password::Pbkdf2(salted.clone())), "{text}");
        }
        for wrong in [
            "",
            "i=1000$c2FsdHNhbHQ",
            "i=0$c2FsdHNhbHQ$aGFzaGhhc2g",
            "i=99999999$c2FsdHNhbHQ$aGFzaGhhc2g",
            "i=1000,l=9$c2FsdHNhbHQ$aGFzaGhhc2g",
            "i=1000$c2Fs$aGFzaGhhc2g",
            "i=1000$c2FsdHNhbHQ$?",
            "i=1000$c2FsdHNhbHQ$aGFzaGhhc2g$",
        ] {
            assert!(Password::parse(&format!("{PBKDF2}{wrong}")).is_err(), "{wrong}");
        }
    }
}
