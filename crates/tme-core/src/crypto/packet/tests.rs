use super::*;
use crate::random::{Random, SeededRandom};

const HEADER_BYTES: usize = 7;
const START: Instant = Instant::from_micros(1_000_000);
const PROBE_TIMEOUT: Duration = Duration::from_millis(100);

fn small_limits() -> KeyLimits {
    KeyLimits { packets_max: 10, ..KeyLimits::default() }
}

fn pair(suite: Suite, limits: KeyLimits) -> (PacketProtection, PacketProtection) {
    let [mut a, mut b] = [[0; 32]; 2];
    let mut random = SeededRandom::new(11);
    random.fill(&mut a);
    random.fill(&mut b);
    let client = SessionSecrets { send: a.into(), receive: b.into() };
    let server = SessionSecrets { send: b.into(), receive: a.into() };
    (
        PacketProtection::new(suite, &client, limits, START),
        PacketProtection::new(suite, &server, limits, START),
    )
}

/// The suites whose packets show what was done to them; with the fourth that is the stream's business.
const PROTECTING: [Suite; 3] = [Suite::Aes256Gcm, Suite::ChaCha20Poly1305, Suite::Plaintext];

fn sealed(by: &mut PacketProtection, now: Instant, number: u64) -> Vec<u8> {
    let mut datagram = vec![0x80, 1, 2, 3, 4, number as u8, (number >> 8) as u8];
    datagram.extend_from_slice(&number.to_le_bytes());
    datagram.resize(datagram.len() + by.tag_bytes(), 0xA5);
    by.seal_in_place(now, number, &mut datagram, HEADER_BYTES);
    datagram
}

fn open(by: &mut PacketProtection, number: u64, datagram: &[u8]) -> Result<(), OpenError> {
    let mut datagram = datagram.to_vec();
    let bytes = by.open_in_place(START, number, &mut datagram, HEADER_BYTES)?;
    assert_eq!(datagram[HEADER_BYTES..HEADER_BYTES + bytes], number.to_le_bytes());
    Ok(())
}

#[test]
fn packets_open_at_the_other_side_and_nowhere_else() {
    for suite in PROTECTING {
        let (mut client, mut server) = pair(suite, KeyLimits::default());
        for number in [0, 1, 65_536, u64::MAX] {
            let packet = sealed(&mut client, START, number);
            assert_eq!(packet.len(), HEADER_BYTES + 8 + suite.tag_bytes());
            assert_eq!(open(&mut server, number, &packet), Ok(()));
            assert_eq!(open(&mut server, number ^ 1, &packet), Err(OpenError::Unauthentic), "{suite}");
            if suite.is_encrypted() {
                assert_eq!(open(&mut client, number, &packet), Err(OpenError::Unauthentic));
            }
        }
    }
}

#[test]
fn no_bit_can_be_changed_and_no_byte_cut_off() {
    for suite in PROTECTING {
        let (mut client, mut server) = pair(suite, KeyLimits::default());
        let packet = sealed(&mut client, START, 300);
        for bit in 0..packet.len() * 8 {
            let mut forged = packet.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&mut server, 300, &forged), Err(OpenError::Unauthentic), "{suite} bit {bit}");
        }
        for bytes in 0..packet.len() {
            let error = open(&mut server, 300, &packet[..bytes]).unwrap_err();
            let expected = if bytes <= HEADER_BYTES + suite.tag_bytes() {
                OpenError::TooShort
            } else {
                OpenError::Unauthentic
            };
            assert_eq!(error, expected, "{suite} cut to {bytes}");
        }
        assert_eq!(open(&mut server, 300, &packet), Ok(()), "forgeries must not spoil the genuine packet");
    }
}

#[test]
fn plaintext_is_readable_and_still_checked() {
    let (mut client, _) = pair(Suite::Plaintext, KeyLimits::default());
    let packet = sealed(&mut client, START, 9);
    assert_eq!(packet[HEADER_BYTES..HEADER_BYTES + 8], 9u64.to_le_bytes());
}

/// Sends `count` packets from `from` on, all of which arrive.
fn stream(
    from: &mut PacketProtection,
    to: &mut PacketProtection,
    first: u64,
    count: u64,
) -> Result<(), OpenError> {
    (first..first + count).try_for_each(|number| {
        let packet = sealed(from, START, number);
        open(to, number, &packet)
    })
}

