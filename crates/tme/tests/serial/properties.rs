//! What holds of every value, of every truncation and of any bytes at all.

use std::fmt::Debug;

use proptest::collection::vec;
use proptest::prelude::*;
use tme::serial::{self, MEMORY_BYTES_FREE, Malformation};
use tme::{Decode, Encode};

use crate::types::{
    Collections, Everything, Growing, Integers, Ranges, Shape, Tree, Varints, collections, everything,
    growing, integers, ranges, shape, tree, varints,
};

/// The value comes back, and no part of its bytes is a value: nothing is optional in the end of a closed type.
fn check_closed<T: Encode + Decode + PartialEq + Debug>(value: &T) -> Result<(), TestCaseError> {
    let bytes = serial::encode(value).expect("the value is in range");
    prop_assert_eq!(&serial::decode::<T>(&bytes).expect("it was written"), value);
    prop_assert!(8 * bytes.len() >= T::BITS_MIN, "{} bits are at least {}", 8 * bytes.len(), T::BITS_MIN);
    for end in 0..bytes.len() {
        let cut = serial::decode::<T>(&bytes[..end]);
        prop_assert!(cut.is_err(), "{end} of {} bytes: {cut:?}", bytes.len());
    }
    let mut longer = bytes;
    longer.push(0);
    prop_assert_eq!(serial::decode::<T>(&longer).map_err(|error| error.what), Err(Malformation::LeftOver));
    Ok(())
}

/// Whatever decodes is what that value is written as.
fn check_bytes<T: Encode + Decode + Debug>(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(value) = serial::decode::<T>(bytes) {
        prop_assert_eq!(serial::encode(&value).expect("it was read"), bytes, "{:?}", value);
    }
    Ok(())
}

/// Any bytes, and bytes that are often small numbers, which counts and tags are.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..120),
        vec(0u8..4, 0..120),
        vec(prop_oneof![Just(0u8), Just(0xFF)], 0..120)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn values_come_back_and_nothing_shorter_is_one(
        (integers, varints, ranges) in (integers(), varints(), ranges()),
        (shape, tree, collections, growing) in (shape(), tree(), collections(), growing()),
    ) {
        check_closed::<Integers>(&integers)?;
        check_closed::<Varints>(&varints)?;
        check_closed::<Ranges>(&ranges)?;
        check_closed::<Shape>(&shape)?;
        check_closed::<Tree>(&tree)?;
        check_closed::<Collections>(&collections)?;
        check_closed::<Growing>(&growing)?;
    }

    #[test]
    fn messages_come_back_and_cut_ones_are_refused_or_older(value in everything()) {
        let mut bytes = Vec::new();
        serial::encode_message(&value, &mut bytes).expect("the value is in range");
        prop_assert_eq!(&serial::read_message::<Everything>(&bytes), &Ok(Some(value.clone())));
        let mut older = 0;
        for end in 0..bytes.len() {
            if let Ok(Some(read)) = serial::read_message::<Everything>(&bytes[..end]) {
                older += 1;
                // Only whole groups can be missing: the message is one that an older program might have sent.
                let expected = Everything {
                    later: if older == 2 { value.later.clone() } else { Vec::new() },
                    latest: false,
                    ..value.clone()
                };
                prop_assert_eq!(read, expected);
            }
        }
        prop_assert_eq!(older, 2, "without both groups, and without the last one");
    }

    #[test]
    fn a_flipped_bit_gives_an_error_or_another_value(value in everything(), place in any::<proptest::sample::Index>()) {
        let mut bytes = serial::encode(&value).expect("the value is in range");
        let bit = place.index(8 * bytes.len());
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(other) = serial::decode::<Everything>(&bytes) {
            prop_assert_ne!(&other, &value);
        }
    }

    #[test]
    fn any_bytes_are_refused_or_are_what_they_say(bytes in any_bytes()) {
        check_bytes::<Integers>(&bytes)?;
        check_bytes::<Varints>(&bytes)?;
        check_bytes::<Ranges>(&bytes)?;
        check_bytes::<Tree>(&bytes)?;
        check_bytes::<Collections>(&bytes)?;
        check_bytes::<Vec<Shape>>(&bytes)?;
        check_bytes::<Vec<Vec<()>>>(&bytes)?;
        check_bytes::<Vec<[Option<u64>; 40]>>(&bytes)?;
        check_bytes::<(f32, f64, String)>(&bytes)?;
        // Extensible ones may have additions that this program does not know, so that they are only not to panic.
        let _ = serial::decode::<Growing>(&bytes);
        let _ = serial::read_message::<Everything>(&bytes);
        let _ = tme::Payload::from(bytes.as_slice()).message_id();
    }
}

