//! Basic authentication (Supervisor 4.3 `http.py`, `supervisor_auth_handler`), in constant time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1_smol::Sha1;
use subtle::ConstantTimeEq as _;

use crate::config::spec::Credentials;

/// The `Authorization` header shows that the client may come in. What is malformed does not.
#[must_use]
pub fn admits(credentials: &Credentials, header: Option<&[u8]>) -> bool {
    let Some((user, password)) = header.and_then(read) else { return false };
    let name_fits = same(user.as_bytes(), credentials.username.as_bytes());
    let password_fits = match credentials.password.strip_prefix("{SHA}") {
        Some(hash) => same(Sha1::from(&password).digest().to_string().as_bytes(), hash.as_bytes()),
        None => same(password.as_bytes(), credentials.password.as_bytes()),
    };
    name_fits & password_fits
}

fn read(header: &[u8]) -> Option<(String, String)> {
    let (scheme, rest) = std::str::from_utf8(header).ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}

/// Equal, found out in a time that tells neither contents nor lengths.
fn same(a: &[u8], b: &[u8]) -> bool {
    Sha1::from(a).digest().bytes().ct_eq(&Sha1::from(b).digest().bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_may_be_plain_or_hashed() {
        let header = |text: &str| format!("bAsic {}", STANDARD.encode(text));
        let admitted = |password: &str, header: &str| {
            let credentials = Credentials { username: "me".into(), password: password.into() };
            admits(&credentials, Some(header.as_bytes()))
        };
        let hash = "{SHA}a94a8fe5ccb19ba61c4c0873d391e987982fbbd3";
        assert!(admitted("te:st", &header("me:te:st")));
        assert!(admitted(hash, &header("me:test")));
        assert!(!admitted(hash, &header(&format!("me:{hash}"))));
        assert!(!admitted("test", &header("me:Test")));
        assert!(!admitted("test", &header("you:test")));
        for bad in ["", "Basic", "Basic ?", "Digest bWU6dGVzdA==", &header("metest")] {
            assert!(!admitted("test", bad), "{bad}");
        }
        assert!(!admits(&Credentials { username: "me".into(), password: String::new() }, None));
    }
}
