//! A bag of descriptors: they are in flight in the queue of a socket pair, where they live for as long as anybody holds its two
//! ends. So a thousand of them cost whoever keeps the bag but two.

#![allow(unsafe_code)]

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::thread;

use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv, recvmsg, sendmsg, socketpair,
};

use super::rlimit;

/// Descriptors in one item.
pub const ITEM: usize = 64;
/// Bytes of a label.
const LABEL: usize = 16 * 1024;
/// Bytes that may be in flight, as far as we may ask for them.
const ROOM: usize = 64 << 20;
/// Bytes that no new item may take: they are for looking into the bag, and for tidying it, which put a mark and an item in twice.
const RESERVE: usize = 64 << 10;
/// So many that nobody wants may wait for leisure.
const FEW: usize = 64;
/// So many are looked at otherwise: more than can have come since.
const MANY: usize = 256;
/// Where an item begins: its number.
const NUMBER: usize = size_of::<u64>();
/// The number of what is no item.
const MARK: u64 = 0;
/// For the descriptors of one item.
const SPACE: usize = rustix::cmsg_space!(ScmRights(ITEM));

/// What was put into a bag.
#[derive(Debug)]
pub struct Item {
    /// Its number; never used again in that bag.
    pub number: u64,
    /// What it is, for whoever takes it out.
    pub label: Vec<u8>,
    /// What it holds.
    pub fds: Vec<OwnedFd>,
}

/// A bag. Whoever writes into it knows what is in it, and in which order.
#[derive(Debug)]
pub struct Bag {
    into: OwnedFd,
    out: OwnedFd,
    queue: VecDeque<u64>,
    gone: HashSet<u64>,
    last: u64,
    /// At least so many bytes still go in: the kernel is asked when that is not enough.
    free: usize,
}

