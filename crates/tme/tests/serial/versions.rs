//! Programs of different versions talk to each other.

use tme::serial;

/// What went out first.
mod one {
    use tme::{Decode, Encode, Message};

    #[derive(Clone, Debug, PartialEq, Encode, Decode)]
    #[tme(extensible)]
    pub struct Item {
        pub kind: Kind,
        #[tme(range = 0..=99)]
        pub count: u8,
    }

    #[derive(Clone, Debug, PartialEq, Encode, Decode)]
    pub enum Kind {
        #[tme(other)]
        Unknown,
        Coin,
        Key {
            door: u16,
        },
    }

    #[derive(Clone, Debug, PartialEq, Encode, Decode, Message)]
    #[tme(id = 3)]
    pub struct Inventory {
        pub owner: String,
        pub items: Vec<Item>,
        pub is_open: bool,
    }

    tme::messages! {
        #[derive(Debug)]
        pub enum Packet { Inventory }
    }
}

/// Four versions later: fields in the message and in the struct inside it, a variant, a message.
mod five {
    use tme::{Decode, Encode, Message};

    #[derive(Clone, Debug, PartialEq, Encode, Decode)]
    #[tme(extensible)]
    pub struct Item {
        pub kind: Kind,
        #[tme(range = 0..=99)]
        pub count: u8,
        #[tme(since = 2, range = 0..=7, default = 7)]
        pub condition: u8,
        #[tme(since = 4)]
        pub inscription: Option<String>,
    }

    #[derive(Clone, Debug, PartialEq, Encode, Decode)]
    pub enum Kind {
        #[tme(other)]
        Unknown,
        Coin,
        Key {
            door: u16,
        },
        #[tme(since = 3)]
        Map {
            scrolls: Vec<u8>,
        },
    }

    #[derive(Clone, Debug, PartialEq, Encode, Decode, Message)]
    #[tme(id = 3)]
    pub struct Inventory {
        pub owner: String,
        pub items: Vec<Item>,
        pub is_open: bool,
        #[tme(since = 2, varint)]
        pub gold: u64,
        #[tme(since = 5, default = "nowhere".to_owned())]
        pub place: String,
    }

    #[derive(Clone, Debug, PartialEq, Encode, Decode, Message)]
    #[tme(id = 4, since = 5)]
    pub struct Trade {
        pub with: u32,
    }

    tme::messages! {
        pub enum Packet { Inventory, Trade }
    }
}

use tme::{Message, MessageSet};

fn bytes(message: &impl Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    serial::encode_message(message, &mut bytes).unwrap();
    bytes
}

fn old() -> one::Inventory {
    let items = vec![
        one::Item { kind: one::Kind::Coin, count: 40 },
        one::Item { kind: one::Kind::Key { door: 9 }, count: 1 },
    ];
    one::Inventory { owner: "Ann".to_owned(), items, is_open: true }
}

#[test]
fn a_newer_program_fills_in_what_an_older_one_does_not_send() {
    let packet = five::Packet::read(&bytes(&old())).unwrap();
    let item = |kind, count| five::Item { kind, count, condition: 7, inscription: None };
    let items = vec![item(five::Kind::Coin, 40), item(five::Kind::Key { door: 9 }, 1)];
    let place = "nowhere".to_owned();
    let expected = five::Inventory { owner: "Ann".to_owned(), items, is_open: true, gold: 0, place };
    let five::Packet::Inventory(found) = packet else { panic!("another message") };
    assert_eq!(found, expected);
}

#[test]
fn an_older_program_skips_what_a_newer_one_sends() {
    let items = vec![
        five::Item { kind: five::Kind::Coin, count: 40, condition: 3, inscription: Some("x".repeat(300)) },
        five::Item {
            kind: five::Kind::Map { scrolls: vec![1; 200] },
            count: 2,
            condition: 0,
            inscription: None,
        },
        five::Item { kind: five::Kind::Key { door: 9 }, count: 1, condition: 0, inscription: None },
    ];
    let place = "the cellar".to_owned();
    let new = five::Inventory { owner: "Ann".to_owned(), items, is_open: true, gold: u64::MAX, place };
    let one::Packet::Inventory(found) = one::Packet::read(&bytes(&new)).unwrap();
    let mut expected = old();
    expected.items.insert(1, one::Item { kind: one::Kind::Unknown, count: 2 });
    assert_eq!(found, expected);
    assert_eq!(
        serial::read_message::<five::Inventory>(&bytes(&new)),
        Ok(Some(new)),
        "its like reads all of it"
    );
}

#[test]
fn a_message_of_a_later_version_is_unknown_and_nothing_worse() {
    let error = one::Packet::read(&bytes(&five::Trade { with: 1 })).unwrap_err();
    assert_eq!(error.what, serial::Malformation::UnknownMessage { id: 4 });
    assert_eq!(error.to_string(), "there is no message with id 4");
}

#[test]
fn additions_are_no_difference_and_everything_else_is() {
    let (one, five) = (one::Packet::messages(), five::Packet::messages());
    assert_eq!(one.hash(), five.hash());
    assert_eq!(one.schema(), five.base_schema());
    let expected = "3 Inventory {owner:str,items:list({kind:enum(varint;0:Unknown,1:Coin,2:Key{door:u16},\
                    3@3:Map{scrolls:list(u8)}),count:int(0..99)|2:condition:int(0..7)|4:inscription:opt(str)}+),\
                    is_open:bool|2:gold:varint(u64)|5:place:str}\n4 Trade {with:u32}\n";
    assert_eq!(five.schema(), expected);
}

/// A message inside a message grows as any struct does.
#[test]
fn messages_inside_messages_can_grow() {
    use tme::{Decode, Encode};

    #[derive(Debug, PartialEq, Encode, Decode)]
    struct Log<T>(Vec<T>, u8);

    let item = five::Item { kind: five::Kind::Coin, count: 1, condition: 2, inscription: None };
    let place = "here".to_owned();
    let new = five::Inventory { owner: String::new(), items: vec![item], is_open: false, gold: 5, place };
    let log = serial::encode(&Log(vec![new.clone(), new.clone()], 77)).unwrap();
    let read: Log<one::Inventory> = serial::decode(&log).unwrap();
    assert_eq!((read.0.len(), read.1), (2, 77));
    assert_eq!(serial::decode::<Log<five::Inventory>>(&log), Ok(Log(vec![new.clone(), new], 77)));
}
