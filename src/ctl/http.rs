//! An answer of HTTP/1, read from bytes as they come, whatever their number: pure, and with limits.

/// The most bytes that a head, or the trailer behind the last chunk, may have.
const HEAD_LIMIT: usize = 64 << 10;

/// The most bytes of room that are made for a body before it comes.
const ROOM_LIMIT: usize = 8 << 20;

/// The most headers.
const HEADER_LIMIT: usize = 100;

/// The most bytes of a line that tells the size of a chunk.
const SIZE_LINE_LIMIT: usize = 1 << 10;

/// What is no answer of HTTP.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The head is not one.
    #[error("the server does not speak HTTP: {0}")]
    Head(String),
    /// The head is too large.
    #[error("the head of the answer is too large")]
    HeadLimit,
    /// The body's chunks are no chunks.
    #[error("the answer's chunks are malformed")]
    Chunk,
    /// Two lengths, or one that is no number.
    #[error("the answer's Content-Length is no length")]
    Length,
    /// The connection was closed too early.
    #[error("the server closed the connection in the middle of its answer")]
    CutOff,
    /// The connection was closed at once.
    #[error("the server closed the connection without an answer")]
    NoAnswer,
}

/// What a head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The status.
    pub code: u16,
    /// Whether the connection can be used again.
    pub keep: bool,
}

/// Where in the answer we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Head,
    /// So many bytes of the body are left.
    Body(u64),
    /// A body that ends when the connection is closed.
    Endless,
    Size,
    /// So many bytes of the chunk are left.
    Chunk(u64),
    ChunkEnd,
    Trailer,
    End,
}

/// Reads one answer.
#[derive(Debug)]
pub struct Answer {
    at: At,
    head: Option<Head>,
    /// What has come; what stands before `used` is understood.
    pending: Vec<u8>,
    used: usize,
    body: Vec<u8>,
}

impl Default for Answer {
    fn default() -> Self {
        Self { at: At::Head, head: None, pending: Vec::new(), used: 0, body: Vec::new() }
    }
}

impl Answer {
    /// The head, when it is whole.
    #[must_use]
    pub fn head(&self) -> Option<Head> {
        self.head
    }

