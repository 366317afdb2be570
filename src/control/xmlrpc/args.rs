//! The arguments of a call, taken one after the other and read as generously as Python does.

use crate::api::{Fault, FaultCode, ProcessName, Target};
use crate::wire::xmlrpc::Value;

/// The arguments not yet taken; their number has been checked.
#[derive(Debug)]
pub struct Args(std::vec::IntoIter<Value>);

impl Args {
    /// All of them.
    #[must_use]
    pub fn new(params: Vec<Value>) -> Self {
        Self(params.into_iter())
    }

    /// A text; a number is taken by its digits.
    ///
    /// # Errors
    /// INCORRECT_PARAMETERS when it is something else.
    pub fn text(&mut self) -> Result<String, Fault> {
        match self.0.next() {
            Some(Value::String(text)) => Ok(text),
            Some(Value::Int(number)) => Ok(number.to_string()),
            Some(Value::Bytes(bytes)) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            _ => Err(incorrect()),
        }
    }

    /// Bytes; a text is taken as UTF-8.
    ///
    /// # Errors
    /// INCORRECT_PARAMETERS with the value when it is something else.
    pub fn bytes(&mut self) -> Result<Vec<u8>, Fault> {
        match self.0.next() {
            Some(Value::String(text)) => Ok(text.into_bytes()),
            Some(Value::Bytes(bytes)) => Ok(bytes),
            Some(Value::Int(number)) => Err(Fault::new(FaultCode::IncorrectParameters, number.to_string())),
            _ => Err(incorrect()),
        }
    }

    /// A whole number; a text of digits will do.
    ///
    /// # Errors
    /// INCORRECT_PARAMETERS when it is something else.
    pub fn int(&mut self) -> Result<i64, Fault> {
        match self.0.next() {
            Some(Value::Int(number)) => Ok(number),
            Some(Value::Bool(yes)) => Ok(yes.into()),
            Some(Value::String(text)) => text.trim().parse().map_err(|_| incorrect()),
            _ => Err(incorrect()),
        }
    }

    /// `wait`: true when it is not there, else whether Python would hold it for true.
    pub fn wait(&mut self) -> bool {
        match self.0.next() {
            None | Some(Value::Bool(true)) => true,
            Some(Value::Nil | Value::Bool(false)) => false,
            Some(Value::Int(number)) => number != 0,
            Some(Value::Double(number)) => number != 0.0,
            Some(Value::String(text)) => !text.is_empty(),
            Some(Value::Bytes(bytes)) => !bytes.is_empty(),
            Some(Value::Array(values)) => !values.is_empty(),
            Some(Value::Struct(members)) => !members.is_empty(),
        }
    }

    /// An array.
    ///
    /// # Errors
    /// INCORRECT_PARAMETERS when it is something else.
    pub fn array(&mut self) -> Result<Vec<Value>, Fault> {
        match self.0.next() {
            Some(Value::Array(values)) => Ok(values),
            _ => Err(incorrect()),
        }
    }

    /// The name of one process.
    ///
    /// # Errors
    /// BAD_NAME for the name of a group.
    pub fn process(&mut self) -> Result<(ProcessName, String), Fault> {
        let given = self.text()?;
        match Target::from_namespec(&given) {
            Target::Process(name) => Ok((name, given)),
            Target::Group(_) | Target::All => Err(Fault::new(FaultCode::BadName, given)),
        }
    }
}

fn incorrect() -> Fault {
    Fault::bare(FaultCode::IncorrectParameters)
}
