//! Functions of servers.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::Ordering;

use tme_capi::{
    TME_ERROR_BUFFER_TOO_SMALL, TME_ERROR_HANDLE, TME_ERROR_TOO_LARGE, TME_ERROR_UNKNOWN_PEER, TME_OK,
    TME_PARTIAL, TmeApplicantInfo, TmeBroadcast, TmeChannelStatistics, TmeConditionStatistics,
    TmeEngineStatistics, TmePeer, TmePeerInfo, TmePeerStatistics, TmeSendBudget, TmeServer, TmeServerTime,
    TmeShutdownReport, TmeTokenInfo,
};

use super::{Call, LIVES, message, poll};
use crate::misuser::{Fate, Given, Guise, Intent, Misuser, ask, call};
use crate::place::Place;
use crate::settings::Kept;
use crate::world::{Kind, Live, WITNESS_SERVER};

pub const CALLS: &[Call] = &[
    (2, create),
    (1, destroy),
    (20, update),
    (24, poll_server),
    (4, flush),
    (2, wake),
    (1, shutdown),
    (1, shutdown_with),
    (1, shutdown_begin),
    (3, shutdown_report),
    (10, send),
    (6, send_with),
    (6, send_message),
    (4, broadcast),
    (3, broadcast_except),
    (3, broadcast_with),
    (3, broadcast_message),
    (4, multicast),
    (1, disconnect),
    (1, disconnect_with),
    (1, kick),
    (6, accept),
    (3, refuse),
    (4, applicant_info),
    (4, peer_token),
    (3, set_rate_cap),
    (3, set_information),
    (2, set_display_name),
    (2, discovery_port),
    (3, peers),
    (3, peer_info),
    (3, peer_by_number),
    (3, peer_statistics),
    (3, channel_statistics),
    (3, send_budget),
    (2, time),
    (3, statistics),
    (2, network_threads),
    (2, thread_statistics),
    (2, peer_thread),
    (3, set_conditions),
    (3, condition_statistics),
    (2, local_address),
    (2, port),
    (2, tcp_address),
    (2, tcp_port),
    (2, public_key),
];

fn at<T>(place: Option<&Place>) -> *mut T {
    place.map_or(null_mut(), Place::at)
}

fn handle(given: &Given<'_>) -> *mut TmeServer {
    given.pointer.cast()
}

fn create(m: &mut Misuser<'_>) {
    let mut kept = Kept::default();
    let config = m.server_config(&mut kept);
    let out = m.out::<*mut TmeServer>();
    let world = m.world;
    let mut slots = world.slots.iter().filter(|slot| slot.kind == Kind::Server && !slot.is_witness());
    let skipped = m.chance.below(2);
    let Some(slot) = slots.nth(skipped) else { return };
    let Some(mut place) = slot.handle.try_write() else { return };
    if place.is_some() && !m.chance.one_in(LIVES) {
        return;
    }
    if let Some(live) = place.take() {
        let result = call!(m, tme_server_destroy(live.pointer.cast()));
        m.must(result == TME_OK, format_args!("destroying a server gave {result}"));
    }
    let result = call!(m, tme_server_create(config, at(out.as_ref())));
    let Some(out) = out else {
        return m.must(result != TME_OK, format_args!("a server was made for nobody"));
    };
    let pointer: *mut c_void = out.read();
    let is_so = pointer.is_null() == (result != TME_OK) && out.is_intact_after(size_of::<usize>());
    m.must(is_so, format_args!("result {result} with server {pointer:?}"));
    if !pointer.is_null() {
        let port = ask!(m, tme_server_port(pointer.cast()));
        m.must(port != 0, format_args!("a server without a port"));
        slot.port.store(port, Ordering::Relaxed);
        *place = Some(Live::new(pointer));
    }
}

fn destroy(m: &mut Misuser<'_>) {
    if m.chance.one_in(2) {
        let wrong = m.wrong_handle(&[Kind::Server]);
        let result = call!(m, tme_server_destroy(handle(&wrong)));
        return m
            .must(result == TME_ERROR_HANDLE, format_args!("destroying what is no server gave {result}"));
    }
    let result = call!(m, tme_server_destroy(null_mut()));
    m.must(result == TME_OK, format_args!("destroying nothing gave {result}"));
    if !m.chance.one_in(LIVES) {
        return;
    }
    let world = m.world;
    let slot = &world.slots[1 + m.chance.below(2)];
    let live = slot.handle.try_write().and_then(|mut place| place.take());
    if let Some(live) = live {
        let result = call!(m, tme_server_destroy(live.pointer.cast()));
        m.must(result == TME_OK, format_args!("destroying a server gave {result}"));
    }
}

