//! Functions of clients, those that talk to themselves included.

use std::ffi::c_void;
use std::ptr::null_mut;

use tme_capi::{
    TME_ERROR_HANDLE, TME_ERROR_TOO_LARGE, TME_LINK_TCP, TME_LINK_UDP, TME_LINK_WEBSOCKET, TME_OK,
    TME_PARTIAL, TmeChannelStatistics, TmeClient, TmeConditionStatistics, TmeEngineStatistics, TmePeerInfo,
    TmePeerStatistics, TmeSendBudget, TmeServerTime,
};

use super::{Call, LIVES, message, poll};
use crate::misuser::{Fate, Given, Guise, Intent, Misuser, ask, call};
use crate::place::Place;
use crate::settings::Kept;
use crate::world::{Kind, Live};

pub const CALLS: &[Call] = &[
    (3, create),
    (1, create_echo),
    (1, destroy),
    (30, update),
    (24, poll_client),
    (4, flush),
    (2, wake),
    (1, close),
    (12, send),
    (8, send_with),
    (8, send_message),
    (3, is_connected),
    (3, link),
    (3, server_info),
    (3, channel_by_name),
    (1, disconnect),
    (2, rebind),
    (3, set_rate_cap),
    (3, server_time),
    (1, synchronise_clock),
    (3, statistics),
    (3, channel_statistics),
    (3, send_budget),
    (3, engine_statistics),
    (3, set_conditions),
    (3, condition_statistics),
    (2, local_address),
    (2, port),
];

fn at<T>(place: Option<&Place>) -> *mut T {
    place.map_or(null_mut(), Place::at)
}

fn handle(given: &Given<'_>) -> *mut TmeClient {
    given.pointer.cast()
}

fn create(m: &mut Misuser<'_>) {
    create_as(m, Kind::Client);
}

fn create_echo(m: &mut Misuser<'_>) {
    create_as(m, Kind::Echo);
}

fn create_as(m: &mut Misuser<'_>, kind: Kind) {
    let mut kept = Kept::default();
    let config = m.client_config(&mut kept);
    let out = m.out::<*mut TmeClient>();
    let world = m.world;
    let slots: Vec<_> = world.slots.iter().filter(|slot| slot.kind == kind && !slot.is_witness()).collect();
    let slot = m.chance.pick(&slots);
    let Some(mut place) = slot.handle.try_write() else { return };
    if place.is_some() && !m.chance.one_in(LIVES) {
        return;
    }
    if let Some(live) = place.take() {
        let result = call!(m, tme_client_destroy(live.pointer.cast()));
        m.must(result == TME_OK, format_args!("destroying a client gave {result}"));
    }
    let pointer = at(out.as_ref());
    let result = match kind {
        Kind::Echo => call!(m, tme_client_create_echo(config, pointer)),
        _ => call!(m, tme_client_create(config, pointer)),
    };
    let Some(out) = out else {
        return m.must(result != TME_OK, format_args!("a client was made for nobody"));
    };
    let pointer: *mut c_void = out.read();
    let is_so = pointer.is_null() == (result != TME_OK) && out.is_intact_after(size_of::<usize>());
    m.must(is_so, format_args!("result {result} with client {pointer:?}"));
    if !pointer.is_null() {
        *place = Some(Live::new(pointer));
    }
}

fn destroy(m: &mut Misuser<'_>) {
    if m.chance.one_in(2) {
        let wrong = m.wrong_handle(&[Kind::Client, Kind::Echo]);
        let result = call!(m, tme_client_destroy(handle(&wrong)));
        return m
            .must(result == TME_ERROR_HANDLE, format_args!("destroying what is no client gave {result}"));
    }
    let result = call!(m, tme_client_destroy(null_mut()));
    m.must(result == TME_OK, format_args!("destroying nothing gave {result}"));
    if !m.chance.one_in(LIVES) {
        return;
    }
    let world = m.world;
    let slots: Vec<_> =
        world.slots.iter().filter(|slot| slot.kind != Kind::Server && !slot.is_witness()).collect();
    let slot = m.chance.pick(&slots);
    let live = slot.handle.try_write().and_then(|mut place| place.take());
    if let Some(live) = live {
        let result = call!(m, tme_client_destroy(live.pointer.cast()));
        m.must(result == TME_OK, format_args!("destroying a client gave {result}"));
    }
}

fn update(m: &mut Misuser<'_>) {
    let given = m.client(Intent::Harmless);
    let timeout = m.timeout();
    let result = call!(m, tme_client_update(handle(&given), timeout));
    m.judge(&given, result);
}

fn poll_client(m: &mut Misuser<'_>) {
    let given = m.client(Intent::Harmless);
    poll(m, &given, |m, client, events, capacity, count| {
        call!(m, tme_client_poll(client.cast(), events, capacity, count))
    });
}

