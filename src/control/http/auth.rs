//! Basic authentication (Supervisor 4.3 `http.py`, `supervisor_auth_handler`), in constant time.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pbkdf2::pbkdf2_hmac;
use rustix::rand::{GetRandomFlags, getrandom};
use sha1_smol::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::config::spec::{Password, Pbkdf2};

/// How often a new password is hashed: what OWASP advises for PBKDF2 with HMAC-SHA-256.
const ITERATIONS: u32 = 600_000;

/// What a client says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Its name.
    pub user: String,
    /// Its password.
    pub password: String,
}

impl Claim {
    /// Reads an `Authorization` header; `None` when it is of another kind, or malformed.
    #[must_use]
    pub fn read(header: &[u8]) -> Option<Self> {
        let (scheme, rest) = std::str::from_utf8(header).ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let text = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
        let (user, password) = text.split_once(':')?;
        Some(Self { user: user.to_owned(), password: password.to_owned() })
    }
}

/// Whether that is the password. With a salted hash it takes a while.
#[must_use]
pub fn fits(password: &Password, given: &str) -> bool {
    match password {
        Password::Plain(text) => same(given.as_bytes(), text.as_bytes()),
        Password::Sha1(hash) => same(Sha1::from(given).digest().to_string().as_bytes(), hash.as_bytes()),
        Password::Pbkdf2(Pbkdf2 { iterations, salt, hash }) => {
            let mut found = vec![0; hash.len()];
            pbkdf2_hmac::<Sha256>(given.as_bytes(), salt, *iterations, &mut found);
            found.ct_eq(hash).into()
        }
    }
}

/// A salted hash of a password, for the configuration.
///
/// # Errors
/// When the kernel has no random bytes.
pub fn hash(password: &str) -> io::Result<Password> {
    hashed(password, ITERATIONS)
}

pub(super) fn hashed(password: &str, iterations: u32) -> io::Result<Password> {
    let (mut salt, mut hash) = (vec![0; 16], vec![0; 32]);
    if getrandom(&mut salt, GetRandomFlags::empty())? < salt.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    pbkdf2_hmac::<Sha256>(password.as_bytes(), &salt, iterations, &mut hash);
    Ok(Password::Pbkdf2(Pbkdf2 { iterations, salt, hash }))
}

/// Equal, found out in a time that tells neither contents nor lengths.
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    Sha1::from(a).digest().bytes().ct_eq(&Sha1::from(b).digest().bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_may_be_plain_or_hashed() {
        let password = |text: &str| Password::parse(text).unwrap();
        let sha1 = "{SHA}a94a8fe5ccb19ba61c4c0873d391e987982fbbd3";
        // Made with Python: hashlib.pbkdf2_hmac("sha256", b"test", b"saltsaltsaltsalt", 1000)
        let salted =
            "$pbkdf2-sha256$i=1000$c2FsdHNhbHRzYWx0c2FsdA$4+KBqsOVLqj6E9Td14CGM3lT9IqBoXdgdB7aKUjWvVE";
        for stored in ["test", sha1, salted] {
            assert!(fits(&password(stored), "test"), "{stored}");
            for wrong in ["Test", "", "test ", stored] {
                assert!(stored == wrong || !fits(&password(stored), wrong), "{stored}: {wrong}");
            }
        }
    }

    #[test]
    fn a_hash_is_never_the_same_and_always_fits() {
        let (one, other) = (hashed("secret", 2).unwrap(), hashed("secret", 2).unwrap());
        assert_ne!(one, other);
        assert!(fits(&Password::parse(&one.to_string()).unwrap(), "secret"));
    }

    #[test]
    fn claims_are_read_and_what_is_malformed_is_none() {
        let claim = |text: &str| Claim::read(text.as_bytes());
        let given = Claim { user: "me".into(), password: "te:st".into() };
        assert_eq!(claim(&format!("bAsic {}", STANDARD.encode("me:te:st"))), Some(given));
        for bad in ["", "Basic", "Basic ?", "Digest bWU6dGVzdA==", "Basic bWV0ZXN0"] {
            assert_eq!(claim(bad), None, "{bad}");
        }
    }
}