fn update(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let timeout = m.timeout();
    let result = call!(m, tme_server_update(handle(&given), timeout));
    m.judge(&given, result);
}

fn poll_server(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    poll(m, &given, |m, server, events, capacity, count| {
        call!(m, tme_server_poll(server.cast(), events, capacity, count))
    });
}

/// Lets the conversation's server do its work.
pub fn turn(m: &mut Misuser<'_>, index: usize) {
    assert_eq!(index, WITNESS_SERVER);
    let given = m.given(index);
    call!(m, tme_server_update(handle(&given), 1));
    poll(m, &given, |m, server, events, capacity, count| {
        call!(m, tme_server_poll(server.cast(), events, capacity, count))
    });
}

fn flush(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let result = call!(m, tme_server_flush(handle(&given)));
    m.judge(&given, result);
}

fn wake(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let result = call!(m, tme_server_wake(handle(&given)));
    m.judge(&given, result);
}

fn shutdown(m: &mut Misuser<'_>) {
    if !m.chance.one_in(LIVES) {
        return;
    }
    let given = m.server(Intent::Ending);
    let patience = m.chance.below(20) as u32;
    let result = call!(m, tme_server_shutdown(handle(&given), patience));
    m.judge(&given, result);
}

fn shutdown_with(m: &mut Misuser<'_>) {
    if !m.chance.one_in(LIVES) {
        return;
    }
    let given = m.server(Intent::Ending);
    let (patience, code, cargo) = (m.chance.below(20) as u32, m.chance.edgy(), m.cargo());
    let (server, data, length) = (handle(&given), cargo.pointer, cargo.length);
    let result = call!(m, tme_server_shutdown_with(server, patience, code, data, length));
    judge_goodbye(m, &given, false, cargo.length, result);
}

fn shutdown_begin(m: &mut Misuser<'_>) {
    if !m.chance.one_in(LIVES) {
        return;
    }
    let given = m.server(Intent::Ending);
    let (patience, code, cargo) = (m.chance.below(200) as u32, m.chance.edgy(), m.cargo());
    let (server, data, length) = (handle(&given), cargo.pointer, cargo.length);
    let result = call!(m, tme_server_shutdown_begin(server, patience, code, data, length));
    judge_goodbye(m, &given, false, cargo.length, result);
}

fn shutdown_report(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let report = m.struct_out::<TmeShutdownReport>(|m, report, size| {
        let result = call!(m, tme_server_shutdown_report(handle(&given), report, size));
        m.judge(&given, result);
        result
    });
    let is_so = |report: TmeShutdownReport| {
        let known = report.told + report.left + report.unanswered + report.waiting;
        report.peers == known && report.reserved == 0 && report.is_over <= 1
    };
    m.must(report.is_none_or(is_so), format_args!("{report:?}"));
}

/// What a send to one peer must have led to.
fn judge_send(m: &Misuser<'_>, given: &Given<'_>, is_gone: bool, fate: Fate, result: i32) {
    m.judge(given, result);
    m.must(result != TME_PARTIAL, format_args!("one peer cannot be many"));
    m.must(!(is_gone && result == TME_OK), format_args!("a peer that is gone took a message"));
    m.must(fate == Fate::Fine || result < 0, format_args!("a send without its bytes gave {result}"));
}

fn send(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let (peer, is_gone) = m.peer(&given);
    let (channel, cargo, flags) = (m.channel(), m.cargo(), m.send_flags());
    let result = call!(m, tme_server_send(handle(&given), peer, channel, cargo.pointer, cargo.length, flags));
    judge_send(m, &given, is_gone, cargo.fate, result);
    m.must(flags <= 1 || result < 0, format_args!("flags {flags} gave {result}"));
}

fn send_with(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let (peer, is_gone) = m.peer(&given);
    let (channel, cargo, mut kept) = (m.channel(), m.cargo(), Kept::default());
    let options = m.options(&mut kept);
    let result =
        call!(m, tme_server_send_with(handle(&given), peer, channel, cargo.pointer, cargo.length, options));
    judge_send(m, &given, is_gone, cargo.fate, result);
}

