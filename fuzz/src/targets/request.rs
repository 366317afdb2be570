//! XML-RPC requests, as the daemon reads them.

use supervisord::wire::xmlrpc::{
    CALL_ELEMENT_LIMIT, Call, decode_call, decode_response, encode_call, encode_response,
};

/// What was read is written as a document that reads as itself. Only the first writing may change a value: `nil`, large
/// numbers, and what XML cannot carry.
pub fn run(bytes: &[u8]) {
    let Ok(call) = decode_call(bytes) else { return };
    // What is written may have three times as many elements.
    if bytes.len() > CALL_ELEMENT_LIMIT {
        return;
    }
    let first = again(&call);
    assert_eq!(first.params.len(), call.params.len());
    let second = again(&first);
    // Text, because NaN is not equal to itself.
    assert_eq!(format!("{first:?}"), format!("{second:?}"));
    for value in &first.params {
        let back = decode_response(encode_response(value).as_bytes());
        assert_eq!(format!("{back:?}"), format!("{:?}", Ok::<_, ()>(Ok::<_, ()>(value))));
    }
}

fn again(call: &Call) -> Call {
    decode_call(encode_call(call).as_bytes()).expect("what is written can be read")
}
