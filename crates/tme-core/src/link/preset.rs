//! Named network conditions.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use super::burst::BurstLoss;
use super::conditions::{Bottleneck, LinkConditions};
use super::jitter::Jitter;
use crate::time::Duration;

/// Network conditions by name, for trying a game under.
///
/// The numbers are round ones that such networks often show, not the measurement of a particular one; all are
/// one-way. Rates and queues count IPv4 and UDP headers. The table in `docs/NETWORK_CONDITIONS.md` puts them
/// side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Preset {
    /// `lan`: a wired local network. 0.2 ms; skewed jitter (median 0.05 ms, p99 0.3 ms, at most 2 ms); no loss;
    /// 1 Gbit/s both ways, queue of 5 ms; MTU 1,500.
    Lan,
    /// `wifi`: good Wi-Fi to a near server. 5 ms ± 2 ms, uniform, in order; 1 % loss in bursts of 3 datagrams;
    /// 40 Mbit/s both ways, queue of 50 ms; MTU 1,500.
    Wifi,
    /// `wifi_bad`: Wi-Fi two walls away with busy neighbours. 8 ms; skewed jitter (median 6 ms, p99 80 ms, at
    /// most 250 ms), in order; 5 % loss in bursts of 8; 4 Mbit/s both ways, queue of 300 ms; MTU 1,500.
    WifiBad,
    /// `lte`: a phone network. 28 ms up (the phone waits for its grant), 20 ms down; skewed jitter (median
    /// 6 ms, p99 45 ms, at most 200 ms), in order; 0.3 % loss in bursts of 2; 8 Mbit/s up with a queue of
    /// 500 ms, 30 Mbit/s down with 300 ms; MTU 1,358 (the tunnel to the core network takes the rest).
    Lte,
    /// `transatlantic`: a wired home to a server across the ocean. 38 ms; skewed jitter (median 1 ms, p99 8 ms,
    /// at most 40 ms), in order; 0.1 % independent loss; 0.05 % held back by 3 ms; 0.01 % duplicated within
    /// 10 ms; 20 Mbit/s up, 100 Mbit/s down, queue of 50 ms; MTU 1,500.
    Transatlantic,
    /// `satellite`: a geostationary satellite, 35,786 km up. 280 ms; skewed jitter (median 10 ms, p99 60 ms, at
    /// most 250 ms), in order; 0.5 % loss in bursts of 5; 3 Mbit/s up, 25 Mbit/s down, queue of 400 ms;
    /// MTU 1,500.
    Satellite,
}

/// The conditions of both directions of a path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PathConditions {
    /// From the client to the server.
    pub up: LinkConditions,
    /// From the server to the client.
    pub down: LinkConditions,
}

/// No preset has this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsePresetError {
    name: Box<str>,
}

const ETHERNET_MTU_BYTES: u32 = 1_500;
/// 3GPP TS 23.501, annex J: 1,500 less what IPsec and GTP-U headers take in the worst case.
const LTE_MTU_BYTES: u32 = 1_358;

impl Preset {
    /// All presets, from the best network to the slowest.
    pub const ALL: [Self; 6] =
        [Self::Lan, Self::Wifi, Self::WifiBad, Self::Lte, Self::Transatlantic, Self::Satellite];

    /// The name: lower case, words joined by `_`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lan => "lan",
            Self::Wifi => "wifi",
            Self::WifiBad => "wifi_bad",
            Self::Lte => "lte",
            Self::Transatlantic => "transatlantic",
            Self::Satellite => "satellite",
        }
    }

    /// The conditions of each direction. They are valid.
    #[must_use]
    pub fn conditions(self) -> PathConditions {
        match self {
            Self::Lan => both_ways(LinkConditions {
                delay: us(200),
                jitter: Jitter::Skewed { median: us(50), p99: us(300), max: ms(2) },
                bottleneck: mbit(1_000, ms(5)),
                ..ethernet()
            }),
            Self::Wifi => both_ways(LinkConditions {
                burst: bursts(0.01, 3.0),
                delay: ms(5),
                jitter: Jitter::Uniform { half_width: ms(2) },
                bottleneck: mbit(40, ms(50)),
                ..ethernet()
            }),
            Self::WifiBad => both_ways(LinkConditions {
                burst: bursts(0.05, 8.0),
                delay: ms(8),
                jitter: Jitter::Skewed { median: ms(6), p99: ms(80), max: ms(250) },
                bottleneck: mbit(4, ms(300)),
                ..ethernet()
            }),
            Self::Lte => {
                let down = LinkConditions {
                    burst: bursts(0.003, 2.0),
                    delay: ms(20),
                    jitter: Jitter::Skewed { median: ms(6), p99: ms(45), max: ms(200) },
                    bottleneck: mbit(30, ms(300)),
                    mtu_bytes: Some(LTE_MTU_BYTES),
                    ..LinkConditions::default()
                };
                PathConditions {
                    up: LinkConditions { delay: ms(28), bottleneck: mbit(8, ms(500)), ..down },
                    down,
                }
            }
            Self::Transatlantic => {
                let down = LinkConditions {
                    loss: 0.001,
                    delay: ms(38),
                    jitter: Jitter::Skewed { median: ms(1), p99: ms(8), max: ms(40) },
                    reorder: 0.000_5,
                    reorder_delay: ms(3),
                    duplicate: 0.000_1,
                    bottleneck: mbit(100, ms(50)),
                    ..ethernet()
                };
                PathConditions { up: LinkConditions { bottleneck: mbit(20, ms(50)), ..down }, down }
            }
            Self::Satellite => {
                let down = LinkConditions {
                    burst: bursts(0.005, 5.0),
                    delay: ms(280),
                    jitter: Jitter::Skewed { median: ms(10), p99: ms(60), max: ms(250) },
                    bottleneck: mbit(25, ms(400)),
                    ..ethernet()
                };
                PathConditions { up: LinkConditions { bottleneck: mbit(3, ms(400)), ..down }, down }
            }
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Preset {
    type Err = ParsePresetError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|preset| preset.name() == name);
        found.ok_or_else(|| ParsePresetError { name: name.into() })
    }
}