/// Lets a conversation's client do its work.
pub fn turn(m: &mut Misuser<'_>, index: usize) {
    let given = m.given(index);
    call!(m, tme_client_update(handle(&given), 1));
    poll(m, &given, |m, client, events, capacity, count| {
        call!(m, tme_client_poll(client.cast(), events, capacity, count))
    });
}

fn flush(m: &mut Misuser<'_>) {
    let given = m.client(Intent::Harmless);
    let result = call!(m, tme_client_flush(handle(&given)));
    m.judge(&given, result);
}

fn wake(m: &mut Misuser<'_>) {
    let given = m.client(Intent::Harmless);
    let result = call!(m, tme_client_wake(handle(&given)));
    m.judge(&given, result);
}

fn close(m: &mut Misuser<'_>) {
    if !m.chance.one_in(LIVES) {
        return;
    }
    let given = m.client(Intent::Ending);
    let patience = m.chance.below(20) as u32;
    let result = call!(m, tme_client_close(handle(&given), patience));
    m.judge(&given, result);
}

/// What a send to the server must have led to.
fn judge_send(m: &Misuser<'_>, given: &Given<'_>, fate: Fate, result: i32) {
    m.judge(given, result);
    m.must(result != TME_PARTIAL, format_args!("one server cannot be many"));
    m.must(fate == Fate::Fine || result < 0, format_args!("a send without its bytes gave {result}"));
}

fn send(m: &mut Misuser<'_>) {
    let given = m.client(Intent::Harmless);
    let (channel, cargo, flags) = (m.channel(), m.cargo(), m.send_flags());
    let result = call!(m, tme_client_send(handle(&given), channel, cargo.pointer, cargo.length, flags));
    judge_send(m, &given, cargo.fate, result);
    m.must(flags <= 1 || result < 0, format_args!("flags {flags} gave {result}"));
}

fn send_with(m: &mut Misuser<'_>) {
    let given = m.client(Intent::Harmless);
    let (channel, cargo, mut kept) = (m.channel(), m.cargo(), Kept::default());
    let options = m.options(&mut kept);
    let result =
        call!(m, tme_client_send_with(handle(&given), channel, cargo.pointer, cargo.length, options));
    judge_send(m, &given, cargo.fate, result);
}

fn send_message(m: &mut Misuser<'_>) {
    let given = m.client(Intent::Harmless);
    let channel = m.channel();
    let result = message::hand_over(m, given.is_right(), |m, message, options| {
        call!(m, tme_client_send_message(handle(&given), channel, message, options))
    });
    judge_send(m, &given, Fate::Fine, result);
}

fn is_connected(m: &mut Misuser<'_>) {
    let given = m.client(Intent::Harmless);
    let result = call!(m, tme_client_is_connected(handle(&given)));
    m.judge(&given, result);
    m.must(!given.is_witness() || result == 1, format_args!("a conversation's client gave {result}"));
}

fn link(m: &mut Misuser<'_>) {
    let given = m.client(Intent::Harmless);
    let out = m.out::<u32>();
    let result = call!(m, tme_client_link(handle(&given), at(out.as_ref())));
    m.judge(&given, result);
    let Some(out) = out else {
        return m.must(result != TME_OK, format_args!("a link was told to nobody"));
    };
    let link: u32 = out.read();
    let is_known = matches!(link, TME_LINK_UDP | TME_LINK_TCP | TME_LINK_WEBSOCKET);
    let is_so = out.is_intact_after(4) && if result == TME_OK { is_known } else { link == 0 };
    m.must(is_so, format_args!("link {link} with {result}"));
    if link == TME_LINK_TCP || link == TME_LINK_WEBSOCKET {
        m.meet("tme_client_link", "over TCP", result);
    }
}

fn server_info(m: &mut Misuser<'_>) {
    let given = m.client(Intent::Harmless);
    let info = m.struct_out::<TmePeerInfo>(|m, info, size| {
        let result = call!(m, tme_client_server_info(handle(&given), info, size));
        m.judge(&given, result);
        result
    });
    let Some(info) = info else { return };
    let is_so =
        info.peer != 0 && (2..1 << 31).contains(&info.number) && info.address[63] == 0 && info.key[71] == 0;
    let is_so = is_so && (1..=3).contains(&info.link) && info.reserved == 0;
    m.must(is_so, format_args!("{info:?}"));
}

fn channel_by_name(m: &mut Misuser<'_>) {
    let given = m.client(Intent::Harmless);
    let mut kept = Kept::default();
    let name = m.any_text(&mut kept, &["ordered", "latest", "channel 1", "nobody's"]);
    let out = m.out::<u32>();
    let result = call!(m, tme_client_channel_by_name(handle(&given), name, at(out.as_ref())));
    m.judge(&given, result);
    let Some(out) = out else { return };
    let channel: u32 = out.read();
    m.must(
        channel <= 255 && (channel == 0 || result == TME_OK),
        format_args!("channel {channel} with {result}"),
    );
}