impl Bag {
    /// An empty bag.
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn new() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (into, out) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        if setsockopt(&into, sockopt::SndBufForce, &ROOM).is_err() {
            // Whoever is not root gets what everybody gets.
            let _ = setsockopt(&into, sockopt::SndBuf, &ROOM);
        }
        Ok(Self { into, out, queue: VecDeque::new(), gone: HashSet::new(), last: 0, free: 0 })
    }

    /// A bag that somebody has kept, and what is in it. It is all still in there. Whoever looks has all of it open at once: a
    /// limit of open files must not stand in the way.
    ///
    /// # Errors
    /// Those of sendmsg(2) and recvmsg(2): `ENOTSOCK` when it is no bag.
    pub fn open(into: OwnedFd, out: OwnedFd) -> io::Result<(Self, Vec<Item>)> {
        let mut bag = Self { into, out, queue: VecDeque::new(), gone: HashSet::new(), last: 0, free: 0 };
        let mut items: BTreeMap<u64, Item> = BTreeMap::new();
        let mut own = [0; 16];
        rlimit::raise_files();
        rustix::rand::getrandom(&mut own, rustix::rand::GetRandomFlags::empty())?;
        bag.send(MARK, &own, &[])?;
        while let Some(item) = bag.receive(RecvFlags::PEEK)? {
            let twice = items.contains_key(&item.number);
            // At the end before it is taken from the beginning: so it is in there whenever we die, once or twice.
            if item.number != MARK && !twice {
                bag.send(item.number, &item.label, &borrowed(&item.fds))?;
                bag.queue.push_back(item.number);
            }
            bag.drop_first()?;
            // Other marks are of those who died doing this.
            if item.number == MARK && item.label == own {
                break;
            }
            if item.number != MARK && !twice {
                items.insert(item.number, item);
            }
        }
        bag.last = items.keys().next_back().copied().unwrap_or(0);
        Ok((bag, items.into_values().collect()))
    }

    /// The end where things are put in, and the end where they come out: whoever is to keep the bag keeps both.
    #[must_use]
    pub fn ends(&self) -> [BorrowedFd<'_>; 2] {
        [self.into.as_fd(), self.out.as_fd()]
    }

    /// Puts descriptors in; the number by which they are taken out again.
    ///
    /// # Errors
    /// `EAGAIN` when it is full, `ETOOMANYREFS` when more may not be in flight, `EMSGSIZE` when the label is too long.
    pub fn put(&mut self, label: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<u64> {
        if label.len() > LABEL || fds.len() > ITEM {
            return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
        }
        if self.free < RESERVE {
            self.free = self.room()?;
            if self.free < RESERVE {
                return Err(io::Error::from_raw_os_error(libc::EAGAIN));
            }
        }
        let number = self.last + 1;
        self.send(number, label, fds)?;
        // Nothing else takes room for long: what is put in again is taken away as well.
        self.free = self.free.saturating_sub(at_most(label));
        self.last = number;
        self.queue.push_back(number);
        Ok(number)
    }

    /// An item is wanted no more. It goes with the next [`Bag::tidy`] that comes by.
    pub fn discard(&mut self, number: u64) {
        self.gone.insert(number);
    }

    /// Something in it is wanted no more.
    #[must_use]
    pub fn is_untidy(&self) -> bool {
        !self.gone.is_empty()
    }

    /// Looks at so many items, or at more where too many are wanted no more, and lets those go.
    pub fn tidy(&mut self, count: usize) {
        let count = if self.is_full_of_rubbish() { count.max(MANY) } else { count };
        for _ in 0..count.min(self.queue.len()) {
            if self.gone.is_empty() || self.turn_over().is_err() {
                return;
            }
        }
    }

    /// Lets all of it go. Each descriptor is closed by whoever takes it out: of many, a part by another thread.
    pub fn empty(self) {
        thread::scope(|scope| {
            if self.queue.len() > MANY {
                // Without it everything is done here.
                let _ = thread::Builder::new().name("bag".to_owned()).spawn_scoped(scope, || self.pour_out());
            }
            self.pour_out();
        });
    }

    fn pour_out(&self) {
        while let Ok(true) = self.drop_first() {}
    }

    /// Most of it is wanted no more: it holds what the kernel could give to others.
    fn is_full_of_rubbish(&self) -> bool {
        self.gone.len() > FEW.max(self.queue.len() / 2)
    }

    /// The item at the beginning goes to the end, or goes.
    fn turn_over(&mut self) -> io::Result<()> {
        let Some(number) = self.queue.front().copied() else { return Ok(()) };
        if !self.gone.remove(&number)
            && let Some(item) = self.receive(RecvFlags::PEEK)?
        {
            let fds = borrowed(&item.fds);
            if self.send(number, &item.label, &fds).is_err() {
                // It does not hold it twice: for a moment we alone have it.
                self.queue.pop_front();
                self.drop_first()?;
                self.send(number, &item.label, &fds)?;
                self.queue.push_back(number);
                return Ok(());
            }
            self.queue.push_back(number);
        }
        self.queue.pop_front();
        self.drop_first()?;
        Ok(())
    }

    /// Bytes that still go in.
    fn room(&self) -> io::Result<usize> {
        let all = getsockopt(&self.into, sockopt::SndBuf)?;
        let mut taken: libc::c_int = 0;
        // SAFETY: a live descriptor, and an int to write to for the length of the call.
        if unsafe { libc::ioctl(self.into.as_raw_fd(), libc::TIOCOUTQ, &raw mut taken) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(all.saturating_sub(usize::try_from(taken).unwrap_or(0)))
    }

    fn send(&self, number: u64, label: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let number = number.to_le_bytes();
        let mut space = [MaybeUninit::uninit(); SPACE];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
        }
        let parts = [IoSlice::new(&number), IoSlice::new(label)];
        loop {
            match sendmsg(&self.into, &parts, &mut control, SendFlags::NOSIGNAL) {
                Err(rustix::io::Errno::INTR) => {}
                sent => return Ok(sent.map(drop)?),
            }
        }
    }

    /// Takes away what is at the beginning; `false`: nothing is. Descriptors for which there is no place are closed by the kernel,
    /// and never ours.
    fn drop_first(&self) -> io::Result<bool> {
        loop {
            match recv(&self.out, &mut [0; NUMBER], RecvFlags::empty()) {
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Ok(false),
                taken => return Ok(taken.map(|(_, count)| count > 0)?),
            }
        }
    }

    /// What is at the beginning; `None`: nothing is in it.
    fn receive(&self, how: RecvFlags) -> io::Result<Option<Item>> {
        let mut bytes = vec![0; NUMBER + LABEL];
        let mut space = [MaybeUninit::uninit(); SPACE];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let mut parts = [IoSliceMut::new(&mut bytes)];
            match recvmsg(&self.out, &mut parts, &mut control, how | RecvFlags::CMSG_CLOEXEC) {
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Ok(None),
                received => break received?,
            }
        };
        if received.flags.contains(ReturnFlags::CTRUNC) {
            // Descriptors are missing: it must not be put in again like that.
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        let Some((number, label)) = bytes[..received.bytes].split_first_chunk::<NUMBER>() else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let rights = control.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        });
        Ok(Some(Item {
            number: u64::from_le_bytes(*number),
            label: label.to_vec(),
            fds: rights.flatten().collect(),
        }))
    }
}

