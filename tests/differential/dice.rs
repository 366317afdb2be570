//! Chance that can be repeated.

/// A small generator of our own (xorshift64*): the same seed is the same file for ever.
pub struct Dice(u64);

impl Dice {
    /// The throws of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next number.
    pub fn throw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    /// True once in so many throws.
    pub fn one_in(&mut self, count: u64) -> bool {
        self.throw().is_multiple_of(count)
    }

    /// One of these.
    pub fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[usize::try_from(self.throw()).unwrap_or(0) % from.len()]
    }

    /// At most so many of these, joined.
    pub fn some(&mut self, most: u64, from: &[&str]) -> String {
        (0..self.throw() % (most + 1)).map(|_| self.pick(from)).collect()
    }
}