fn disconnect(m: &mut Misuser<'_>) {
    let given = m.client(Intent::Ending);
    let (code, cargo) = (m.chance.edgy(), m.cargo());
    let result = call!(m, tme_client_disconnect(handle(&given), code, cargo.pointer, cargo.length));
    m.judge(&given, result);
    let is_so = !given.is_right() || cargo.length <= 512 || result == TME_ERROR_TOO_LARGE;
    m.must(is_so, format_args!("a goodbye of {} bytes gave {result}", cargo.length));
}

fn rebind(m: &mut Misuser<'_>) {
    let given = m.client(Intent::Harmless);
    let mut kept = Kept::default();
    let addresses = ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "192.0.2.1:0", "nowhere"];
    let address = if m.chance.one_in(2) { null_mut() } else { m.any_text(&mut kept, &addresses).cast_mut() };
    let result = call!(m, tme_client_rebind(handle(&given), address));
    m.judge(&given, result);
}

fn set_rate_cap(m: &mut Misuser<'_>) {
    let given = m.client(Intent::Harmless);
    let rate = super::server::rate(m, given.is_witness());
    let result = call!(m, tme_client_set_rate_cap(handle(&given), rate));
    m.judge(&given, result);
}

fn statistics(m: &mut Misuser<'_>) {
    let given = m.client(Intent::Harmless);
    m.struct_out::<TmePeerStatistics>(|m, figures, size| {
        let result = call!(m, tme_client_statistics(handle(&given), figures, size));
        m.judge(&given, result);
        result
    });
}

fn server_time(m: &mut Misuser<'_>) {
    let given = m.client(Intent::Harmless);
    let time = m.struct_out::<TmeServerTime>(|m, time, size| {
        let result = call!(m, tme_client_server_time(handle(&given), time, size));
        m.judge(&given, result);
        result
    });
    m.must(time.is_none_or(|time| time.error_likely_us <= time.error_us), format_args!("{time:?}"));
}

fn synchronise_clock(m: &mut Misuser<'_>) {
    let given = m.client(Intent::Harmless);
    let result = call!(m, tme_client_synchronise_clock(handle(&given)));
    m.judge(&given, result);
}

fn channel_statistics(m: &mut Misuser<'_>) {
    let given = m.client(Intent::Harmless);
    let channel = m.channel();
    let figures = m.struct_out::<TmeChannelStatistics>(|m, figures, size| {
        let result = call!(m, tme_client_channel_statistics(handle(&given), channel, figures, size));
        m.judge(&given, result);
        result
    });
    m.must(figures.is_none_or(|figures| figures.channel == channel), format_args!("{figures:?}"));
}

fn send_budget(m: &mut Misuser<'_>) {
    let given = m.client(Intent::Harmless);
    let channel = m.channel();
    let budget = m.struct_out::<TmeSendBudget>(|m, budget, size| {
        let result = call!(m, tme_client_send_budget(handle(&given), channel, budget, size));
        m.judge(&given, result);
        result
    });
    m.must(budget.is_none_or(|budget| budget.channel == channel), format_args!("{budget:?}"));
}

fn engine_statistics(m: &mut Misuser<'_>) {
    let given = m.client(Intent::Harmless);
    m.struct_out::<TmeEngineStatistics>(|m, figures, size| {
        let result = call!(m, tme_client_engine_statistics(handle(&given), figures, size));
        m.judge(&given, result);
        result
    });
}

fn set_conditions(m: &mut Misuser<'_>) {
    let given = m.client(Intent::Harmless);
    let (direction, mut kept) = (m.direction(), Kept::default());
    let conditions = m.conditions(&mut kept, given.is_witness());
    let result = call!(m, tme_client_set_conditions(handle(&given), direction, conditions));
    m.judge(&given, result);
}

fn condition_statistics(m: &mut Misuser<'_>) {
    let given = m.client(Intent::Harmless);
    let direction = m.direction();
    m.struct_out::<TmeConditionStatistics>(|m, figures, size| {
        let result = call!(m, tme_client_condition_statistics(handle(&given), direction, figures, size));
        m.judge(&given, result);
        result
    });
}

fn local_address(m: &mut Misuser<'_>) {
    let given = m.client(Intent::Harmless);
    m.text_out(64, |m, buffer, capacity, needed| {
        let result = call!(m, tme_client_local_address(handle(&given), buffer, capacity, needed));
        m.judge(&given, result);
        result
    });
}

fn port(m: &mut Misuser<'_>) {
    let given = m.client(Intent::Harmless);
    let port = ask!(m, tme_client_port(handle(&given)));
    m.must(given.guise == Guise::Right || port == 0, format_args!("what is no client has port {port}"));
}
