//! A text and descriptors, from one process to another over a unix socket.
#![allow(unsafe_code)]

use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

/// The kernel takes at most 253 descriptors in one message.
const BATCH: usize = 200;
/// More than anybody has to say.
const TEXT_LIMIT: u32 = 256 << 20;

/// Sends both, whole.
///
/// # Errors
/// Those of sendmsg(2), and `EAGAIN` after the timeout of the stream.
pub fn send(mut stream: &UnixStream, text: &[u8], descriptors: &[OwnedFd]) -> io::Result<()> {
    let number =
        |count: usize| u32::try_from(count).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput));
    stream.write_all(&number(text.len())?.to_le_bytes())?;
    stream.write_all(&number(descriptors.len())?.to_le_bytes())?;
    stream.write_all(text)?;
    for batch in descriptors.chunks(BATCH) {
        let raw: Vec<RawFd> = batch.iter().map(std::os::fd::AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&raw)];
        sendmsg::<()>(stream.as_raw_fd(), &[IoSlice::new(b"+")], &rights, MsgFlags::MSG_NOSIGNAL, None)?;
    }
    Ok(())
}

/// Takes both; the descriptors are closed on exec.
///
/// # Errors
/// Those of recvmsg(2); when fewer descriptors come than were promised, as where our limit of open files is too low.
pub fn receive(mut stream: &UnixStream) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut number = || {
        let mut bytes = [0; 4];
        stream.read_exact(&mut bytes).map(|()| u32::from_le_bytes(bytes))
    };
    let (length, count) = (number()?, number()?);
    if length > TEXT_LIMIT {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut text = vec![0; usize::try_from(length).unwrap_or(0)];
    stream.read_exact(&mut text)?;
    let count = usize::try_from(count).unwrap_or(0);
    let mut descriptors = Vec::new();
    while descriptors.len() < count {
        let got = receive_batch(stream)?;
        if got.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        descriptors.extend(got);
    }
    Ok((text, descriptors))
}

fn receive_batch(stream: &UnixStream) -> io::Result<Vec<OwnedFd>> {
    let mut byte = [0];
    let mut space = nix::cmsg_space!([RawFd; BATCH]);
    let mut into = [IoSliceMut::new(&mut byte)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(stream.as_raw_fd(), &mut into, Some(&mut space), flags)?;
    let mut taken = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(all) = control {
            // SAFETY: the kernel has just made each of these for us alone.
            taken.extend(all.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::reexec::{in_memory, read_whole};

    #[test]
    fn a_text_and_many_descriptors_arrive_in_their_order() {
        let (one, other) = UnixStream::pair().unwrap();
        let many: Vec<OwnedFd> =
            (0..450).map(|n: u32| in_memory(n.to_string().as_bytes()).unwrap()).collect();
        let sender = std::thread::spawn(move || send(&one, b"hello", &many).unwrap());
        let (text, got) = receive(&other).unwrap();
        sender.join().unwrap();
        assert_eq!((text.as_slice(), got.len()), (b"hello".as_slice(), 450));
        for (n, fd) in got.iter().enumerate() {
            assert_eq!(read_whole(fd).unwrap(), n.to_string().as_bytes());
        }
        assert!(receive(&other).is_err(), "whoever sent is gone");
    }
}