#[test]
fn both_sides_renew_their_keys_when_a_generation_is_worn_out() {
    for suite in [Suite::Aes256Gcm, Suite::ChaCha20Poly1305] {
        let (mut client, mut server) = pair(suite, small_limits());
        let (mut at_client, mut at_server) = (0, 0);
        for round in 0..20 {
            stream(&mut client, &mut server, at_client, 10).unwrap();
            at_client += 10;
            server.handle_acknowledged(START, at_server.max(1) - 1, PROBE_TIMEOUT);
            stream(&mut server, &mut client, at_server, 2).unwrap();
            at_server += 2;
            client.handle_acknowledged(START, at_client - 1, PROBE_TIMEOUT);
            for side in [&mut client, &mut server] {
                side.handle_timeout(START + 3 * PROBE_TIMEOUT);
            }
            assert_eq!(client.send_generation(), round, "one generation per ten packets");
            assert_eq!(server.receive_generation(), round);
            assert_eq!(server.send_generation(), round, "the receiver follows with its own sending");
            assert_eq!(client.receive_generation(), round);
        }
    }
}

#[test]
fn an_hour_wears_a_generation_out_too() {
    let (mut client, mut server) = pair(Suite::Aes256Gcm, KeyLimits::default());
    let packet = sealed(&mut client, START, 0);
    open(&mut server, 0, &packet).unwrap();
    let later = START + Duration::from_secs(3_600);
    sealed(&mut client, later, 1);
    assert_eq!(client.send_generation(), 0, "not before the other side confirmed the first generation");
    client.handle_acknowledged(START, 0, PROBE_TIMEOUT);
    sealed(&mut client, later - Duration::from_millis(1), 2);
    assert_eq!(client.send_generation(), 0);
    let packet = sealed(&mut client, later, 3);
    assert_eq!((client.send_generation(), client.send_phase()), (1, true));
    assert_eq!(packet[0], 0x80 | KEY_PHASE_BIT);
    assert_eq!(open(&mut server, 3, &packet), Ok(()));
}

#[test]
fn an_update_survives_reordering_and_loss_at_its_edge() {
    for seed in 0..50 {
        let mut random = SeededRandom::new(seed);
        let (mut client, mut server) = pair(Suite::Aes256Gcm, small_limits());
        client.sealed_until_confirmed();
        // Packets 0–29: the update happens at number 10, the second cannot happen unconfirmed.
        let mut air: Vec<(u64, Vec<u8>)> =
            (0..30).map(|number| (number, sealed(&mut client, START, number))).collect();
        assert_eq!(client.send_generation(), 1);
        air.retain(|_| !random.chance(0.2));
        let mut order: Vec<usize> = (0..air.len()).collect();
        for index in (1..order.len()).rev() {
            order.swap(index, random.below(index as u64 + 1) as usize);
        }
        for index in order {
            let (number, packet) = &air[index];
            assert_eq!(open(&mut server, *number, packet), Ok(()), "seed {seed} packet {number}");
        }
        assert_eq!(server.receive_generation(), 1);
    }
}

impl PacketProtection {
    /// Pretends that the first packet of this generation was acknowledged already.
    fn sealed_until_confirmed(&mut self) {
        let Protection::Aead(aead) = &mut self.0 else { return };
        aead.confirm_for_test();
    }
}

#[test]
fn old_keys_are_erased_three_probe_timeouts_after_confirmation() {
    let (mut client, mut server) = pair(Suite::Aes256Gcm, small_limits());
    client.sealed_until_confirmed();
    let packets: Vec<Vec<u8>> = (0..12).map(|number| sealed(&mut client, START, number)).collect();
    open(&mut server, 11, &packets[11]).unwrap();
    assert_eq!(server.poll_timeout(), None, "nothing of the new generation was acknowledged yet");
    assert_eq!(open(&mut server, 5, &packets[5]), Ok(()));
    let answer = sealed(&mut server, START, 0);
    open(&mut client, 0, &answer).unwrap();
    server.handle_acknowledged(START, 0, PROBE_TIMEOUT);
    let erase_at = START + 3 * PROBE_TIMEOUT;
    assert_eq!(server.poll_timeout(), Some(erase_at));
    server.handle_timeout(erase_at - Duration::from_micros(1));
    assert_eq!(open(&mut server, 6, &packets[6]), Ok(()));
    server.handle_timeout(erase_at);
    assert_eq!(open(&mut server, 7, &packets[7]), Err(OpenError::KeyErased));
    assert_eq!(server.poll_timeout(), None);
    assert_eq!(open(&mut server, 10, &packets[10]), Ok(()));
}

