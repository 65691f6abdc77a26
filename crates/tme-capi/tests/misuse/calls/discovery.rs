//! Functions of discoveries. Each misdeed has one of its own: who may use one when is told by their functions' comments. None looks
//! beyond this machine.

use std::ffi::CStr;
use std::ptr::null_mut;

use tme_capi::{
    TME_ERROR_BUFFER_TOO_SMALL, TME_ERROR_HANDLE, TME_ERROR_NULL, TME_ERROR_UNKNOWN_SERVER,
    TME_EVENT_FLAG_CHANGED, TME_EVENT_SERVER_FOUND, TME_EVENT_SERVER_LOST, TME_OK, TmeDiscovery,
    TmeDiscoveryConfig, TmeEvent, TmeFoundServer,
};

use super::Call;
use crate::misuser::{Misuser, bytes_at, call};
use crate::place::Place;
use crate::settings::Kept;
use crate::world::Kind;

pub const CALLS: &[Call] = &[(1, session), (1, config_init), (1, unused), (2, no_discovery)];

fn at<T>(place: Option<&Place>) -> *mut T {
    place.map_or(null_mut(), Place::at)
}

fn config_init(m: &mut Misuser<'_>) {
    let config = m.struct_out::<TmeDiscoveryConfig>(|m, config, size| {
        call!(m, tme_discovery_config_init(config, size))
    });
    let is_so = |config: TmeDiscoveryConfig| config.port == 7_776 && config.flags == 0;
    m.must(config.is_none_or(is_so), format_args!("{config:?}"));
}

/// One with the default settings, which would ask on every network: it is never updated.
fn unused(m: &mut Misuser<'_>) {
    let out = m.out::<*mut TmeDiscovery>();
    let result = call!(m, tme_discovery_create(std::ptr::null(), at(out.as_ref())));
    let Some(out) = out else {
        return m.must(result == TME_ERROR_NULL, format_args!("a discovery was made for nobody"));
    };
    let discovery: *mut TmeDiscovery = out.read();
    m.must(discovery.is_null() == (result != TME_OK), format_args!("{result} with {discovery:?}"));
    call!(m, tme_discovery_destroy(discovery));
}

fn session(m: &mut Misuser<'_>) {
    let mut kept = Kept::default();
    let config = m.discovery_config(&mut kept);
    let out = m.out::<*mut TmeDiscovery>();
    let result = call!(m, tme_discovery_create(config, at(out.as_ref())));
    let Some(out) = out else {
        return m.must(result < 0, format_args!("a discovery was made for nobody"));
    };
    let discovery: *mut TmeDiscovery = out.read();
    m.must(discovery.is_null() == (result != TME_OK), format_args!("{result} with {discovery:?}"));
    if discovery.is_null() {
        return;
    }
    for _ in 0..m.chance.below(20) {
        match m.chance.below(6) {
            0 => {
                let time = m.chance.below(30) as u32;
                call!(m, tme_discovery_search(discovery, time));
            }
            1 => {
                let timeout = m.chance.below(20) as u32;
                call!(m, tme_discovery_update(discovery, timeout));
            }
            2 => poll(m, discovery),
            3 => servers(m, discovery),
            4 => {
                let id = m.chance.edgy_wide();
                server(m, discovery, id);
            }
            _ => problems(m, discovery),
        }
    }
    let result = call!(m, tme_discovery_destroy(discovery));
    m.must(result == TME_OK, format_args!("destroying a discovery gave {result}"));
}

fn poll(m: &mut Misuser<'_>, discovery: *mut TmeDiscovery) {
    let room = m.chance.below(6);
    let place = Place::careless(&mut m.chance, room * size_of::<TmeEvent>());
    let events = if m.chance.one_in(12) { null_mut() } else { place.at::<TmeEvent>() };
    let count = m.out::<u32>();
    let result = call!(m, tme_discovery_poll(discovery, events, room as u32, at(count.as_ref())));
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
        // SAFETY: nobody polls or destroys this discovery meanwhile.
        let name = unsafe { bytes_at(event.data.cast(), event.length) };
        let is_so = [TME_EVENT_SERVER_FOUND, TME_EVENT_SERVER_LOST].contains(&event.r#type)
            && event.flags & !TME_EVENT_FLAG_CHANGED == 0
            && (event.peer, event.channel, event.reason, event.message, event.reserved) == (0, 0, 0, 0, 0)
            && event.token != 0
            && std::str::from_utf8(name)
                .is_ok_and(|name| name.len() <= 64 && !name.contains(char::is_control))
            && event.data.is_null() == (event.length == 0);
        m.must(is_so, format_args!("{event:?}"));
        server(m, discovery, event.token);
    }
}

