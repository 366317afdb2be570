//! Calls: looked up in the table, allowed, done and answered.

use std::future::poll_fn;
use std::os::fd::AsFd as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures_core::Stream as _;
use zbus::message::{Builder, Flags, Type};
use zbus::names::{InterfaceName, MemberName};
use zbus::{Connection, Fd, Message, MessageStream};

use super::NAME;
use super::asker::{Caller, identify, ourselves};
use super::authority::{Wish, allow};
use super::bus::{Parts, request_name};
use super::given::Given;
use super::limits::{Limits, Underway};
use super::path::{self, Node};
use super::perform::{Outcome, Plan, told};
use super::refusal::Refusal;
use super::standard::{Answer, Standard};
use super::table::{Interface, Method, Right};
use crate::api::{Fault, FaultCode, Hush, Level, SupervisorState};

/// What answers on one connection.
pub struct Service {
    /// What the daemon gave.
    pub parts: Parts,
    /// Where answers go.
    pub connection: Connection,
    limits: Limits,
    refusals: Mutex<Hush>,
}

/// What a call has turned out to be, and whoever sent it may have done.
enum Deed {
    Standard(Standard, Node),
    Look(Plan),
    Change { method: &'static Method, plan: Plan, words: String, caller: Caller },
}

/// What goes into a reply.
enum Body {
    Standard(Answer),
    Ours(Outcome),
}

impl Service {
    /// On a connection.
    #[must_use]
    pub fn new(parts: Parts, connection: Connection) -> Self {
        Self { parts, connection, limits: Limits::default(), refusals: Mutex::default() }
    }

    /// Answers every call, until the connection ends. Takes every message at once: the replies that we wait for come
    /// the same way.
    pub async fn answer_all(self: &Arc<Self>, mut stream: MessageStream) {
        while let Some(Ok(message)) = poll_fn(|context| Pin::new(&mut stream).poll_next(context)).await {
            match message.message_type() {
                Type::MethodCall => self.begin(message).await,
                Type::Signal => self.heard(&message),
                Type::MethodReturn | Type::Error => {}
            }
        }
    }

    async fn begin(self: &Arc<Self>, message: Message) {
        let header = message.header();
        let client = header.sender().map_or("", |sender| sender.as_str());
        match self.limits.begin(client, message.body().len()) {
            Ok(underway) => {
                let (service, message) = (Arc::clone(self), message.clone());
                tokio::spawn(async move { service.answer(&message, underway).await });
            }
            Err(refusal) => self.reply(&message, Err(refusal)).await,
        }
    }

    /// What the bus says of our name.
    fn heard(&self, message: &Message) {
        let header = message.header();
        let from_bus = header.sender().is_some_and(|sender| sender.as_str() == "org.freedesktop.DBus");
        let ours = || message.body().deserialize::<String>().is_ok_and(|name| name == NAME);
        if !from_bus || !ours() {
            return;
        }
        match header.member().map(MemberName::as_str) {
            Some("NameAcquired") => {
                (self.parts.say)(Level::Info, format!("D-Bus: on the {} as {NAME}", self.parts.bus));
            }
            Some("NameLost") => {
                // The reply comes as a message as well: it is not waited for here.
                let connection = self.connection.clone();
                tokio::spawn(async move { request_name(&connection).await });
                (self.parts.say)(Level::Warn, format!("D-Bus: lost the name {NAME}; waiting for it"));
            }
            _ => {}
        }
    }

    /// Waits until no call is under way.
    pub async fn idle(&self) {
        self.limits.idle().await;
    }

    async fn answer(&self, message: &Message, _underway: Underway) {
        let deed = match self.find_out(message).await {
            Ok(deed) => deed,
            Err(refusal) => return self.reply(message, Err(refusal)).await,
        };
        // No other binary could answer this; a takeover itself waits for all others. Whoever is asked for a password holds
        // up nobody.
        let _held = match &deed {
            Deed::Change { plan: Plan::Reexec, .. } => None,
            _ => Some(self.parts.supervisor.answering().await),
        };
        let answer = self.perform(message, deed).await;
        self.reply(message, answer).await;
    }

    /// Finds out what a call is, and whether it is allowed.
    async fn find_out(&self, message: &Message) -> Result<Deed, Refusal> {
        let header = message.header();
        let (Some(path), Some(member)) = (header.path(), header.member()) else {
            return Err(Refusal::arguments("a call needs a path and a member"));
        };
        let node = Node::parse(path).ok_or_else(|| Refusal::no_object(path))?;
        let interface = header.interface().map(InterfaceName::as_str);
        let standard = match interface {
            Some(name) => Standard::find(name),
            None => Standard::of_method(member),
        };
        if let Some(standard) = standard.filter(|standard| standard.is_at(&node)) {
            return Ok(Deed::Standard(standard, node));
        }
        let own = node.interface().filter(|own| interface.is_none_or(|name| name == own.name()));
        let Some(own) = own else {
            let name = interface.unwrap_or_default();
            return Err(Refusal::standard("UnknownInterface", format!("{path} has no interface {name}")));
        };
        self.own(message, node, own).await
    }

