//! The arguments of a call, read by its signature and then taken one after the other.

use zbus::Message;

use super::path::Node;
use super::refusal::Refusal;
use super::table::NO_WAIT;
use crate::api::{Channel, Fault, FaultCode, ProcessName, Signal, Target};

/// What a call was given.
#[derive(Debug)]
pub struct Given {
    node: Node,
    texts: std::vec::IntoIter<String>,
    list: Vec<String>,
    bytes: Vec<u8>,
    /// Answer when the state is reached.
    pub wait: bool,
}

impl Given {
    /// The signatures that can be read.
    pub const SIGNATURES: [&str; 7] = ["", "s", "ss", "as", "sas", "ay", "say"];

    /// Reads the arguments of a call for `node`, whose signature has been found to be that of its method.
    ///
    /// # Errors
    /// When they cannot be read, or a flag is not known.
    pub fn read(node: Node, message: &Message, with_flags: bool) -> Result<Self, Refusal> {
        let body = message.body();
        let wrong = |error: zbus::Error| Refusal::arguments(error.to_string());
        let (mut texts, mut list, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
        match body.signature().to_string_no_parens().as_str() {
            "" => {}
            "s" => texts.push(body.deserialize::<String>().map_err(wrong)?),
            "ss" => {
                let (first, second) = body.deserialize::<(String, String)>().map_err(wrong)?;
                texts.extend([first, second]);
            }
            "as" => list = body.deserialize::<Vec<String>>().map_err(wrong)?,
            "sas" => {
                let (text, more) = body.deserialize::<(String, Vec<String>)>().map_err(wrong)?;
                (texts, list) = (vec![text], more);
            }
            "ay" => bytes = body.deserialize::<Vec<u8>>().map_err(wrong)?,
            "say" => {
                let (text, data) = body.deserialize::<(String, Vec<u8>)>().map_err(wrong)?;
                (texts, bytes) = (vec![text], data);
            }
            other => return Err(Refusal::arguments(format!("arguments of type '{other}' are not known"))),
        }
        let mut wait = true;
        if with_flags {
            for flag in std::mem::take(&mut list) {
                if flag != NO_WAIT {
                    let text = format!("there is no flag '{}', only '{NO_WAIT}'", flag.escape_debug());
                    return Err(Fault::new(FaultCode::BadArguments, text).into());
                }
                wait = false;
            }
        }
        Ok(Self { node, texts: texts.into_iter(), list, bytes, wait })
    }

    /// The next text.
    ///
    /// # Errors
    /// When there is none.
    pub fn text(&mut self) -> Result<String, Refusal> {
        self.texts.next().ok_or_else(|| Refusal::arguments("a text is missing"))
    }

    /// All names of the list.
    pub fn list(&mut self) -> Vec<String> {
        std::mem::take(&mut self.list)
    }

    /// The bytes.
    pub fn bytes(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Whom the next text means to supervisorctl: a process, `group:*`, `all`.
    ///
    /// # Errors
    /// When there is none.
    pub fn target(&mut self) -> Result<Target, Refusal> {
        self.text().map(|text| target(&text))
    }

    /// Whom the names of the list mean.
    pub fn targets(&mut self) -> Vec<Target> {
        self.list().iter().map(|text| target(text)).collect()
    }

    /// The group of the next text.
    ///
    /// # Errors
    /// When there is none.
    pub fn group(&mut self) -> Result<Target, Refusal> {
        self.text().map(Target::Group)
    }

    /// The process of the next text.
    ///
    /// # Errors
    /// BAD_NAME when it means several.
    pub fn process(&mut self) -> Result<ProcessName, Refusal> {
        let text = self.text()?;
        match Target::from_namespec(&text) {
            Target::Process(name) => Ok(name),
            Target::Group(_) | Target::All => Err(Fault::new(FaultCode::BadName, text).into()),
        }
    }

    /// The signal of the next text.
    ///
    /// # Errors
    /// BAD_SIGNAL when it is none.
    pub fn signal(&mut self) -> Result<Signal, Refusal> {
        let text = self.text()?;
        Signal::parse(&text).ok_or_else(|| Fault::new(FaultCode::BadSignal, text).into())
    }

    /// The stream of the next text.
    ///
    /// # Errors
    /// BAD_ARGUMENTS when it is neither `stdout` nor `stderr`.
    pub fn channel(&mut self) -> Result<Channel, Refusal> {
        let text = self.text()?;
        let known = [Channel::Stdout, Channel::Stderr].into_iter().find(|channel| channel.name() == text);
        known.ok_or_else(|| {
            let text = format!("there is no log '{}', only 'stdout' and 'stderr'", text.escape_debug());
            Fault::new(FaultCode::BadArguments, text).into()
        })
    }

    /// Whom the object is for.
    #[must_use]
    pub fn this(&self) -> Target {
        match &self.node {
            Node::Process(name) => Target::Process(name.clone()),
            Node::Group(name) | Node::Members(name) => Target::Group(name.clone()),
            Node::Manager | Node::Above(_) | Node::Groups | Node::Processes => Target::All,
        }
    }

    /// The process that the object is.
    ///
    /// # Errors
    /// When it is none.
    pub fn this_process(&self) -> Result<ProcessName, Refusal> {
        match &self.node {
            Node::Process(name) => Ok(name.clone()),
            _ => Err(Refusal::arguments("this object is not a process")),
        }
    }

    /// The group that the object is.
    ///
    /// # Errors
    /// When it is none.
    pub fn this_group(&self) -> Result<String, Refusal> {
        match &self.node {
            Node::Group(name) => Ok(name.clone()),
            _ => Err(Refusal::arguments("this object is not a group")),
        }
    }
}

/// Whom a name means to supervisorctl.
fn target(text: &str) -> Target {
    if text == "all" { Target::All } else { Target::from_namespec(text) }
}

#[cfg(test)]
mod tests {
    use zbus::DynamicType;

    use super::*;

    fn read<B: serde::Serialize + DynamicType>(body: &B, with_flags: bool) -> Result<Given, Refusal> {
        let message = Message::method_call("/", "M").build(body).unwrap();
        Given::read(Node::Manager, &message, with_flags)
    }

    #[test]
    fn names_mean_what_they_mean_to_supervisorctl() {
        let target = |text: &str| read(&text, false).unwrap().target().unwrap();
        assert_eq!(target("all"), Target::All);
        assert_eq!(target("web:*"), Target::Group("web".into()));
        assert_eq!(target("web"), Target::Process(ProcessName::new("web", "web")));
        let refused = read(&"web:*", false).unwrap().process().unwrap_err();
        assert_eq!(refused.name, "org.supervisord.Supervisor1.Error.BadName");
    }

    #[test]
    fn every_signature_is_read() {
        let mut given = read(&("a", "TERM"), false).unwrap();
        assert_eq!((given.text().unwrap().as_str(), given.signal()), ("a", Ok(Signal::TERM)));
        let mut given = read(&("a", b"x\0y".to_vec()), false).unwrap();
        assert_eq!((given.text().unwrap(), given.bytes()), ("a".to_owned(), b"x\0y".to_vec()));
        assert_eq!(read(&vec!["a", "b"], false).unwrap().list(), ["a", "b"]);
        assert!(read(&(), false).unwrap().text().is_err());
        assert_eq!(read(&7_u32, false).unwrap_err().name, "org.freedesktop.DBus.Error.InvalidArgs");
    }

    #[test]
    fn a_flag_that_is_not_known_is_refused() {
        assert!(read(&("a", Vec::<String>::new()), true).unwrap().wait);
        assert!(!read(&("a", vec![NO_WAIT]), true).unwrap().wait);
        let refused = read(&("a", vec!["soon"]), true).unwrap_err();
        assert_eq!(refused.name, "org.supervisord.Supervisor1.Error.BadArguments");
    }
}