fn servers(m: &mut Misuser<'_>, discovery: *mut TmeDiscovery) {
    let room = m.chance.below(6);
    let place = Place::careless(&mut m.chance, room * 8);
    let array = if m.chance.one_in(12) { null_mut() } else { place.at::<u64>() };
    let count = m.out::<u32>();
    let result = call!(m, tme_discovery_servers(discovery, array, room as u32, at(count.as_ref())));
    let there = count.as_ref().map_or(0, Place::read::<u32>) as usize;
    m.must(there <= 1_024, format_args!("{there} servers"));
    let is_known = result == TME_OK || result == TME_ERROR_BUFFER_TOO_SMALL;
    m.must(is_known || there == 0, format_args!("{there} servers with {result}"));
    m.must(
        (result == TME_ERROR_BUFFER_TOO_SMALL) == (there > room),
        format_args!("{there} of {room}: {result}"),
    );
    m.must(place.is_intact_after(there.min(room) * 8), format_args!("written beyond {there} ids"));
    if is_known {
        for index in 0..there.min(room) {
            // SAFETY: that many were written.
            let id = unsafe { array.add(index).read_unaligned() };
            server(m, discovery, id);
        }
    }
}

fn server(m: &mut Misuser<'_>, discovery: *mut TmeDiscovery, id: u64) {
    let info = m.struct_out::<TmeFoundServer>(|m, info, size| {
        let result = call!(m, tme_discovery_server(discovery, id, info, size));
        m.must(id != 0 || result == TME_ERROR_UNKNOWN_SERVER, format_args!("server 0 gave {result}"));
        result
    });
    let is_so = |info: TmeFoundServer| {
        // SAFETY: the fields are zero behind their texts, which are shorter.
        let (address, all) =
            unsafe { (CStr::from_ptr(info.address.as_ptr()), CStr::from_ptr(info.addresses.as_ptr())) };
        info.id == id
            && all.to_bytes().starts_with(address.to_bytes())
            && address.to_str().is_ok_and(|text| text.parse::<std::net::SocketAddr>().is_ok())
            && info.information_bytes <= 512
            && info.flags & !15 == 0
    };
    m.must(info.is_none_or(is_so), format_args!("{info:?}"));
}

fn problems(m: &mut Misuser<'_>, discovery: *mut TmeDiscovery) {
    let room = m.chance.below(200);
    let place = Place::careless(&mut m.chance, room);
    let needed = m.out::<usize>();
    let result = call!(m, tme_discovery_problems(discovery, place.at(), room, at(needed.as_ref())));
    m.must([TME_OK, TME_ERROR_BUFFER_TOO_SMALL].contains(&result), format_args!("problems gave {result}"));
    let fits = needed.map(|needed| needed.read::<usize>() <= room);
    m.must(fits.is_none_or(|fits| fits == (result == TME_OK)), format_args!("{fits:?} with {result}"));
}

/// All of them refuse what is no discovery.
fn no_discovery(m: &mut Misuser<'_>) {
    // Kept until the end: nobody destroys the handle meanwhile.
    let wrong = m.wrong_handle(&[Kind::Client]);
    let (pointer, expected) = match m.chance.one_in(3) {
        true => (null_mut(), TME_ERROR_NULL),
        false => (wrong.pointer, TME_ERROR_HANDLE),
    };
    let discovery = pointer.cast::<TmeDiscovery>();
    let mut events = [const { std::mem::MaybeUninit::<TmeEvent>::uninit() }; 2];
    let (mut count, mut listed, mut needed, mut ids) = (7, 7, 7, [0; 2]);
    let events = events.as_mut_ptr().cast();
    let results = [
        call!(m, tme_discovery_search(discovery, 0)),
        call!(m, tme_discovery_update(discovery, 0)),
        call!(m, tme_discovery_poll(discovery, events, 2, &raw mut count)),
        call!(m, tme_discovery_servers(discovery, ids.as_mut_ptr(), 2, &raw mut listed)),
        call!(m, tme_discovery_problems(discovery, null_mut(), 0, &raw mut needed)),
    ];
    let is_so = results == [expected; 5] && (count, listed, needed) == (0, 0, 0);
    m.must(is_so, format_args!("{results:?}, not {expected}"));
    let result = call!(m, tme_discovery_destroy(discovery));
    let expected = if pointer.is_null() { TME_OK } else { TME_ERROR_HANDLE };
    m.must(result == expected, format_args!("destroying what is no discovery gave {result}"));
}
