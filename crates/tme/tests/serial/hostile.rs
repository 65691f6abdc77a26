//! Bytes that nobody wrote: each kind of error, and limits.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use tme::serial::{self, DEPTH_MAX, Malformation, Reader, RegistryError, Writer};
use tme::{Decode, Encode, EncodeError, Message, Messages};

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
struct Chain {
    next: Option<Box<Chain>>,
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
struct Nest {
    inside: Vec<Nest>,
}

#[derive(Debug, PartialEq, Encode, Decode)]
struct Bounded {
    #[tme(max_len = 3)]
    name: String,
    #[tme(max_len = 2)]
    list: Option<Vec<u8>>,
    #[tme(max_len = 1, varint)]
    numbers: Vec<u32>,
    #[tme(max_len = 1)]
    set: BTreeSet<u8>,
    #[tme(max_len = 1)]
    map: BTreeMap<u8, u8>,
}

#[derive(Debug, PartialEq, Encode, Decode)]
enum Known {
    One,
}

fn kind<T: Decode + Debug>(bytes: &[u8]) -> Malformation {
    serial::decode::<T>(bytes).expect_err("it is malformed").what
}

#[test]
fn every_kind_of_error_is_told_apart() {
    let table = [
        (kind::<u32>(&[1, 2, 3]), Malformation::End, 1),
        (kind::<usize>(&[0x80, 0]), Malformation::Varint, 2),
        (kind::<char>(&[0x80, 0xB0, 0x03]), Malformation::Range, 3),
        (kind::<String>(&[1, 0xFF]), Malformation::Utf8, 4),
        (kind::<String>(&[2, b'a']), Malformation::Count, 5),
        (kind::<Bounded>(&[4, b'a', b'b', b'c', b'd']), Malformation::TooLong, 6),
        (kind::<BTreeSet<u8>>(&[2, 1, 1]), Malformation::Order, 7),
        (kind::<Known>(&[1]), Malformation::Variant, 8),
        (kind::<Nest>(&[1; 70]), Malformation::Depth, 9),
        (kind::<Vec<()>>(&[0xFF, 0xFF, 0xFF, 0xFF, 0x0F]), Malformation::Memory, 10),
        (kind::<u8>(&[1, 2]), Malformation::LeftOver, 11),
        (kind::<bool>(&[2]), Malformation::Padding, 12),
    ];
    for (found, expected, number) in table {
        assert_eq!(found, expected);
        let error = Reader::new(&[]).error(found);
        assert_eq!(error.kind(), number);
        assert!(!error.to_string().is_empty());
    }
}

fn chain(length: u32) -> Chain {
    (0..length).fold(Chain { next: None }, |next, _| Chain { next: Some(Box::new(next)) })
}

#[test]
fn what_is_too_deep_is_neither_written_nor_read() {
    let deepest = chain(DEPTH_MAX);
    let bytes = serial::encode(&deepest).unwrap();
    assert_eq!(serial::decode::<Chain>(&bytes), Ok(deepest));
    assert_eq!(serial::encode(&chain(DEPTH_MAX + 1)), Err(EncodeError::TooDeep));
    // Not even as much as a stack holds: the writer goes no deeper than it says.
    let endless = chain(20_000);
    assert_eq!(serial::encode(&endless), Err(EncodeError::TooDeep));
    // A million boxes in a row must not end the stack of whoever reads them, either.
    assert_eq!(kind::<Chain>(&[0xFF; 125_000]), Malformation::Depth);
    assert_eq!(kind::<Nest>(&[1; 125_000]), Malformation::Depth);
    // Dropped link by link: the compiler's way would end the stack.
    let mut rest = endless.next;
    while let Some(mut link) = rest {
        rest = link.next.take();
    }
}

#[test]
fn bounds_hold_on_both_sides() {
    let good = Bounded {
        name: "abc".to_owned(),
        list: Some(vec![1, 2]),
        numbers: vec![300],
        set: [1].into(),
        map: [(1, 2)].into(),
    };
    let bytes = serial::encode(&good).unwrap();
    assert_eq!(serial::decode::<Bounded>(&bytes), Ok(good));
    let empty =
        || Bounded { name: String::new(), list: None, numbers: vec![], set: [].into(), map: [].into() };
    let table = [
        ("name", 4, 3, Bounded { name: "abcd".to_owned(), ..empty() }),
        ("list", 3, 2, Bounded { list: Some(vec![1, 2, 3]), ..empty() }),
        ("numbers", 2, 1, Bounded { numbers: vec![1, 2], ..empty() }),
        ("set", 2, 1, Bounded { set: [1, 2].into(), ..empty() }),
        ("map", 2, 1, Bounded { map: [(1, 2), (2, 3)].into(), ..empty() }),
    ];
    for (field, count, max, value) in table {
        assert_eq!(serial::encode(&value), Err(EncodeError::TooLong { field, count, max }));
    }
    assert_eq!(kind::<Bounded>(&[0, 0b1, 3, 0, 0, 0]), Malformation::TooLong);
    assert_eq!(kind::<Bounded>(&[0, 0, 2, 0, 0]), Malformation::TooLong);
    assert_eq!(kind::<Bounded>(&[0, 0, 0, 2, 1, 2]), Malformation::TooLong);
    assert_eq!(kind::<Bounded>(&[0, 0, 0, 0, 2, 1, 2, 3, 4]), Malformation::TooLong);
}

#[derive(Debug, Encode, Decode)]
struct Numbers {
    #[tme(range = -3..=3)]
    small: i32,
    #[tme(range = 0.0..=1.0, bits = 8)]
    share: f32,
    #[tme(precision = 0.5)]
    steps: f64,
    #[tme(quaternion)]
    rotation: [f32; 4],
}

#[test]
fn numbers_without_an_encoding_are_refused_with_their_field() {
    let good = || Numbers { small: 0, share: 0.0, steps: 0.0, rotation: [0.0, 0.0, 0.0, 1.0] };
    let refused = |value: Numbers| serial::encode(&value).unwrap_err().to_string();
    assert_eq!(refused(Numbers { small: 4, ..good() }), "small: 4 is outside -3..=3");
    assert_eq!(refused(Numbers { share: f32::NAN, ..good() }), "share: NaN cannot be expressed in its form");
    assert_eq!(
        refused(Numbers { steps: f64::INFINITY, ..good() }),
        "steps: inf cannot be expressed in its form"
    );
    assert_eq!(
        refused(Numbers { steps: 1e18, ..good() }),
        "steps: 1000000000000000000 cannot be expressed in its form"
    );
    assert_eq!(
        refused(Numbers { rotation: [0.0; 4], ..good() }),
        "rotation: 0 cannot be expressed in its form"
    );
    assert_eq!(
        refused(Numbers { rotation: [f32::NAN; 4], ..good() }),
        "rotation: NaN cannot be expressed in its form"
    );
    assert!(serial::encode(&Numbers { share: f32::INFINITY, ..good() }).is_ok(), "limited to the range");
}

#[test]
fn a_message_that_failed_leaves_nothing_behind() {
    #[derive(Encode, Decode, Message)]
    #[tme(id = 1)]
    struct Small {
        text: String,
        #[tme(range = 0..=1)]
        number: u8,
    }
    let mut bytes = b"before".to_vec();
    let small = Small { text: "x".repeat(100), number: 2 };
    assert!(serial::encode_message(&small, &mut bytes).is_err());
    assert_eq!(bytes, b"before");
}

#[test]
fn sixteen_mebibytes_are_the_most_there_is() {
    let too_large = vec![0u8; serial::MESSAGE_BYTES_MAX];
    let max = serial::MESSAGE_BYTES_MAX;
    assert_eq!(serial::encode(&too_large), Err(EncodeError::TooLarge { max }));
    let mut small = [0xA5; 4];
    let mut writer = Writer::fixed(&mut small[..3]);
    writer.u32(1);
    assert_eq!(writer.finish(), Err(EncodeError::TooLarge { max: 3 }));
    assert_eq!(small, [0xA5; 4]);
}

mod twin {
    use tme::{Decode, Encode, Message};

    #[derive(Encode, Decode, Message)]
    #[tme(id = 1)]
    pub struct First;

    #[derive(Encode, Decode, Message)]
    #[tme(id = 1)]
    pub struct Second;
}

#[test]
fn two_messages_with_one_id_cannot_be_in_one_game() {
    let messages = Messages::new().with::<twin::First>().unwrap();
    let error = messages.clone().with::<twin::Second>().unwrap_err();
    assert_eq!(error, RegistryError::DuplicateId { id: 1, first: "First", second: "Second" });
    assert_eq!(error.to_string(), "messages First and Second have the same id 1");
    assert_eq!(messages.get(1).map(|form| form.name), Some("First"));
    assert_eq!(messages.get(2), None);
}
