//! Messages: values with an id in front, sets of them, and what both sides must agree on.

use std::fmt;

use super::error::Malformation;
use super::schema::{self, Describer, Form, MessageForm};
use super::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};
use crate::channel::ChannelId;
use crate::payload::Payload;

/// A value that can be sent by itself. Made by `#[derive(Message)]` with `#[tme(id = 7)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no message",
    note = "add `#[derive(Encode, Decode, Message)]` and `#[tme(id = 7)]` to it"
)]
pub trait Message: Encode + Decode {
    /// Which message it is: not 0, and never used for another one.
    const ID: u32;
    /// What it is called in the schema.
    const NAME: &'static str;
    /// The channel it goes by, unless the sender says otherwise.
    const CHANNEL: MessageChannel = MessageChannel::Id(ChannelId(0));
    /// The version that brought it, if it was not there from the first one on.
    const SINCE: Option<u16> = None;
}

/// The channel of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageChannel {
    /// The one with this id.
    Id(ChannelId),
    /// The one with this name.
    Named(&'static str),
}

impl MessageChannel {
    /// The channel with this id.
    #[must_use]
    pub const fn id(id: u8) -> Self {
        Self::Id(ChannelId(id))
    }
}

impl fmt::Display for MessageChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{id}"),
            Self::Named(name) => write!(f, "{name:?}"),
        }
    }
}

/// Appends a message to `bytes`.
///
/// # Errors
/// [`EncodeError`]: the value has no encoding. `bytes` are as before then.
pub fn encode_message<M: Message>(message: &M, bytes: &mut Vec<u8>) -> Result<(), EncodeError> {
    let begin = bytes.len();
    let mut writer = Writer::new(bytes);
    writer.varint(M::ID.into());
    message.encode_body(&mut writer);
    let result = writer.finish();
    if result.is_err() {
        bytes.truncate(begin);
    }
    result.map(|_| ())
}

/// Which message this is.
///
/// # Errors
/// [`DecodeError`]: it does not begin with an id.
pub fn message_id(bytes: &[u8]) -> Result<u32, DecodeError> {
    take_id(&mut Reader::new(bytes))
}

fn take_id(reader: &mut Reader<'_>) -> Result<u32, DecodeError> {
    let id = reader.varint()?;
    match u32::try_from(id) {
        Ok(0) => Err(reader.error(Malformation::UnknownMessage { id: 0 })),
        Ok(id) => Ok(id),
        Err(_) => Err(reader.error(Malformation::Range)),
    }
}

/// Reads a message of one kind; nothing if it is of another.
///
/// # Errors
/// [`DecodeError`]: it does not begin with an id, or is of this kind and malformed.
pub fn read_message<M: Message>(bytes: &[u8]) -> Result<Option<M>, DecodeError> {
    let mut reader = Reader::new(bytes);
    if take_id(&mut reader)? != M::ID {
        return Ok(None);
    }
    M::decode_body(&mut reader).map(Some)
}

impl Payload {
    /// The message that these bytes are, if they are one of this kind; nothing if they are one of another kind.
    ///
    /// # Errors
    /// [`DecodeError`]: they do not begin with an id, or are of this kind and malformed. From a peer whose schema is the same
    /// that means a bug there, or malice.
    pub fn message<M: Message>(&self) -> Result<Option<M>, DecodeError> {
        read_message(self)
    }

    /// Which message these bytes are.
    ///
    /// # Errors
    /// [`DecodeError`]: they do not begin with an id.
    pub fn message_id(&self) -> Result<u32, DecodeError> {
        message_id(self)
    }
}

/// Several kinds of messages as one enum; [`messages!`](crate::messages) makes it.
pub trait MessageSet: Sized {
    /// All kinds, for the builder of a server or client.
    fn messages() -> Messages;

    /// Reads a message of any of these kinds.
    ///
    /// # Errors
    /// [`DecodeError`]: it is none of them ([`Malformation::UnknownMessage`]), or malformed.
    fn read(bytes: &[u8]) -> Result<Self, DecodeError>;
}

