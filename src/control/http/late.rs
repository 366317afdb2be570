//! An answer for a client that the binary before us has left to us: it asked there, and is answered here.

use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::FAREWELL;
use super::socket::Socket;
use crate::api::VERSION;
use crate::control::xmlrpc::Interface;
use crate::runtime::handle::Answer;

/// Answers, and closes: whether the client wanted to ask more was known to the other binary alone.
pub(super) async fn answer(
    interface: &Interface,
    connection: u64,
    answer: Answer,
    given: Option<String>,
    mut socket: Socket,
) {
    let document = interface.answer_late(connection, answer, given).await;
    let length = document.len();
    let text = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\nserver: supervisord/{VERSION}\r\nconnection: close\r\n\
         content-length: {length}\r\n\r\n{document}"
    );
    let send = async {
        // A client that has left misses nothing.
        if socket.write_all(text.as_bytes()).await.is_ok() {
            let _ = socket.shutdown().await;
        }
    };
    let _ = timeout(FAREWELL, send).await;
}
