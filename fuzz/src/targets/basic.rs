//! The `Authorization` header.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use supervisord::config::spec::Credentials;
use supervisord::control::http::auth::admits;

/// Whoever knows the password comes in, and nobody else: what is let in says it, and what says it is let in.
pub fn run(bytes: &[u8]) {
    let given =
        |username: &str, password: &str| Credentials { username: username.into(), password: password.into() };
    let plain = given("user", "123");
    let hashed = given("user", "{SHA}40bd001563085fc35165329ea1ff5c5ecbdbbeef");
    if admits(&plain, Some(bytes)) {
        let text = std::str::from_utf8(bytes).expect("it was let in, so it is text");
        let encoded = text.split_once(' ').map(|(_, encoded)| encoded.trim());
        let decoded = STANDARD.decode(encoded.unwrap_or_default()).expect("it was let in, so it is base64");
        assert_eq!(decoded, b"user:123");
        assert!(admits(&hashed, Some(bytes)));
    } else {
        assert!(!admits(&hashed, Some(bytes)));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let header = format!("Basic {}", STANDARD.encode(text));
    let known = text.split_once(':').map(|(username, password)| given(username, password));
    // A password that looks like a hash is one.
    if let Some(known) = known.filter(|known| !known.password.starts_with('{')) {
        assert!(admits(&known, Some(header.as_bytes())));
        assert!(!admits(&plain, Some(header.as_bytes())) || text == "user:123");
    }
}
