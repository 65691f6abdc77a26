//! Functions of queriers. Each misdeed has one of its own: who may use one when is told by their functions' comments.

use std::ffi::c_char;
use std::ptr::null_mut;
use std::sync::atomic::Ordering;

use tme_capi::{
    TME_ERROR_HANDLE, TME_ERROR_NULL, TME_ERROR_UNKNOWN_QUERY, TME_EVENT_SERVER_INFO, TME_OK, TmeEvent,
    TmeQuerier, TmeServerInfo,
};

use super::Call;
use crate::misuser::{Misuser, bytes_at, call};
use crate::place::Place;
use crate::settings::Kept;
use crate::world::Kind;

pub const CALLS: &[Call] = &[(1, session), (1, ask_once), (1, application_id), (2, no_querier)];

fn at<T>(place: Option<&Place>) -> *mut T {
    place.map_or(null_mut(), Place::at)
}

/// A server of this world, or an address where nobody is.
fn address(m: &mut Misuser<'_>, kept: &mut Kept) -> *const c_char {
    let servers = m.world.slots.iter().filter(|slot| slot.kind == Kind::Server);
    let ports: Vec<u16> = servers.map(|slot| slot.port.load(Ordering::Relaxed)).collect();
    let port = m.chance.pick(&ports);
    m.any_text(kept, &[&format!("127.0.0.1:{port}"), "127.0.0.1:1", "[::1]:1", "127.0.0.1", ":1"])
}

fn session(m: &mut Misuser<'_>) {
    let out = m.out::<*mut TmeQuerier>();
    let patience = m.chance.pick(&[1, 5, 50, u32::MAX]);
    let result = match m.chance.one_in(2) {
        true => call!(m, tme_querier_create(patience, at(out.as_ref()))),
        false => {
            let (executor, user_data) = m.executor();
            call!(m, tme_querier_create_with(patience, executor, user_data, at(out.as_ref())))
        }
    };
    let Some(out) = out else {
        return m.must(result == TME_ERROR_NULL, format_args!("a querier was made for nobody"));
    };
    let querier: *mut TmeQuerier = out.read();
    m.must(querier.is_null() == (result != TME_OK), format_args!("result {result} with querier {querier:?}"));
    if querier.is_null() {
        return;
    }
    let mut queries = Vec::new();
    for _ in 0..m.chance.below(30) {
        match m.chance.below(5) {
            0 | 1 => {
                let mut kept = Kept::default();
                let (address, query) = (address(m, &mut kept), m.out::<u64>());
                let result = call!(m, tme_querier_ask(querier, address, at(query.as_ref())));
                if let Some(query) = query {
                    let query: u64 = query.read();
                    m.must((query != 0) == (result == TME_OK), format_args!("{result} with query {query}"));
                    queries.push(query);
                }
            }
            2 => {
                let timeout = m.chance.below(3) as u32;
                call!(m, tme_querier_update(querier, timeout));
            }
            3 => poll(m, querier),
            _ => {
                let query = if queries.is_empty() { m.chance.edgy_wide() } else { m.chance.pick(&queries) };
                server_info(m, querier, query);
            }
        }
        let count = m.out::<u32>();
        let result = call!(m, tme_querier_open_count(querier, at(count.as_ref())));
        m.must((result == TME_OK) == count.is_some(), format_args!("counting gave {result}"));
        let open = count.map_or(0, |count| count.read::<u32>());
        m.must(open <= 1_024, format_args!("{open} queries are open"));
    }
    let result = call!(m, tme_querier_destroy(querier));
    m.must(result == TME_OK, format_args!("destroying a querier gave {result}"));
}

