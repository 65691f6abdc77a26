//! Receipts: what became of messages on a bad line. Needs no server; what the client sends comes back to it.
//!
//! ```console
//! $ cargo run -p tme-examples --bin receipts
//! ```
#![forbid(unsafe_code)]

use std::time::Duration;

use tme::{Client, Direction, Event, LinkConditions, SendOptions};

const SHOTS: u64 = 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut client = Client::builder().start_echo()?;
    let (mut hits, mut late) = (0, 0);
    while hits + late < SHOTS {
        client.update(Duration::from_millis(5))?;
        for event in client.events() {
            match event {
                Event::Connected { .. } => {
                    // Two in five datagrams are lost.
                    let bad =
                        LinkConditions { loss: 0.4, delay: Duration::from_millis(20), ..Default::default() };
                    client.set_conditions(Direction::Outgoing, Some(bad))?;
                    // A shot that is not there after 80 ms is worth nothing: it is not sent again then, although the
                    // channel is reliable, and those behind it need not wait.
                    let in_time = SendOptions::none().deadline(Duration::from_millis(80));
                    for shot in 1..=SHOTS {
                        client.send_with(0, format!("shot {shot}"), in_time.receipt(shot).flush())?;
                    }
                }
                Event::Delivered { token, .. } => {
                    hits += 1;
                    println!("shot {token} arrived");
                }
                Event::Expired { token, reason, never_sent, .. } => {
                    late += 1;
                    println!("shot {token}: {reason}{}", if never_sent { ", never sent" } else { "" });
                }
                Event::Disconnected { reason, .. } => return Err(reason.to_string().into()),
                _ => {}
            }
        }
    }
    println!("{hits} arrived, {late} may have");
    Ok(())
}