macro_rules! quantised {
    ($($name:ident($ty:ty) $(#[$attribute:meta])+ ;)*) => {$(
        #[derive(Clone, Copy, Debug, PartialEq, Encode, Decode)]
        struct $name($(#[$attribute])+ $ty);
    )*};
}

quantised! {
    Unit(f32) #[tme(range = -1.0..=1.0, precision = 0.001)];
    Wide(f64) #[tme(range = -1.0e6..=1.0e6, precision = 0.01)];
    Byte(f32) #[tme(range = 0.0..=1.0, bits = 8)];
    Step(f32) #[tme(precision = 0.125)];
    Rotation([f32; 4]) #[tme(quaternion, bits = 12)];
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn quantised_floats_are_off_by_half_a_step_at_most(unit in -1.0f32..=1.0, wide in -1.0e6..=1.0e6, step in -1.0e5f32..=1.0e5) {
        let off = |value: Unit| (again(value).0 - value.0).abs();
        prop_assert!(off(Unit(unit)) <= 0.000_501);
        prop_assert!((again(Wide(wide)).0 - wide).abs() <= 0.005_000_1);
        let share = unit.abs();
        prop_assert!((again(Byte(share)).0 - share).abs() <= 0.5 / 255.0 + 1e-6);
        prop_assert!((again(Step(step)).0 - step).abs() <= 0.0625);
        // What was read is what is written again.
        prop_assert_eq!(again(again(Unit(unit))), again(Unit(unit)));
        prop_assert_eq!(again(again(Step(step))), again(Step(step)));
    }

    #[test]
    fn rotations_stay_what_they_are(parts in any::<[i16; 4]>()) {
        let [x, y, z, w] = parts.map(f32::from);
        let length = (x * x + y * y + z * z + w * w).sqrt();
        prop_assume!(length > 0.0);
        let unit = [x, y, z, w].map(|part| part / length);
        let read = again(Rotation(unit)).0;
        // q and −q are one rotation; the angle between two is twice that between their quaternions.
        let dot: f32 = unit.iter().zip(read).map(|(a, b)| a * b).sum();
        let sine = unit.iter().zip(read).map(|(a, b)| (a * dot.signum() - b).powi(2)).sum::<f32>().sqrt();
        prop_assert!(sine <= 2.0 / 4_096.0, "{unit:?} is read as {read:?}, off by {sine}");
    }
}

fn again<T: Encode + Decode>(value: T) -> T {
    serial::decode(&serial::encode(&value).expect("it is in range")).expect("it was written")
}

#[test]
fn zero_and_the_identity_are_kept() {
    assert_eq!(again(Unit(0.0)).0, 0.0);
    assert_eq!(again(Wide(0.0)).0, 0.0);
    assert_eq!(again(Step(0.0)).0, 0.0);
    assert_eq!(again(Rotation([0.0, 0.0, 0.0, 1.0])).0, [0.0, 0.0, 0.0, 1.0]);
    assert_eq!(again(Rotation([0.0, 0.0, 0.0, -2.5])).0, [0.0, 0.0, 0.0, 1.0], "the same rotation");
    for value in [-1.0, 1.0] {
        assert_eq!(again(Unit(value)).0, value, "the ends are");
    }
    assert_eq!(again(Unit(7.0)).0, 1.0, "what is outside is limited");
}

/// No value of a bounded set is ever more than 64 KiB and 64 bytes a byte: what is large in memory and small in bytes is refused.
#[test]
fn memory_is_justified_by_bytes() {
    let nothings: Vec<[Option<u64>; 40]> = vec![[None; 40]; 200];
    let bytes = serial::encode(&nothings).unwrap();
    assert_eq!(bytes.len(), 1_002);
    assert!(200 * size_of::<[Option<u64>; 40]>() < MEMORY_BYTES_FREE + 64 * bytes.len());
    assert_eq!(serial::decode(&bytes), Ok(nothings));
    let nothings = vec![[None::<[u64; 16]>; 8]; 5_000];
    let bytes = serial::encode(&nothings).unwrap();
    let read = serial::decode::<Vec<[Option<[u64; 16]>; 8]>>(&bytes);
    assert_eq!(read.map_err(|error| error.what), Err(Malformation::Memory));
    let units = serial::encode(&vec![(); MEMORY_BYTES_FREE]).unwrap();
    assert_eq!(serial::decode::<Vec<()>>(&units).map(|units| units.len()), Ok(MEMORY_BYTES_FREE));
    let units = serial::encode(&vec![(); 10 * MEMORY_BYTES_FREE]).unwrap();
    assert_eq!(serial::decode::<Vec<()>>(&units).map_err(|error| error.what), Err(Malformation::Memory));
}