impl fmt::Display for ParsePresetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no network preset is named {:?}; there are", self.name)?;
        Preset::ALL.iter().try_for_each(|preset| write!(f, " {preset}"))
    }
}

impl Error for ParsePresetError {}

fn both_ways(conditions: LinkConditions) -> PathConditions {
    PathConditions { up: conditions, down: conditions }
}

fn ethernet() -> LinkConditions {
    LinkConditions { mtu_bytes: Some(ETHERNET_MTU_BYTES), ..LinkConditions::default() }
}

/// `None` if the means do not fit together, which a test excludes.
fn bursts(mean_loss: f64, mean_burst_datagrams: f64) -> Option<BurstLoss> {
    BurstLoss::from_mean(mean_loss, mean_burst_datagrams).ok()
}

fn mbit(mbit_per_second: u64, queue_time: Duration) -> Option<Bottleneck> {
    Some(Bottleneck::with_queue_time(mbit_per_second * 125_000, queue_time))
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn us(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../../docs/NETWORK_CONDITIONS.md");

    #[test]
    fn every_preset_is_valid_and_found_by_its_name() {
        for preset in Preset::ALL {
            assert_eq!(preset.to_string().parse(), Ok(preset));
            let PathConditions { up, down } = preset.conditions();
            assert_eq!((up.validate(), down.validate()), (Ok(()), Ok(())), "{preset}");
        }
        let error = "wlan".parse::<Preset>().expect_err("not a preset").to_string();
        let names = "lan wifi wifi_bad lte transatlantic satellite";
        assert_eq!(error, format!("no network preset is named \"wlan\"; there are {names}"));
    }

    #[test]
    fn the_page_shows_the_numbers_that_are_used() {
        for preset in Preset::ALL {
            let PathConditions { up, down } = preset.conditions();
            let row = [
                format!("`{preset}`"),
                each_way(millis(up.delay), millis(down.delay)),
                each_way(jitter(&up), jitter(&down)),
                each_way(loss(&up), loss(&down)),
                each_way(rate(&up), rate(&down)),
                each_way(queue(&up), queue(&down)),
                each_way(mtu(&up), mtu(&down)),
            ];
            let row = format!("| {} |", row.join(" | "));
            assert!(PAGE.contains(&row), "docs/NETWORK_CONDITIONS.md lacks the row\n{row}");
        }
    }

    fn each_way(up: String, down: String) -> String {
        if up == down { up } else { format!("{up} up, {down} down") }
    }

    fn millis(duration: Duration) -> String {
        format!("{} ms", duration.as_micros() as f64 / 1_000.0)
    }

    fn jitter(conditions: &LinkConditions) -> String {
        match conditions.jitter {
            Jitter::None => "none".into(),
            Jitter::Uniform { half_width } => format!("± {}", millis(half_width)),
            Jitter::Skewed { median, p99, max } => {
                [median, p99, max].map(|time| (time.as_micros() as f64 / 1_000.0).to_string()).join(" / ")
                    + " ms"
            }
        }
    }

    fn loss(conditions: &LinkConditions) -> String {
        let percent = |probability: f64| (probability * 1e6).round() / 1e4;
        match conditions.burst {
            Some(burst) => format!("{} % in bursts of {}", percent(burst.mean_loss()), 1.0 / burst.leave_bad),
            None => format!("{} %", percent(conditions.loss)),
        }
    }

    fn rate(conditions: &LinkConditions) -> String {
        conditions
            .bottleneck
            .map_or("any".into(), |narrow| format!("{} Mbit/s", narrow.bytes_per_second / 125_000))
    }

    fn queue(conditions: &LinkConditions) -> String {
        conditions.bottleneck.map_or("none".into(), |narrow| {
            format!("{} ms", narrow.queue_bytes * 1_000 / narrow.bytes_per_second)
        })
    }

    fn mtu(conditions: &LinkConditions) -> String {
        conditions.mtu_bytes.map_or("any".into(), |bytes| bytes.to_string())
    }
}
