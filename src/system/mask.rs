//! Which thread hears signals: the first one alone, so that those that come while another binary takes over wait for it.

use nix::sys::signal::{SigSet, SigmaskHow, Signal as Number, pthread_sigmask};

use crate::api::Signal;

/// The signals that are heard. USR1 means nothing, and must not end us.
pub const HEARD: [Signal; 6] =
    [Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP, Signal::USR1, Signal::USR2];

/// From here on this thread, and every thread that it starts, leaves them to others.
pub fn block() {
    change(SigmaskHow::SIG_BLOCK);
}

/// From here on this thread hears them, and at once those that wait.
pub fn unblock() {
    change(SigmaskHow::SIG_UNBLOCK);
}

/// Has something start threads that leave them to this one, if it hears them.
pub fn aside<T>(start: impl FnOnce() -> T) -> T {
    let before = SigSet::thread_get_mask();
    block();
    let started = start();
    if let Ok(before) = before {
        // Fails only for a way that does not exist.
        let _ = before.thread_set_mask();
    }
    started
}

fn change(how: SigmaskHow) {
    let numbers = HEARD.iter().filter_map(|signal| Number::try_from(signal.number()).ok());
    let set: SigSet = numbers.collect();
    // Fails only for a way that does not exist.
    let _ = pthread_sigmask(how, Some(&set), None);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_hears_what_it_does_not_block_and_its_own_threads_likewise() {
        fn hears() -> bool {
            !SigSet::thread_get_mask().unwrap().contains(Number::SIGUSR2)
        }
        std::thread::spawn(|| {
            assert!(hears());
            assert!(!aside(|| std::thread::spawn(hears)).join().unwrap() && hears());
            block();
            assert!(!aside(hears) && !hears());
            unblock();
            assert!(hears() && std::thread::spawn(hears).join().unwrap());
        })
        .join()
        .unwrap();
    }
}
