//! The `Authorization` header.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use supervisord::config::spec::Password;
use supervisord::control::http::auth::{Claim, fits};

/// Whoever knows the password comes in, and nobody else: what is claimed was said, and a password fits itself and its hash.
pub fn run(bytes: &[u8]) {
    let plain = Password::Plain("123".into());
    let hashed = Password::Sha1("40bd001563085fc35165329ea1ff5c5ecbdbbeef".into());
    if let Some(claim) = Claim::read(bytes) {
        let text = std::str::from_utf8(bytes).expect("a claim was read, so it is text");
        let encoded = text.split_once(' ').map(|(_, encoded)| encoded.trim());
        let decoded =
            STANDARD.decode(encoded.unwrap_or_default()).expect("a claim was read, so it is base64");
        assert_eq!(decoded, format!("{}:{}", claim.user, claim.password).into_bytes());
        for password in [&plain, &hashed] {
            assert_eq!(fits(password, &claim.password), claim.password == "123");
        }
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let known = text.split_once(':');
    let claim = Claim::read(format!("Basic {}", STANDARD.encode(text)).as_bytes());
    assert_eq!(claim.as_ref().map(|claim| (claim.user.as_str(), claim.password.as_str())), known);
    // What begins like a hash is one, and fits something else.
    if let Ok(password @ Password::Plain(_)) = Password::parse(text) {
        assert!(fits(&password, text));
        assert_eq!(password.to_string(), text);
    }
}
