//! What supervisorctl makes of an answer: the head, the body and the document in it.

use supervisord::ctl::http::{Answer, Malformed};
use supervisord::wire::xmlrpc::decode_response;

/// How the answer is cut into packets does not matter, it ends where it says, and every document in it is read or refused.
pub fn run(bytes: &[u8]) {
    let (cut, bytes) = super::chunks(bytes);
    let whole = read(bytes, bytes.len().max(1));
    assert_eq!(whole, read(bytes, cut));
    if let Ok((_, _, body)) = whole {
        assert!(body.len() < bytes.len());
        let _ = decode_response(&body);
    }
    // The documents themselves, without having to guess a head for each.
    let _ = decode_response(bytes);
}

/// The status, whether the connection is kept, and the body of the answer that a server sends before it hangs up.
fn read(bytes: &[u8], cut: usize) -> Result<(u16, bool, Vec<u8>), Malformed> {
    let mut answer = Answer::default();
    for piece in bytes.chunks(cut) {
        answer.feed(piece)?;
    }
    let keeps = answer.keeps();
    answer.close()?;
    let head = answer.head().expect("a whole answer has a head");
    assert!(!keeps || head.keep);
    Ok((head.code, keeps, answer.take_body()))
}