fn send_message(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let (peer, is_gone) = m.peer(&given);
    let channel = m.channel();
    let result = message::hand_over(m, given.is_right(), |m, message, options| {
        call!(m, tme_server_send_message(handle(&given), peer, channel, message, options))
    });
    judge_send(m, &given, is_gone, Fate::Fine, result);
}

/// What a broadcast must have led to.
fn judge_broadcast(m: &Misuser<'_>, given: &Given<'_>, fate: Fate, result: i32, out: Option<&Place>) {
    m.judge(given, result);
    let Some(out) = out else { return };
    let size = size_of::<TmeBroadcast>();
    m.must(out.is_intact_after(size), format_args!("written beyond an outcome"));
    let outcome: TmeBroadcast = out.read();
    let missed = u64::from(outcome.would_block) + u64::from(outcome.gone) + u64::from(outcome.refused);
    let is_so = match result {
        TME_OK => missed == 0,
        TME_PARTIAL => missed > 0,
        _ => missed == 0 && outcome.sent == 0,
    };
    m.must(is_so && outcome.reserved == [0; 2], format_args!("result {result} with {outcome:?}"));
    m.must(
        fate == Fate::Fine || outcome.sent == 0,
        format_args!("bytes that are not there went to {outcome:?}"),
    );
}

fn broadcast(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let (channel, cargo, flags) = (m.channel(), m.cargo(), m.send_flags());
    let out = m.out::<TmeBroadcast>();
    let outcome = at(out.as_ref());
    let result =
        call!(m, tme_server_broadcast(handle(&given), channel, cargo.pointer, cargo.length, flags, outcome));
    judge_broadcast(m, &given, cargo.fate, result, out.as_ref());
}

fn broadcast_except(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let (except, _) = m.peer(&given);
    let (channel, cargo, flags) = (m.channel(), m.cargo(), m.send_flags());
    let out = m.out::<TmeBroadcast>();
    let (data, length, outcome) = (cargo.pointer, cargo.length, at(out.as_ref()));
    let result =
        call!(m, tme_server_broadcast_except(handle(&given), except, channel, data, length, flags, outcome));
    judge_broadcast(m, &given, cargo.fate, result, out.as_ref());
}

fn broadcast_with(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let (channel, cargo, mut kept) = (m.channel(), m.cargo(), Kept::default());
    let options = m.options(&mut kept);
    let out = m.out::<TmeBroadcast>();
    let (data, length, outcome) = (cargo.pointer, cargo.length, at(out.as_ref()));
    let result = call!(m, tme_server_broadcast_with(handle(&given), channel, data, length, options, outcome));
    judge_broadcast(m, &given, cargo.fate, result, out.as_ref());
}

fn broadcast_message(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let channel = m.channel();
    let out = m.out::<TmeBroadcast>();
    let outcome = at(out.as_ref());
    let result = message::hand_over(m, given.is_right(), |m, message, options| {
        call!(m, tme_server_broadcast_message(handle(&given), channel, message, options, outcome))
    });
    judge_broadcast(m, &given, Fate::Fine, result, out.as_ref());
}

fn multicast(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let room = m.chance.below(20);
    let peers: Vec<TmePeer> = (0..room).map(|_| m.peer(&given).0).collect();
    let bytes: Vec<u8> = peers.iter().flat_map(|peer| peer.to_ne_bytes()).collect();
    let place = Place::holding(&mut m.chance, &bytes);
    let (array, count) = match m.chance.below(12) {
        0 => (null_mut(), m.chance.edgy()),
        _ => (place.at::<TmePeer>(), m.chance.below(room + 1) as u32),
    };
    let (channel, cargo, mut kept) = (m.channel(), m.cargo(), Kept::default());
    let options = m.options(&mut kept);
    let out = m.out::<TmeBroadcast>();
    let (data, length, outcome) = (cargo.pointer, cargo.length, at(out.as_ref()));
    let result =
        call!(m, tme_server_multicast(handle(&given), array, count, channel, data, length, options, outcome));
    judge_broadcast(m, &given, cargo.fate, result, out.as_ref());
    let is_lie = given.is_right() && count > 0 && (array.is_null() || !array.is_aligned());
    m.must(!is_lie || result < 0, format_args!("{count} peers at {array:?} gave {result}"));
}