fn poll(m: &mut Misuser<'_>, querier: *mut TmeQuerier) {
    let room = m.chance.below(6);
    let place = Place::careless(&mut m.chance, room * size_of::<TmeEvent>());
    let events = if m.chance.one_in(12) { null_mut() } else { place.at::<TmeEvent>() };
    let count = m.out::<u32>();
    let result = call!(m, tme_querier_poll(querier, events, room as u32, at(count.as_ref())));
    let taken = count.as_ref().map_or(0, Place::read::<u32>) as usize;
    m.must(taken <= room && (result == TME_OK || taken == 0), format_args!("{taken} of {room}: {result}"));
    let is_lie = count.is_none() || !events.is_aligned() || (events.is_null() && room > 0);
    m.must((result != TME_OK) == is_lie, format_args!("{room} events at {events:?} gave {result}"));
    m.must(
        place.is_intact_after(taken * size_of::<TmeEvent>()),
        format_args!("written beyond {taken} events"),
    );
    for index in 0..taken {
        // SAFETY: that many were written.
        let event = unsafe { events.add(index).read() };
        // SAFETY: nobody polls or destroys this querier meanwhile.
        let bytes = unsafe { bytes_at(event.data.cast(), event.length) };
        let is_so = event.r#type == TME_EVENT_SERVER_INFO
            && (event.flags, event.peer, event.channel, event.message, event.reserved) == (0, 0, 0, 0, 0)
            && event.token != 0
            && [0, 110, 112].contains(&event.reason)
            && (event.reason == 0 || std::str::from_utf8(bytes).is_ok_and(|text| !text.is_empty()))
            && event.data.is_null() == (event.length == 0);
        m.must(is_so, format_args!("{event:?}"));
        let info = server_info(m, querier, event.token);
        m.must(
            info.is_none_or(|info| info.information_bytes as usize == bytes.len()),
            format_args!("{event:?}"),
        );
    }
    // What has been asked about it since is gone.
    if taken == 0 {
        server_info(m, querier, 0);
    }
}

fn server_info(m: &mut Misuser<'_>, querier: *mut TmeQuerier, query: u64) -> Option<TmeServerInfo> {
    let info = m.struct_out::<TmeServerInfo>(|m, info, size| {
        let result = call!(m, tme_querier_server_info(querier, query, info, size));
        m.must(query != 0 || result == TME_ERROR_UNKNOWN_QUERY, format_args!("query 0 gave {result}"));
        result
    });
    check(m, info);
    info
}

fn check(m: &Misuser<'_>, info: Option<TmeServerInfo>) {
    let is_so = |info: TmeServerInfo| {
        let bytes = info.information_bytes as usize;
        bytes <= 512 && info.information[bytes..].iter().all(|&byte| byte == 0) && info.flags & !15 == 0
    };
    m.must(info.is_none_or(is_so), format_args!("{info:?}"));
}

fn ask_once(m: &mut Misuser<'_>) {
    let mut kept = Kept::default();
    let (address, patience) = (address(m, &mut kept), 1 + m.chance.below(20) as u32);
    let info =
        m.struct_out::<TmeServerInfo>(|m, info, size| call!(m, tme_query_ask(address, patience, info, size)));
    check(m, info);
}

fn application_id(m: &mut Misuser<'_>) {
    let mut kept = Kept::default();
    let (name, id) = (m.any_text(&mut kept, &["", "game"]), m.out::<u64>());
    let result = call!(m, tme_query_application_id(name, at(id.as_ref())));
    let is_so = id.is_some() || result == TME_ERROR_NULL;
    m.must(is_so, format_args!("a number for nobody gave {result}"));
}

/// All of them refuse what is no querier.
fn no_querier(m: &mut Misuser<'_>) {
    // Kept until the end: nobody destroys the handle meanwhile.
    let wrong = m.wrong_handle(&[Kind::Client]);
    let (pointer, expected) = match m.chance.one_in(3) {
        true => (null_mut(), TME_ERROR_NULL),
        false => (wrong.pointer, TME_ERROR_HANDLE),
    };
    let querier = pointer.cast::<TmeQuerier>();
    let mut events = [const { std::mem::MaybeUninit::<TmeEvent>::uninit() }; 2];
    let (mut count, mut query, mut kept) = (7, 7, Kept::default());
    let address = m.text_of_nobody(&mut kept);
    let events = events.as_mut_ptr().cast();
    let results = [
        call!(m, tme_querier_ask(querier, address, &raw mut query)),
        call!(m, tme_querier_update(querier, 0)),
        call!(m, tme_querier_poll(querier, events, 2, &raw mut count)),
        call!(m, tme_querier_open_count(querier, &raw mut count)),
    ];
    m.must(results == [expected; 4] && (count, query) == (0, 0), format_args!("{results:?}, not {expected}"));
    let result = call!(m, tme_querier_destroy(querier));
    let expected = if pointer.is_null() { TME_OK } else { TME_ERROR_HANDLE };
    m.must(result == expected, format_args!("destroying what is no querier gave {result}"));
}