    /// Whether the answer is whole.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.at == At::End
    }

    /// Whether the connection can be used for another request: the answer is whole, and nothing came behind it.
    #[must_use]
    pub fn keeps(&self) -> bool {
        self.is_whole() && self.rest().is_empty() && self.head.is_some_and(|head| head.keep)
    }

    /// What has come of the body and was not taken.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Takes what has come of the body.
    pub fn take_body(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.body)
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// See [`Malformed`]; then no more may be fed.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let bytes = if self.rest().is_empty() { self.pass_on(bytes) } else { bytes };
        self.pending.extend_from_slice(bytes);
        while self.step()? {}
        self.pending.drain(..self.used);
        self.used = 0;
        Ok(())
    }

    /// Takes into the body what is known to belong there; the rest.
    fn pass_on<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let At::Body(left) = self.at else { return bytes };
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let (body, rest) = bytes.split_at(count);
        self.body.extend_from_slice(body);
        let left = left - count as u64;
        self.at = if left == 0 { At::End } else { At::Body(left) };
        rest
    }

    /// What is not understood yet.
    fn rest(&self) -> &[u8] {
        &self.pending[self.used..]
    }

    /// The connection was closed.
    ///
    /// # Errors
    /// The answer is not whole.
    pub fn close(&mut self) -> Result<(), Malformed> {
        match self.at {
            At::End => Ok(()),
            At::Endless => {
                self.at = At::End;
                Ok(())
            }
            At::Head if self.rest().is_empty() => Err(Malformed::NoAnswer),
            _ => Err(Malformed::CutOff),
        }
    }

    /// Understands the next piece; whether there may be another.
    fn step(&mut self) -> Result<bool, Malformed> {
        match self.at {
            At::Head => self.read_head(),
            At::Body(left) => {
                let left = self.pass(left);
                self.at = if left == 0 { At::End } else { At::Body(left) };
                Ok(false)
            }
            At::Endless => {
                self.pass(u64::MAX);
                Ok(false)
            }
            At::Size => self.read_size(),
            At::Chunk(left) => {
                let left = self.pass(left);
                self.at = if left == 0 { At::ChunkEnd } else { At::Chunk(left) };
                Ok(left == 0)
            }
            At::ChunkEnd => match self.line(2)? {
                None => Ok(false),
                Some(b"") => {
                    self.at = At::Size;
                    Ok(true)
                }
                Some(_) => Err(Malformed::Chunk),
            },
            At::Trailer => match self.line(HEAD_LIMIT)? {
                None => Ok(false),
                Some(line) => {
                    let last = line.is_empty();
                    self.at = if last { At::End } else { At::Trailer };
                    Ok(true)
                }
            },
            At::End => Ok(false),
        }
    }

    /// Moves up to so many bytes to the body; how many are left.
    fn pass(&mut self, left: u64) -> u64 {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(self.rest().len());
        self.body.extend_from_slice(&self.pending[self.used..self.used + count]);
        self.used += count;
        left - count as u64
    }

    /// The next line, without its end.
    fn line(&mut self, limit: usize) -> Result<Option<&[u8]>, Malformed> {
        let rest = &self.pending[self.used..];
        let end = memchr::memchr(b'\n', rest);
        if end.unwrap_or(rest.len()) > limit {
            return Err(Malformed::Chunk);
        }
        let Some(end) = end else { return Ok(None) };
        self.used += end + 1;
        let line = &rest[..end];
        Ok(Some(line.strip_suffix(b"\r").unwrap_or(line)))
    }

    fn read_size(&mut self) -> Result<bool, Malformed> {
        let Some(line) = self.line(SIZE_LINE_LIMIT)? else { return Ok(false) };
        let text = String::from_utf8_lossy(line);
        let digits = text.split(';').next().unwrap_or_default().trim();
        let size = match u64::from_str_radix(digits, 16) {
            Ok(size) if !digits.starts_with('+') => size,
            _ => return Err(Malformed::Chunk),
        };
        self.at = if size == 0 { At::Trailer } else { At::Chunk(size) };
        Ok(true)
    }

    fn read_head(&mut self) -> Result<bool, Malformed> {
        let mut headers = [httparse::EMPTY_HEADER; HEADER_LIMIT];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = response.parse(self.rest()).map_err(|error| Malformed::Head(error.to_string()))?;
        let length = match parsed {
            httparse::Status::Complete(length) if length <= HEAD_LIMIT => length,
            httparse::Status::Partial if self.rest().len() <= HEAD_LIMIT => return Ok(false),
            _ => return Err(Malformed::HeadLimit),
        };
        let code = response.code.unwrap_or(0);
        let says = |name: &str, word: &str| values(&response, name).any(|value| has_word(value, word));
        let keep = if response.version == Some(1) {
            !says("connection", "close")
        } else {
            says("connection", "keep-alive")
        };
        let at = match code {
            // An interim answer; the real one follows.
            100..200 => At::Head,
            204 | 304 => At::End,
            _ if says("transfer-encoding", "chunked") => At::Size,
            _ => match length_of(&response)? {
                Some(0) => At::End,
                Some(length) => {
                    self.body.reserve(usize::try_from(length).unwrap_or(usize::MAX).min(ROOM_LIMIT));
                    At::Body(length)
                }
                None => At::Endless,
            },
        };
        if at != At::Head {
            self.head = Some(Head { code, keep: keep && at != At::Endless });
        }
        self.at = at;
        self.used += length;
        Ok(true)
    }
}

fn values<'h>(response: &'h httparse::Response<'_, '_>, name: &str) -> impl Iterator<Item = &'h str> {
    let named = response.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
    named.map(|header| std::str::from_utf8(header.value).unwrap_or_default())
}

/// Whether a list of words has this one.
fn has_word(list: &str, word: &str) -> bool {
    list.split(',').any(|each| each.trim().eq_ignore_ascii_case(word))
}

