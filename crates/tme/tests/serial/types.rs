//! A type with everything in it that there is, and how to make values of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use proptest::collection::{btree_map, btree_set, hash_map, hash_set, vec};
use proptest::prelude::*;
use tme::{Decode, Encode, Message};

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Integers {
    pub a: u8,
    pub b: u16,
    pub c: u32,
    pub d: u64,
    pub e: i8,
    pub f: i16,
    pub g: i32,
    pub h: i64,
    pub i: usize,
    pub j: isize,
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[tme(varint)]
pub struct Varints {
    pub a: u16,
    pub b: [u32; 2],
    pub c: Vec<u64>,
    pub d: Option<i16>,
    pub e: Box<i32>,
    pub f: i64,
    #[tme(fixed)]
    pub g: u32,
    /// What is no integer is left alone.
    pub h: String,
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Ranges {
    #[tme(range = 0..=3)]
    pub a: u8,
    #[tme(range = -7..3)]
    pub b: [i64; 3],
    #[tme(range = 10..=1_000_000, max_len = 5)]
    pub c: Vec<u32>,
    #[tme(bits = 13)]
    pub d: Option<i16>,
    #[tme(bits = 64)]
    pub e: u64,
    #[tme(range = 9..=9)]
    pub f: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum Shape {
    Nothing,
    Circle {
        radius: u32,
    },
    Pair(bool, u8),
    #[tme(tag = 300)]
    Text(#[tme(max_len = 8)] String),
    #[tme(since = 2)]
    Later {
        count: u16,
        is_new: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[tme(bits = 5)]
pub enum Direction {
    North = 1,
    East,
    South = 20,
    West,
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Tree {
    pub value: bool,
    pub left: Option<Box<Tree>>,
    pub children: Vec<Tree>,
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Generic<T, const N: usize> {
    pub first: T,
    pub rest: [T; N],
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Key(pub u16, pub char);

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Collections {
    pub a: BTreeMap<Key, Vec<bool>>,
    pub b: HashMap<String, Direction>,
    pub c: BTreeSet<(i8, bool)>,
    pub d: HashSet<u32>,
    pub e: Vec<()>,
    pub f: Vec<Option<Option<u8>>>,
    #[tme(max_len = 4)]
    pub g: BTreeMap<[u8; 2], String>,
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[tme(extensible)]
pub struct Growing {
    pub a: bool,
    #[tme(since = 3)]
    pub c: Vec<u8>,
    #[tme(since = 2, range = 0..=4)]
    pub b: u8,
}

#[derive(Clone, Debug, PartialEq, Encode, Decode, Message)]
#[tme(id = 1_000)]
pub struct Everything {
    pub integers: Integers,
    pub varints: Varints,
    pub ranges: Ranges,
    pub shapes: Vec<Shape>,
    pub direction: Direction,
    pub tree: Tree,
    pub generic: Generic<Option<u16>, 3>,
    pub collections: Collections,
    pub growing: [Growing; 2],
    pub letter: char,
    pub unit: (),
    pub triple: (bool, String, u8),
    #[tme(skip, default = 77)]
    pub local: u32,
    #[tme(as = [u8; 4])]
    pub address: Address,
    #[tme(since = 2)]
    pub later: Vec<Growing>,
    #[tme(since = 7)]
    pub latest: bool,
}

/// A type of another crate, as it were.
#[derive(Clone, Debug, PartialEq)]
pub struct Address(pub std::net::Ipv4Addr);

impl From<[u8; 4]> for Address {
    fn from(bytes: [u8; 4]) -> Self {
        Self(bytes.into())
    }
}

impl From<Address> for [u8; 4] {
    fn from(address: Address) -> Self {
        address.0.octets()
    }
}

/// Integers near the ends of what fits, too.
fn integer<T>() -> BoxedStrategy<T>
where
    T: Arbitrary + TryFrom<i128> + Copy + 'static,
    <T as Arbitrary>::Strategy: 'static,
{
    let edges = prop_oneof![
        (-300i128..300),
        (60_000i128..70_000),
        (i128::from(u32::MAX) - 3..i128::from(u32::MAX) + 3)
    ];
    let near = edges.prop_filter_map("out of range", |value| T::try_from(value).ok());
    prop_oneof![any::<T>(), near].boxed()
}

fn text() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..6).prop_map(|characters| characters.into_iter().collect())
}

fn short_text() -> impl Strategy<Value = String> {
    vec(prop_oneof![Just('a'), Just('é'), Just('\0')], 0..4)
        .prop_map(|characters| characters.into_iter().collect())
}

prop_compose! {
    pub fn integers()(
        (a, b, c, d) in (integer(), integer(), integer(), integer()),
        (e, f, g, h) in (integer(), integer(), integer(), integer()),
        (i, j) in (any::<usize>(), any::<isize>()),
    ) -> Integers {
        Integers { a, b, c, d, e, f, g, h, i, j }
    }
}

prop_compose! {
    pub fn varints()(
        (a, b, c) in (integer(), [integer(), integer()], vec(integer(), 0..4)),
        (d, e, f) in (proptest::option::of(integer()), integer().prop_map(Box::new), integer()),
        (g, h) in (integer(), text()),
    ) -> Varints {
        Varints { a, b, c, d, e, f, g, h }
    }
}

prop_compose! {
    pub fn ranges()(
        (a, b, c) in (0u8..=3, [-7i64..3, -7i64..3, -7i64..3], vec(10u32..=1_000_000, 0..=5)),
        (d, e, f) in (proptest::option::of(-4_096i16..=4_095), integer(), vec(Just(9u8), 0..20)),
    ) -> Ranges {
        Ranges { a, b, c, d, e, f }
    }
}

pub fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::Nothing),
        integer().prop_map(|radius| Shape::Circle { radius }),
        any::<(bool, u8)>().prop_map(|(first, second)| Shape::Pair(first, second)),
        short_text().prop_map(Shape::Text),
        any::<(u16, bool)>().prop_map(|(count, is_new)| Shape::Later { count, is_new }),
    ]
}

pub fn direction() -> impl Strategy<Value = Direction> {
    prop_oneof![Just(Direction::North), Just(Direction::East), Just(Direction::South), Just(Direction::West)]
}

pub fn tree() -> impl Strategy<Value = Tree> {
    let leaf = any::<bool>().prop_map(|value| Tree { value, left: None, children: Vec::new() });
    leaf.prop_recursive(4, 20, 3, |inner| {
        (any::<bool>(), proptest::option::of(inner.clone()), vec(inner, 0..3))
            .prop_map(|(value, left, children)| Tree { value, left: left.map(Box::new), children })
    })
}

prop_compose! {
    pub fn collections()(
        a in btree_map(any::<(u16, char)>().prop_map(|(a, b)| Key(a, b)), vec(any::<bool>(), 0..12), 0..4),
        b in hash_map(text(), direction(), 0..5),
        c in btree_set(any::<(i8, bool)>(), 0..5),
        d in hash_set(integer(), 0..5),
        e in (0usize..40).prop_map(|count| vec![(); count]),
        f in vec(any::<Option<Option<u8>>>(), 0..9),
        g in btree_map(any::<[u8; 2]>(), text(), 0..=4),
    ) -> Collections {
        Collections { a, b, c, d, e, f, g }
    }
}

prop_compose! {
    pub fn growing()(a in any::<bool>(), b in 0u8..=4, c in vec(any::<u8>(), 0..200)) -> Growing {
        Growing { a, c, b }
    }
}

prop_compose! {
    pub fn everything()(
        (integers, varints, ranges) in (integers(), varints(), ranges()),
        (shapes, direction, tree) in (vec(shape(), 0..5), direction(), tree()),
        (first, rest) in any::<(Option<u16>, [Option<u16>; 3])>(),
        (collections, growing) in (collections(), [growing(), growing()]),
        (letter, flag, words, number) in (any::<char>(), any::<bool>(), text(), any::<u8>()),
        (address, later, latest) in (any::<[u8; 4]>(), vec(growing(), 0..3), any::<bool>()),
    ) -> Everything {
        Everything {
            integers, varints, ranges, shapes, direction, tree,
            generic: Generic { first, rest },
            collections, growing, letter,
            unit: (),
            triple: (flag, words, number),
            local: 77,
            address: address.into(),
            later, latest,
        }
    }
}
