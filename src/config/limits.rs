//! What a program may use: of its cgroup (cgroups(7)) and of each process (setrlimit(2)).

use serde::{Deserialize, Serialize};

use super::reader::Reader;
use super::value;

/// No limit.
pub const INFINITY: u64 = u64::MAX;

/// The limits of one program; `None`: as the daemon has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes, above which something in it is killed: `memory.max`.
    #[serde(default)]
    pub memory_max: Option<u64>,
    /// Bytes, above which it is slowed down: `memory.high`.
    #[serde(default)]
    pub memory_high: Option<u64>,
    /// Its share of the processors when they are all busy, 1..=10000, 100 being the usual: `cpu.weight`.
    #[serde(default)]
    pub cpu_weight: Option<u64>,
    /// Hundredths of one processor: `cpu.max`.
    #[serde(default)]
    pub cpu_quota: Option<u64>,
    /// Processes and threads: `pids.max`.
    #[serde(default)]
    pub tasks_max: Option<u64>,
    /// Of each of its processes.
    #[serde(default)]
    pub resources: Vec<ResourceLimit>,
}

impl Limits {
    /// Some of them are of its cgroup.
    #[must_use]
    pub fn any_of_cgroup(&self) -> bool {
        [self.memory_max, self.memory_high, self.cpu_weight, self.cpu_quota, self.tasks_max]
            .iter()
            .any(Option::is_some)
    }
}

/// A limit of setrlimit(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceLimit {
    /// Of what.
    pub resource: Resource,
    /// What holds.
    pub soft: u64,
    /// Up to where the program may raise it.
    pub hard: u64,
}

macro_rules! resources {
    ($($variant:ident $option:literal $doc:literal;)*) => {
        /// What setrlimit(2) limits.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Resource { $(#[doc = $doc] $variant,)* }

        impl Resource {
            /// Every one, with the name of its option.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$variant, $option)),*];
        }
    };
}

resources! {
    As "limit_as" "Bytes of address space.";
    Core "limit_core" "Bytes of a core file.";
    Cpu "limit_cpu" "Seconds of processor time.";
    Data "limit_data" "Bytes of data segment.";
    Fsize "limit_fsize" "Bytes of a file that it writes.";
    Memlock "limit_memlock" "Bytes that it may lock into memory.";
    Nofile "limit_nofile" "Open files.";
    Nproc "limit_nproc" "Processes of its user.";
    Stack "limit_stack" "Bytes of stack.";
}

/// Reads the limits of one program.
pub(super) fn read(reader: &mut Reader<'_, '_>) -> Limits {
    let mut some = |option: &str, parse: fn(&str) -> Result<u64, String>| {
        reader.section.get(option).map(|_| reader.parse(option, INFINITY, parse))
    };
    let mut limits = Limits {
        memory_max: some("memory_max", amount),
        memory_high: some("memory_high", amount),
        cpu_weight: some("cpu_weight", weight),
        cpu_quota: some("cpu_quota", percent),
        tasks_max: some("tasks_max", amount),
        resources: Vec::new(),
    };
    for (resource, option) in Resource::ALL {
        if reader.section.get(option).is_some() {
            let (soft, hard) = reader.parse(option, (INFINITY, INFINITY), soft_and_hard);
            limits.resources.push(ResourceLimit { resource: *resource, soft, hard });
        }
    }
    limits
}

/// A number with a unit, K, M, G and T, with or without B; or `infinity`.
fn amount(text: &str) -> Result<u64, String> {
    let lower = text.trim().to_lowercase();
    if lower == "infinity" {
        return Ok(INFINITY);
    }
    let short = lower.strip_suffix('b').unwrap_or(&lower);
    let units = [('k', 10), ('m', 20), ('g', 30), ('t', 40)];
    let unit = units.iter().find_map(|(unit, shift)| Some((short.strip_suffix(*unit)?, *shift)));
    let (digits, shift) = unit.unwrap_or((&lower, 0));
    let bad = || format!("not a limit: '{text}'");
    let number = value::integer(digits.trim()).ok().and_then(|number| u64::try_from(number).ok());
    number.and_then(|number| number.checked_mul(1 << shift)).ok_or_else(bad)
}

fn weight(text: &str) -> Result<u64, String> {
    let number = value::integer(text)?;
    let inside = u64::try_from(number).ok().filter(|weight| (1..=10_000).contains(weight));
    inside.ok_or_else(|| format!("not a weight from 1 to 10000: '{text}'"))
}

fn percent(text: &str) -> Result<u64, String> {
    let digits = text.trim().strip_suffix('%');
    let number = digits.and_then(|digits| digits.trim().parse().ok()).filter(|percent| *percent > 0);
    number.ok_or_else(|| format!("not a percentage: '{text}'"))
}

/// `1024`, or `1024:4096`.
fn soft_and_hard(text: &str) -> Result<(u64, u64), String> {
    let (soft, hard) = text.split_once(':').unwrap_or((text, text));
    let (soft, hard) = (amount(soft)?, amount(hard)?);
    if soft > hard {
        return Err(format!("the soft limit is above the hard one: '{text}'"));
    }
    Ok((soft, hard))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_units() {
        assert_eq!(amount("512MB"), Ok(512 << 20));
        assert_eq!(amount("2 g"), Ok(2 << 30));
        assert_eq!(amount("100"), Ok(100));
        assert_eq!(amount("Infinity"), Ok(INFINITY));
        for bad in ["", "-1", "1.5G", "b", "99999999T"] {
            assert_eq!(amount(bad), Err(format!("not a limit: '{bad}'")));
        }
    }

    #[test]
    fn shares_and_pairs() {
        assert_eq!(percent("150%"), Ok(150));
        assert!(percent("150").is_err() && percent("0%").is_err());
        assert_eq!(weight("100"), Ok(100));
        assert!(weight("0").is_err() && weight("10001").is_err());
        assert_eq!(soft_and_hard("1024:4K"), Ok((1024, 4096)));
        assert_eq!(soft_and_hard("64"), Ok((64, 64)));
        assert!(soft_and_hard("2:1").is_err());
    }
}
