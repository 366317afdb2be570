//! What is one turn: written down once, and then done.

use std::collections::VecDeque;
use std::mem::discriminant;

use crate::engine::{Input, ProcessId};

/// So many at most: as many are born together then, and other places for births stay free.
const RUN: usize = 8;

fn whose(input: &Input) -> Option<ProcessId> {
    match input {
        Input::Exited { id, .. } | Input::Spawned { id, .. } => Some(*id),
        _ => None,
    }
}

/// How many of those who wait are told in one turn: the first; where that is an end or a birth, also what is right behind it,
/// as long as it is the same of others. So many ends, or births, are written down once, and then done in their order.
pub(super) fn length(waiting: &VecDeque<Input>) -> usize {
    let one_more = |at: &usize| {
        let (first, next) = (&waiting[0], &waiting[*at]);
        let id = whose(next);
        let known = waiting.iter().take(*at).any(|before| whose(before) == id);
        id.is_some() && discriminant(first) == discriminant(next) && !known
    };
    let most = waiting.len().min(RUN);
    most.min(1) + (1..most).take_while(one_more).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::WaitStatus;
    use crate::engine::Evidence;

    #[test]
    fn ends_of_different_processes_are_one_turn_and_so_are_births() {
        let end = |id| Input::Exited {
            id: ProcessId(id),
            status: WaitStatus::Exited(0),
            evidence: Evidence::default(),
        };
        let birth = |id| Input::Spawned { id: ProcessId(id), pid: 7 };
        let many = || (0..20).map(end);
        let cases: [(usize, Vec<Input>); 8] = [
            (0, vec![]),
            (1, vec![Input::DeadlineReached, Input::DeadlineReached]),
            (1, vec![Input::DeadlineReached, end(1)]),
            (2, vec![end(1), end(2), Input::DeadlineReached, end(3)]),
            (2, vec![birth(1), birth(2), end(3)]),
            (2, vec![end(1), end(2), birth(3)]),
            (2, vec![end(1), end(2), end(1)]),
            (RUN, many().collect()),
        ];
        for (expected, waiting) in cases {
            assert_eq!(length(&waiting.clone().into()), expected, "{waiting:?}");
        }
    }
}