/// Makes an enum of all messages that a game has, with a variant for each, and a [`MessageSet`](crate::serial::MessageSet) of it.
///
/// The variants are called as the types; those of other modules are imported first. Two messages with one id do not compile.
#[macro_export]
macro_rules! messages {
    ($(#[$meta:meta])* $vis:vis enum $set:ident { $($(#[$variant_meta:meta])* $message:ident),+ $(,)? }) => {
        $(#[$meta])*
        #[allow(clippy::large_enum_variant)]
        $vis enum $set {
            $($(#[$variant_meta])* #[allow(missing_docs)] $message($message),)+
        }

        impl $crate::serial::MessageSet for $set {
            fn messages() -> $crate::serial::Messages {
                const _: () = $crate::serial::assert_ids_differ(
                    &[$(<$message as $crate::serial::Message>::ID),+],
                );
                let mut messages = $crate::serial::Messages::new();
                // The ids differ, as was just asserted.
                $(let _ = messages.add::<$message>();)+
                messages
            }

            fn read(bytes: &[u8]) -> ::core::result::Result<Self, $crate::serial::DecodeError> {
                let id = $crate::serial::message_id(bytes)?;
                $(if id == <$message as $crate::serial::Message>::ID {
                    if let Some(message) = $crate::serial::read_message::<$message>(bytes)? {
                        return Ok(Self::$message(message));
                    }
                })+
                Err($crate::serial::DecodeError {
                    what: $crate::serial::Malformation::UnknownMessage { id },
                    at: 0,
                })
            }
        }

        $(impl ::core::convert::From<$message> for $set {
            fn from(message: $message) -> Self {
                Self::$message(message)
            }
        })+
    };
}

/// Refuses two equal ids when compiled.
///
/// # Panics
/// When compiled: if two are equal.
#[doc(hidden)]
pub const fn assert_ids_differ(ids: &[u32]) {
    let mut left = 0;
    while left < ids.len() {
        let mut right = left + 1;
        while right < ids.len() {
            assert!(ids[left] != ids[right], "two messages of the set have the same id");
            right += 1;
        }
        left += 1;
    }
}

/// Why a message cannot be among others.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistryError {
    /// Id 0 is no message's.
    ZeroId {
        /// Which message.
        name: &'static str,
    },
    /// Two messages with one id.
    DuplicateId {
        /// The id.
        id: u32,
        /// Which message has it.
        first: &'static str,
        /// Which wanted it, too.
        second: &'static str,
    },
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZeroId { name } => write!(f, "message {name} has id 0, which is reserved"),
            Self::DuplicateId { id, first, second } => {
                write!(f, "messages {first} and {second} have the same id {id}")
            }
        }
    }
}

impl std::error::Error for RegistryError {}

/// The messages a game has, described: their schema, which both sides compare when they connect.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Messages {
    /// By id.
    forms: Vec<MessageForm>,
}

impl Messages {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a message.
    ///
    /// # Errors
    /// [`RegistryError`]: its id is 0, or another message's. Nothing is added then.
    pub fn add<M: Message>(&mut self) -> Result<(), RegistryError> {
        if M::ID == 0 {
            return Err(RegistryError::ZeroId { name: M::NAME });
        }
        let place = match self.forms.binary_search_by_key(&M::ID, |form| form.id) {
            Ok(taken) => {
                let first = self.forms.get(taken).map_or("", |form| form.name);
                return Err(RegistryError::DuplicateId { id: M::ID, first, second: M::NAME });
            }
            Err(place) => place,
        };
        let mut body = M::form(&mut Describer::new());
        if let Form::Struct(body) = &mut body {
            // What is added to a message stands behind it, and needs no bit that says so.
            body.is_extensible = false;
        }
        let form = MessageForm { id: M::ID, name: M::NAME, since: M::SINCE, channel: M::CHANNEL, body };
        self.forms.insert(place, form);
        Ok(())
    }

    /// As [`add`](Self::add), for chains.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn with<M: Message>(mut self) -> Result<Self, RegistryError> {
        self.add::<M>()?;
        Ok(self)
    }

    /// All messages, ids ascending.
    #[must_use]
    pub fn forms(&self) -> &[MessageForm] {
        &self.forms
    }

    /// The message with an id.
    #[must_use]
    pub fn get(&self, id: u32) -> Option<&MessageForm> {
        self.forms.binary_search_by_key(&id, |form| form.id).ok().and_then(|place| self.forms.get(place))
    }

    /// The schema as text, with everything that was added: `docs/SERIALIZATION.md` §7.
    #[must_use]
    pub fn schema(&self) -> String {
        schema::text(&self.forms)
    }

    /// The schema that both sides must have: without what was added.
    #[must_use]
    pub fn base_schema(&self) -> String {
        schema::base_text(&self.forms)
    }

    /// The hash of [`base_schema`](Self::base_schema), which both sides compare when they connect. Never 0.
    #[must_use]
    pub fn hash(&self) -> u64 {
        schema::schema_hash(&self.base_schema())
    }
}
