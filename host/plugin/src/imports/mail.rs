//! `agentd:host/mail`: mail to people whom the operator allows, through the operator's server.
//!
//! Looks at the message only; who it is from, the server and its password are the daemon's business.

use crate::bindings::agentd::host::mail::{Host, Message};
use crate::state::State;
use crate::wit::common::Error;

const ID_BYTES: usize = 256;
const RECIPIENTS: usize = 100;
const SUBJECT_CHARS: usize = 256;
const TEXT_BYTES: usize = 1 << 20;
const ADDRESS_BYTES: usize = 254;

impl Host for State {
    async fn send(&mut self, message: Message) -> wasmtime::Result<Result<(), Error>> {
        let allowed = self.open("mail").and_then(|()| self.allowed(&message));
        Ok(match allowed {
            Ok(allowed) => self.host.mail(&self.entry, &allowed, message).await,
            Err(error) => Err(error),
        })
    }
}

impl State {
    fn allowed(&self, message: &Message) -> Result<Vec<String>, Error> {
        check(message)?;
        let recipients = message.to.iter().chain(&message.cc).map(|it| address(it));
        let recipients = recipients.collect::<Result<Vec<_>, _>>()?;
        self.rights.mail(&recipients).map(<[String]>::to_vec)
    }
}

fn check(message: &Message) -> Result<(), Error> {
    let invalid = |what: &str| Err(Error::Invalid(what.into()));
    if !(1..=ID_BYTES).contains(&message.id.len()) || message.id.contains(char::is_control) {
        return invalid("the mail's id has 1 to 256 bytes and no control characters");
    }
    if message.to.is_empty() {
        return invalid("the mail has no recipient");
    }
    if message.subject.contains(char::is_control) {
        return invalid("the mail's subject is one line");
    }
    let recipients = message.to.len() + message.cc.len();
    if recipients > RECIPIENTS {
        return Err(Error::TooLarge(format!("the mail has {recipients} recipients; {RECIPIENTS} are allowed")));
    }
    if message.subject.chars().count() > SUBJECT_CHARS {
        return Err(Error::TooLarge(format!("the mail's subject is longer than {SUBJECT_CHARS} characters")));
    }
    let size = message.text.len() + message.html.as_ref().map_or(0, String::len);
    if size > TEXT_BYTES {
        return Err(Error::TooLarge(format!("the mail is {size} bytes long; {TEXT_BYTES} are allowed")));
    }
    Ok(())
}

/// The address of `ann@example.org` or `Ann <ann@example.org>`. Stricter than the standard: what a mail server could
/// read in another way than the operator's rule is refused.
fn address(recipient: &str) -> Result<String, Error> {
    let invalid = || Error::Invalid(format!("`{}` is no mail address", crate::error::readable(recipient, 128)));
    if recipient.contains(char::is_control) {
        return Err(invalid());
    }
    let address = match recipient.rsplit_once('<') {
        Some((_, rest)) => rest.strip_suffix('>').ok_or_else(invalid)?,
        None => recipient,
    };
    let address = address.trim();
    let plain = |it: char| it.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(it);
    let host = |it: char| it.is_alphanumeric() || ".-".contains(it);
    match address.split_once('@') {
        Some((local, domain))
            if !local.is_empty()
                && local.chars().all(plain)
                && !domain.is_empty()
                && domain.chars().all(host)
                && address.len() <= ADDRESS_BYTES
                && !local.starts_with('*') =>
        {
            Ok(address.to_owned())
        }
        _ => Err(invalid()),
    }
}