/// An item with that label takes no more room: its bytes and what the kernel has beside them, in a piece of memory that is
/// twice as large at worst, and the head of a message.
fn at_most(label: &[u8]) -> usize {
    (NUMBER + label.len() + 512).next_power_of_two() + 512
}

fn borrowed(fds: &[OwnedFd]) -> Vec<BorrowedFd<'_>> {
    fds.iter().map(AsFd::as_fd).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::reexec::{in_memory, read_whole};

    fn file(text: &str) -> OwnedFd {
        in_memory(text.as_bytes()).unwrap()
    }

    fn texts(items: &[Item]) -> Vec<(u64, String, Vec<Vec<u8>>)> {
        let text = |item: &Item| String::from_utf8_lossy(&item.label).into_owned();
        let read = |item: &Item| item.fds.iter().map(|fd| read_whole(fd).unwrap()).collect();
        items.iter().map(|item| (item.number, text(item), read(item))).collect()
    }

    /// Both ends, as another process would have them.
    fn kept(bag: &Bag) -> (OwnedFd, OwnedFd) {
        let [into, out] = bag.ends().map(|end| end.try_clone_to_owned().unwrap());
        (into, out)
    }

    #[test]
    fn what_was_put_in_is_there_for_whoever_has_kept_the_bag() {
        let mut bag = Bag::new().unwrap();
        bag.put(b"one", &[file("1").as_fd(), file("2").as_fd()]).unwrap();
        bag.put(b"none", &[]).unwrap();
        let (into, out) = kept(&bag);
        drop(bag);
        for _ in 0..3 {
            let (again, items) = Bag::open(into.try_clone().unwrap(), out.try_clone().unwrap()).unwrap();
            let one = (1, "one".to_owned(), vec![b"1".to_vec(), b"2".to_vec()]);
            assert_eq!(texts(&items), [one, (2, "none".to_owned(), vec![])]);
            assert_eq!(again.queue, [1, 2]);
        }
        let (mut bag, _) = Bag::open(into, out).unwrap();
        assert_eq!(bag.put(b"three", &[]).unwrap(), 3);
    }

    #[test]
    fn what_is_discarded_goes_and_is_closed() {
        let mut bag = Bag::new().unwrap();
        let (read, write) = rustix::pipe::pipe().unwrap();
        let first = bag.put(b"a", &[]).unwrap();
        let pipe = bag.put(b"pipe", &[write.as_fd()]).unwrap();
        let last = bag.put(b"b", &[]).unwrap();
        drop(write);
        bag.discard(pipe);
        assert!(bag.is_untidy());
        bag.tidy(2);
        assert!(!bag.is_untidy());
        assert_eq!(read_whole(&read).unwrap(), b"", "nobody holds the other end any more");
        assert_eq!(bag.queue, [last, first]);
        let (into, out) = kept(&bag);
        let (_, items) = Bag::open(into, out).unwrap();
        assert_eq!(items.iter().map(|item| item.number).collect::<Vec<_>>(), [first, last]);
    }

    #[test]
    fn what_is_discarded_does_not_pile_up_while_there_is_no_leisure() {
        let mut bag = Bag::new().unwrap();
        let stays: Vec<u64> = (0..100).map(|_| bag.put(b"stays", &[]).unwrap()).collect();
        for _ in 0..100 {
            for _ in 0..32 {
                let brief = bag.put(b"brief", &[]).unwrap();
                bag.discard(brief);
            }
            bag.tidy(1);
            assert!(bag.queue.len() <= 2 * stays.len() + FEW, "{}", bag.queue.len());
        }
        bag.tidy(usize::MAX);
        bag.queue.make_contiguous().sort_unstable();
        assert_eq!(bag.queue, stays);
    }

    #[test]
    fn whoever_dies_looking_into_it_loses_nothing_and_doubles_nothing() {
        let bag = || {
            let mut bag = Bag::new().unwrap();
            for text in ["1", "2", "3"] {
                bag.put(text.as_bytes(), &[file(text).as_fd()]).unwrap();
            }
            bag
        };
        // As far as `open` may have come: a mark, and some items twice.
        for done in 0..6 {
            let bag = bag();
            bag.send(MARK, b"another", &[]).unwrap();
            for step in 0..done {
                if step % 2 == 0 {
                    let item = bag.receive(RecvFlags::PEEK).unwrap().unwrap();
                    bag.send(item.number, &item.label, &borrowed(&item.fds)).unwrap();
                } else {
                    bag.receive(RecvFlags::empty()).unwrap();
                }
            }
            let (into, out) = kept(&bag);
            let (bag, items) = Bag::open(into, out).unwrap();
            let numbers: Vec<u64> = items.iter().map(|item| item.number).collect();
            assert_eq!(numbers, [1, 2, 3], "after {done} steps");
            assert_eq!(bag.queue.len(), 3);
        }
    }

    #[test]
    fn a_bag_that_is_emptied_holds_nothing() {
        for count in [3, 2 * MANY] {
            let mut bag = Bag::new().unwrap();
            let (read, write) = rustix::pipe::pipe().unwrap();
            for _ in 0..count {
                bag.put(b"one", &[write.as_fd()]).unwrap();
            }
            drop(write);
            // Somebody keeps it.
            let (into, out) = kept(&bag);
            bag.empty();
            assert_eq!(read_whole(&read).unwrap(), b"", "nobody holds the other end any more");
            assert!(Bag::open(into, out).unwrap().1.is_empty());
        }
    }

    #[test]
    fn something_else_is_no_bag() {
        assert!(Bag::open(file(""), file("")).is_err());
        let mut bag = Bag::new().unwrap();
        assert_eq!(bag.put(&[0; 20_000], &[]).unwrap_err().raw_os_error(), Some(libc::EMSGSIZE));
    }

    #[test]
    fn a_full_bag_can_be_looked_into_and_tidied() {
        let mut bag = Bag::new().unwrap();
        // As whoever is not root gets it.
        setsockopt(&bag.into, sockopt::SndBuf, &100_000).unwrap();
        let fd = file("x");
        let full = loop {
            if let Err(error) = bag.put(&[b'x'; 300], &[fd.as_fd(); 5]) {
                break error;
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        let (count, last) = (bag.queue.len(), bag.last);
        assert!(count > 10, "{count}");
        let (into, out) = kept(&bag);
        drop(bag);
        let (mut bag, items) = Bag::open(into, out).unwrap();
        assert_eq!(items.len(), count);
        bag.discard(last);
        bag.tidy(count);
        assert!(!bag.is_untidy(), "those before it do not keep it in");
        assert_eq!(bag.queue.len(), count - 1);
        bag.put(&[b'x'; 300], &[fd.as_fd(); 5]).unwrap();
    }

    #[test]
    fn what_nobody_wants_leaves_a_bag_that_holds_nothing_more() {
        let mut bag = Bag::new().unwrap();
        setsockopt(&bag.into, sockopt::SndBuf, &20_000).unwrap();
        let fd = file("x");
        while bag.send(bag.last + 1, b"label", &[fd.as_fd()]).is_ok() {
            bag.last += 1;
            bag.queue.push_back(bag.last);
        }
        let last = bag.last;
        bag.discard(last);
        bag.tidy(usize::MAX);
        assert!(!bag.is_untidy());
        assert_eq!(bag.queue, (1..last).collect::<VecDeque<_>>());
        setsockopt(&bag.into, sockopt::SndBuf, &40_000).unwrap();
        let (into, out) = kept(&bag);
        let (_, items) = Bag::open(into, out).unwrap();
        assert_eq!(items.iter().map(|item| item.number).collect::<Vec<_>>(), (1..last).collect::<Vec<_>>());
        assert!(items.iter().all(|item| item.fds.len() == 1));
    }

    #[test]
    fn no_item_takes_more_room_than_it_is_thought_to() {
        let mut bag = Bag::new().unwrap();
        let fd = file("x");
        // Around every size of memory that the kernel has.
        let around = (5..=14)
            .flat_map(|power| (1..=40).map(move |less| ((1 << power) + 8_usize).saturating_sub(8 * less)));
        for length in (0..200).chain(around).chain([LABEL]) {
            let room = bag.room().unwrap();
            bag.put(&vec![b'x'; length], &[fd.as_fd(); ITEM]).unwrap();
            let taken = room - bag.room().unwrap();
            assert!(taken <= at_most(&vec![0; length]), "{length} bytes take {taken}");
            assert!(bag.free <= bag.room().unwrap());
        }
    }

    #[test]
    fn a_thousand_programs_fit_in() {
        let mut bag = Bag::new().unwrap();
        let fd = file("x");
        for number in 1..=1000 {
            assert_eq!(bag.put(br#"{"child":{"id":1}}"#, &[fd.as_fd(); 5]).unwrap(), number);
        }
    }
}