#[test]
fn the_next_update_waits_until_the_old_keys_are_erased() {
    let (mut client, mut server) = pair(Suite::Aes256Gcm, small_limits());
    client.sealed_until_confirmed();
    stream(&mut client, &mut server, 0, 11).unwrap();
    stream(&mut server, &mut client, 0, 1).unwrap();
    client.handle_acknowledged(START, 10, PROBE_TIMEOUT);
    stream(&mut client, &mut server, 11, 20).unwrap();
    assert_eq!(client.send_generation(), 1, "worn out and confirmed, but the keys of generation 0 are there");
    client.handle_timeout(START + 3 * PROBE_TIMEOUT);
    stream(&mut client, &mut server, 31, 1).unwrap();
    assert_eq!((client.send_generation(), server.receive_generation()), (2, 2));
}

#[test]
fn a_forged_phase_bit_moves_no_keys() {
    let (mut client, mut server) = pair(Suite::Aes256Gcm, KeyLimits::default());
    stream(&mut client, &mut server, 0, 3).unwrap();
    for number in [1, 2, 3, 1_000] {
        let mut forged = sealed(&mut client, START, number);
        forged[0] ^= KEY_PHASE_BIT;
        assert!(open(&mut server, number, &forged).is_err());
    }
    assert_eq!((server.receive_generation(), server.send_generation()), (0, 0));
    stream(&mut client, &mut server, 1_001, 3).unwrap();
}

#[test]
fn simultaneous_updates_meet_in_one_generation() {
    let (mut client, mut server) = pair(Suite::Aes256Gcm, small_limits());
    client.sealed_until_confirmed();
    server.sealed_until_confirmed();
    let from_client: Vec<_> = (0..11).map(|n| sealed(&mut client, START, n)).collect();
    let from_server: Vec<_> = (0..11).map(|n| sealed(&mut server, START, n)).collect();
    for number in 0..11 {
        open(&mut server, number, &from_client[number as usize]).unwrap();
        open(&mut client, number, &from_server[number as usize]).unwrap();
    }
    for side in [&client, &server] {
        assert_eq!((side.send_generation(), side.receive_generation()), (1, 1));
    }
    stream(&mut client, &mut server, 11, 5).unwrap();
    stream(&mut server, &mut client, 11, 5).unwrap();
}

#[test]
fn too_many_forgeries_exhaust_a_key() {
    let limits = KeyLimits { failed_opens_max: 5, ..KeyLimits::default() };
    let (mut client, mut server) = pair(Suite::ChaCha20Poly1305, limits);
    let mut forged = sealed(&mut client, START, 0);
    forged[8] ^= 1;
    let errors: Vec<_> = (0..5).map(|_| open(&mut server, 0, &forged).unwrap_err()).collect();
    assert_eq!(errors[..4], [OpenError::Unauthentic; 4]);
    assert_eq!(errors[4], OpenError::KeyExhausted);
}

#[test]
fn a_connection_carries_few_bytes_of_keys() {
    assert!(size_of::<PacketProtection>() <= 16);
    assert!(size_of::<Aead>() <= 1_400, "{}", size_of::<Aead>());
}

#[test]
fn what_a_stream_protects_has_nothing_added_and_no_key_phase() {
    let (mut client, mut server) = pair(Suite::Carried, KeyLimits::default());
    let packet = sealed(&mut client, START, 300);
    assert_eq!(packet.len(), HEADER_BYTES + 8);
    assert_eq!(open(&mut server, 300, &packet), Ok(()));
    let mut forged = packet.clone();
    forged[0] |= KEY_PHASE_BIT;
    assert_eq!(open(&mut server, 300, &forged), Err(OpenError::Unauthentic));
    for bytes in 0..=HEADER_BYTES {
        assert_eq!(open(&mut server, 300, &packet[..bytes]), Err(OpenError::TooShort));
    }
}