fn length_of(response: &httparse::Response<'_, '_>) -> Result<Option<u64>, Malformed> {
    let mut lengths = values(response, "content-length").map(|value| {
        let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        if digits { value.parse().map_err(|_| Malformed::Length) } else { Err(Malformed::Length) }
    });
    let Some(first) = lengths.next().transpose()? else { return Ok(None) };
    for other in lengths {
        if other? != first {
            return Err(Malformed::Length);
        }
    }
    Ok(Some(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds a whole answer in pieces of a size, and closes.
    fn read(bytes: &str, size: usize) -> Result<(u16, bool, String), Malformed> {
        let mut answer = Answer::default();
        for piece in bytes.as_bytes().chunks(size) {
            answer.feed(piece)?;
        }
        let keeps = answer.keeps();
        answer.close()?;
        let body = String::from_utf8(answer.take_body()).unwrap();
        Ok((answer.head().unwrap().code, keeps, body))
    }

    #[track_caller]
    fn reads(bytes: &str, expected: (u16, bool, &str)) {
        for size in [1, 2, 3, 7, bytes.len()] {
            let (code, keeps, body) = read(bytes, size).unwrap();
            assert_eq!((code, keeps, body.as_str()), expected, "in pieces of {size}");
        }
    }

    #[track_caller]
    fn refuses(bytes: &str, expected: &Malformed) {
        for size in [1, 5, bytes.len().max(1)] {
            assert_eq!(read(bytes, size).as_ref(), Err(expected), "in pieces of {size}");
        }
    }

    #[test]
    fn a_body_has_a_length_or_chunks_or_the_connections_end() {
        reads("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", (200, true, "hello"));
        reads("HTTP/1.1 200 OK\r\nCONTENT-LENGTH: 0\r\n\r\n", (200, true, ""));
        let chunks = "4\r\nwiki\r\n5;ext=1\r\npedia\r\nE\r\n in\r\n\r\nchunks.\r\n0\r\nTrailer: x\r\n\r\n";
        reads(
            &format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"),
            (200, true, "wikipedia in\r\n\r\nchunks."),
        );
        reads("HTTP/1.1 200 OK\r\n\r\nto the end", (200, false, "to the end"));
        reads("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", (204, true, ""));
    }

    #[test]
    fn a_connection_is_kept_where_the_server_keeps_it() {
        let with = |head: &str| format!("{head}Content-Length: 1\r\n\r\nx");
        reads(&with("HTTP/1.1 401 No\r\nConnection: close\r\n"), (401, false, "x"));
        reads(&with("HTTP/1.0 200 OK\r\n"), (200, false, "x"));
        reads(&with("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n"), (200, true, "x"));
        let behind = read("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxyz", 1000).unwrap();
        assert_eq!(behind, (200, false, "x".to_owned()));
    }

    #[test]
    fn nonsense_is_called_so() {
        refuses("SSH-2.0-OpenSSH_9.2\r\n", &Malformed::Head("invalid HTTP version".to_owned()));
        refuses("", &Malformed::NoAnswer);
        refuses("HTTP/1.1 200 O", &Malformed::CutOff);
        refuses("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", &Malformed::CutOff);
        refuses("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", &Malformed::Length);
        refuses("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", &Malformed::Length);
        let chunked = |rest: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{rest}");
        refuses(&chunked("x\r\n"), &Malformed::Chunk);
        refuses(&chunked("+1\r\na\r\n"), &Malformed::Chunk);
        refuses(&chunked("1\r\nab\r\n"), &Malformed::Chunk);
        refuses(&chunked("fffffffffffffffff\r\n"), &Malformed::Chunk);
        refuses(&chunked("4\r\nab"), &Malformed::CutOff);
        refuses(&chunked(&"1".repeat(SIZE_LINE_LIMIT + 1)), &Malformed::Chunk);
        refuses(&chunked(&format!("0;{}\r\n\r\n", "x".repeat(SIZE_LINE_LIMIT))), &Malformed::Chunk);
    }

    #[test]
    fn a_head_has_a_limit() {
        let mut answer = Answer::default();
        answer.feed(b"HTTP/1.1 200 OK\r\nX: ").unwrap();
        let told = (0..100).map(|_| answer.feed(&[b'x'; 1 << 10])).find(Result::is_err);
        assert_eq!(told, Some(Err(Malformed::HeadLimit)));
    }
}