/// What a goodbye must have led to.
fn judge_goodbye(m: &Misuser<'_>, given: &Given<'_>, is_gone: bool, length: usize, result: i32) {
    m.judge(given, result);
    m.must(!(is_gone && result == TME_OK), format_args!("a peer that is gone was told to go"));
    let is_so = !given.is_right() || length <= 512 || result == TME_ERROR_TOO_LARGE;
    m.must(is_so, format_args!("a goodbye of {length} bytes gave {result}"));
}

fn disconnect(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Ending);
    let (peer, is_gone) = m.peer(&given);
    let result = call!(m, tme_server_disconnect(handle(&given), peer));
    judge_goodbye(m, &given, is_gone, 0, result);
}

fn disconnect_with(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Ending);
    let (peer, is_gone) = m.peer(&given);
    let (code, cargo) = (m.chance.edgy(), m.cargo());
    let (detail, length) = (cargo.pointer, cargo.length);
    let result = call!(m, tme_server_disconnect_with(handle(&given), peer, code, detail, length));
    judge_goodbye(m, &given, is_gone, length, result);
}

fn kick(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Ending);
    let (peer, is_gone) = m.peer(&given);
    let (code, cargo) = (m.chance.edgy(), m.cargo());
    let (detail, length) = (cargo.pointer, cargo.length);
    let result = call!(m, tme_server_kick(handle(&given), peer, code, detail, length));
    judge_goodbye(m, &given, is_gone, length, result);
}

fn accept(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let ((peer, who), cargo) = (m.applicant(&given), m.cargo());
    let result = call!(m, tme_server_accept(handle(&given), peer, cargo.pointer, cargo.length));
    m.meet("tme_server_accept", who, result);
    judge_goodbye(m, &given, false, cargo.length, result);
    m.must(
        cargo.fate == Fate::Fine || result < 0,
        format_args!("a greeting that is not there gave {result}"),
    );
}

fn refuse(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let ((peer, who), cargo) = (m.applicant(&given), m.cargo());
    let reason = if m.chance.one_in(6) { m.chance.edgy() } else { m.chance.pick(&[7, 8, 9]) };
    let (detail, length) = (cargo.pointer, cargo.length);
    let result = call!(m, tme_server_refuse(handle(&given), peer, reason, detail, length));
    m.meet("tme_server_refuse", who, result);
    m.judge(&given, result);
    let is_wrong = !(7..=9).contains(&reason) || length > 512 || cargo.fate == Fate::Refused;
    m.must(!is_wrong || result < 0, format_args!("reason {reason} with {length} bytes gave {result}"));
}

fn applicant_info(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let (peer, who) = m.applicant(&given);
    let info = m.struct_out::<TmeApplicantInfo>(|m, info, size| {
        let result = call!(m, tme_server_applicant_info(handle(&given), peer, info, size));
        m.meet("tme_server_applicant_info", who, result);
        m.judge(&given, result);
        result
    });
    let is_so = info.is_none_or(|info| info.peer == peer && info.address[63] == 0 && info.key[71] == 0);
    m.must(is_so, format_args!("{info:?}"));
}

fn peer_token(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let (peer, who) = m.applicant(&given);
    let info = m.struct_out::<TmeTokenInfo>(|m, info, size| {
        let result = call!(m, tme_server_peer_token(handle(&given), peer, info, size));
        m.judge(&given, result);
        m.meet("tme_server_peer_token", who, result);
        result
    });
    if info.is_some_and(|info| info.user_bytes > 0) {
        m.meet(if who == "a peer" { "the token of a peer" } else { "the token of an applicant" }, "", TME_OK);
    }
    let is_so = |info: TmeTokenInfo| {
        let bytes = info.user_bytes as usize;
        bytes <= 64
            && info.user[bytes..].iter().all(|&byte| byte == 0)
            && info.user_data_bytes <= 256
            && (info.expires > info.issued) == (bytes > 0)
    };
    m.must(info.is_none_or(is_so), format_args!("{info:?}"));
}

/// A rate, bearable where a conversation has to go on.
pub fn rate(m: &mut Misuser<'_>, is_witness: bool) -> u64 {
    match m.chance.below(3) {
        0 => 0,
        1 if !is_witness => m.chance.edgy_wide(),
        _ => 1 << 30,
    }
}

