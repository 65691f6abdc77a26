//! Functions without a handle: texts, keys, structs, conditions, the log.

use std::ffi::{CStr, c_char};
use std::ptr::null_mut;

use tme_capi::{
    TME_ERROR_ALREADY_INSTALLED, TME_ERROR_HANDLE, TME_ERROR_NULL, TME_OK, TmeConditions, TmeTick,
    TmeTokenInfo,
};

use super::Call;
use crate::misuser::{Misuser, ask, call};
use crate::settings::{KEYS, Kept};
use crate::world::Kind;

pub const CALLS: &[Call] = &[
    (2, version),
    (2, strings),
    (4, last_error),
    (2, key_generate),
    (3, key_public),
    (2, token_key_generate),
    (3, token_make),
    (3, token_open),
    (2, token_hints),
    (2, token_config_init),
    (2, server_config_init),
    (2, client_config_init),
    (2, send_options_init),
    (2, conditions_init),
    (4, conditions_preset),
    (2, tick_at),
    (1, no_job),
    (2, log_config_init),
    (2, log_init),
    (1, log_set_level),
    (1, log_lost_lines),
];

/// A text that is always there.
fn check_text(m: &Misuser<'_>, text: *const c_char) {
    m.must(!text.is_null(), format_args!("no text"));
    // SAFETY: these texts never go away.
    let text = unsafe { CStr::from_ptr(text) };
    m.must(text.to_str().is_ok_and(|text| !text.is_empty()), format_args!("text {text:?}"));
}

/// What is no job.
fn no_job(m: &mut Misuser<'_>) {
    // Kept until the end: nobody destroys the handle meanwhile.
    let wrong = m.wrong_handle(&[Kind::Client]);
    let results = [
        call!(m, tme_job_run(null_mut())),
        call!(m, tme_job_discard(null_mut())),
        call!(m, tme_job_run(wrong.pointer.cast())),
        call!(m, tme_job_discard(wrong.pointer.cast())),
    ];
    let expected = [TME_ERROR_NULL, TME_OK, TME_ERROR_HANDLE, TME_ERROR_HANDLE];
    m.must(results == expected, format_args!("{results:?} instead of {expected:?}"));
}

fn version(m: &mut Misuser<'_>) {
    let version = ask!(m, tme_version());
    m.must(version < 1_000_000_000, format_args!("version {version}"));
    let text = ask!(m, tme_version_string());
    check_text(m, text);
}

fn strings(m: &mut Misuser<'_>) {
    let number = m.chance.edgy();
    let text = ask!(m, tme_result_string((number as i32).wrapping_neg()));
    check_text(m, text);
    let text = ask!(m, tme_reason_string(number));
    check_text(m, text);
    let text = ask!(m, tme_event_string(number));
    check_text(m, text);
}

fn last_error(m: &mut Misuser<'_>) {
    m.text_out(513, |m, buffer, capacity, needed| call!(m, tme_last_error(buffer, capacity, needed)));
}

fn key_generate(m: &mut Misuser<'_>) {
    m.text_out(65, |m, buffer, capacity, needed| call!(m, tme_key_generate(buffer, capacity, needed)));
}

fn key_public(m: &mut Misuser<'_>) {
    let mut kept = Kept::default();
    let good = "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789ABCDEF";
    let secret = m.any_text(&mut kept, &[good, &good[..63], "0"]);
    m.text_out(65, |m, buffer, capacity, needed| call!(m, tme_key_public(secret, buffer, capacity, needed)));
}

fn token_key_generate(m: &mut Misuser<'_>) {
    m.text_out(65, |m, buffer, capacity, needed| call!(m, tme_token_key_generate(buffer, capacity, needed)));
}

fn token_config_init(m: &mut Misuser<'_>) {
    m.struct_out(|m, config, size| call!(m, tme_token_config_init(config, size)));
}

fn token_make(m: &mut Misuser<'_>) {
    let mut kept = Kept::default();
    let key = m.any_text(&mut kept, &KEYS);
    let config = m.token_config(&mut kept);
    m.text_out(935, |m, buffer, capacity, needed| {
        call!(m, tme_token_make(key, config, buffer, capacity, needed))
    });
}