    /// A method of ours.
    async fn own(&self, message: &Message, node: Node, interface: Interface) -> Result<Deed, Refusal> {
        let header = message.header();
        let member = header.member().map_or("", |member| member.as_str());
        let Some((method, with_flags)) = Method::find(interface, member) else {
            return Err(Refusal::standard("UnknownMethod", format!("there is no method {member}")));
        };
        let (wanted, given) =
            (method.signature(with_flags), message.body().signature().to_string_no_parens());
        if wanted != given {
            let text = format!("{member} takes arguments of type '{wanted}', not '{given}'");
            return Err(Refusal::arguments(text));
        }
        if method.right == Right::Look {
            return Ok(Deed::Look((method.plan)(&mut Given::read(node, message, with_flags)?)?));
        }
        let sender = header.sender().ok_or_else(|| Refusal::denied("the call has no sender"))?;
        let caller = identify(&self.connection, sender).await?;
        let plan = (method.plan)(&mut Given::read(node, message, with_flags)?)?;
        let words = plan.words().unwrap_or_else(|| member.to_owned());
        let wish = Wish {
            header: &header,
            caller: &caller,
            right: method.right,
            verb: method.name,
            about: plan.about(),
        };
        if let Err(refusal) = allow(&self.connection, self.parts.bus, &self.limits, &wish).await {
            self.refused(&words, &caller, &refusal);
            return Err(refusal);
        }
        if self.parts.supervisor.state() != SupervisorState::Running {
            return Err(Fault::bare(FaultCode::ShutdownState).into());
        }
        Ok(Deed::Change { method, plan, words, caller })
    }

    async fn perform(&self, message: &Message, deed: Deed) -> Result<Body, Refusal> {
        let supervisor = &self.parts.supervisor;
        let outcome = match deed {
            Deed::Standard(standard, node) => {
                return standard.answer(supervisor, &node, message).await.map(Body::Standard);
            }
            Deed::Look(plan) => plan.perform(supervisor, &ourselves()).await,
            Deed::Change { method, plan, words, caller } => {
                let outcome = plan.perform(supervisor, &caller.asker).await;
                let outcome = outcome.and_then(|outcome| single(method, outcome));
                self.done(&words, &caller, &outcome);
                outcome
            }
        };
        Ok(Body::Ours(outcome?))
    }

    /// Who may not is written down, but cannot fill the disk with it.
    fn refused(&self, words: &str, caller: &Caller, refusal: &Refusal) {
        let now = self.parts.supervisor.now().mono;
        let mut hush = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(missed) = hush.may_speak(now) else { return };
        drop(hush);
        let more =
            if missed > 0 { format!(" (and {missed} refusals before, unsaid)") } else { String::new() };
        let text = format!("{words} refused to {}: {}{more}", caller.asker, refusal.message);
        (self.parts.say)(Level::Warn, text);
    }

    fn done(&self, words: &str, caller: &Caller, outcome: &Result<Outcome, Fault>) {
        let result = match outcome {
            Ok(Outcome::Results(results)) => {
                let failed: Vec<String> = results
                    .iter()
                    .filter_map(|result| Some(result.outcome.as_ref().err()?.to_string()))
                    .collect();
                match (failed.first(), failed.len()) {
                    (None, _) => "done".to_owned(),
                    (Some(first), 1) => first.clone(),
                    (Some(first), count) => format!("{first}, and {} more", count - 1),
                }
            }
            Ok(Outcome::Leaving(_)) => "begun".to_owned(),
            Ok(_) => "done".to_owned(),
            Err(fault) => fault.to_string(),
        };
        (self.parts.say)(Level::Info, format!("{words} for {}: {}", caller.asker, result.escape_debug()));
    }

    async fn reply(&self, message: &Message, answer: Result<Body, Refusal>) {
        let header = message.header();
        if header.primary().flags().contains(Flags::NO_REPLY_EXPECTED) {
            return;
        }
        let built = match &answer {
            Ok(body) => build(Message::method_return(&header), body),
            Err(refusal) => {
                let message = super::describe::clean(&refusal.message);
                Message::error(&header, refusal.name.as_str()).build(&message)
            }
        };
        let built = built.or_else(|error| {
            Message::error(&header, "org.freedesktop.DBus.Error.Failed").build(&error.to_string())
        });
        if let Ok(reply) = built {
            // Who is gone is not told.
            let _ = self.connection.send(&reply).await;
        }
    }
}

/// What was asked of one process fails with it; of several, each has its own result.
fn single(method: &Method, outcome: Outcome) -> Result<Outcome, Fault> {
    match outcome {
        Outcome::Results(results) if method.output.is_empty() => {
            let failed = results.into_iter().find_map(|result| result.outcome.err());
            failed.map_or(Ok(Outcome::Done), Err)
        }
        outcome => Ok(outcome),
    }
}

fn build(reply: Builder<'_>, body: &Body) -> zbus::Result<Message> {
    match body {
        Body::Standard(answer) => match answer {
            Answer::Nothing => reply.build(&()),
            Answer::Text(text) => reply.build(text),
            Answer::Value(value) => reply.build(value),
            Answer::Values(values) => reply.build(values),
            Answer::Objects(objects) => reply.build(objects),
        },
        Body::Ours(outcome) => match outcome {
            Outcome::Done | Outcome::Leaving(_) => reply.build(&()),
            Outcome::Path(path) => reply.build(path),
            Outcome::Processes(infos) => {
                let row = |info: &crate::api::ProcessInfo| {
                    let pid = u32::try_from(info.pid).unwrap_or(0);
                    (info.name.to_string(), path::of_process(&info.name), info.state.name(), pid)
                };
                reply.build(&infos.iter().map(row).collect::<Vec<_>>())
            }
            Outcome::Results(results) => reply.build(&results.iter().map(told).collect::<Vec<_>>()),
            Outcome::Groups(groups) => reply.build(&(&groups.added, &groups.changed, &groups.removed)),
            Outcome::Log(descriptor) => reply.build(&Fd::from(descriptor.as_fd())),
        },
    }
}