fn set_rate_cap(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let (peer, is_gone) = m.peer(&given);
    let rate = rate(m, given.is_witness());
    let result = call!(m, tme_server_set_rate_cap(handle(&given), peer, rate));
    m.judge(&given, result);
    m.must(!(is_gone && result == TME_OK), format_args!("a peer that is gone has a rate"));
}

fn set_information(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let cargo = m.cargo();
    let result = call!(m, tme_server_set_information(handle(&given), cargo.pointer, cargo.length));
    judge_goodbye(m, &given, false, cargo.length, result);
    m.must(cargo.fate == Fate::Fine || result < 0, format_args!("nothing was taken for information"));
}

fn set_display_name(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let mut kept = Kept::default();
    let name = m.any_text(&mut kept, &["here", "", "two\nlines"]);
    let result = call!(m, tme_server_set_display_name(handle(&given), name));
    m.judge(&given, result);
    m.must(!name.is_null() || result < 0, format_args!("no name was taken for one"));
}

fn discovery_port(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let port = ask!(m, tme_server_discovery_port(handle(&given)));
    m.must(
        given.guise == Guise::Right || port == 0,
        format_args!("what is no server is found at port {port}"),
    );
}

fn peers(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let room = m.chance.below(6);
    let place = Place::careless(&mut m.chance, room * 8);
    let (array, capacity) = match m.chance.below(8) {
        0 => (null_mut(), 0),
        1 => (null_mut(), m.chance.edgy()),
        _ => (place.at::<TmePeer>(), m.chance.below(room + 1) as u32),
    };
    let count = m.out::<u32>();
    let result = call!(m, tme_server_peers(handle(&given), array, capacity, at(count.as_ref())));
    m.judge(&given, result);
    let told = count.as_ref().map(Place::read::<u32>);
    let written = match (result, told) {
        (TME_OK, Some(told)) => {
            m.must(told <= capacity, format_args!("{told} of {capacity} peers fit"));
            told
        }
        (TME_ERROR_BUFFER_TOO_SMALL, Some(told)) => {
            m.must(told > capacity, format_args!("{told} of {capacity} peers do not fit"));
            capacity
        }
        (TME_OK | TME_ERROR_BUFFER_TOO_SMALL, None) => m.fail(format_args!("nobody was told how many peers")),
        (_, told) => {
            m.must(told.unwrap_or(0) == 0, format_args!("{told:?} peers with {result}"));
            0
        }
    };
    m.must(place.is_intact_after(written as usize * 8), format_args!("written beyond {written} peers"));
}

fn peer_info(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let (peer, is_gone) = m.peer(&given);
    let info = m.struct_out::<TmePeerInfo>(|m, info, size| {
        let result = call!(m, tme_server_peer_info(handle(&given), peer, info, size));
        m.judge(&given, result);
        let is_so = !is_gone || !given.is_right() || result == TME_ERROR_UNKNOWN_PEER;
        m.must(is_so, format_args!("a peer that is gone gave {result}"));
        result
    });
    let Some(info) = info else { return };
    let is_so = info.peer == peer
        && (2..1 << 31).contains(&info.number)
        && info.address[63] == 0
        && info.key[71] == 0
        && (1..=3).contains(&info.link)
        && info.reserved == 0;
    m.must(is_so, format_args!("{info:?}"));
    let place = Place::careless(&mut m.chance, 8);
    let result = call!(m, tme_server_peer_by_number(handle(&given), info.number, place.at()));
    let found: TmePeer = place.read();
    let is_so = if result == TME_OK { found == peer } else { found == 0 };
    m.must(is_so, format_args!("number {} gave {result} and {found}, not {peer}", info.number));
}

fn peer_by_number(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let number = m.chance.edgy();
    let out = m.out::<TmePeer>();
    let result = call!(m, tme_server_peer_by_number(handle(&given), number, at(out.as_ref())));
    m.judge(&given, result);
    let Some(out) = out else { return };
    let peer: TmePeer = out.read();
    m.must((peer != 0) == (result == TME_OK), format_args!("number {number} gave {result} and {peer}"));
}

fn peer_statistics(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let (peer, _) = m.peer(&given);
    let figures = m.struct_out::<TmePeerStatistics>(|m, figures, size| {
        let result = call!(m, tme_server_peer_statistics(handle(&given), peer, figures, size));
        m.judge(&given, result);
        result
    });
    if let Some(figures) = figures {
        let is_share = |share: f64| (0.0..=1.0).contains(&share);
        m.must(is_share(figures.loss_sent) && is_share(figures.loss_received), format_args!("{figures:?}"));
    }
}

