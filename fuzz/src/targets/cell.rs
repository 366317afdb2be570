//! The cell that a daemon which died has left, as the next one finds it.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;

use supervisord::logs::cell::{CHUNK, Cell};

/// Words behind the magic number that say something of the chunk.
const HEAD: usize = 120;
/// Where the buffer is.
const BUFFER: u64 = 16_384;

/// Whatever is there is refused, or can be made sense of.
pub fn run(bytes: &[u8]) {
    let cell = Cell::create().unwrap();
    let file = File::from(cell.keep().unwrap());
    let (head, chunk) = bytes.split_at(bytes.len().min(HEAD));
    file.write_all_at(head, 8).unwrap();
    file.write_all_at(chunk, BUFFER).unwrap();
    match Cell::open(file.into()) {
        Ok((_, None)) => {}
        Ok((_, Some(unwritten))) => assert!(unwritten.len() <= CHUNK as u64),
        Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidData),
    }
}
