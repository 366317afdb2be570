//! Clients that mean harm, or know no better, against a whole daemon: each gets the right answer or a closed connection, memory
//! is bounded (`src/control/http/room.rs`), and others are served meanwhile.
//!
//! `make hostile` tells what it costs: how long a well-behaved client waits, and how much memory the daemon has had at most.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod hostile {
    pub mod crowd;
    pub mod flood;
    pub mod requests;
}
mod support;

use support::skipped;

#[test]
fn no_name_leads_beyond_the_table() {
    hostile::requests::no_name_leads_beyond_the_table();
}

#[test]
fn documents_that_grow_are_refused() {
    hostile::requests::documents_that_grow_are_refused();
}

#[test]
fn lengths_that_are_wrong_are_told_or_the_connection_is_closed() {
    hostile::requests::lengths_that_are_wrong_are_told_or_the_connection_is_closed();
}

#[test]
fn many_requests_in_one_packet_are_answered_in_order() {
    hostile::requests::many_requests_in_one_packet_are_answered_in_order();
}

#[test]
fn old_clients_are_answered() {
    hostile::requests::old_clients_are_answered();
}

#[test]
#[ignore = "the client of the next one, in a process of its own"]
fn a_client_that_asks() {
    hostile::flood::ask();
}

#[test]
#[ignore = "it takes minutes: `make hostile` runs it"]
fn whatever_the_others_do_a_client_is_answered_and_memory_is_bounded() {
    hostile::flood::run();
}