fn token_open(m: &mut Misuser<'_>) {
    let mut kept = Kept::default();
    let key = m.any_text(&mut kept, &KEYS);
    let token = m.token(&mut kept);
    m.struct_out::<TmeTokenInfo>(|m, info, size| call!(m, tme_token_open(key, token, info, size)));
}

fn token_hints(m: &mut Misuser<'_>) {
    let mut kept = Kept::default();
    let token = m.token(&mut kept);
    m.text_out(400, |m, buffer, capacity, needed| call!(m, tme_token_hints(token, buffer, capacity, needed)));
}

fn tick_at(m: &mut Misuser<'_>) {
    let (time, rate) = (m.chance.edgy_wide(), m.chance.edgy());
    let tick = m.struct_out::<TmeTick>(|m, tick, size| call!(m, tme_tick_at(time, rate, tick, size)));
    let is_so = |tick: TmeTick| tick.begin_us <= time && (0.0..1.0).contains(&tick.phase);
    m.must(tick.is_none_or(is_so), format_args!("{time} µs at {rate} Hz: {tick:?}"));
}

fn server_config_init(m: &mut Misuser<'_>) {
    m.struct_out(|m, config, size| call!(m, tme_server_config_init(config, size)));
}

fn client_config_init(m: &mut Misuser<'_>) {
    m.struct_out(|m, config, size| call!(m, tme_client_config_init(config, size)));
}

fn send_options_init(m: &mut Misuser<'_>) {
    m.struct_out(|m, options, size| call!(m, tme_send_options_init(options, size)));
}

fn conditions_init(m: &mut Misuser<'_>) {
    m.struct_out(|m, conditions, size| call!(m, tme_conditions_init(conditions, size)));
}

fn conditions_preset(m: &mut Misuser<'_>) {
    let mut kept = Kept::default();
    let presets = ["lan", "wifi", "wifi_bad", "lte", "transatlantic", "satellite", "carrier-pigeon"];
    let preset = m.any_text(&mut kept, &presets);
    let path = if m.chance.one_in(4) { m.chance.edgy() } else { 1 + m.chance.below(2) as u32 };
    m.struct_out::<TmeConditions>(|m, conditions, size| {
        call!(m, tme_conditions_preset(preset, path, conditions, size))
    });
}

fn log_config_init(m: &mut Misuser<'_>) {
    m.struct_out(|m, config, size| call!(m, tme_log_config_init(config, size)));
}

fn log_init(m: &mut Misuser<'_>) {
    let mut kept = Kept::default();
    let config = m.log_config(&mut kept);
    let result = call!(m, tme_log_init(config));
    m.must(result != TME_OK, format_args!("a second log was installed"));
    if m.chance.one_in(4) {
        // SAFETY: zero is a value of every field.
        let mut good: tme_capi::TmeLogConfig = unsafe { std::mem::zeroed() };
        (good.struct_size, good.callback_level) = (size_of_val(&good) as u32, 1);
        good.callback = Some(crate::watch::log_line);
        good.user_data = null_mut();
        let result = call!(m, tme_log_init(&raw const good));
        m.must(result == TME_ERROR_ALREADY_INSTALLED, format_args!("a second log gave {result}"));
    }
}

fn log_set_level(m: &mut Misuser<'_>) {
    let sink = if m.chance.one_in(8) { m.chance.edgy() } else { 1 + m.chance.below(3) as u32 };
    let level = match m.chance.below(16) {
        0 => m.chance.edgy(),
        // Everything is a lot.
        1 => 4 + m.chance.below(2) as u32,
        _ => m.chance.below(4) as u32,
    };
    let result = call!(m, tme_log_set_level(sink, level));
    let is_known = (1..=3).contains(&sink) && level <= 5;
    m.must((result == TME_OK) == is_known, format_args!("level {level} of sink {sink} gave {result}"));
}

fn log_lost_lines(m: &mut Misuser<'_>) {
    ask!(m, tme_log_lost_lines());
}
