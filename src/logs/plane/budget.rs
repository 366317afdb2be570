//! How much of the children's output may be on its way to the supervision thread.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that are left to claim; shared by the thread that claims and whoever gives back.
#[derive(Debug, Clone)]
pub struct Budget(Arc<AtomicUsize>);

/// A part of a budget, given back when dropped.
pub struct Claim {
    from: Budget,
    bytes: usize,
}

impl Budget {
    /// So many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }

    /// Claims a part, unless there is less left.
    #[must_use]
    pub fn claim(&self, bytes: usize) -> Option<Claim> {
        let less = |left: usize| left.checked_sub(bytes);
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, less).ok()?;
        Some(Claim { from: self.clone(), bytes })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.from.0.fetch_add(self.bytes, Ordering::AcqRel);
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Claim({})", self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_claimed_comes_back() {
        let budget = Budget::new(10);
        let claim = budget.claim(7).unwrap();
        assert!(budget.claim(4).is_none());
        drop(claim);
        assert!(budget.claim(10).is_some());
    }
}