fn channel_statistics(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let ((peer, _), channel) = (m.peer(&given), m.channel());
    let figures = m.struct_out::<TmeChannelStatistics>(|m, figures, size| {
        let result = call!(m, tme_server_channel_statistics(handle(&given), peer, channel, figures, size));
        m.judge(&given, result);
        result
    });
    m.must(figures.is_none_or(|figures| figures.channel == channel), format_args!("{figures:?}"));
}

fn send_budget(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let ((peer, _), channel) = (m.peer(&given), m.channel());
    let budget = m.struct_out::<TmeSendBudget>(|m, budget, size| {
        let result = call!(m, tme_server_send_budget(handle(&given), peer, channel, budget, size));
        m.judge(&given, result);
        result
    });
    m.must(budget.is_none_or(|budget| budget.channel == channel), format_args!("{budget:?}"));
}

fn time(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let time = m.struct_out::<TmeServerTime>(|m, time, size| {
        let result = call!(m, tme_server_time(handle(&given), time, size));
        m.judge(&given, result);
        result
    });
    m.must(time.is_none_or(|time| time.error_us == 0), format_args!("{time:?}"));
}

fn statistics(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    m.struct_out::<TmeEngineStatistics>(|m, figures, size| {
        let result = call!(m, tme_server_statistics(handle(&given), figures, size));
        m.judge(&given, result);
        result
    });
}

fn network_threads(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let threads = ask!(m, tme_server_network_threads(handle(&given)));
    let most = if given.guise == Guise::Right { 3 } else { 0 };
    m.must(threads <= most, format_args!("{:?} has {threads} network threads", given.guise));
}

fn thread_statistics(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let thread = if m.chance.one_in(4) { m.chance.edgy() } else { m.chance.below(3) as u32 };
    m.struct_out::<TmeEngineStatistics>(|m, figures, size| {
        let result = call!(m, tme_server_thread_statistics(handle(&given), thread, figures, size));
        m.judge(&given, result);
        result
    });
}

fn peer_thread(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let (peer, _) = m.peer(&given);
    let out = m.out::<u32>();
    let result = call!(m, tme_server_peer_thread(handle(&given), peer, at(out.as_ref())));
    m.judge(&given, result);
    if let (Some(out), TME_OK) = (out, result) {
        let thread: u32 = out.read();
        m.must(thread < 3, format_args!("{peer} is with network thread {thread}"));
    }
}

fn set_conditions(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let ((peer, _), direction, mut kept) = (m.peer(&given), m.direction(), Kept::default());
    let conditions = m.conditions(&mut kept, given.is_witness());
    let result = call!(m, tme_server_set_conditions(handle(&given), peer, direction, conditions));
    m.judge(&given, result);
}

fn condition_statistics(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let ((peer, _), direction) = (m.peer(&given), m.direction());
    m.struct_out::<TmeConditionStatistics>(|m, figures, size| {
        let result =
            call!(m, tme_server_condition_statistics(handle(&given), peer, direction, figures, size));
        m.judge(&given, result);
        result
    });
}

fn local_address(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    m.text_out(64, |m, buffer, capacity, needed| {
        let result = call!(m, tme_server_local_address(handle(&given), buffer, capacity, needed));
        m.judge(&given, result);
        result
    });
}

fn port(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let port = ask!(m, tme_server_port(handle(&given)));
    m.must((port != 0) == (given.guise == Guise::Right), format_args!("{:?} has port {port}", given.guise));
}

fn tcp_address(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    m.text_out(64, |m, buffer, capacity, needed| {
        let result = call!(m, tme_server_tcp_address(handle(&given), buffer, capacity, needed));
        m.judge(&given, result);
        result
    });
}

fn tcp_port(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    let port = ask!(m, tme_server_tcp_port(handle(&given)));
    m.must(given.guise == Guise::Right || port == 0, format_args!("what is no server has TCP port {port}"));
    m.must(!given.is_witness() || port != 0, format_args!("the conversations' server has lost its TCP port"));
}

fn public_key(m: &mut Misuser<'_>) {
    let given = m.server(Intent::Harmless);
    m.text_out(65, |m, buffer, capacity, needed| {
        let result = call!(m, tme_server_public_key(handle(&given), buffer, capacity, needed));
        m.judge(&given, result);
        result
    });
}
