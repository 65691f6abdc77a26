//! Network presets on the command line.

use tme::{Jitter, LinkChoice, LinkConditions, Preset};

use crate::{ExitReason, Failure, format};

/// Refuses to model a network for those who would not notice it.
///
/// # Errors
/// [`Failure`] if there is a preset and TCP is all there may be.
pub(crate) fn check(preset: Option<Preset>, choice: LinkChoice) -> Result<(), Failure> {
    match preset {
        Some(preset) if matches!(choice, LinkChoice::Tcp | LinkChoice::WebSocket) => Err(Failure::new(
            ExitReason::Usage,
            format_args!(
                "--net {preset} cannot go with --link {}: network conditions are modelled on datagrams, and TCP would hide \
                 them; leave one of the two out",
                if choice == LinkChoice::Tcp { "tcp" } else { "websocket" }
            ),
        )),
        _ => Ok(()),
    }
}

/// One line about a preset: `wifi (5 ms, jitter 2 ms, loss 1 % in bursts)`.
pub(crate) fn describe(preset: Option<Preset>) -> String {
    let Some(preset) = preset else { return "loopback as it is".to_owned() };
    let conditions = preset.conditions();
    let (up, down) = (conditions.up, conditions.down);
    let delay = if up.delay == down.delay {
        format::time(down.delay)
    } else {
        format!("{} up, {} down", format::time(up.delay), format::time(down.delay))
    };
    let mut parts = vec![delay];
    match down.jitter {
        Jitter::None => {}
        Jitter::Uniform { half_width } => parts.push(format!("jitter {}", format::time(half_width))),
        Jitter::Skewed { median, p99, .. } => {
            parts.push(format!("jitter {} to {}", format::time(median), format::time(p99)));
        }
    }
    parts.push(loss(&down));
    format!("{preset} ({})", parts.join(", "))
}

fn loss(conditions: &LinkConditions) -> String {
    match conditions.burst {
        Some(burst) => format!("loss {} in bursts", short_percent(burst.mean_loss())),
        None if conditions.loss > 0.0 => format!("loss {}", short_percent(conditions.loss)),
        None => "no loss".to_owned(),
    }
}

/// Without trailing zeros: `1 %`, `0.3 %`.
fn short_percent(share: f64) -> String {
    format!("{} %", (share * 1e6).round() / 1e4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_described_in_a_line() {
        let cases = [
            (None, "loopback as it is"),
            (Some(Preset::Lan), "lan (200 µs, jitter 50 µs to 300 µs, no loss)"),
            (Some(Preset::Wifi), "wifi (5.0 ms, jitter 2.0 ms, loss 1 % in bursts)"),
            (Some(Preset::Lte), "lte (28 ms up, 20 ms down, jitter 6.0 ms to 45 ms, loss 0.3 % in bursts)"),
            (Some(Preset::Transatlantic), "transatlantic (38 ms, jitter 1.0 ms to 8.0 ms, loss 0.1 %)"),
        ];
        for (preset, expected) in cases {
            assert_eq!(describe(preset), expected);
        }
    }
}
